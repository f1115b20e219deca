//! How sockets are served: limits, each with its default, and what is opened up by name.

use std::{path::Path, time::Duration};

use mcp_core::{Connection, IntoEndpoint, Principal, TransportKind};
use tokio::io::{AsyncRead, AsyncWrite, split};

use crate::{
    LONGEST, ServeError, SocketServer,
    serve::{Client, ClientLimits, End},
    stream::{Duplex, Input, Output},
};

/// Options of [`SocketServer`], and of streams that are accepted elsewhere.
///
/// How many requests run at once over all connections is one of the server's own [`Limits`](mcp_core::Limits).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sockets {
    max_message_bytes: usize,
    drain_time: Duration,
    write_time: Duration,
    pub(crate) max_connections: usize,
    pub(crate) beyond_loopback: bool,
    /// On whose behalf come those who connect over TCP, once it is decided that they may.
    pub(crate) stranger: Option<Principal>,
}

impl Default for Sockets {
    fn default() -> Self {
        Self {
            max_message_bytes: 2 << 20,
            drain_time: Duration::from_secs(10),
            write_time: Duration::from_secs(30),
            max_connections: 1024,
            beyond_loopback: false,
            stranger: None,
        }
    }
}

impl Sockets {
    /// With every default.
    pub fn new() -> Self {
        Self::default()
    }

    /// The longest line that is read, in bytes without its end; 2 MiB by default. A longer one is answered with 413.
    #[must_use]
    pub fn max_message_bytes(mut self, bytes: usize) -> Self {
        self.max_message_bytes = bytes;
        self
    }

    /// How long requests may go on once their client has ended its input, or the server shuts down; 10 seconds by
    /// default.
    #[must_use]
    pub fn drain_time(mut self, time: Duration) -> Self {
        self.drain_time = time.min(LONGEST);
        self
    }

    /// How long a client may take nothing at all of what is written to it; 30 seconds by default. One that takes longer
    /// is disconnected, which cancels its requests. Until then it is not read from, so that it cannot ask for more than
    /// it takes.
    #[must_use]
    pub fn write_time(mut self, time: Duration) -> Self {
        self.write_time = time.min(LONGEST);
        self
    }

    /// How many connections may be open at once; 1,024 by default. Further ones wait to be accepted.
    #[must_use]
    pub fn max_connections(mut self, connections: usize) -> Self {
        self.max_connections = connections;
        self
    }

    /// Lets [`bind_tcp`](Self::bind_tcp) listen on addresses that other machines can reach. Nothing is encrypted, and
    /// whoever reaches it may call every tool.
    #[must_use]
    pub fn listen_beyond_loopback(mut self) -> Self {
        self.beyond_loopback = true;
        self
    }

    /// Lets whoever connects over TCP do all that the server can: every scope and every tenant is theirs. Without it
    /// [`bind_tcp`](Self::bind_tcp) refuses, since over bare TCP nobody can show who they are.
    #[must_use]
    pub fn without_auth(self) -> Self {
        self.strangers_are(Principal::anonymous().with_every_scope().with_every_tenant())
    }

    /// Takes whoever connects over TCP for this principal, such as [`Principal::anonymous`], to whom nothing is granted.
    #[must_use]
    pub fn strangers_are(mut self, principal: Principal) -> Self {
        self.stranger = Some(principal);
        self
    }

    /// A server with these options, listening on an address of the form `HOST:PORT`; port 0 takes a free one.
    ///
    /// # Errors
    ///
    /// A server that cannot be built, an address that is none, that is taken, or that other machines can reach; and that
    /// nobody said that callers need not show who they are.
    pub async fn bind_tcp(
        self,
        server: impl IntoEndpoint,
        address: &str,
    ) -> Result<SocketServer, ServeError> {
        SocketServer::on_tcp(server.into_endpoint()?, address, self).await
    }

    /// A server with these options, listening on a Unix socket at this path.
    ///
    /// The socket is made with mode 0600, and beside root only processes of the user that this one runs as are served;
    /// each may do all that the server can, as [`Principal::local`]. The socket of a server that is no more is replaced.
    ///
    /// # Errors
    ///
    /// A server that cannot be built, and a path at which no socket can be made: another server listens there, or there
    /// is something else, which is never removed.
    pub async fn bind_unix(
        self,
        server: impl IntoEndpoint,
        path: impl AsRef<Path>,
    ) -> Result<SocketServer, ServeError> {
        SocketServer::on_unix(server.into_endpoint()?, path.as_ref(), self).await
    }

    /// Serves one client over a stream of one's own, such as TLS or a pipe in memory, until it ends its input or is
    /// gone. Who it is and over what it came is for the caller to know.
    ///
    /// Dropping the future disconnects the client and cancels its requests.
    ///
    /// # Errors
    ///
    /// A server that cannot be built, and a stream that cannot be read. A client that goes away is no error.
    pub async fn serve_stream(
        &self,
        server: impl IntoEndpoint,
        stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
        principal: Principal,
        transport: TransportKind,
    ) -> Result<(), ServeError> {
        self.serve_stream_until(server, stream, principal, transport, std::future::pending()).await
    }

    /// As [`serve_stream`](Self::serve_stream), but ends in good order once `end` is ready: subscriptions are ended, and
    /// requests may finish for [`drain_time`](Self::drain_time).
    ///
    /// # Errors
    ///
    /// As of [`serve_stream`](Self::serve_stream).
    pub async fn serve_stream_until(
        &self,
        server: impl IntoEndpoint,
        stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
        principal: Principal,
        transport: TransportKind,
        end: impl Future<Output = ()>,
    ) -> Result<(), ServeError> {
        let connection = Connection::new(&server.into_endpoint()?, principal, transport);
        let (input, output) = split(Box::new(stream) as Box<dyn Duplex>);
        self.serve(connection, Input::Stream(input), Output::Stream(output), end).await
    }

    /// Serves one client, and closes what it came over.
    pub(crate) async fn serve(
        &self,
        connection: Connection,
        input: Input,
        output: Output,
        end: impl Future<Output = ()>,
    ) -> Result<(), ServeError> {
        let limits = ClientLimits {
            max_message_bytes: self.max_message_bytes,
            drain_time: self.drain_time,
            write_time: Some(self.write_time),
        };
        let mut client = Client::new(connection, input, output, limits);
        if client.run(end).await.map_err(ServeError::Read)? != End::ClientGone {
            client.hang_up().await;
        }
        Ok(())
    }
}
