//! The stage that limits: how much is under way at once, and how large and how silent the body of a request may be.

use std::sync::Arc;
use std::task::{Context, Poll};

use http::header::CONTENT_LENGTH;
use http::{Request, Response, StatusCode};
use http_body::Body as HttpBody;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tower_layer::Layer;
use tower_service::Service;

use super::{Answer, own};
use crate::bext::node::body::{self, Body};
use crate::bext::node::gateway::answers::{Form, Refusal};
use crate::bext::node::gateway::bodies::Upload;
use crate::bext::node::gateway::connection::Visit;
use crate::bext::node::gateway::figures::Counters;
use crate::bext::node::gateway::stack::Never;
use futures_util::future::Either;

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
    fn admit(&self, request: Request<Incoming>) -> Result<Request<Body>, Refusal> {
        let Some(visit) = request.extensions().get::<Visit>() else {
            return Ok(request.map(|body| body.map_err(Into::into).boxed_unsync()));
        };
        // The request itself is counted already.
        if self.counters.in_flight() > visit.settings.max_in_flight {
            return Err(Refusal::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "too_many_requests",
                "too many requests are under way; max_in_flight of the gateway says how many there may be",
            ));
        }
        let (max_bytes, idle_timeout) = (visit.settings.max_body_bytes, visit.settings.idle_timeout);
        if request.body().is_end_stream() {
            return Ok(request.map(|_| body::empty()));
        }
        if request.body().size_hint().lower() > max_bytes || announced(&request) > max_bytes {
            return Err(too_large());
        }
        Ok(request.map(|body| Upload::new(body, max_bytes, idle_timeout).boxed_unsync()))
    }
}

/// The length that a request says its body has; 0 if it says nothing.
fn announced(request: &Request<Incoming>) -> u64 {
    let length = request.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    length.and_then(|length| length.parse().ok()).unwrap_or(0)
}

/// What is answered to a body that is too large, whenever that is found out.
pub(crate) fn too_large() -> Refusal {
    Refusal::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        "body_too_large",
        "the body is larger than this gateway takes; max_body_bytes of the gateway says how large it may be",
    )
}

impl<S> Service<Request<Incoming>> for Limit<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Never>,
{
    type Response = Response<Body>;
    type Error = Never;
    type Future = Answer<S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Never>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Incoming>) -> Self::Future {
        let form = Form::asked(request.headers());
        match self.admit(request) {
            Ok(request) => Either::Right(self.inner.call(request)),
            Err(refusal) => own(refusal.answer(form)),
        }
    }
}
