//! A caller that calls more often than it may is refused before anything is done. Where tools have prices, it is looked up
//! before whether the caller may know of the tool.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use tower_layer::Layer;
use tower_service::Service;

use crate::{
    protocol::{error::RpcError, method},
    rates::{Charged, OverRate, Tolls},
    request::{Outcome, Request},
};

#[derive(Clone, Debug)]
pub(super) struct RateLayer(Arc<Tolls>);

impl RateLayer {
    pub(super) fn new(tolls: Arc<Tolls>) -> Self {
        Self(tolls)
    }
}

impl<S> Layer<S> for RateLayer {
    type Service = Rate<S>;

    fn layer(&self, inner: S) -> Rate<S> {
        Rate { inner, tolls: Arc::clone(&self.0) }
    }
}

#[derive(Clone, Debug)]
pub(super) struct Rate<S> {
    inner: S,
    tolls: Arc<Tolls>,
}

impl<S> Service<Request> for Rate<S>
where
    S: Service<Request, Response = Outcome> + Clone,
    S::Future: Unpin,
{
    type Response = Outcome;
    type Error = S::Error;
    type Future = Rated<S>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> Rated<S> {
        let call = request.call();
        let cost = match request.target() {
            // What a call takes must not tell what is hidden from what is not there. So the policy is asked about every name,
            // whether it has a price or not.
            Some(tool)
                if request.method() == method::TOOLS_CALL
                    && self.tolls.is_priced()
                    && call.host().shows_tool(call.principal(), tool) =>
            {
                self.tolls.of_tool(tool)
            }
            _ => 1,
        };
        let hash = self.tolls.are_counted().then(|| call.caller_hash(self.tolls.keys()));
        match self.tolls.take((call.principal(), hash), call.peer(), cost) {
            Charged::Now(Ok(())) => Rated::Running(self.inner.call(request)),
            Charged::Now(Err(over_rate)) => Rated::Refused(Some(self.tolls.refusal(over_rate))),
            Charged::Later(taking) => {
                // It is this one that is ready, and not its clone.
                let next = self.inner.clone();
                let inner = std::mem::replace(&mut self.inner, next);
                let tolls = Arc::clone(&self.tolls);
                Rated::Taking(Box::new(Taking { taking, waiting: Some((request, inner)), tolls }))
            }
        }
    }
}

pub(super) enum Rated<S: Service<Request>> {
    Running(S::Future),
    Refused(Option<RpcError>),
    Taking(Box<Taking<S>>),
}

/// A request that waits until it is known whether its caller may make it.
pub(super) struct Taking<S> {
    taking: Pin<Box<dyn Future<Output = Result<(), OverRate>> + Send>>,
    waiting: Option<(Request, S)>,
    tolls: Arc<Tolls>,
}

impl<S> Future for Rated<S>
where
    S: Service<Request, Response = Outcome>,
    S::Future: Unpin,
{
    type Output = Result<Outcome, S::Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            *self = match &mut *self {
                Self::Running(running) => return Pin::new(running).poll(cx),
                Self::Refused(error) => {
                    // Polled again after it was done, which no executor does: pending for ever harms nobody.
                    let Some(error) = error.take() else { return Poll::Pending };
                    return Poll::Ready(Ok(Outcome::error(error)));
                }
                Self::Taking(taking) => {
                    match (ready!(taking.taking.as_mut().poll(cx)), taking.waiting.take()) {
                        (Ok(()), Some((request, mut inner))) => Self::Running(inner.call(request)),
                        (Err(over_rate), _) => Self::Refused(Some(taking.tolls.refusal(over_rate))),
                        (Ok(()), None) => return Poll::Pending,
                    }
                }
            };
        }
    }
}
