//! How a gateway serves: how long it waits, and how much it takes.

use std::time::Duration;

/// How a gateway serves. Every default is safe to start with.
///
/// A request is held to what is set when it begins; a connection to what is set at any time, but for the size of
/// heads, which is that of when it was accepted. No time is longer than a year.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct GatewaySettings {
    /// How long the head of a request may take, from its first byte on, and the first byte of a connection.
    /// The connection is closed then. 10 seconds by default.
    pub(crate) header_timeout: Duration,
    /// How long a connection of a client is kept on which no request is under way. 75 seconds by default.
    pub(crate) keep_alive: Duration,
    /// How long a connection to an app may take to come about; 504 after that. 2 seconds by default.
    pub(crate) connect_timeout: Duration,
    /// How long a request waits for an app that is being started again; 503 after that. 5 seconds by default.
    pub(crate) start_timeout: Duration,
    /// How long an app may take until the head of its response is there, from when it has the whole request;
    /// 504 after that. 60 seconds by default.
    pub(crate) response_timeout: Duration,
    /// How long a body may be silent, either way: of a request 408 after that; a response breaks off. A
    /// client that takes nothing of a response is let go after this, `start_timeout`, `connect_timeout` and
    /// `response_timeout` together. 120 seconds by default.
    pub(crate) idle_timeout: Duration,
    /// How long nothing may move in a WebSocket, or whatever else a connection became by an upgrade. 10
    /// minutes by default.
    pub(crate) websocket_idle_timeout: Duration,
    /// How long an idle connection to an app is used again. Below what servers commonly keep one for, which
    /// is 5 seconds, so that it is not closed just as a request is on its way. 4 seconds by default.
    pub(crate) pool_idle_timeout: Duration,
    /// How large the body of a request may be, in bytes; 413 for one that is larger. 100 MiB by default.
    pub(crate) max_body_bytes: u64,
    /// How large the head of a request may be, in bytes; 431 for one that is larger. 8 KiB at least, 64 KiB
    /// by default.
    pub(crate) max_header_bytes: usize,
    /// How many connections of clients there may be; more wait to be accepted. 1024 by default.
    pub(crate) max_connections: usize,
    /// How many requests may be under way, WebSockets among them; 503 for more. 4096 by default.
    pub(crate) max_in_flight: u64,
}

/// A year.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 60 * 60);
/// The smallest buffer that hyper takes.
const MIN_HEADER_BYTES: usize = 8 << 10;

impl GatewaySettings {
    /// How long nothing may move in a request at all, even if all that it waits for takes as long as it may.
    pub(super) fn patience(&self) -> Duration {
        self.start_timeout + self.connect_timeout + self.response_timeout + self.idle_timeout
    }

    /// The same, with what no clock could count to made a year, and with room for one at least.
    pub(super) fn bounded(mut self) -> Self {
        let Self {
            header_timeout,
            keep_alive,
            connect_timeout,
            start_timeout,
            response_timeout,
            idle_timeout,
            websocket_idle_timeout,
            pool_idle_timeout,
            max_connections,
            max_header_bytes,
            max_in_flight,
            max_body_bytes: _,
        } = &mut self;
        for time in [
            header_timeout,
            keep_alive,
            connect_timeout,
            start_timeout,
            response_timeout,
            idle_timeout,
            websocket_idle_timeout,
            pool_idle_timeout,
        ] {
            *time = (*time).min(LONGEST);
        }
        *max_connections = (*max_connections).max(1);
        *max_in_flight = (*max_in_flight).max(1);
        *max_header_bytes = (*max_header_bytes).max(MIN_HEADER_BYTES);
        self
    }
}

impl Default for GatewaySettings {
    fn default() -> Self {
        Self {
            header_timeout: Duration::from_secs(10),
            keep_alive: Duration::from_secs(75),
            connect_timeout: Duration::from_secs(2),
            start_timeout: Duration::from_secs(5),
            response_timeout: Duration::from_secs(60),
            idle_timeout: Duration::from_secs(120),
            websocket_idle_timeout: Duration::from_secs(600),
            pool_idle_timeout: Duration::from_secs(4),
            max_body_bytes: 100 << 20,
            max_header_bytes: 64 << 10,
            max_connections: 1024,
            max_in_flight: 4096,
        }
    }
}
