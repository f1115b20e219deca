//! How HTTP is served: limits, each with its default, and what is opened up by name.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use mcp_core::{IntoEndpoint, Principal};

use crate::{ApiKeys, Authenticate, HttpServer, HttpService, NotANetwork, ServeError, forwarded::Proxies};

/// As long as any time may be, which is as good as for ever: points in time beyond it could not be computed with.
const LONGEST: Duration = Duration::from_secs(1 << 30);

/// Options of [`HttpService`] and [`HttpServer`].
///
/// Nobody is let in until one of [`keys`](Self::keys), [`authenticate`](Self::authenticate) and
/// [`without_auth`](Self::without_auth) says who; or until, before a service that is mounted in an application of one's own,
/// a layer does, by putting a [`Principal`] into the request's extensions.
///
/// ```no_run
/// # use mcp_core::Server;
/// # use mcp_transport_http::Http;
/// # async fn example(server: Server) -> Result<(), Box<dyn std::error::Error>> {
/// Http::new().without_auth().serve(server, "127.0.0.1:8080").await?;
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct Http {
    pub(crate) max_message_bytes: usize,
    pub(crate) body_time: Duration,
    pub(crate) header_time: Duration,
    pub(crate) write_time: Duration,
    pub(crate) keep_alive: Duration,
    pub(crate) drain_time: Duration,
    pub(crate) max_connections: usize,
    pub(crate) max_concurrent_streams: u32,
    pub(crate) max_header_bytes: usize,
    pub(crate) max_sessions: usize,
    pub(crate) max_sessions_per_caller: usize,
    pub(crate) session_idle_time: Duration,
    pub(crate) path: String,
    pub(crate) hosts: BTreeSet<String>,
    pub(crate) origins: BTreeSet<String>,
    pub(crate) beyond_loopback: bool,
    /// The ways to find out who makes a request, in their order.
    pub(crate) ways: Vec<Arc<dyn Authenticate>>,
    /// Who those are that show no credentials; they are turned away where there is none.
    pub(crate) stranger: Option<Principal>,
    pub(crate) proxies: Proxies,
    /// The scope for which figures stand beside the endpoint, if any.
    pub(crate) metrics_scope: Option<String>,
    /// The address at which they stand for whoever reaches it, if any.
    pub(crate) metrics_address: Option<String>,
}

impl Default for Http {
    fn default() -> Self {
        Self {
            max_message_bytes: 2 << 20,
            body_time: Duration::from_secs(30),
            header_time: Duration::from_secs(30),
            write_time: Duration::from_secs(30),
            keep_alive: Duration::from_secs(15),
            drain_time: Duration::from_secs(10),
            max_connections: 16_384,
            max_concurrent_streams: 100,
            max_header_bytes: 32 << 10,
            max_sessions: 32_768,
            max_sessions_per_caller: 1024,
            session_idle_time: Duration::from_secs(30 * 60),
            path: "/mcp".to_owned(),
            hosts: BTreeSet::new(),
            origins: BTreeSet::new(),
            beyond_loopback: false,
            ways: Vec::new(),
            stranger: None,
            proxies: Proxies::default(),
            metrics_scope: None,
            metrics_address: None,
        }
    }
}

impl Http {
    /// With every default.
    pub fn new() -> Self {
        Self::default()
    }

    /// The largest message that is read, in bytes; 2 MiB by default. A larger one is answered with 413.
    #[must_use]
    pub fn max_message_bytes(mut self, bytes: usize) -> Self {
        self.max_message_bytes = bytes;
        self
    }

    /// How long a client may take to send a message; 30 seconds by default. A slower one is answered with 408.
    #[must_use]
    pub fn body_time(mut self, time: Duration) -> Self {
        self.body_time = time.min(LONGEST);
        self
    }

    /// How long a client may take to send a request's headers, also of the next request on an idle connection; 30
    /// seconds by default. A slower one is disconnected, over HTTP/2 after it was told to go away.
    #[must_use]
    pub fn header_time(mut self, time: Duration) -> Self {
        self.header_time = time.min(LONGEST);
        self
    }

    /// How long a client of [`HttpServer`] may take nothing at all of what is written to it; 30 seconds by default. One
    /// that takes longer is disconnected, which cancels its request. Over HTTP/2 this holds for each stream, which is
    /// then reset, and for the answer to a ping.
    #[must_use]
    pub fn write_time(mut self, time: Duration) -> Self {
        self.write_time = time.min(LONGEST);
        self
    }

