//! One request to the process of an app, and its response.

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use http::header::{CONNECTION, HeaderValue, UPGRADE};
use http::{Method, Request, Response, StatusCode, Uri, Version, uri::PathAndQuery};
use http_body::Body as HttpBody;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use tokio::sync::watch;
use tokio::time::Instant;

use super::answers::Refusal;
use super::backend::Passage;
use super::bodies::{BodyFault, Download, Followed, Trace};
use super::pool::{ConnectError, Connection};
use super::shared::Shared;
use super::visit::Visit;
use super::{canary, headers, tunnel};
use crate::bext::engine::AppName;
use crate::bext::node::body::{self, Body};

/// How long a process that refuses a connection may take to be noticed as ended: after that it runs and does
/// not listen.
const NOTICE_TIME: Duration = Duration::from_millis(250);

/// What a request to a process needs to know.
#[derive(Debug)]
pub(super) struct Exchange<'a> {
    pub(super) shared: &'a Arc<Shared>,
    pub(super) visit: &'a Visit,
    pub(super) app: &'a AppName,
    pub(super) address: &'a watch::Receiver<Option<SocketAddr>>,
}

/// Why a process gave no response.
#[derive(Debug)]
enum Fault {
    /// It is being started again, and that takes too long; or it has failed for good.
    Down,
    /// The release was taken out, and there was no more time.
    Cut,
    Refused(std::io::Error),
    ConnectTimeout,
    ResponseTimeout,
    /// It closed the connection before the head of its response was there.
    Closed(hyper::Error),
    /// What it said is no response of HTTP.
    Garbled(hyper::Error),
    /// It coded the body for its hop in a way that the gateway does not know.
    Coded,
    /// It switched protocols, and nobody had asked it to.
    Switched,
    /// The request itself did not come to an end.
    Request(BodyFault),
    /// Its body is in chunks that are none.
    Chunks(hyper::Error),
    /// The client broke off.
    ClientGone(hyper::Error),
}

impl Fault {
    /// What was wrong below, for the log.
    fn cause(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Refused(error) => Some(error),
            Self::Closed(error) | Self::Garbled(error) | Self::Chunks(error) | Self::ClientGone(error) => {
                Some(error)
            }
            Self::Request(fault) => Some(fault),
            Self::Down
            | Self::Cut
            | Self::ConnectTimeout
            | Self::ResponseTimeout
            | Self::Coded
            | Self::Switched => None,
        }
    }
}

