//! A panic fails the request that caused it, and no other.

use std::{
    any::Any,
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    task::{Context, Poll},
};

use tower_layer::Layer;
use tower_service::Service;

use crate::{
    call::Call,
    protocol::error::RpcError,
    request::{Outcome, Request},
};

#[derive(Clone, Copy, Debug)]
pub(super) struct GuardLayer;

impl<S> Layer<S> for GuardLayer {
    type Service = Guard<S>;

    fn layer(&self, inner: S) -> Guard<S> {
        Guard(inner)
    }
}

#[derive(Clone, Debug)]
pub(super) struct Guard<S>(S);

impl<S> Service<Request> for Guard<S>
where
    S: Service<Request, Response = Outcome>,
    S::Future: Unpin,
{
    type Response = Outcome;
    type Error = S::Error;
    type Future = Guarded<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let method = request.method();
        let call = request.call().clone();
        // State that a panic leaves half changed stays within the request, or behind locks of its own.
        let inner = catch_unwind(AssertUnwindSafe(|| self.0.call(request)));
        match inner {
            Ok(inner) => Guarded { method, call, inner: Some(inner) },
            Err(panic) => {
                log(method, panic.as_ref());
                call.cancel();
                Guarded { method, call, inner: None }
            }
        }
    }
}

/// A future whose panic is an answer; one while it is dropped is only logged.
pub(super) struct Guarded<F> {
    method: &'static str,
    call: Call,
    inner: Option<F>,
}

impl<F: Future<Output = Result<Outcome, E>> + Unpin, E> Future for Guarded<F> {
    type Output = Result<Outcome, E>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let method = self.method;
        let Some(inner) = &mut self.inner else {
            return Poll::Ready(Ok(Outcome::error(RpcError::internal())));
        };
        catch_unwind(AssertUnwindSafe(|| Pin::new(inner).poll(cx))).unwrap_or_else(|panic| {
            log(method, panic.as_ref());
            // What the request started elsewhere is told that nobody waits for it any more.
            self.call.cancel();
            self.let_go();
            Poll::Ready(Ok(Outcome::error(RpcError::internal())))
        })
    }
}

impl<F> Guarded<F> {
    /// Drops the request, which may run code of its author's.
    fn let_go(&mut self) {
        let inner = self.inner.take();
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| drop(inner))) {
            log(self.method, panic.as_ref());
        }
    }
}

impl<F> Drop for Guarded<F> {
    fn drop(&mut self) {
        self.let_go();
    }
}

fn log(method: &'static str, panic: &(dyn Any + Send)) {
    let message = panic.downcast_ref::<&str>().copied();
    let message =
        message.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message");
    tracing::error!(method, panic = message, "a request panicked");
}
