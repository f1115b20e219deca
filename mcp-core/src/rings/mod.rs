//! The outer ring: what guards every request, as tower layers around the router.
//!
//! From the outside in: meter, panic guard, trace, rate, the application's own layers, concurrency, timeout.

mod concurrency;
mod guard;
mod meter;
mod rate;
mod timeout;
mod trace;

use std::{convert::Infallible, fmt, future::Future, pin::Pin, sync::Arc};

use tower_layer::Layer;
use tower_service::Service;

use self::{
    concurrency::ConcurrencyLayer, guard::GuardLayer, meter::MeterLayer, rate::RateLayer,
    timeout::TimeoutLayer, trace::TraceLayer,
};
use crate::{
    call::Call,
    limits::Limits,
    meter::Meter,
    protocol::error::RpcError,
    rates::Tolls,
    request::{Outcome, Request},
    tool_error::Causes,
};

/// The future of a request in the whole ring.
pub(crate) type OutcomeFuture = Pin<Box<dyn Future<Output = Outcome> + Send>>;

/// What an application's own layer may fail with; the client sees an internal error.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The ring in one erased piece: composed statically, boxed once.
pub(crate) trait Ring: Send + Sync {
    fn run(&self, request: Request) -> OutcomeFuture;
}

/// The future of a request, by which the layers around it see how its work is doing.
pub(crate) trait OfCall {
    /// The call, while its work is under way.
    fn call(&self) -> Option<&Call>;
}

/// Puts the ring together, around the service that has requests done.
pub(crate) fn compose<S>(
    service: S,
    limits: &Limits,
    (meter, tolls): (&Arc<Meter>, &Arc<Tolls>),
    own: Vec<OwnLayer>,
) -> Box<dyn Ring>
where
    S: Service<Request, Response = Outcome, Error = Infallible> + Clone + Send + Sync + 'static,
    S::Future: OfCall + Send + Unpin,
{
    let inner =
        ConcurrencyLayer::new(limits, tolls.keys()).layer(TimeoutLayer::new(limits.call_time).layer(service));
    let (meter, rate) = (MeterLayer(Arc::clone(meter)), RateLayer::new(Arc::clone(tolls)));
    if own.is_empty() {
        return Box::new(Erased(meter.layer(GuardLayer.layer(TraceLayer.layer(rate.layer(inner))))));
    }
    // The first layer that was added is the outermost, as in `tower::ServiceBuilder`.
    let boxed = own.into_iter().rev().fold(RingService::new(inner), |inner, layer| (layer.0)(inner));
    Box::new(Erased(meter.layer(GuardLayer.layer(TraceLayer.layer(rate.layer(boxed))))))
}

/// A layer of the application's own, to be put around the inner part of the ring.
pub(crate) struct OwnLayer(Box<dyn FnOnce(RingService) -> RingService + Send>);

impl OwnLayer {
    pub(crate) fn new<L>(layer: L) -> Self
    where
        L: Layer<RingService> + Send + 'static,
        L::Service: Service<Request, Response = Outcome> + Clone + Send + Sync + 'static,
        <L::Service as Service<Request>>::Error: Into<BoxError>,
        <L::Service as Service<Request>>::Future: Send,
    {
        Self(Box::new(move |inner| RingService::new(layer.layer(inner))))
    }
}

impl fmt::Debug for OwnLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OwnLayer")
    }
}

/// The part of the ring inside an application's own layer, as a tower service.
#[derive(Clone)]
pub struct RingService(Arc<dyn Ring>);

impl RingService {
    fn new<S>(service: S) -> Self
    where
        S: Service<Request, Response = Outcome> + Clone + Send + Sync + 'static,
        S::Error: Into<BoxError>,
        S::Future: Send,
    {
        Self(Arc::new(Erased(service)))
    }
}

impl fmt::Debug for RingService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RingService")
    }
}

impl Service<Request> for RingService {
    type Response = Outcome;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Outcome, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut std::task::Context<'_>) -> std::task::Poll<Result<(), Infallible>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let running = self.0.run(request);
        Box::pin(async move { Ok(running.await) })
    }
}

/// A tower service behind the erased form.
struct Erased<S>(S);

impl<S> Ring for Erased<S>
where
    S: Service<Request, Response = Outcome> + Clone + Send + Sync + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send,
{
    fn run(&self, request: Request) -> OutcomeFuture {
        let mut service = self.0.clone();
        Box::pin(async move {
            if let Err(error) = std::future::poll_fn(|cx| service.poll_ready(cx)).await {
                return failure(error.into());
            }
            match service.call(request).await {
                Ok(outcome) => outcome,
                Err(error) => failure(error.into()),
            }
        })
    }
}

/// What the client sees of a layer's own failure.
fn failure(error: BoxError) -> Outcome {
    tracing::error!(error = %Causes(error.as_ref()), "a layer failed");
    Outcome::error(RpcError::internal())
}
