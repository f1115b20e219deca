//! The gateway of an instance: a reverse proxy that leads each request to the app whose domain it asks for.
//!
//! [`stack`] has the stages that a request passes; [`exchange`] asks the process of an app, [`tunnel`]
//! carries what became something else than HTTP. A request picks its release and counts as under way there in
//! one step, so that a release that was taken out and has drained is one that nobody asks any more.

mod activity;
mod answers;
mod backend;
mod bodies;
mod canary;
mod connection;
mod exchange;
mod figures;
mod headers;
mod host;
mod listener;
mod pool;
mod proxy;
mod routes;
mod settings;
mod shared;
mod stack;
mod stages;
mod streams;
mod tunnel;
mod visit;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

pub(crate) use self::backend::{Backend, Target};
pub(crate) use self::figures::GatewayFigures;
pub(crate) use self::routes::Route;
pub(crate) use self::settings::GatewaySettings;

use self::shared::{Phase, Shared};
use crate::bext::engine::AppName;

/// A gateway that listens. Dropping it stops it at once; [`close`](Self::close) in good order.
#[derive(Debug)]
pub(crate) struct Gateway {
    address: SocketAddr,
    shared: Arc<Shared>,
    phase: watch::Sender<Phase>,
    listener: JoinHandle<()>,
}

impl Gateway {
    /// Listens and begins to serve; there are no routes yet.
    pub(crate) async fn bind(address: SocketAddr, settings: GatewaySettings) -> std::io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let phase = watch::Sender::new(Phase::Serving);
        let shared = Arc::new(Shared {
            counters: Arc::default(),
            routes: watch::Sender::new(Arc::default()),
            settings: watch::Sender::new(Arc::new(settings.bounded())),
            tunnels: watch::Sender::new(0),
            phase: phase.subscribe(),
        });
        let listener = tokio::spawn(listener::accept(listener, shared.clone()));
        Ok(Self { address, shared, phase, listener })
    }

    pub(crate) fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Has other settings take effect for requests that begin from now on.
    pub(crate) fn set_settings(&self, settings: GatewaySettings) {
        self.shared.settings.send_replace(Arc::new(settings.bounded()));
    }

    /// Leads requests to an app from now on, in place of whatever was its route. One atomic switch: each
    /// request sees the old route or the new one.
    pub(crate) fn set_route(&self, route: Route) {
        self.shared.routes.send_modify(|routes| *routes = Arc::new(routes.with(route)));
    }

    pub(crate) fn remove_route(&self, app: &AppName) {
        self.shared.routes.send_modify(|routes| *routes = Arc::new(routes.without(app)));
    }

    pub(crate) fn figures(&self) -> GatewayFigures {
        self.shared.counters.figures()
    }

    /// Accepts nothing more, and waits until what is under way is answered, for so long at most.
    pub(crate) async fn close(mut self, drain: Duration) {
        self.phase.send_replace(Phase::Closing);
        if tokio::time::timeout(drain, &mut self.listener).await.is_err() {
            self.listener.abort();
            // What is left was cut off by that, and its sockets are closed once this is over.
            let _ = (&mut self.listener).await;
        }
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.phase.send_replace(Phase::Stopped);
        self.listener.abort();
    }
}

#[cfg(test)]
mod tests;
