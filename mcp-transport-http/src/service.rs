//! The MCP endpoint as a service: one POST, one message, one answer; and for sessions, GET and DELETE.

use std::{
    borrow::Cow,
    convert::Infallible,
    future::Future,
    net::IpAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::{Buf, Bytes};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body::Body;
use http_body_util::BodyExt as _;
use mcp_core::{
    AnswerStatus, BuildError, Caller, EncodedAnswer, Endpoint, Exchange, IntoEndpoint, MirroredHeaders,
    NamedSession, Post, Principal, Refusal, RequestId, Revision, RpcError, Running, Session, Signal, Step,
};
use serde_json::json;

use crate::{
    Http, ResponseBody, auth,
    body::{Ended, credentials_ended},
    cors,
    endings::Endings,
    guard, mirror,
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
        Self { shared: Arc::new(Shared { endpoint, options, sessions, endings, closing: Signal::new() }) }
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
            Method::GET | Method::HEAD => shared.stream(&parts.method, &parts.headers, principal),
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
        match peer.map(|peer| self.endpoint.charge_address(peer)) {
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
                _ = peer.map(|peer| self.endpoint.charge_address(peer));
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
            Exchange::Running(running) => run(running, &principal, takes_stream, &self.options).await,
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
    fn stream(&self, method: &Method, headers: &HeaderMap, principal: Principal) -> Response<ResponseBody> {
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
        event_stream(ResponseBody::events(None, running, self.options.keep_alive, ended))
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

/// Runs a request until it is clear whether it is answered with JSON or with a stream.
async fn run(
    mut running: Box<Running>,
    principal: &Principal,
    takes_stream: bool,
    options: &Http,
) -> Response<ResponseBody> {
    if running.is_subscription() && !takes_stream {
        return refuse(StatusCode::NOT_ACCEPTABLE, "Accept must list text/event-stream for a subscription");
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
            None => return auth::end(options, running.give_up(&credentials_ended())),
            Some(Step::Answer(answer)) => return json_answer(answer),
            Some(Step::Notification(first)) if takes_stream => {
                let ended = ended.unwrap_or_else(|| Ended::of(principal));
                let body = ResponseBody::events(Some(&first), running, options.keep_alive, ended);
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

/// Reads the message, within the limits of size and time.
async fn read<B>(
    body: B,
    headers: &HeaderMap,
    options: &Http,
    revision: Revision,
) -> Result<Bytes, Box<Response<ResponseBody>>>
where
    B: Body,
    B::Error: std::fmt::Display,
{
    let limit = options.max_message_bytes;
    let too_large = || {
        let error = RpcError::too_large("The message", limit);
        Box::new(json_answer(EncodedAnswer::refusal(None, &error, revision)))
    };
    let declared =
        headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if declared.is_some_and(|declared| declared > limit as u64) {
        return Err(too_large());
    }
    let reading = async {
        let mut body = std::pin::pin!(body);
        let mut first = Bytes::new();
        let mut whole: Vec<u8> = Vec::new();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| {
                tracing::debug!(%error, "a request's body could not be read");
                Box::new(refuse(StatusCode::BAD_REQUEST, "The body could not be read to its end"))
            })?;
            let Ok(mut data) = frame.into_data() else { continue };
            if first.len() + whole.len() + data.remaining() > limit {
                return Err(too_large());
            }
            // A message in one piece, the rule, is not copied.
            if first.is_empty() && whole.is_empty() {
                first = data.copy_to_bytes(data.remaining());
            } else {
                whole.extend_from_slice(&std::mem::take(&mut first));
                while data.has_remaining() {
                    let chunk = data.chunk();
                    whole.extend_from_slice(chunk);
                    let length = chunk.len();
                    data.advance(length);
                }
            }
        }
        Ok(if whole.is_empty() { first } else { whole.into() })
    };
    // A body that is there already needs no timer.
    let mut reading = std::pin::pin!(reading);
    if let Poll::Ready(read) = std::future::poll_fn(|cx| Poll::Ready(reading.as_mut().poll(cx))).await {
        return read;
    }
    match tokio::time::timeout(options.body_time, reading).await {
        Ok(read) => read,
        Err(_) => Err(Box::new(refuse(StatusCode::REQUEST_TIMEOUT, "The message did not arrive in time"))),
    }
}

/// Looks at what the client sends and takes.
fn check_types(headers: &HeaderMap) -> Result<(), (StatusCode, &'static str)> {
    // Also what keeps a web page from posting here without asking first: forms cannot send this type.
    let is_json = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).is_some_and(|kind| {
        kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
    });
    if !is_json {
        return Err((StatusCode::UNSUPPORTED_MEDIA_TYPE, "Content-Type must be application/json"));
    }
    if !accepts(headers, "application/json") && !accepts(headers, "text/event-stream") {
        return Err((StatusCode::NOT_ACCEPTABLE, "Accept must list application/json and text/event-stream"));
    }
    Ok(())
}

/// Whether the client takes this type; one that says nothing takes everything.
fn accepts(headers: &HeaderMap, wanted: &str) -> bool {
    let mut values = headers.get_all(header::ACCEPT).iter().peekable();
    if values.peek().is_none() {
        return true;
    }
    let (kind, _) = wanted.split_once('/').unwrap_or((wanted, ""));
    values.filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(',')).any(|range| {
        let mut parts = range.split(';').map(str::trim);
        let range = parts.next().unwrap_or_default();
        // A weight of 0 says that it is not wanted (RFC 9110, section 12.4.2).
        let is_wanted =
            parts.filter_map(|part| part.strip_prefix("q=")).all(|weight| weight.parse() != Ok(0.0));
        let is_named = range.eq_ignore_ascii_case(wanted)
            || range == "*/*"
            || range.strip_suffix("/*").is_some_and(|range| range.eq_ignore_ascii_case(kind));
        is_named && is_wanted
    })
}

fn json_answer(answer: EncodedAnswer) -> Response<ResponseBody> {
    let status = match answer.status {
        AnswerStatus::Served => StatusCode::OK,
        AnswerStatus::Refused => StatusCode::BAD_REQUEST,
        AnswerStatus::UnknownMethod | AnswerStatus::UnknownSession => StatusCode::NOT_FOUND,
        AnswerStatus::Status(status) => {
            StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
        }
    };
    let mut response = json_response(status, answer.bytes);
    let is_overloaded = status == StatusCode::SERVICE_UNAVAILABLE;
    if let Some(time) = answer.retry_after.or(is_overloaded.then_some(Duration::from_secs(1))) {
        let seconds = u64::try_from(time.as_millis().div_ceil(1000)).unwrap_or(u64::MAX);
        response.headers_mut().insert(header::RETRY_AFTER, seconds.max(1).into());
    }
    if let Some(challenge) = challenge(&answer.required_scopes) {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
    }
    response
}

/// What says which scopes are needed (RFC 6750, section 3), where they are some that can be named so: a scope may be any
/// text here, and no text is to become a further parameter or a further header.
fn challenge(scopes: &[String]) -> Option<HeaderValue> {
    let is_scope_token = |scope: &String| {
        // RFC 6749, section 3.3.
        !scope.is_empty() && scope.bytes().all(|byte| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e))
    };
    if scopes.is_empty() || !scopes.iter().all(is_scope_token) {
        return None;
    }
    let challenge = format!(r#"Bearer error="insufficient_scope", scope="{}""#, scopes.join(" "));
    HeaderValue::try_from(challenge).ok()
}

/// A refusal before any message was read: a JSON-RPC error without an id.
pub(crate) fn refuse(status: StatusCode, message: &str) -> Response<ResponseBody> {
    let error = json!({"jsonrpc": "2.0", "error": {"code": status.as_u16(), "message": message}});
    json_response(status, error.to_string().into_bytes())
}

/// Says which methods are right.
pub(crate) fn with_allow(
    mut response: Response<ResponseBody>,
    allowed: &'static str,
) -> Response<ResponseBody> {
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allowed));
    response
}

pub(crate) fn status_only(status: StatusCode) -> Response<ResponseBody> {
    let mut response = Response::new(ResponseBody::empty());
    *response.status_mut() = status;
    response
}

pub(crate) fn json_response(status: StatusCode, bytes: Vec<u8>) -> Response<ResponseBody> {
    let mut response = Response::new(ResponseBody::whole(bytes));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// What a request for the headers alone gets: the length that the body would have had, and no body. HTTP/2 would send
/// it otherwise; over HTTP/1.1 hyper knows better.
pub(crate) fn without_body(response: Response<ResponseBody>) -> Response<ResponseBody> {
    let length = response.body().size_hint().exact().filter(|length| *length > 0);
    let mut response = response.map(|_| ResponseBody::empty());
    if let Some(length) = length {
        response.headers_mut().insert(header::CONTENT_LENGTH, length.into());
    }
    response
}

fn event_stream(body: ResponseBody) -> Response<ResponseBody> {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache, no-transform"));
    // Tells nginx and its like to pass events on at once.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
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