impl Exchange<'_> {
    pub(super) async fn run(
        &self,
        mut request: Request<Body>,
        passage: Passage,
    ) -> Result<Response<Body>, Refusal> {
        let client = hyper::upgrade::on(&mut request);
        let (mut parts, body) = request.into_parts();
        let upgrade = headers::upgrade_asked(&parts);
        canary::strip_cookies(&mut parts.headers);
        headers::to_app(&mut parts.headers, parts.version, self.visit.from, upgrade.as_ref());
        parts.uri = origin(&parts.uri);
        parts.version = Version::HTTP_11;
        parts.extensions.clear();

        let (body, trace) = match body.is_end_stream() {
            true => (body, None),
            false => {
                let trace = Trace::new();
                (Followed::new(body, trace.clone()).boxed_unsync(), Some(trace))
            }
        };
        let is_body_expected = trace.is_none() || expects_body(&parts.method);
        let request = Request::from_parts(parts, body);
        let (mut connection, response) = self
            .ask(request, &passage, trace.as_deref(), upgrade.is_some())
            .await
            .map_err(|fault| self.refusal(fault))?;
        if !is_body_expected {
            connection.retire();
        }

        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            let upgrade = upgrade.ok_or_else(|| self.refusal(Fault::Switched))?;
            return Ok(self.switch(response, client, upgrade, passage));
        }
        if !headers::is_plainly_coded(response.headers()) {
            return Err(self.refusal(Fault::Coded));
        }
        let (mut parts, incoming) = response.into_parts();
        headers::to_client(&mut parts.headers, parts.version);
        // Of this hop: the server writes its own.
        parts.version = Version::HTTP_11;
        let body = if incoming.is_end_stream() {
            passage.release().pool().put(connection);
            body::empty()
        } else {
            Download::new(incoming, self.visit.settings.idle_timeout, Some(connection), passage)
                .boxed_unsync()
        };
        Ok(Response::from_parts(parts, body))
    }

    /// Has both connections become what was asked for, and says so to the client.
    fn switch(
        &self,
        mut response: Response<Incoming>,
        client: OnUpgrade,
        asked: HeaderValue,
        passage: Passage,
    ) -> Response<Body> {
        let app = hyper::upgrade::on(&mut response);
        let idle_timeout = self.visit.settings.websocket_idle_timeout;
        tokio::spawn(tunnel::between(client, app, idle_timeout, passage, self.shared));
        let mut response = response.map(|_| body::empty());
        let version = response.version();
        let headers = response.headers_mut();
        let switched = headers.get(UPGRADE).cloned().unwrap_or(asked);
        headers::to_client(headers, version);
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(UPGRADE, switched);
        response
    }

    /// Sends a request until there is a response, or no sense in sending it again.
    async fn ask(
        &self,
        mut request: Request<Body>,
        passage: &Passage,
        trace: Option<&Trace>,
        upgrades: bool,
    ) -> Result<(Connection, Response<Incoming>), Fault> {
        let release = passage.release();
        let settings = &self.visit.settings;
        let is_repeatable =
            matches!(*request.method(), Method::GET | Method::HEAD) && trace.is_none() && !upgrades;
        let mut give_up = None;
        let mut wants_fresh = false;
        loop {
            let address = self.address_by(&mut give_up, passage).await?;
            let pooled =
                if wants_fresh { None } else { release.pool().take(address, settings.pool_idle_timeout) };
            let is_fresh = pooled.is_none();
            let mut connection = match pooled {
                Some(connection) => connection,
                None => match tokio::time::timeout(settings.connect_timeout, release.pool().connect(address))
                    .await
                {
                    Ok(Ok(connection)) => connection,
                    Ok(Err(ConnectError::Refused(error))) => {
                        let give_up = *give_up.get_or_insert_with(|| self.give_up());
                        // Where it ended just now, it will listen elsewhere soon.
                        if Instant::now() < give_up && self.has_moved(address).await {
                            continue;
                        }
                        return Err(Fault::Refused(error));
                    }
                    Ok(Err(ConnectError::Handshake(error))) => return Err(Fault::Closed(error)),
                    Err(_) => return Err(Fault::ConnectTimeout),
                },
            };
            // One that was idle may be closed just as the request is on its way.
            let spare = (is_repeatable && !is_fresh).then(|| copy(&request));
            let sent = pin!(connection.sender.try_send_request(request));
            let mut failed = match self.in_time(sent, trace).await? {
                Ok(response) => return Ok((connection, response)),
                Err(failed) => failed,
            };
            // What was not begun can go again, whatever it is.
            request = match (failed.take_message(), spare) {
                (Some(unsent), _) if !is_fresh => unsent,
                (None, Some(spare)) if failed.error().is_incomplete_message() || is_io(failed.error()) => {
                    spare
                }
                _ if release.is_cut() => return Err(Fault::Cut),
                _ => return Err(why(failed.into_error())),
            };
            wants_fresh = true;
        }
    }

    /// Waits for the response, for as long as an app may take that has the whole request.
    async fn in_time<F: Future>(
        &self,
        mut sent: std::pin::Pin<&mut F>,
        trace: Option<&Trace>,
    ) -> Result<F::Output, Fault> {
        let settings = &self.visit.settings;
        let now = Instant::now();
        let last = || trace.map_or((now, true), Trace::last);
        loop {
            let (moved, is_complete) = last();
            // A client that is silent within its request is found out by its body; an app that does not take
            // it, here.
            let limit = match is_complete {
                true => settings.response_timeout,
                false => settings.patience(),
            };
            match tokio::time::timeout_at(moved + limit, sent.as_mut()).await {
                Ok(response) => return Ok(response),
                Err(_) if last() == (moved, is_complete) => return Err(Fault::ResponseTimeout),
                Err(_) => {}
            }
        }
    }

    /// Where the process listens, as soon as it does.
    async fn address_by(
        &self,
        give_up: &mut Option<Instant>,
        passage: &Passage,
    ) -> Result<SocketAddr, Fault> {
        if let Some(address) = *self.address.borrow() {
            return Ok(address);
        }
        let give_up = *give_up.get_or_insert_with(|| self.give_up());
        let mut address = self.address.clone();
        tokio::select! {
            // An error is a process that nobody starts any more.
            known = address.wait_for(Option::is_some) => known.ok().and_then(|known| *known).ok_or(Fault::Down),
            () = tokio::time::sleep_until(give_up) => Err(Fault::Down),
            () = passage.release().cutting() => Err(Fault::Cut),
        }
    }

    /// Until when a process that does not listen is waited for, from now on.
    fn give_up(&self) -> Instant {
        Instant::now() + self.visit.settings.start_timeout
    }

    /// Whether a process turns out, soon, not to be where it was.
    async fn has_moved(&self, from: SocketAddr) -> bool {
        let mut address = self.address.clone();
        let moved = address.wait_for(|address| *address != Some(from));
        tokio::time::timeout(NOTICE_TIME, moved).await.is_ok_and(|moved| moved.is_ok())
    }

    fn refusal(&self, fault: Fault) -> Refusal {
        let app = self.app.as_str();
        let (status, code, message) = match &fault {
            Fault::Request(BodyFault::TooLarge) => return Refusal::body_too_large(),
            Fault::Request(_) | Fault::ClientGone(_) => (
                StatusCode::REQUEST_TIMEOUT,
                "request_incomplete",
                "the body of the request did not come".to_owned(),
            ),
            Fault::Chunks(_) => (
                StatusCode::BAD_REQUEST,
                "invalid_chunks",
                "the body of the request is not in valid chunks; each begins with its length in hexadecimal digits on a \
                 line of its own, and one of length 0 is the last"
                    .to_owned(),
            ),
            Fault::Down => (
                StatusCode::SERVICE_UNAVAILABLE,
                "app_down",
                format!("the app {app} does not run at the moment; list_apps says why"),
            ),
            Fault::Cut => (
                StatusCode::SERVICE_UNAVAILABLE,
                "release_ended",
                format!(
                    "the release of the app {app} that had this request was taken out; the next request gets another"
                ),
            ),
            Fault::Refused(_) => (
                StatusCode::BAD_GATEWAY,
                "app_unreachable",
                format!("the app {app} does not accept connections; list_apps says how it is"),
            ),
            Fault::ConnectTimeout => (
                StatusCode::GATEWAY_TIMEOUT,
                "app_unreachable",
                format!("the app {app} took too long to accept a connection; list_apps says how it is"),
            ),
            Fault::ResponseTimeout => (
                StatusCode::GATEWAY_TIMEOUT,
                "app_timeout",
                format!("the app {app} took too long to respond; its log may say why"),
            ),
            Fault::Closed(_) => (
                StatusCode::BAD_GATEWAY,
                "app_closed",
                format!("the app {app} closed the connection without a response; its log may say why"),
            ),
            Fault::Garbled(_) | Fault::Coded | Fault::Switched => (
                StatusCode::BAD_GATEWAY,
                "app_garbled",
                format!("what the app {app} responded is not valid HTTP; its log may say why"),
            ),
        };
        if status.is_server_error() {
            tracing::warn!(app, code, error = fault.cause(), "the gateway has no response of an app");
        }
        Refusal::new(status, code, message)
    }
}

