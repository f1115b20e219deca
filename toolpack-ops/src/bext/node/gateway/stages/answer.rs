//! What a stage gives that answers some requests itself, and hands on the others.

use std::convert::Infallible;
use std::future::{Ready, ready};

use futures_util::future::Either;
use http::Response;

use crate::bext::node::body::Body;

/// Its own response, or that of what stands behind it. No stage fails: what goes wrong is a response.
pub(super) type Answer<F> = Either<Ready<Result<Response<Body>, Infallible>>, F>;

pub(super) fn own<F>(response: Response<Body>) -> Answer<F> {
    Either::Left(ready(Ok(response)))
}
