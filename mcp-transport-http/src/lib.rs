//! MCP over Streamable HTTP (specification 2026-07-28, "Streamable HTTP"): a [`tower_service::Service`] to mount
//! beside one's own routes, and a server of its own.
//!
//! ```no_run
//! # use mcp_core::Server;
//! # #[tokio::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let server = mcp_transport_http::HttpServer::bind(Server::new("demo", "1.0.0"), "127.0.0.1:8080").await?;
//! println!("listening on {}", server.url());
//! server.run().await?;
//! # Ok(()) }
//! ```
//!
//! In an axum application: `Router::new().route_service("/mcp", HttpService::new(server)?)`.
//!
//! **Closed by default.** [`HttpServer`] listens on loopback addresses only, and [`HttpService`] serves requests for
//! `localhost` and loopback addresses only, by `Host` and, where there is one, `Origin`: so that no web page can
//! reach a server on its reader's machine (DNS rebinding). Both are opened up by name: see [`Http`]. There is no
//! authentication in this crate yet; a layer in front may put a [`Principal`](mcp_core::Principal) into the
//! request's extensions. Whoever comes without one is granted nothing, so that tools which state scopes are refused,
//! unless [`Http::without_auth`] says otherwise.
//!
//! **Answers** are JSON, in one write, unless the request has something to say before it ends (progress, log
//! messages, a question, a subscription): then they are an event stream.
//!
//! **Every revision** is served at the same path. Under 2026-07-28 each request stands for itself, and a client that
//! goes away cancels it. Those before open a session with `initialize`; it is named by `Mcp-Session-Id`, belongs to the
//! principal that opened it, has a stream of its own (GET), and ends by DELETE or when it has been idle for
//! [`Http::session_idle_time`]. There only the client's `notifications/cancelled` cancels a request. Streams are not
//! resumable.
//!
//! **HTTP/1.1 and HTTP/2** are served on one port, the latter by prior knowledge: there is no TLS in this crate, and no
//! upgrade. Limits are options of [`Http`]. Fixed are 100 headers of a request over HTTP/1.1; over HTTP/2 windows of
//! 256 KiB for a stream and 1 MiB for a connection, frames of 16 KiB, 20 requests that are taken back before they were
//! looked at, and 128 errors that made the server reset a stream: past these two, the client is sent away.
//!
//! **Web pages** of an origin that was allowed by name ([`Http::allow_origin`]) are answered with the headers of CORS.

mod body;
mod connection;
mod cors;
#[allow(dead_code)]
mod figures;
mod forwarded;
mod guard;
#[cfg(feature = "metrics")]
#[allow(dead_code)]
mod metrics;
mod mirror;
mod options;
mod pacing;
mod routes;
mod server;
mod service;
mod sessions;
mod stream;
mod streams;

use std::{io, net::SocketAddr};

use mcp_core::{BuildError, IntoEndpoint};

pub use self::{
    body::ResponseBody,
    forwarded::NotANetwork,
    options::Http,
    server::HttpServer,
    service::{HttpService, PeerAddress, ResponseFuture},
};

/// Serves a server at this address under `/mcp`, with every default, until SIGTERM or SIGINT.
///
/// # Errors
///
/// As of [`HttpServer::bind`].
pub async fn serve(server: impl IntoEndpoint, address: &str) -> Result<(), ServeError> {
    HttpServer::bind(server, address).await?.run().await
}

/// Why a server could not be served.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// The server cannot be built.
    #[error(transparent)]
    Build(#[from] BuildError),
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
    /// The address cannot be listened on.
    #[error("{address} cannot be listened on")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// Why not.
        source: io::Error,
    },
    /// The signals that end a server cannot be listened for.
    #[error("signals cannot be listened for")]
    Signal(#[source] io::Error),
}
