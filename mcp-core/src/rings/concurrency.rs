//! No more requests at once than the server takes; one too many is refused at once.

use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
};

use serde_json::json;
use tower_layer::Layer;
use tower_service::Service;

use crate::{
    protocol::error::{RpcError, code},
    request::{Outcome, Request},
};

#[derive(Clone, Debug)]
pub(super) struct ConcurrencyLayer {
    limit: usize,
    running: Arc<AtomicUsize>,
}

impl ConcurrencyLayer {
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, running: Arc::default() }
    }
}

impl<S> Layer<S> for ConcurrencyLayer {
    type Service = Concurrency<S>;

    fn layer(&self, inner: S) -> Concurrency<S> {
        Concurrency { inner, shared: self.clone() }
    }
}

#[derive(Clone, Debug)]
pub(super) struct Concurrency<S> {
    inner: S,
    shared: ConcurrencyLayer,
}

impl<S> Service<Request> for Concurrency<S>
where
    S: Service<Request, Response = Outcome>,
    S::Future: Unpin,
{
    type Response = Outcome;
    type Error = S::Error;
    type Future = Counted<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        // Subscriptions have a limit of their own, and cost nothing while nothing changes.
        if request.is_subscription() {
            return Counted { inner: Ok(self.inner.call(request)), _permit: None };
        }
        let permit = Permit(Arc::clone(&self.shared.running));
        if permit.0.fetch_add(1, Ordering::Relaxed) >= self.shared.limit {
            return Counted { inner: Err(self.shared.limit), _permit: Some(permit) };
        }
        Counted { inner: Ok(self.inner.call(request)), _permit: Some(permit) }
    }
}

/// One running request; gives its place back when dropped.
#[derive(Debug)]
struct Permit(Arc<AtomicUsize>);

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

pub(super) struct Counted<F> {
    /// The running request, or the limit that kept it from running.
    inner: Result<F, usize>,
    _permit: Option<Permit>,
}

impl<F: Future<Output = Result<Outcome, E>> + Unpin, E> Future for Counted<F> {
    type Output = Result<Outcome, E>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.inner {
            Ok(inner) => Pin::new(inner).poll(cx),
            Err(limit) => {
                let message = format!(
                    "{limit} requests are running already, as many as the server takes; try again later"
                );
                let data = json!({ "retryAfterMs": 1000 });
                Poll::Ready(Ok(Outcome::error(RpcError::new(code::OVERLOADED, message).with_data(data))))
            }
        }
    }
}
