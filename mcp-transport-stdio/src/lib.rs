//! MCP as lines, one JSON-RPC message each: over standard input and output, TCP, Unix sockets, or any stream of bytes.
//!
//! ```no_run
//! # use mcp_core::Server;
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let server = Server::new("demo", "1.0.0");
//! mcp_transport_stdio::serve(server).await?;
//! # Ok(()) }
//! ```
//!
//! serves the client that started the program, as [`Stdio`] says; [`SocketServer`] listens for any number of them, as
//! [`Sockets`] says, and [`Sockets::serve_stream`] takes a stream that was accepted elsewhere. Over a socket a client says
//! and hears exactly what it would over standard input and output.
//!
//! Clients of both eras are served, at the same time if need be. Requests run side by side and are answered as they
//! end; answers that are ready together go out in one write.
//!
//! **Nothing but MCP reaches the client.** While and after a server runs on standard output, descriptor 1 belongs to the
//! transport: whatever else writes there (a `println!` in a tool, a C library) lands on standard error.
//!
//! **Closed by default.** A Unix socket serves the user that the server runs as, and root; each client may do all that the
//! server can, as on standard input. TCP is served on loopback addresses, and since anybody on the machine can connect
//! there and nobody can show who they are, tools that state scopes are refused, unless
//! [`without_auth`](Sockets::without_auth) says otherwise.
//!
//! **Limits.** A line of more than [`max_message_bytes`](Stdio::max_message_bytes) is skipped to its end in constant
//! memory and answered with an error, and the next line is served. A client that does not read its answers is not
//! read from either, and over a socket it is disconnected after [`write_time`](Sockets::write_time). How many requests run
//! at once is a limit of the server's own ([`Limits`](mcp_core::Limits)): one too many is answered with 503 and names it.
//!
//! **The end.** At the end of input, at SIGTERM and at SIGINT, subscriptions are ended and what runs may finish for
//! [`drain_time`](Stdio::drain_time); what is then left is cancelled and answered with 503, and a program that serves can
//! exit with 0. A second signal cuts the waiting short. What stands at the end of input without an end of line is a
//! message, too. The requests of a client that is seen to be gone are cancelled at once.

mod descriptor;
mod error;
mod lines;
mod listener;
mod serve;
mod signals;
mod socket_file;
mod sockets;
mod stream;
mod threads;

use std::time::Duration;

use mcp_core::{Connection, IntoEndpoint, Principal, Signal, TransportKind};

use self::serve::{Client, ClientLimits};
pub use self::{
    error::ServeError,
    listener::{ListenAddr, SocketServer},
    sockets::Sockets,
};

/// As long as any time may be, which is as good as for ever: points in time beyond it could not be computed with.
const LONGEST: Duration = Duration::from_secs(1 << 30);

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
        self.drain_time = time.min(LONGEST);
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
        let connection = Connection::new(&endpoint, Principal::local(), TransportKind::Pipe);
        let limits = ClientLimits {
            max_message_bytes: self.max_message_bytes,
            drain_time: self.drain_time,
            write_time: None,
        };
        let mut client = Client::new(connection, streams.input, streams.output, limits);
        let serving = async |closing: Signal| client.run(closing.raised()).await;
        let served = signals::serve_until_signals(serving).await.map_err(ServeError::Signal)?;
        served.transpose().map_err(ServeError::Read)?;
        Ok(())
    }
}
