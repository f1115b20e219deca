//! A server that listens: accepts connections, knows who they come from, and shuts down in good order.

use std::{
    fmt, io,
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
    pin::pin,
    sync::Arc,
    time::Duration,
};

use mcp_core::{Connection, Endpoint, IntoEndpoint, Principal, Signal, TransportKind};
use rustix::net::sockopt::{set_socket_keepalive, set_tcp_keepidle};
use tokio::{
    net::{TcpListener, TcpStream, UnixListener, UnixStream},
    sync::Semaphore,
    task::JoinSet,
};

use crate::{
    ServeError, Sockets,
    signals::serve_until_signals,
    socket_file::SocketFile,
    stream::{Input, Output},
};

/// How long a client on another machine may be silent before it is asked whether it still lives.
const KEEP_ALIVE: Duration = Duration::from_secs(60);

/// A server that is listening; nothing is answered until it [runs](Self::run).
///
/// ```no_run
/// # use mcp_core::Server;
/// # use mcp_transport_stdio::SocketServer;
/// # #[tokio::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let server = Server::new("demo", "1.0.0");
/// let listening = SocketServer::bind_unix(server, "/run/user/1000/demo.sock").await?;
/// println!("listening on {}", listening.local_addr());
/// listening.run().await?;
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct SocketServer {
    listener: Listener,
    endpoint: Endpoint,
    options: Sockets,
}

/// Where a [`SocketServer`] listens; shown as `tcp://127.0.0.1:8080` or `unix:/run/demo.sock`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ListenAddr {
    /// An address of TCP.
    Tcp(SocketAddr),
    /// The path of a Unix socket, absolute.
    Unix(PathBuf),
}

