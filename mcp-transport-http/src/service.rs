//! The MCP endpoint as a service: one POST, one message, one answer; and for sessions, GET and DELETE.

use std::{
    borrow::Cow,
    convert::Infallible,
    future::Future,
    net::IpAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body::Body;
use mcp_core::{
    BuildError, Caller, EncodedAnswer, Endpoint, Exchange, IntoEndpoint, MirroredHeaders, NamedSession, Post,
    Principal, Refusal, RequestId, Revision, RpcError, Running, Session, Signal, Step,
};
use serde_json::json;

use crate::{
    Http, ResponseBody, auth,
    body::{Ended, credentials_ended},
    cors,
    endings::Endings,
    figures::Figures,
    guard, mirror,
    reading::{accepts, check_types, read},
    responses::{event_stream, json_answer, refuse, status_only, with_allow, without_body},
    sessions::{NoPlace, Sessions},
};

/// What a session is named by (specification 2025-11-25, "Session Management").
const SESSION_ID: HeaderName = HeaderName::from_static("mcp-session-id");

/// The methods that the endpoint has, in words of `Allow` and of CORS.
const METHODS: &str = "GET, HEAD, POST, DELETE, OPTIONS";
/// Those that it has in revisions without sessions.
const MODERN_METHODS: &str = "POST, OPTIONS";

/// The largest body that is read of a request whose caller has made too many.
const SMALL_BODY_BYTES: u64 = 16 << 10;

/// Serves MCP on whatever path it is mounted; cheap to clone.
///
/// A [`tower_service::Service`] for axum and its like, and a [`hyper::service::Service`].
#[derive(Clone, Debug)]
pub struct HttpService {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    endpoint: Endpoint,
    options: Http,
    sessions: Arc<Sessions>,
    endings: Arc<Endings>,
    closing: Signal,
    figures: Figures,
}

/// Where a request comes from, as a server of one's own puts it into the request's extensions: the address of the socket.
///
/// [`HttpServer`](crate::HttpServer) knows it by itself. A proxy that [is trusted](Http::trust_proxy) is seen through in
/// either case. Without an address all who show no credentials are one caller, and share what limits give to one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerAddress(pub IpAddr);

impl PeerAddress {
    fn of<B>(request: &Request<B>) -> Option<IpAddr> {
        request.extensions().get().map(|&Self(address)| address)
    }
}

/// The future of a response.
pub type ResponseFuture = Pin<Box<dyn Future<Output = Result<Response<ResponseBody>, Infallible>> + Send>>;

impl HttpService {
    /// A service with every default, for an application whose own layer in front says who calls, by putting a [`Principal`]
    /// into the request's extensions: whoever comes without one is answered with 401. See [`Http`] for other ways.
    ///
    /// # Errors
    ///
    /// A server that cannot be built.
    pub fn new(server: impl IntoEndpoint) -> Result<Self, BuildError> {
        Http::new().service(server)
    }

    pub(crate) fn with_options(endpoint: Endpoint, options: Http) -> Self {
        let Http { max_sessions, max_sessions_per_caller, session_idle_time, .. } = options;
        let sessions = Sessions::new(max_sessions, max_sessions_per_caller, session_idle_time);
        let endings = Endings::new(&sessions);
        // A server whose figures are asked for counts from its beginning, and any other does not count.
        if options.counts() {
            endpoint.meter();
        }
        let (closing, figures) = (Signal::new(), Figures::default());
        Self { shared: Arc::new(Shared { endpoint, options, sessions, endings, closing, figures }) }
    }

    /// Waits until the requests of all sessions are answered, also those whose clients have gone.
    pub(crate) async fn settled(&self) {
        self.shared.sessions.settled().await;
    }

    /// Ends all subscriptions, each with its result, and the streams of sessions, so that a graceful shutdown need not
    /// wait for them.
    pub fn close(&self) {
        self.shared.closing.raise();
    }

    /// Whether it is [closed](Self::close): it takes no new subscriptions, and is about to end.
    pub fn is_closing(&self) -> bool {
        self.shared.closing.is_raised()
    }

    #[cfg(feature = "metrics")]
    pub(crate) fn endpoint(&self) -> &Endpoint {
        &self.shared.endpoint
    }

    /// How many sessions are open.
    #[cfg(feature = "metrics")]
    pub(crate) fn sessions(&self) -> usize {
        self.shared.sessions.len()
    }

    #[cfg(feature = "metrics")]
    pub(crate) fn turn_away(
        &self,
        response: Response<ResponseBody>,
        peer: Option<IpAddr>,
    ) -> Response<ResponseBody> {
        self.shared.turn_away(response, peer)
    }

    /// What the transport counts.
    pub(crate) fn figures(&self) -> &Figures {
        &self.shared.figures
    }

    pub(crate) fn options(&self) -> &Http {
        &self.shared.options
    }

    /// Answers one request, in the form that its method and the page it comes from ask for.
    pub(crate) async fn respond<B>(self, request: Request<B>, peer: Option<IpAddr>) -> Response<ResponseBody>
    where
        B: Body,
        B::Error: std::fmt::Display,
    {
        let shared = Arc::clone(&self.shared);
        let peer = peer.map(|peer| shared.options.proxies.origin(peer, request.headers()));
        let origin = cors::allowed_origin(&shared.options, request.headers());
        let is_head = request.method() == Method::HEAD;
        let mut response = self.answer(request, peer).await;
        cors::share(&mut response, &shared.options, origin);
        shared.figures.responded(response.status());
        if is_head { without_body(response) } else { response }
    }

    async fn answer<B>(self, request: Request<B>, peer: Option<IpAddr>) -> Response<ResponseBody>
    where
        B: Body,
        B::Error: std::fmt::Display,
    {
        let shared = &*self.shared;
        let (parts, body) = request.into_parts();
        if let Err(refusal) = guard::check(&shared.options, &parts.uri, &parts.headers) {
            // Whoever set up a proxy in front finds here why nothing is answered.
            let header =
                |name| parts.headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()));
            let (host, origin) = (header(header::HOST), header(header::ORIGIN));
            tracing::info!(?host, ?origin, "{}; allow_host and allow_origin open this up", refusal.message());
            return refuse(refusal.status(), refusal.message());
        }
        if parts.method == Method::OPTIONS {
            let mut response = with_allow(status_only(StatusCode::NO_CONTENT), METHODS);
            cors::answer_preflight(&mut response, &shared.options, &parts.headers, METHODS);
            return response;
        }
        let principal = match auth::admit(&shared.options, &parts).await {
            Ok(principal) => principal,
            Err(response) => return shared.turn_away(*response, peer),
        };
        match parts.method {
            Method::POST => shared.post(&parts.headers, body, principal, peer).await,
            Method::GET | Method::HEAD => shared.stream(&parts.method, &parts.headers, principal, peer),
            Method::DELETE => shared.delete(&parts.headers, &principal),
            _ => with_allow(status_only(StatusCode::METHOD_NOT_ALLOWED), METHODS),
        }
    }
}

