//! The stage that finds the app which a request is for, by the host it names.

use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::future::Either;
use http::header::HOST;
use http::{Method, Request, Response, StatusCode};
use tower_layer::Layer;
use tower_service::Service;

use super::answer::{Answer, own};
use crate::bext::node::body::Body;
use crate::bext::node::gateway::answers::{Form, Refusal};
use crate::bext::node::gateway::host;
use crate::bext::node::gateway::routes::Entry;
use crate::bext::node::gateway::shared::Shared;
use crate::bext::node::gateway::visit::Led;

#[derive(Clone, Debug)]
pub(crate) struct LeadLayer(Arc<Shared>);

impl LeadLayer {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self(shared)
    }
}

impl<S> Layer<S> for LeadLayer {
    type Service = Lead<S>;

    fn layer(&self, inner: S) -> Lead<S> {
        Lead { inner, shared: self.0.clone() }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Lead<S> {
    inner: S,
    shared: Arc<Shared>,
}

impl<S> Lead<S> {
    fn find(&self, request: &mut Request<Body>) -> Result<Arc<Entry>, Refusal> {
        if request.method() == Method::CONNECT {
            return Err(Refusal::new(
                StatusCode::NOT_IMPLEMENTED,
                "connect_unsupported",
                "this gateway has no CONNECT; a WebSocket is opened by an upgrade of HTTP/1.1",
            ));
        }
        let invalid = |message| Refusal::new(StatusCode::BAD_REQUEST, "invalid_host", message);
        host::settle(request).map_err(invalid)?;
        let name = request.headers().get(HOST).and_then(host::name_in);
        let name = name.ok_or_else(|| invalid("the host of the request is no host name"))?;
        self.shared.routes().of_host(&name).cloned().ok_or_else(|| {
            Refusal::new(
                StatusCode::NOT_FOUND,
                "unknown_host",
                "no running app answers for this host; list_domains says which domains lead to an app, and list_apps \
                 which apps run",
            )
        })
    }
}

impl<S> Service<Request<Body>> for Lead<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Answer<S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        match self.find(&mut request) {
            Ok(entry) => {
                request.extensions_mut().insert(Led(entry));
                Either::Right(self.inner.call(request))
            }
            Err(refusal) => own(refusal.answer(Form::asked(request.headers()))),
        }
    }
}
