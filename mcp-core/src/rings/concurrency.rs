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

use tower_layer::Layer;
use tower_service::Service;

use super::OfCall;
use crate::{
    protocol::error::RpcError,
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
    S::Future: OfCall + Unpin,
{
    type Response = Outcome;
    type Error = S::Error;
    type Future = Counted<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        // Subscriptions are counted by a limit of their own.
        if request.is_subscription() {
            return Counted { inner: Ok(self.inner.call(request)), place: None };
        }
        let shared = &self.shared;
        let mut place = Place { running: Arc::clone(&shared.running), is_held: false };
        let inner =
            if place.take() < shared.limit { Ok(self.inner.call(request)) } else { Err(shared.limit) };
        Counted { inner, place: Some(place) }
    }
}

/// A place among the requests that run; given up while a client is asked, and for good when dropped.
struct Place {
    running: Arc<AtomicUsize>,
    is_held: bool,
}

impl Place {
    /// Takes the place, unless it is held; how many others run.
    fn take(&mut self) -> usize {
        if self.is_held {
            return 0;
        }
        self.is_held = true;
        self.running.fetch_add(1, Ordering::Relaxed)
    }

    fn give_up(&mut self) {
        if self.is_held {
            self.is_held = false;
            self.running.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.give_up();
    }
}

pub(super) struct Counted<F> {
    /// The running request, or the limit that kept it from running.
    inner: Result<F, usize>,
    place: Option<Place>,
}

impl<F: Future<Output = Result<Outcome, E>> + OfCall + Unpin, E> Future for Counted<F> {
    type Output = Result<Outcome, E>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { inner, place } = &mut *self;
        let inner = match inner {
            Ok(inner) => inner,
            Err(limit) => {
                let message = format!(
                    "{limit} requests are running already, as many as the server takes; try again later"
                );
                return Poll::Ready(Ok(Outcome::error(RpcError::overloaded(message))));
            }
        };
        // A request that was answered goes on, though there may be more than the limit for a while: to refuse it now
        // would lose what its person has said.
        if let Some(place) = place {
            place.take();
        }
        let polled = Pin::new(&mut *inner).poll(cx);
        if let Some(place) = place
            && polled.is_pending()
            && inner.call().is_some_and(|call| call.asking().is_paused())
        {
            place.give_up();
        }
        polled
    }
}
