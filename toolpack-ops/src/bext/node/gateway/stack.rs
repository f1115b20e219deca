//! The stages that a request passes, in their order.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response};
use hyper::body::Incoming;
use tower_layer::Layer;
use tower_service::Service;

use super::proxy::Proxy;
use super::shared::Shared;
use super::stages::{Count, CountLayer, Counted, Health, HealthLayer, Lead, LeadLayer, Limit, LimitLayer};

/// What serves the requests of a gateway.
#[derive(Clone, Debug)]
pub(super) struct Stack(Stages);

/// From the outermost stage to the innermost.
type Stages = Count<Limit<Health<Lead<Proxy>>>>;

impl Stack {
    /// Puts the stages together; a request passes them from top to bottom.
    pub(super) fn new(shared: &Arc<Shared>) -> Self {
        // Everything is counted, whatever becomes of it.
        Self(CountLayer::new(shared.counters.clone()).layer(
            // What is too much or too large is refused before anything is done for it.
            LimitLayer::new(shared.counters.clone()).layer(
                // Whoever asks after the gateway itself need not name an app.
                HealthLayer.layer(
                    // From here on it is known which app is meant.
                    LeadLayer::new(shared.clone()).layer(
                        // Further stages stand here: they see a request that has a route, and its response as
                        // the client is to see it. The proxy chooses the release, and asks it.
                        Proxy::new(shared.clone()),
                    ),
                ),
            ),
        ))
    }

    /// Answers a request. No stage has to be asked whether it is ready: each takes what comes, or refuses it.
    pub(super) fn answer(&self, request: Request<Incoming>) -> Answering {
        Answering(self.0.clone().call(request))
    }
}

/// A request that is being answered. A type of its own, as the compiler cannot follow the names of all stages
/// through a task.
pub(super) struct Answering(<Stages as Service<Request<Incoming>>>::Future);

impl Future for Answering {
    type Output = Result<Response<Counted>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(context)
    }
}

impl std::fmt::Debug for Answering {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Answering").finish_non_exhaustive()
    }
}
