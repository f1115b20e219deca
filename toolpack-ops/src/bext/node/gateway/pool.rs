//! Connections to the process of a release, used again from request to request.
//!
//! The client of hyper-util has a pool, too. This one opens a fresh connection when it is asked for one,
//! which a request needs that is sent a second time; hands a connection back without a task for each
//! response; and ends with its release.

use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::bext::node::body::Body;

/// How many connections wait for a request at most.
const MAX_IDLE: usize = 256;
/// How much of a response waits here for a client that is slower; the head of each has to fit.
const BUFFER_BYTES: usize = 128 << 10;

#[derive(Debug)]
pub(super) struct Pool {
    idle: Mutex<Idle>,
    cut: watch::Receiver<bool>,
}

#[derive(Debug, Default)]
struct Idle {
    /// The one used last is at the end, and the first to be used again. So those that nobody needs grow old at
    /// the beginning.
    connections: Vec<(Connection, Instant)>,
    is_closed: bool,
}

/// A connection to a process, for one request at a time.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) sender: SendRequest<Body>,
    address: SocketAddr,
    /// Whether the request that it has now is its last.
    is_retired: bool,
}

impl Connection {
    /// Has it not be used again.
    pub(super) fn retire(&mut self) {
        self.is_retired = true;
    }
}

impl Pool {
    pub(super) fn new(cut: watch::Receiver<bool>) -> Self {
        Self { idle: Mutex::default(), cut }
    }

    /// A connection to this address that was idle for no longer than this.
    pub(super) fn take(&self, address: SocketAddr, max_idle: Duration) -> Option<Connection> {
        let mut idle = self.idle();
        let now = Instant::now();
        let expired = idle.connections.partition_point(|(_, since)| now - *since >= max_idle);
        idle.connections.drain(..expired);
        // One may still be taking the rest of a request whose response is complete already.
        let is_ready =
            |connection: &Connection| connection.address == address && connection.sender.is_ready();
        let ready = idle.connections.iter().rposition(|(connection, _)| is_ready(connection))?;
        Some(idle.connections.remove(ready).0)
    }

    /// A fresh connection, which ends at the latest when its release is cut off.
    pub(super) async fn connect(&self, address: SocketAddr) -> Result<Connection, ConnectError> {
        let stream = TcpStream::connect(address).await.map_err(ConnectError::Refused)?;
        // Small requests must not wait for the acknowledgement of the one before.
        stream.set_nodelay(true).map_err(ConnectError::Refused)?;
        let (sender, connection) = http1::Builder::new()
            .max_buf_size(BUFFER_BYTES)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(ConnectError::Handshake)?;
        let mut cut = self.cut.clone();
        tokio::spawn(async move {
            let connection = connection.with_upgrades();
            tokio::select! {
                // Whoever waits for a response is told the error, too.
                _ = connection => {}
                _ = cut.wait_for(|is_cut| *is_cut) => {}
            }
        });
        Ok(Connection { sender, address, is_retired: false })
    }

    /// Takes a connection back whose response is complete.
    pub(super) fn put(&self, connection: Connection) {
        if connection.is_retired {
            return;
        }
        let mut idle = self.idle();
        if !idle.is_closed && !connection.sender.is_closed() && idle.connections.len() < MAX_IDLE {
            idle.connections.push((connection, Instant::now()));
        }
    }

    /// Keeps no connection any more.
    pub(super) fn close(&self) {
        let mut idle = self.idle();
        idle.is_closed = true;
        idle.connections.clear();
    }

    fn idle(&self) -> MutexGuard<'_, Idle> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why there is no connection.
#[derive(Debug)]
pub(super) enum ConnectError {
    Refused(std::io::Error),
    Handshake(hyper::Error),
}
