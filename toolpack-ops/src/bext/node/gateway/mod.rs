//! The gateway of an instance: a reverse proxy that leads each request to the app whose domain it asks for.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::site::Site;
use crate::bext::engine::{AppName, DomainName, Percent, Version};

/// A gateway that listens. Dropping it stops it at once; [`close`](Self::close) in good order.
#[derive(Debug)]
pub(crate) struct Gateway {}

impl Gateway {
    /// Listens and begins to serve; there are no routes yet.
    pub(crate) async fn bind(_address: SocketAddr, _settings: GatewaySettings) -> std::io::Result<Self> {
        unimplemented!()
    }

    pub(crate) fn local_addr(&self) -> SocketAddr {
        unimplemented!()
    }

    /// Has other settings take effect for requests that begin from now on.
    pub(crate) fn set_settings(&self, _settings: GatewaySettings) {
        unimplemented!()
    }

    /// Leads requests to an app from now on, in place of whatever was its route. One atomic switch: each request sees the
    /// old route or the new one.
    pub(crate) fn set_route(&self, _route: Route) {
        unimplemented!()
    }

    pub(crate) fn remove_route(&self, _app: &AppName) {
        unimplemented!()
    }

    pub(crate) fn figures(&self) -> GatewayFigures {
        unimplemented!()
    }

    /// Accepts nothing more, and waits until what is under way is answered, for so long at most.
    pub(crate) async fn close(self, _drain: Duration) {
        unimplemented!()
    }
}

/// Where requests for an app go. It is reached by its domains, and as `NAME.localhost`.
#[derive(Clone, Debug)]
pub(crate) struct Route {
    pub(crate) app: AppName,
    pub(crate) domains: Vec<DomainName>,
    /// What is live.
    pub(crate) stable: Arc<Backend>,
    pub(crate) canary: Option<(Percent, Arc<Backend>)>,
}

/// A release that answers requests.
#[derive(Debug)]
pub(crate) struct Backend {}

impl Backend {
    pub(crate) fn new(_version: Version, _target: Target) -> Self {
        unimplemented!()
    }

    pub(crate) fn version(&self) -> &Version {
        unimplemented!()
    }

    /// Waits until no request is under way that it answers, after it was taken out of the route; for so long at most, after
    /// which what is left is cut off. Says how many those were.
    pub(crate) async fn drain(&self, _limit: Duration) -> usize {
        unimplemented!()
    }
}

/// What stands behind a release.
#[derive(Clone, Debug)]
pub(crate) enum Target {
    /// Files.
    Site(Arc<Site>),
    /// A process at this address; none while it is being started again.
    Process(watch::Receiver<Option<SocketAddr>>),
}

/// How a gateway serves. Every default is safe to start with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct GatewaySettings {}

impl Default for GatewaySettings {
    fn default() -> Self {
        Self {}
    }
}

/// What a gateway has counted since it was bound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct GatewayFigures {
    pub(crate) requests: u64,
    pub(crate) gateway_errors: u64,
    pub(crate) in_flight: u64,
    pub(crate) response_bytes: u64,
    pub(crate) connections: u64,
}
