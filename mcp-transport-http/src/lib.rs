//! MCP over Streamable HTTP (specification 2026-07-28, "Streamable HTTP"): a [`tower_service::Service`] to mount
//! beside one's own routes, and a server of its own.
//!
//! ```no_run
//! # use mcp_core::Server;
//! # #[tokio::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use mcp_transport_http::Http;
//!
//! let server = Http::new().without_auth().bind(Server::new("demo", "1.0.0"), "127.0.0.1:8080").await?;
//! println!("listening on {}", server.url());
//! server.run().await?;
//! # Ok(()) }
//! ```
//!
//! In an axum application: `Router::new().route_service("/mcp", Http::new().keys(keys).service(server)?)`.
//!
//! **Closed by default.** Whoever calls has to be known: by an API key ([`Http::keys`]), by another way to tell
//! ([`Http::authenticate`]), or by a [`Principal`](mcp_core::Principal) that a layer in front puts into the request's
//! extensions. Everybody else is answered with 401, before the body of the request is read, unless [`Http::without_auth`]
//! lets them in. [`HttpServer`] listens on loopback addresses only, and [`HttpService`] serves requests for `localhost` and
//! loopback addresses only, by `Host` and, where there is one, `Origin`: so that no web page can reach a server on its
//! reader's machine (DNS rebinding). Both are opened up by name: see [`Http`]. `/health`, `/health/live` and
//! `/health/ready` of a server of its own say to everybody whether it lives, and nothing else.
//!
//! **API keys** are made with [`ApiKeys::create`], shown once, kept as hashes, and sent as `Authorization: Bearer KEY`. One
//! that is revoked, by whichever process, is refused with the very next request, and its streams and sessions end. The
//! feature `sqlite` keeps them in a file (`ApiKeys::open`); other places implement [`KeyStore`].
//!
//! **Answers** are JSON, in one write, unless the request has something to say before it ends (progress, log
//! messages, a question, a subscription): then they are an event stream.
//!
//! **Every revision** is served at the same path. Under 2026-07-28 each request stands for itself, and a client that
//! goes away cancels it. Those before open a session with `initialize`; it is named by `Mcp-Session-Id`, belongs to the
//! principal that opened it and ends with its credentials, has a stream of its own (GET), and ends by DELETE or when it has been idle for
//! [`Http::session_idle_time`]. There only the client's `notifications/cancelled` cancels a request. Streams are not
//! resumable.
//!
//! **HTTP/1.1 and HTTP/2** are served on one port, the latter by prior knowledge: there is no TLS in this crate, and no
//! upgrade. Limits are options of [`Http`]. Fixed are 100 headers of a request over HTTP/1.1; over HTTP/2 windows of
//! 256 KiB for a stream and 1 MiB for a connection, frames of 16 KiB, 20 requests that are taken back before they were
//! looked at, and 128 errors that made the server reset a stream: past these two, the client is sent away.
//!
//! **Web pages** of an origin that was allowed by name ([`Http::allow_origin`]) are answered with the headers of CORS.

mod auth;
mod body;
mod connection;
mod cors;
mod descriptors;
mod endings;
mod figures;
mod forwarded;
mod guard;
#[cfg(feature = "metrics")]
mod metrics;
mod mirror;
mod options;
mod pacing;
mod reading;
mod responses;
mod routes;
mod server;
mod service;
mod sessions;
mod stream;
mod streams;

use std::{io, net::SocketAddr};

use mcp_core::BuildError;

#[cfg(feature = "sqlite")]
pub use self::auth::SqliteKeys;
pub use self::{
    auth::{
        ApiKey, ApiKeys, Authenticate, Found, Granted, KeyError, KeyHash, KeyKind, KeyRecord, KeyStore,
        MemoryKeys, NewKey,
    },
    body::ResponseBody,
    forwarded::NotANetwork,
    options::Http,
    server::HttpServer,
    service::{HttpService, PeerAddress, ResponseFuture},
};

/// Why a server could not be served.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// The server cannot be built.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// Nobody could use it.
    #[error(
        "nobody would be let in: say who with `Http::keys` or `Http::authenticate`, or let in whoever is on this machine \
         with `Http::without_auth`"
    )]
    NoAuthentication,
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