/// Why a request got no response.
fn why(error: hyper::Error) -> Fault {
    if let Some(fault) = BodyFault::within(&error) {
        return Fault::Request(fault);
    }
    match error {
        error if error.is_user() && is_malformed(&error) => Fault::Chunks(error),
        error if error.is_user() => Fault::ClientGone(error),
        error if error.is_parse() => Fault::Garbled(error),
        error => Fault::Closed(error),
    }
}

/// Whether a body that a client sends is not as its coding has it. An end that comes too early is another kind.
fn is_malformed(error: &hyper::Error) -> bool {
    use std::io::ErrorKind::{InvalidData, InvalidInput};
    std::iter::successors(std::error::Error::source(error), |error| error.source())
        .filter_map(|error| error.downcast_ref::<std::io::Error>())
        .any(|error| matches!(error.kind(), InvalidData | InvalidInput))
}

/// Whether a connection broke, as one does that the other side has reset.
fn is_io(error: &hyper::Error) -> bool {
    std::error::Error::source(error).is_some_and(|source| source.is::<std::io::Error>())
}

/// Whether a server reads the body of a request for certain. Where the method has no use for one (RFC 9110,
/// section 9.3), there are servers that leave it where it is, and take it for the next request.
fn expects_body(method: &Method) -> bool {
    matches!(*method, Method::POST | Method::PUT | Method::PATCH)
}

/// The target as an app is asked for it: without scheme and host.
fn origin(uri: &Uri) -> Uri {
    let path = uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
    Uri::from(path)
}

/// The same request once more; it has no body.
fn copy(request: &Request<Body>) -> Request<Body> {
    let mut copy = Request::new(body::empty());
    *copy.method_mut() = request.method().clone();
    *copy.uri_mut() = request.uri().clone();
    *copy.headers_mut() = request.headers().clone();
    copy
}