impl fmt::Display for ListenAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => write!(f, "tcp://{address}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

#[derive(Debug)]
enum Listener {
    /// With whom strangers are taken for.
    Tcp(TcpListener, SocketAddr, Principal),
    // In this order: see `SocketFile`.
    Unix(SocketFile, UnixListener),
}

/// A client that has connected.
enum Accepted {
    Tcp(TcpStream, IpAddr, Principal),
    Unix(UnixStream),
}

impl SocketServer {
    /// Listens on a Unix socket at this path, with every default; see [`Sockets::bind_unix`].
    ///
    /// # Errors
    ///
    /// As of [`Sockets::bind_unix`].
    pub async fn bind_unix(server: impl IntoEndpoint, path: impl AsRef<Path>) -> Result<Self, ServeError> {
        Sockets::new().bind_unix(server, path).await
    }

    pub(crate) async fn on_tcp(
        endpoint: Endpoint,
        address: &str,
        options: Sockets,
    ) -> Result<Self, ServeError> {
        let wrong = |source| ServeError::Address { address: address.to_owned(), source };
        let mut found = tokio::net::lookup_host(address).await.map_err(wrong)?;
        let address = found.next().ok_or_else(|| wrong(io::Error::other("the host has no address")))?;
        if !address.ip().to_canonical().is_loopback() && !options.beyond_loopback {
            return Err(ServeError::BeyondLoopback(address));
        }
        let stranger = options.stranger.clone().ok_or(ServeError::NoAuthentication)?;
        let failed = |source| ServeError::Bind { address, source };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        Ok(Self { listener: Listener::Tcp(listener, address, stranger), endpoint, options })
    }

    pub(crate) async fn on_unix(
        endpoint: Endpoint,
        path: &Path,
        options: Sockets,
    ) -> Result<Self, ServeError> {
        let (file, listener) = SocketFile::listen(path).await?;
        Ok(Self { listener: Listener::Unix(file, listener), endpoint, options })
    }

    /// Where it listens.
    pub fn local_addr(&self) -> ListenAddr {
        match &self.listener {
            Listener::Tcp(_, address, _) => ListenAddr::Tcp(*address),
            Listener::Unix(file, _) => ListenAddr::Unix(file.path().to_owned()),
        }
    }

    /// Serves until SIGTERM or SIGINT, then ends subscriptions and lets requests finish for
    /// [`drain_time`](Sockets::drain_time). A second signal cuts the waiting short.
    ///
    /// # Errors
    ///
    /// Signals that cannot be listened for.
    pub async fn run(self) -> Result<(), ServeError> {
        let serving = async |closing: Signal| self.run_until(closing.raised()).await;
        serve_until_signals(serving).await.map_err(ServeError::Signal)?;
        Ok(())
    }

    /// Serves until `end` is ready, then shuts down as [`run`](Self::run) does.
    pub async fn run_until(self, end: impl Future<Output = ()>) {
        let Self { listener, endpoint, options } = self;
        let options = Arc::new(options);
        let places = Arc::new(Semaphore::new(options.max_connections.min(Semaphore::MAX_PERMITS)));
        let closing = Signal::new();
        let mut connections = JoinSet::new();
        let mut end = pin!(end);
        loop {
            let accepting = async {
                // A connection beyond the limit waits in the kernel's queue.
                let place = Arc::clone(&places).acquire_owned().await;
                (listener.accept().await, place)
            };
            tokio::select! {
                () = &mut end => break,
                (accepted, place) = accepting => match accepted {
                    Ok(accepted) => {
                        let Some((connection, input, output)) = accepted.open(&endpoint) else {
                            continue;
                        };
                        let (options, closing) = (Arc::clone(&options), closing.clone());
                        connections.spawn(async move {
                            if let Err(error) = options.serve(connection, input, output, closing.raised()).await {
                                tracing::debug!(%error, "a connection ended");
                            }
                            drop(place);
                        });
                    }
                    Err(error) => rest_after(&error).await,
                },
                Some(_) = connections.join_next() => {}
            }
            // All that have ended, and not one for each that comes: what has ended must not pile up.
            while connections.try_join_next().is_some() {}
        }
        drop(listener);
        closing.raise();
        // Each keeps to the time that it has for draining.
        while connections.join_next().await.is_some() {}
    }
}

impl Listener {
    async fn accept(&self) -> io::Result<Accepted> {
        match self {
            Self::Tcp(listener, _, stranger) => {
                let (stream, peer) = listener.accept().await?;
                Ok(Accepted::Tcp(stream, peer.ip(), stranger.clone()))
            }
            Self::Unix(_, listener) => listener.accept().await.map(|(stream, _)| Accepted::Unix(stream)),
        }
    }
}

impl Accepted {
    /// A connection for it, unless it is not to be served.
    fn open(self, endpoint: &Endpoint) -> Option<(Connection, Input, Output)> {
        match self {
            Self::Tcp(stream, peer, stranger) => {
                if let Err(error) = prepare(&stream) {
                    tracing::debug!(%error, "a connection was gone at once");
                    return None;
                }
                let stream = Arc::new(stream);
                let connection = Connection::new(endpoint, stranger, TransportKind::Tcp).peer(peer);
                Some((connection, Input::Tcp(Arc::clone(&stream)), Output::Tcp(stream)))
            }
            Self::Unix(stream) => {
                // The file's mode keeps others out already. But not where it can be changed, or was.
                let peer = match stream.peer_cred() {
                    Ok(peer) => peer.uid(),
                    Err(error) => {
                        tracing::warn!(%error, "a connection was refused: whose it is cannot be told");
                        return None;
                    }
                };
                if !is_trusted(peer) {
                    tracing::warn!(uid = peer, "a connection of another user was refused");
                    return None;
                }
                let stream = Arc::new(stream);
                let connection = Connection::new(endpoint, Principal::local(), TransportKind::Unix);
                Some((connection, Input::Unix(Arc::clone(&stream)), Output::Unix(stream)))
            }
        }
    }
}

/// Whether this user may do all that we can: it could anyhow.
fn is_trusted(uid: u32) -> bool {
    uid == 0 || uid == rustix::process::geteuid().as_raw()
}

fn prepare(stream: &TcpStream) -> io::Result<()> {
    // Small answers must not wait for the client's acknowledgement of the one before.
    stream.set_nodelay(true)?;
    // A machine that went down without a word would keep its place for ever.
    set_socket_keepalive(stream, true)?;
    Ok(set_tcp_keepidle(stream, KEEP_ALIVE)?)
}

/// Waits before the next connection where this one failed for want of descriptors or memory.
async fn rest_after(error: &io::Error) {
    let is_clients_own = matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionRefused
    );
    if !is_clients_own {
        tracing::error!(%error, "a connection could not be accepted");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_we_and_root_are_trusted() {
        let own = rustix::process::geteuid().as_raw();
        assert!(is_trusted(own) && is_trusted(0));
        assert!(!is_trusted(own + 1));
    }
}