    /// How often an event stream with nothing to say sends a comment, so that nobody on the way takes it for dead;
    /// every 15 seconds by default. An HTTP/2 connection on which nothing was received for as long is pinged.
    #[must_use]
    pub fn keep_alive(mut self, interval: Duration) -> Self {
        self.keep_alive = interval.min(LONGEST);
        self
    }

    /// How long requests may go on when the server shuts down; 10 seconds by default.
    #[must_use]
    pub fn drain_time(mut self, time: Duration) -> Self {
        self.drain_time = time.min(LONGEST);
        self
    }

    /// How many connections may be open at once; 16,384 by default. Further ones wait to be accepted. [`HttpServer`] raises
    /// the limit of open files for them as far as it may, and takes no more than three quarters of it, which it says in the
    /// log.
    #[must_use]
    pub fn max_connections(mut self, connections: usize) -> Self {
        self.max_connections = connections;
        self
    }

    /// How many requests a client of [`HttpServer`] may have open at once over one connection of HTTP/2; 100 by
    /// default. Further ones are refused, and may be sent again. Over HTTP/1.1 it is always one.
    #[must_use]
    pub fn max_concurrent_streams(mut self, streams: u32) -> Self {
        self.max_concurrent_streams = streams;
        self
    }

    /// The largest head of a request that [`HttpServer`] reads, in bytes; 32 KiB by default. Over HTTP/1.1 this is the
    /// request line with all headers, over HTTP/2 their list uncompressed, with 32 bytes more for each. Over HTTP/1.1
    /// there may be 100 headers. A larger head is answered with 431.
    #[must_use]
    pub fn max_header_bytes(mut self, bytes: usize) -> Self {
        self.max_header_bytes = bytes;
        self
    }

    /// How many sessions may be open at once; 32,768 by default. Clients of revisions up to 2025-11-25 open one each;
    /// for one too many the oldest is ended that was opened and never used, and where there is none of these it is
    /// answered with 503.
    #[must_use]
    pub fn max_sessions(mut self, sessions: usize) -> Self {
        self.max_sessions = sessions;
        self
    }

    /// How many sessions one caller may have open at once; 1,024 by default. A caller is a principal or, where that is
    /// nobody in particular, an address ([`Caller::of`](mcp_core::Caller::of)); one too many is answered with 429. A
    /// local principal may have all there are.
    #[must_use]
    pub fn max_sessions_per_caller(mut self, sessions: usize) -> Self {
        self.max_sessions_per_caller = sessions;
        self
    }

    /// How long a session may be idle, without a request under way and without an open stream, before it is ended; 30
    /// minutes by default. Its client is answered with 404 from then on, and opens a new one.
    #[must_use]
    pub fn session_idle_time(mut self, time: Duration) -> Self {
        self.session_idle_time = time.min(LONGEST);
        self
    }

    /// Under which path [`HttpServer`] serves; `/mcp` by default. `/health`, `/health/live` and `/health/ready` answer
    /// beside it, so that it can be none of them.
    #[must_use]
    pub fn path(mut self, path: impl Into<String>) -> Self {
        let path: String = path.into();
        self.path = if path.starts_with('/') { path } else { format!("/{path}") };
        self
    }

    /// Also serves requests for this host, such as `mcp.example.com`, on any port. `localhost` and loopback
    /// addresses are always served.
    #[must_use]
    pub fn allow_host(mut self, host: impl Into<String>) -> Self {
        self.hosts.insert(host.into().to_ascii_lowercase());
        self
    }

    /// Serves web pages of this origin, such as `https://app.example.com`: their requests are not refused, and their
    /// browser is told (CORS) that they may send what MCP needs and read the answers; cookies it is told nothing of. A
    /// layer in front that authenticates has to let `OPTIONS` through, which browsers send without credentials; here that
    /// needs none.
    ///
    /// Pages of a host that is served are not refused either. Unless their origin is named here, though, their browser
    /// lets them read answers only where the endpoint is of the very same origin.
    #[must_use]
    pub fn allow_origin(mut self, origin: impl Into<String>) -> Self {
        self.origins.insert(origin.into().to_ascii_lowercase());
        self
    }

