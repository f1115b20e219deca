//! Why a server could not be served.

use std::{io, net::SocketAddr, path::PathBuf};

use mcp_core::BuildError;

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
    #[error("input cannot be read")]
    Read(#[source] io::Error),
    /// The signals that end a server cannot be listened for.
    #[error("signals cannot be listened for")]
    Signal(#[source] io::Error),
    /// What was given is no address.
    #[error("`{address}` is no address of the form HOST:PORT, such as 127.0.0.1:8080")]
    Address {
        /// What was given.
        address: String,
        /// What is wrong with it.
        source: io::Error,
    },
    /// An address that other machines can reach, without having asked for it.
    #[error(
        "{0} can be reached from other machines; only loopback addresses are served unless that is asked for"
    )]
    BeyondLoopback(SocketAddr),
    /// Callers over TCP cannot show who they are, and nobody said that they need not.
    #[error(
        "callers over TCP cannot show who they are; `Sockets::without_auth` lets them do everything all the same"
    )]
    NoAuthentication,
    /// The address cannot be listened on.
    #[error("{address} cannot be listened on")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// Why not.
        source: io::Error,
    },
    /// No socket can be made at this path.
    #[error("no socket can be made at {}", path.display())]
    SocketFile {
        /// The path.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A server that lives has its socket at this path.
    #[error("another server is listening at {}", .0.display())]
    SocketInUse(PathBuf),
    /// At this path there is something else than a socket, which is left alone.
    #[error("{} is there already and is no socket", .0.display())]
    NotASocket(PathBuf),
}