impl Shared {
    /// Answers whoever was not let in, and counts it against their address: with 429 where they have tried too often.
    fn turn_away(&self, response: Response<ResponseBody>, peer: Option<IpAddr>) -> Response<ResponseBody> {
        if response.status() == StatusCode::SERVICE_UNAVAILABLE {
            return response;
        }
        self.endpoint.refused(Refusal::Unauthorized);
        tracing::debug!(?peer, status = %response.status(), "a caller was turned away");
        match peer.map(|peer| self.endpoint.charge_failure(peer)) {
            Some(Err(error)) => json_answer(EncodedAnswer::refusal(None, &error, Revision::V2026_07_28)),
            Some(Ok(())) | None => response,
        }
    }

    /// Takes a message.
    async fn post<B>(
        &self,
        headers: &HeaderMap,
        body: B,
        principal: Principal,
        peer: Option<IpAddr>,
    ) -> Response<ResponseBody>
    where
        B: Body,
        B::Error: std::fmt::Display,
    {
        if let Err((status, message)) = check_types(headers) {
            return refuse(status, message);
        }
        let session = self.sessions.find(session_id(headers).as_deref(), &principal);
        let revision = match &session {
            NamedSession::Known(session) => session.revision(),
            NamedSession::None | NamedSession::Unknown => Revision::V2026_07_28,
        };
        let mirrored = mirror::read(headers);
        // A small one is read all the same, so that the refusal can name the request.
        if body.size_hint().upper().is_none_or(|bytes| bytes > SMALL_BODY_BYTES)
            && is_charged(&mirrored, &session)
            && let Err(error) = self.endpoint.check_rates(&principal, peer)
        {
            return json_answer(EncodedAnswer::refusal(None, &error, revision));
        }
        let message = match read(body, headers, &self.options, revision).await {
            Ok(message) => message,
            Err(response) => {
                // What it took to find that out counts, too, if only against the next request.
                _ = self.endpoint.charge(&principal, peer);
                return *response;
            }
        };
        let takes_stream = accepts(headers, "text/event-stream");
        let exchange = self.endpoint.exchange(Post {
            message: &message,
            headers: mirrored,
            session,
            principal: principal.clone(),
            peer,
            takes_stream,
            closing: &self.closing,
        });
        drop(message);
        match exchange {
            Exchange::Accepted => status_only(StatusCode::ACCEPTED),
            Exchange::Answered(answer) => json_answer(answer),
            Exchange::Opened { session, id, answer } => self.open(session, &id, answer, &principal, peer),
            Exchange::Running(running) => self.run(running, &principal, takes_stream).await,
        }
    }

