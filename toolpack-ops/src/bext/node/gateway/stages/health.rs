//! The stage that answers whoever asks whether the gateway is well, on every host.

use std::convert::Infallible;
use std::task::{Context, Poll};

use futures_util::future::Either;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use tower_layer::Layer;
use tower_service::Service;

use super::answer::{Answer, own};
use crate::bext::node::body::{self, Body};

/// No app sees requests for this path.
const PATH: &str = "/__bext/health";

#[derive(Clone, Copy, Debug)]
pub(crate) struct HealthLayer;

impl<S> Layer<S> for HealthLayer {
    type Service = Health<S>;

    fn layer(&self, inner: S) -> Health<S> {
        Health { inner }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Health<S> {
    inner: S,
}

impl<S> Service<Request<Body>> for Health<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Answer<S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        if request.uri().path() != PATH || request.method() == Method::CONNECT {
            return Either::Right(self.inner.call(request));
        }
        let mut response = Response::new(body::full(&b"{\"status\":\"ok\"}\n"[..]));
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            headers.insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
            *response.body_mut() = body::empty();
        }
        own(response)
    }
}
