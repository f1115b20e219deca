//! The stage that limits: how much is under way at once, and how large, how silent and how coded the body of
//! a request may be.

use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::future::Either;
use http::{Request, Response, StatusCode};
use http_body::Body as HttpBody;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tower_layer::Layer;
use tower_service::Service;

use super::answer::{Answer, own};
use crate::bext::node::body::{self, Body};
use crate::bext::node::gateway::answers::{Form, Refusal};
use crate::bext::node::gateway::bodies::Upload;
use crate::bext::node::gateway::figures::Counters;
use crate::bext::node::gateway::headers;
use crate::bext::node::gateway::visit::Visit;

#[derive(Clone, Debug)]
pub(crate) struct LimitLayer(Arc<Counters>);

impl LimitLayer {
    pub(crate) fn new(counters: Arc<Counters>) -> Self {
        Self(counters)
    }
}

impl<S> Layer<S> for LimitLayer {
    type Service = Limit<S>;

    fn layer(&self, inner: S) -> Limit<S> {
        Limit { inner, counters: self.0.clone() }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Limit<S> {
    inner: S,
    counters: Arc<Counters>,
}

impl<S> Limit<S> {
    /// Why a request is not taken, if it is not.
    fn refusal(&self, request: &Request<Incoming>) -> Option<Refusal> {
        let settings = &request.extensions().get::<Visit>()?.settings;
        // The request itself is counted already.
        if self.counters.in_flight() > settings.max_in_flight {
            return Some(Refusal::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "too_many_requests",
                "too many requests are under way; max_in_flight of the gateway says how many there may be",
            ));
        }
        if !headers::is_plainly_coded(request.headers()) {
            return Some(Refusal::new(
                StatusCode::NOT_IMPLEMENTED,
                "transfer_coding_unsupported",
                "the only transfer coding that this gateway has is chunked; Content-Encoding says how a body is compressed",
            ));
        }
        (announced(request) > settings.max_body_bytes).then(Refusal::body_too_large)
    }
}

/// A request whose body is held to its limits.
fn limited(request: Request<Incoming>) -> Request<Body> {
    let limits = request
        .extensions()
        .get()
        .map(|Visit { settings, .. }| (settings.max_body_bytes, settings.idle_timeout));
    request.map(|incoming| match limits {
        Some((max_bytes, idle_timeout)) if !incoming.is_end_stream() => {
            Upload::new(incoming, max_bytes, idle_timeout).boxed_unsync()
        }
        _ => body::empty(),
    })
}

/// How large the body of a request is, as far as it says so.
fn announced(request: &Request<Incoming>) -> u64 {
    request.body().size_hint().lower()
}

impl<S> Service<Request<Incoming>> for Limit<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Answer<S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Incoming>) -> Self::Future {
        match self.refusal(&request) {
            None => Either::Right(self.inner.call(limited(request))),
            Some(refusal) => own(refusal.answer(Form::asked(request.headers()))),
        }
    }
}