    /// Runs a request until it is clear whether it is answered with JSON or with a stream.
    async fn run(
        &self,
        mut running: Box<Running>,
        principal: &Principal,
        takes_stream: bool,
    ) -> Response<ResponseBody> {
        if running.is_subscription() && !takes_stream {
            return refuse(
                StatusCode::NOT_ACCEPTABLE,
                "Accept must list text/event-stream for a subscription",
            );
        }
        let mut ended = None;
        loop {
            let step = std::future::poll_fn(|cx| {
                if let Poll::Ready(step) = running.poll_step(cx) {
                    return Poll::Ready(Some(step));
                }
                // What ends at once, the rule, is not looked after.
                match ended.get_or_insert_with(|| Ended::of(principal)) {
                    Some(ended) => ended.poll(cx).map(|()| None),
                    None => Poll::Pending,
                }
            });
            match step.await {
                None => return auth::end(&self.options, running.give_up(&credentials_ended())),
                Some(Step::Answer(answer)) => return json_answer(answer),
                Some(Step::Notification(first)) if takes_stream => {
                    let ended = ended.unwrap_or_else(|| Ended::of(principal));
                    let body = ResponseBody::events(
                        Some(&first),
                        running,
                        self.options.keep_alive,
                        ended,
                        self.figures.stream(),
                    );
                    return event_stream(body);
                }
                // What a client that takes no stream has no use for is not queued in the first place, but for what was by
                // then.
                Some(Step::Notification(_)) => {}
                // Cancelled before its answer: there is nothing to say.
                Some(Step::End) => return status_only(StatusCode::ACCEPTED),
            }
        }
    }

    /// Keeps a session that was opened.
    fn open(
        &self,
        session: Session,
        id: &RequestId,
        answer: EncodedAnswer,
        principal: &Principal,
        peer: Option<IpAddr>,
    ) -> Response<ResponseBody> {
        let Ok(name) = HeaderValue::from_str(session.id()) else {
            return status_only(StatusCode::INTERNAL_SERVER_ERROR);
        };
        let revision = session.revision();
        if let Err(no_place) = self.sessions.keep(session, &Caller::of(principal, peer)) {
            return json_answer(EncodedAnswer::refusal(Some(id), &too_many_sessions(no_place), revision));
        }
        self.endings.look_after(principal);
        let mut response = json_answer(answer);
        response.headers_mut().insert(SESSION_ID, name);
        response
    }

