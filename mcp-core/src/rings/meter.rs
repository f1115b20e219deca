//! Counts every request by how it ended and how long it took, where somebody wants to know.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Instant,
};

use tower_layer::Layer;
use tower_service::Service;

use crate::{
    call::Call,
    meter::{CallEnd, Meter, Refusal},
    request::{Outcome, Request},
};

#[derive(Clone, Debug)]
pub(super) struct MeterLayer(pub(super) Arc<Meter>);

impl<S> Layer<S> for MeterLayer {
    type Service = Metered<S>;

    fn layer(&self, inner: S) -> Metered<S> {
        Metered { inner, meter: Arc::clone(&self.0) }
    }
}

#[derive(Clone, Debug)]
pub(super) struct Metered<S> {
    inner: S,
    meter: Arc<Meter>,
}

impl<S> Service<Request> for Metered<S>
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
        // A subscription takes as long as its client likes, which says nothing.
        let is_counted = self.meter.is_on() && !request.is_subscription();
        let count = is_counted.then(|| Count {
            meter: Arc::clone(&self.meter),
            method: request.method(),
            call: request.call().clone(),
            began: Instant::now(),
        });
        Timed { count, inner: self.inner.call(request) }
    }
}

/// A request that is counted when it ends, also where that is because it was dropped.
pub(super) struct Timed<F> {
    // Before what it counts, so that it is counted before what was done for it is dropped.
    count: Option<Count>,
    inner: F,
}

struct Count {
    meter: Arc<Meter>,
    method: &'static str,
    call: Call,
    began: Instant,
}

impl Count {
    fn end(&self, end: CallEnd) {
        // By what was found, and not by what was asked for: a client can ask for any name. What is hidden from the caller is
        // counted as what is not there, so that figures do not tell the two apart either.
        let known = self.call.doing().filter(|doing| doing.is_known());
        let name = known.map_or("", |doing| &doing.guarded.name);
        self.meter.called(self.method, name, end, self.began.elapsed());
    }
}

impl<F> Drop for Timed<F> {
    fn drop(&mut self) {
        if let Some(count) = &self.count {
            count.end(CallEnd::Cancelled);
        }
    }
}

impl<F: Future<Output = Result<Outcome, E>> + Unpin, E> Future for Timed<F> {
    type Output = Result<Outcome, E>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let done = std::task::ready!(Pin::new(&mut self.inner).poll(cx));
        if let Some(count) = self.count.take() {
            let error = done.as_ref().map_or(None, Outcome::rpc_error);
            if let Some(error) = error {
                count.meter.refused(Refusal::of(error.code));
            }
            count.end(match &done {
                Ok(outcome) if outcome.is_tool_error() => CallEnd::ToolError,
                Ok(outcome) if outcome.is_input_required() => CallEnd::InputRequired,
                Ok(_) if error.is_none() => CallEnd::Completed,
                _ => CallEnd::Error,
            });
        }
        Poll::Ready(done)
    }
}
