//! The stages before the proxy, one in each file. Each is a layer of tower; [`stack`](super::stack) has their
//! order.

mod count;
mod health;
mod lead;
mod limit;

use std::future::{Ready, ready};

use futures_util::future::Either;
use http::Response;

pub(super) use self::count::{Count, CountLayer, Counted};
pub(super) use self::health::{Health, HealthLayer};
pub(super) use self::lead::{Lead, LeadLayer, Led};
pub(super) use self::limit::{Limit, LimitLayer, too_large};
use super::stack::Never;
use crate::bext::node::body::Body;

/// What a stage gives that answers some requests itself: its own response, or that of what stands behind it.
type Answer<F> = Either<Ready<Result<Response<Body>, Never>>, F>;

fn own<F>(response: Response<Body>) -> Answer<F> {
    Either::Left(ready(Ok(response)))
}
