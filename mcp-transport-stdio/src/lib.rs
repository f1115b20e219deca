//! MCP over standard input and output: one JSON-RPC message a line.
//!
//! ```no_run
//! # use mcp_core::Server;
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let server = Server::new("demo", "1.0.0");
//! mcp_transport_stdio::serve(server).await?;
//! # Ok(()) }
//! ```
//!
//! Clients of both eras are served, at the same time if need be. Requests run side by side and are answered as they
//! end; answers that are ready together go out in one write.
//!
//! **Nothing but MCP reaches the client.** While and after a server runs, descriptor 1 belongs to the transport:
//! whatever else writes to standard output (a `println!` in a tool, a C library) lands on standard error.
//!
//! **Limits.** A line of more than [`max_message_bytes`](Stdio::max_message_bytes) is skipped to its end in constant
//! memory and answered with an error, and the next line is served. A client that does not read its answers is not
//! read from either.
//!
//! **The end.** At the end of input, at SIGTERM and at SIGINT, subscriptions are ended and what runs may finish for
//! [`drain_time`](Stdio::drain_time); then [`serve`] returns, and the program can exit with 0. A second signal cuts
//! the waiting short.

mod descriptor;
mod lines;
mod serve;

use std::{io, time::Duration};

use mcp_core::{BuildError, IntoEndpoint};

/// Serves a server on standard input and output, until input ends or a signal comes.
///
/// # Errors
///
/// A server that cannot be built, and descriptors that cannot be used. A client that goes away is no error.
pub async fn serve(server: impl IntoEndpoint) -> Result<(), ServeError> {
    Stdio::new().serve(server).await
}

/// How standard input and output are served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stdio {
    max_message_bytes: usize,
    drain_time: Duration,
}

impl Default for Stdio {
    fn default() -> Self {
        Self { max_message_bytes: 2 << 20, drain_time: Duration::from_secs(5) }
    }
}

impl Stdio {
    /// With every default.
    pub fn new() -> Self {
        Self::default()
    }

    /// The longest line that is read, in bytes without its end; 2 MiB by default.
    #[must_use]
    pub fn max_message_bytes(mut self, bytes: usize) -> Self {
        self.max_message_bytes = bytes;
        self
    }

    /// How long requests may go on after the end of input or a signal; 5 seconds by default.
    #[must_use]
    pub fn drain_time(mut self, time: Duration) -> Self {
        self.drain_time = time;
        self
    }

    /// Serves a server, as [`serve`] does.
    ///
    /// # Errors
    ///
    /// As of [`serve`].
    pub async fn serve(self, server: impl IntoEndpoint) -> Result<(), ServeError> {
        let endpoint = server.into_endpoint()?;
        let streams = descriptor::take().map_err(ServeError::Descriptor)?;
        serve::run(&endpoint, streams, &self).await
    }
}

/// Why a server could not be served.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// The server cannot be built.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// Standard input or output cannot be used.
    #[error("standard input or output cannot be used")]
    Descriptor(#[source] io::Error),
    /// Reading failed.
    #[error("standard input cannot be read")]
    Read(#[source] io::Error),
    /// The signals that end a server cannot be listened for.
    #[error("signals cannot be listened for")]
    Signal(#[source] io::Error),
}
