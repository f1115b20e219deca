//! What a gateway counts.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// What a gateway has counted since it was bound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct GatewayFigures {
    /// Requests that have come in, probes of the gateway's own health among them.
    pub(crate) requests: u64,
    /// Requests that the gateway itself answered with 502, 503 or 504.
    pub(crate) gateway_errors: u64,
    /// Requests that are under way now, until the last byte of their response; WebSockets among them.
    pub(crate) in_flight: u64,
    /// Bytes of the bodies of responses, those of upgraded connections apart.
    pub(crate) response_bytes: u64,
    /// Connections of clients that are open now, upgraded ones apart.
    pub(crate) connections: u64,
}

/// The same, while it is being counted.
#[derive(Debug, Default)]
pub(super) struct Counters {
    requests: AtomicU64,
    gateway_errors: AtomicU64,
    in_flight: AtomicU64,
    response_bytes: AtomicU64,
    connections: AtomicU64,
}

impl Counters {
    pub(super) fn figures(&self) -> GatewayFigures {
        GatewayFigures {
            requests: self.requests.load(Relaxed),
            gateway_errors: self.gateway_errors.load(Relaxed),
            in_flight: self.in_flight.load(Relaxed),
            response_bytes: self.response_bytes.load(Relaxed),
            connections: self.connections.load(Relaxed),
        }
    }

    pub(super) fn in_flight(&self) -> u64 {
        self.in_flight.load(Relaxed)
    }

    pub(super) fn request(&self) {
        self.requests.fetch_add(1, Relaxed);
    }

    pub(super) fn gateway_error(&self) {
        self.gateway_errors.fetch_add(1, Relaxed);
    }

    pub(super) fn response_bytes(&self, bytes: usize) {
        self.response_bytes.fetch_add(bytes as u64, Relaxed);
    }

    /// Counts one as under way, until it is dropped.
    pub(super) fn under_way(self: &Arc<Self>) -> Held {
        Held::new(self, |counters| &counters.in_flight)
    }

    /// Counts a connection as open, until it is dropped.
    pub(super) fn connection(self: &Arc<Self>) -> Held {
        Held::new(self, |counters| &counters.connections)
    }
}

/// One more on a counter, while it is held.
#[derive(Debug)]
pub(super) struct Held {
    counters: Arc<Counters>,
    which: fn(&Counters) -> &AtomicU64,
}

impl Held {
    fn new(counters: &Arc<Counters>, which: fn(&Counters) -> &AtomicU64) -> Self {
        which(counters).fetch_add(1, Relaxed);
        Self { counters: counters.clone(), which }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        (self.which)(&self.counters).fetch_sub(1, Relaxed);
    }
}