    /// Opens the stream of a session, or shows only what it would begin with.
    fn stream(
        &self,
        method: &Method,
        headers: &HeaderMap,
        principal: Principal,
        peer: Option<IpAddr>,
    ) -> Response<ResponseBody> {
        if let Err(error) = self.endpoint.charge(&principal, peer) {
            return json_answer(EncodedAnswer::refusal(None, &error, Revision::V2026_07_28));
        }
        let session = match self.named_session(headers, &principal) {
            Ok(session) => session,
            Err(response) => return *response,
        };
        if !accepts(headers, "text/event-stream") {
            return refuse(StatusCode::NOT_ACCEPTABLE, "Accept must list text/event-stream");
        }
        if method == Method::HEAD {
            return event_stream(ResponseBody::empty());
        }
        let ended = Ended::of(&principal);
        let running = session.stream(principal, &self.closing);
        let open = self.figures.stream();
        event_stream(ResponseBody::events(None, running, self.options.keep_alive, ended, open))
    }

    /// Ends a session.
    fn delete(&self, headers: &HeaderMap, principal: &Principal) -> Response<ResponseBody> {
        match self.named_session(headers, principal) {
            Ok(session) => {
                self.sessions.end(&session);
                status_only(StatusCode::NO_CONTENT)
            }
            Err(response) => *response,
        }
    }

    /// The session that a request without a message is about.
    fn named_session(
        &self,
        headers: &HeaderMap,
        principal: &Principal,
    ) -> Result<Session, Box<Response<ResponseBody>>> {
        // The newer revisions have neither sessions nor these methods.
        let version = headers.get("mcp-protocol-version").map(|version| version.to_str().unwrap_or_default());
        if version.is_some_and(|version| Revision::parse(version).is_none()) {
            return Err(Box::new(refuse(StatusCode::BAD_REQUEST, "MCP-Protocol-Version names no revision")));
        }
        if version.is_some_and(|version| Revision::handshake(version).is_none()) {
            return Err(Box::new(with_allow(status_only(StatusCode::METHOD_NOT_ALLOWED), MODERN_METHODS)));
        }
        match self.sessions.find(session_id(headers).as_deref(), principal) {
            NamedSession::Known(session) => Ok(session),
            NamedSession::Unknown => {
                Err(Box::new(refuse(StatusCode::NOT_FOUND, "Unknown session: it has ended, or never was")))
            }
            NamedSession::None => Err(Box::new(refuse(
                StatusCode::BAD_REQUEST,
                "Mcp-Session-Id is missing; a session opens with a POST of `initialize`",
            ))),
        }
    }
}

/// Whether a message costs its caller a request, as far as its headers say: with a session it may as well be a
/// notification or the answer to a question, which are free.
fn is_charged(headers: &MirroredHeaders<'_>, session: &NamedSession) -> bool {
    match headers.method.as_deref() {
        Some(method) => !method.starts_with(b"notifications/") && method != b"ping",
        None => matches!(session, NamedSession::None),
    }
}

fn too_many_sessions(NoPlace { limit, is_of_caller, retry_after }: NoPlace) -> RpcError {
    if is_of_caller {
        let why = format!("{limit} sessions of one caller are open already, as many as it may have; end one");
        return RpcError::too_many_calls(why, retry_after);
    }
    let why = format!("{limit} sessions are open already, as many as the server takes");
    let millis = u64::try_from(retry_after.as_millis()).unwrap_or(u64::MAX);
    RpcError::overloaded(why).with_data(json!({ "retryAfterMs": millis }))
}

/// The session that the headers name. Several are joined, and what is no text replaced, so that they name none.
fn session_id(headers: &HeaderMap) -> Option<Cow<'_, str>> {
    mirror::value(headers, SESSION_ID.as_str()).map(|id| match id {
        Cow::Borrowed(id) => String::from_utf8_lossy(id),
        Cow::Owned(id) => String::from_utf8_lossy(&id).into_owned().into(),
    })
}

impl<B> tower_service::Service<Request<B>> for HttpService
where
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: std::fmt::Display,
{
    type Response = Response<ResponseBody>;
    type Error = Infallible;
    type Future = ResponseFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> ResponseFuture {
        hyper::service::Service::call(self, request)
    }
}

impl<B> hyper::service::Service<Request<B>> for HttpService
where
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: std::fmt::Display,
{
    type Response = Response<ResponseBody>;
    type Error = Infallible;
    type Future = ResponseFuture;

    fn call(&self, request: Request<B>) -> ResponseFuture {
        let peer = PeerAddress::of(&request);
        let responding = self.clone().respond(request, peer);
        Box::pin(async move { Ok(responding.await) })
    }
}
