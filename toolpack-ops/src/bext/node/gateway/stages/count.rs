//! The stage that counts: what comes in, what is under way until the last byte of its response, and what the
//! gateway could not pass on.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body as HttpBody, Frame, SizeHint};
use tower_layer::Layer;
use tower_service::Service;

use crate::bext::node::body::{Body, BodyError};
use crate::bext::node::gateway::activity::UnderWay;
use crate::bext::node::gateway::answers::GatewayError;
use crate::bext::node::gateway::figures::{Counters, Held};
use crate::bext::node::gateway::visit::Visit;

#[derive(Clone, Debug)]
pub(crate) struct CountLayer(Arc<Counters>);

impl CountLayer {
    pub(crate) fn new(counters: Arc<Counters>) -> Self {
        Self(counters)
    }
}

impl<S> Layer<S> for CountLayer {
    type Service = Count<S>;

    fn layer(&self, inner: S) -> Count<S> {
        Count { inner, counters: self.0.clone() }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Count<S> {
    inner: S,
    counters: Arc<Counters>,
}

impl<S, B> Service<Request<B>> for Count<S>
where
    S: Service<Request<B>, Response = Response<Body>, Error = Infallible>,
    S::Future: Unpin,
{
    type Response = Response<Counted>;
    type Error = Infallible;
    type Future = Counting<S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        self.counters.request();
        let on_connection = request.extensions().get::<Visit>().map(|visit| visit.activity.request());
        let held = (self.counters.under_way(), on_connection);
        Counting { inner: self.inner.call(request), counters: self.counters.clone(), held: Some(held) }
    }
}

/// What counts as under way while it is held: for the gateway, and for the connection.
type Holding = (Held, Option<UnderWay>);

#[derive(Debug)]
pub(crate) struct Counting<F> {
    inner: F,
    counters: Arc<Counters>,
    held: Option<Holding>,
}

impl<F: Future<Output = Result<Response<Body>, Infallible>> + Unpin> Future for Counting<F> {
    type Output = Result<Response<Counted>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Ok(response) = ready!(Pin::new(&mut self.inner).poll(context));
        if response.extensions().get::<GatewayError>().is_some() {
            self.counters.gateway_error();
        }
        let (counters, held) = (self.counters.clone(), self.held.take());
        Poll::Ready(Ok(response.map(|inner| Counted { inner, counters, held })))
    }
}

/// A body whose bytes are counted, and that holds its request under way until it has ended or is dropped.
#[derive(Debug)]
pub(crate) struct Counted {
    inner: Body,
    counters: Arc<Counters>,
    held: Option<Holding>,
}

impl HttpBody for Counted {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let frame = ready!(Pin::new(&mut self.inner).poll_frame(context));
        match &frame {
            Some(Ok(frame)) => self.counters.response_bytes(frame.data_ref().map_or(0, Bytes::len)),
            Some(Err(_)) | None => self.held = None,
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