    /// Believes this proxy, an address or a network such as `10.0.0.0/8`, about whom it passes requests on for. It says so
    /// in `Forwarded` (RFC 7239) or `X-Forwarded-For`, in which the last that is not believed in turn counts. Of all others
    /// these headers mean nothing, and the address is that of the socket: without this, all who come through a proxy
    /// share what [`Rates`](mcp_core::Rates) gives one address.
    ///
    /// The proxy has to write one of these headers itself. Where both are there, they have to agree; otherwise, and where
    /// neither can be read, the request counts as the proxy's own.
    ///
    /// # Errors
    ///
    /// What is neither an address nor a network.
    pub fn trust_proxy(mut self, network: impl AsRef<str>) -> Result<Self, NotANetwork> {
        self.proxies.trust(network.as_ref().parse()?);
        Ok(self)
    }

    /// Lets [`HttpServer`] listen on addresses that other machines can reach. There is no TLS in this crate: what is sent,
    /// keys too, can be read on the way unless something in front encrypts it.
    #[must_use]
    pub fn listen_beyond_loopback(mut self) -> Self {
        self.beyond_loopback = true;
        self
    }

    /// Lets in whoever shows one of these API keys.
    #[must_use]
    pub fn keys(self, keys: ApiKeys) -> Self {
        self.authenticate(keys)
    }

    /// Lets in whoever this finds out. Several are asked in the order that they are given in, until one knows.
    #[must_use]
    pub fn authenticate(mut self, way: impl Authenticate) -> Self {
        self.ways.push(Arc::new(way));
        self
    }

    /// Lets whoever shows no credentials in, to do all that the server can: every scope and every tenant is theirs. That
    /// is for this machine alone: other machines reach such a server only where
    /// [`listen_beyond_loopback`](Self::listen_beyond_loopback) is said, too.
    #[must_use]
    pub fn without_auth(self) -> Self {
        self.strangers_are(Principal::anonymous().with_every_scope().with_every_tenant())
    }

    /// Lets whoever shows no credentials in as this principal, such as [`Principal::anonymous`], to whom nothing is granted:
    /// tools that state no scopes are for everybody then.
    #[must_use]
    pub fn strangers_are(mut self, principal: Principal) -> Self {
        self.stranger = Some(principal);
        self
    }

    /// Serves figures for operators at `/metrics` of [`HttpServer`], in the text format of Prometheus, to callers who were
    /// granted this scope: calls by tool and end, how long they took, refusals by reason, responses by status, and what is
    /// open. They say nothing of callers and arguments.
    #[cfg(feature = "metrics")]
    #[must_use]
    pub fn metrics(mut self, scope: impl Into<String>) -> Self {
        self.metrics_scope = Some(scope.into());
        self
    }

    /// Serves the same figures at an address of their own, to whoever reaches it: a loopback address, unless
    /// [`listen_beyond_loopback`](Self::listen_beyond_loopback) is said, too.
    #[cfg(feature = "metrics")]
    #[must_use]
    pub fn metrics_at(mut self, address: impl Into<String>) -> Self {
        self.metrics_address = Some(address.into());
        self
    }

    /// Whether anybody can ask for figures.
    pub(crate) fn counts(&self) -> bool {
        self.metrics_scope.is_some() || self.metrics_address.is_some()
    }

    /// Whether somebody can get in without a layer in front.
    pub(crate) fn is_open_to_somebody(&self) -> bool {
        !self.ways.is_empty() || self.stranger.is_some()
    }

    /// A service with these options.
    ///
    /// # Errors
    ///
    /// A server that cannot be built.
    pub fn service(self, server: impl IntoEndpoint) -> Result<HttpService, mcp_core::BuildError> {
        Ok(HttpService::with_options(server.into_endpoint()?, self))
    }

    /// A server with these options, listening on this address of the form `HOST:PORT`; port 0 takes a free one.
    ///
    /// # Errors
    ///
    /// A server that cannot be built, or that would let nobody in; an address that is none, that is taken, or that other
    /// machines can reach.
    pub async fn bind(self, server: impl IntoEndpoint, address: &str) -> Result<HttpServer, ServeError> {
        HttpServer::with_options(server.into_endpoint()?, address, self).await
    }

    /// Serves at this address under [`path`](Self::path), until SIGTERM or SIGINT.
    ///
    /// # Errors
    ///
    /// As of [`bind`](Self::bind) and [`HttpServer::run`].
    pub async fn serve(self, server: impl IntoEndpoint, address: &str) -> Result<(), ServeError> {
        self.bind(server, address).await?.run().await
    }
}
