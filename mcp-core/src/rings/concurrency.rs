//! No more requests at once than the server takes, and than one caller may have; one too many is refused at once.

use std::{
    future::Future,
    hash::RandomState,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use tower_layer::Layer;
use tower_service::Service;

use super::OfCall;
use crate::{
    limits::Limits,
    places::{Full, Place, Places},
    protocol::error::RpcError,
    request::{Outcome, Request},
};

#[derive(Clone, Debug)]
pub(super) struct ConcurrencyLayer(Arc<Kinds>);

/// What is counted apart.
#[derive(Debug)]
struct Kinds {
    keys: RandomState,
    calls: Arc<Places>,
    subscriptions: Arc<Places>,
}

impl ConcurrencyLayer {
    /// With the keys that callers are hashed under.
    pub(super) fn new(limits: &Limits, keys: &RandomState) -> Self {
        Self(Arc::new(Kinds {
            keys: keys.clone(),
            calls: Places::new(limits.concurrent_calls, limits.calls_per_caller),
            // How many there may be in all is seen to where they are kept.
            subscriptions: Places::new(usize::MAX, limits.subscriptions_per_caller),
        }))
    }
}

impl<S> Layer<S> for ConcurrencyLayer {
    type Service = Concurrency<S>;

    fn layer(&self, inner: S) -> Concurrency<S> {
        Concurrency { inner, kinds: Arc::clone(&self.0) }
    }
}

#[derive(Clone, Debug)]
pub(super) struct Concurrency<S> {
    inner: S,
    kinds: Arc<Kinds>,
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
        let is_subscription = request.is_subscription();
        let places = if is_subscription { &self.kinds.subscriptions } else { &self.kinds.calls };
        let call = request.call();
        match places.take(|| call.caller_hash(&self.kinds.keys)) {
            Ok(place) => Counted::Running { inner: self.inner.call(request), place },
            Err(full) => Counted::Refused(Some(refusal(full, is_subscription))),
        }
    }
}

fn refusal(full: Full, is_subscription: bool) -> RpcError {
    match full {
        Full::InAll(limit) => RpcError::overloaded(format!(
            "{limit} requests are running already, as many as the server takes; try again later"
        )),
        Full::OfCaller(limit) => {
            let (what, state) =
                if is_subscription { ("subscriptions", "open") } else { ("requests", "running") };
            let message = format!(
                "{limit} {what} of one caller are {state} already, as many as it may have at once; try again when one ends"
            );
            RpcError::too_many_calls(message, Duration::from_secs(1))
        }
    }
}

pub(super) enum Counted<F> {
    Running {
        // Before the place, so that it is given up when the request is gone.
        inner: F,
        place: Place,
    },
    Refused(Option<RpcError>),
}

impl<F: Future<Output = Result<Outcome, E>> + OfCall + Unpin, E> Future for Counted<F> {
    type Output = Result<Outcome, E>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let (inner, place) = match &mut *self {
            Self::Running { inner, place } => (inner, place),
            // Polled again after it was done, which no executor does: pending for ever harms nobody.
            Self::Refused(error) => {
                let Some(error) = error.take() else { return Poll::Pending };
                return Poll::Ready(Ok(Outcome::error(error)));
            }
        };
        // A request that was answered goes on, though there may be more than the limit for a while: to refuse it now
        // would lose what its person has said.
        place.take_again();
        let polled = Pin::new(&mut *inner).poll(cx);
        if polled.is_pending() && inner.call().is_some_and(|call| call.asking().is_paused()) {
            place.give_up();
        }
        polled
    }
}
