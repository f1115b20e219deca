//! What the connections of a gateway have in common, and how far its life has got.

use std::sync::Arc;

use tokio::sync::watch;

use super::figures::Counters;
use super::routes::Routes;
use super::settings::GatewaySettings;

/// How far the life of a gateway has got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Serving,
    /// What is under way is the last.
    Closing,
    Stopped,
}

/// What the connections of a gateway have in common.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) counters: Arc<Counters>,
    pub(super) routes: watch::Sender<Arc<Routes>>,
    pub(super) settings: watch::Sender<Arc<GatewaySettings>>,
    /// How many tunnels there are: no connection holds them.
    pub(super) tunnels: watch::Sender<usize>,
    pub(super) phase: watch::Receiver<Phase>,
}

impl Shared {
    pub(super) fn routes(&self) -> Arc<Routes> {
        self.routes.borrow().clone()
    }

    pub(super) fn settings(&self) -> Arc<GatewaySettings> {
        self.settings.borrow().clone()
    }

    pub(super) fn phase(&self) -> watch::Receiver<Phase> {
        self.phase.clone()
    }

    /// Counts a tunnel, until what it gives is dropped.
    pub(super) fn tunnel(self: &Arc<Self>) -> Tunnel {
        self.tunnels.send_modify(|tunnels| *tunnels += 1);
        Tunnel(self.clone())
    }
}

/// A tunnel that is open.
#[derive(Debug)]
pub(super) struct Tunnel(Arc<Shared>);

impl Drop for Tunnel {
    fn drop(&mut self) {
        self.0.tunnels.send_modify(|tunnels| *tunnels -= 1);
    }
}
