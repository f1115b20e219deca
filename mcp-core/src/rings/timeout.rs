//! A request that runs too long is dropped and answered; the time that a client takes to answer a question is its own.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::time::{Instant, Sleep};
use tower_layer::Layer;
use tower_service::Service;

use super::OfCall;
use crate::{
    call::Call,
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
    S::Future: OfCall + Unpin,
{
    type Response = Outcome;
    type Error = S::Error;
    type Future = Timed<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let is_limited = !request.is_subscription();
        let clock = Clock::Stopped(self.limit);
        Timed { inner: self.inner.call(request), limit: self.limit, is_limited, clock }
    }
}

/// A future with an end; the timer is set only when it has to wait, and stands still while a client is asked.
pub(super) struct Timed<F> {
    inner: F,
    limit: Duration,
    /// Unless it may take for ever.
    is_limited: bool,
    clock: Clock,
}

/// The time that a request has left.
enum Clock {
    /// This much, once it runs.
    Stopped(Duration),
    Running(Pin<Box<Sleep>>),
}

impl Clock {
    fn stop(&mut self) {
        if let Self::Running(sleep) = self {
            *self = Self::Stopped(sleep.deadline().saturating_duration_since(Instant::now()));
        }
    }

    /// Starts it if it stands, and waits for its end.
    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Self::Stopped(left) = *self {
            *self = Self::Running(Box::pin(tokio::time::sleep(left)));
        }
        match self {
            Self::Running(sleep) => sleep.as_mut().poll(cx),
            Self::Stopped(_) => Poll::Pending,
        }
    }
}

impl<F: OfCall> OfCall for Timed<F> {
    fn call(&self) -> Option<&Call> {
        self.inner.call()
    }
}

impl<F: Future<Output = Result<Outcome, E>> + OfCall + Unpin, E> Future for Timed<F> {
    type Output = Result<Outcome, E>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let Poll::Ready(done) = Pin::new(&mut self.inner).poll(cx) {
            return Poll::Ready(done);
        }
        let Self { inner, limit, is_limited: true, clock } = &mut *self else { return Poll::Pending };
        if inner.call().is_some_and(|call| call.asking().is_paused()) {
            clock.stop();
            return Poll::Pending;
        }
        if clock.poll_end(cx).is_pending() {
            return Poll::Pending;
        }
        if let Some(call) = inner.call() {
            call.cancel();
        }
        let error =
            RpcError::new(code::TIME_LIMIT, format!("The request ran longer than the limit of {limit:?}"));
        Poll::Ready(Ok(Outcome::error(error)))
    }
}
