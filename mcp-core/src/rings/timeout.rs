//! A request that runs too long is dropped and answered.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::time::Sleep;
use tower_layer::Layer;
use tower_service::Service;

use crate::{
    protocol::error::{RpcError, code},
    request::{Outcome, Request},
};

#[derive(Clone, Copy, Debug)]
pub(super) struct TimeoutLayer(Duration);

impl TimeoutLayer {
    pub(super) fn new(limit: Duration) -> Self {
        Self(limit)
    }
}

impl<S> Layer<S> for TimeoutLayer {
    type Service = Timeout<S>;

    fn layer(&self, inner: S) -> Timeout<S> {
        Timeout { inner, limit: self.0 }
    }
}

#[derive(Clone, Debug)]
pub(super) struct Timeout<S> {
    inner: S,
    limit: Duration,
}

impl<S> Service<Request> for Timeout<S>
where
    S: Service<Request, Response = Outcome>,
    S::Future: Unpin,
{
    type Response = Outcome;
    type Error = S::Error;
    type Future = Timed<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let limit = (!request.is_subscription()).then_some(self.limit);
        let call = limit.is_some().then(|| request.call().clone());
        Timed { inner: self.inner.call(request), limit, call, sleep: None }
    }
}

/// A future with an end; the timer is set only when it has to wait.
pub(super) struct Timed<F> {
    inner: F,
    limit: Option<Duration>,
    call: Option<crate::Call>,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl<F: Future<Output = Result<Outcome, E>> + Unpin, E> Future for Timed<F> {
    type Output = Result<Outcome, E>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let Poll::Ready(done) = Pin::new(&mut self.inner).poll(cx) {
            return Poll::Ready(done);
        }
        let Some(limit) = self.limit else { return Poll::Pending };
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep(limit)));
        if sleep.as_mut().poll(cx).is_pending() {
            return Poll::Pending;
        }
        if let Some(call) = &self.call {
            call.cancel();
        }
        let error =
            RpcError::new(code::TIME_LIMIT, format!("The request ran longer than the limit of {limit:?}"));
        Poll::Ready(Ok(Outcome::error(error)))
    }
}
