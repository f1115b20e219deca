//! What the application answers, by path.

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{self, Stream};
use http::header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, TRAILER, UPGRADE};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Empty, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use serde_json::json;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::sleep;

use super::query::{Wrong, number, text};
use super::stopping::Stopping;
use super::{SampleApp, say, web_socket};
use crate::bext::node::body::Body;

const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const HTML: HeaderValue = HeaderValue::from_static("text/html; charset=utf-8");
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// The trailer of `/trailers`.
const HASH_TRAILER: HeaderName = HeaderName::from_static("x-blake3");

/// The longest wait that may be asked for, in milliseconds.
const LONGEST_WAIT: u64 = 60_000;
const MOST_CHUNKS: u64 = 1000;
const MOST_BYTES: u64 = 1 << 30;
const MOST_TEXT: usize = 4096;
const MOST_WEB_SOCKETS: usize = 256;

/// The alphabet, over and over, a piece at a time.
static LETTERS: [u8; 26 * 2520] = {
    let mut letters = [0; 26 * 2520];
    let mut at = 0;
    while at < letters.len() {
        letters[at] = b'a' + (at % 26) as u8;
        at += 1;
    }
    letters
};

const PATHS: &str = "there is no such path; there are /, /version, /health, /pid, /headers, /echo, /count, /chunks, \
                     /bytes, /slow, /status, /crash, /hang, /ws, /env, /print and /trailers\n";

/// Answers requests.
#[derive(Debug)]
pub(super) struct Answers {
    app: SampleApp,
    stopping: Stopping,
    /// Held by each WebSocket, which lives on after its connection.
    working: mpsc::Sender<Infallible>,
    web_sockets: std::sync::Arc<Semaphore>,
}

/// A response, and whether the process crashes behind it.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) response: Response<Body>,
    pub(super) crash: bool,
}

impl Answers {
    pub(super) fn new(app: SampleApp, stopping: Stopping, working: mpsc::Sender<Infallible>) -> Self {
        Self { app, stopping, working, web_sockets: std::sync::Arc::new(Semaphore::new(MOST_WEB_SOCKETS)) }
    }

    pub(super) async fn answer(&self, request: Request<Incoming>) -> Answer {
        let crash = request.uri().path() == "/crash";
        let response = self.response(request).await;
        let response =
            response.unwrap_or_else(|wrong| with_text(StatusCode::BAD_REQUEST, format!("{wrong}\n")));
        Answer { response, crash }
    }

    async fn response(&self, request: Request<Incoming>) -> Result<Response<Body>, Wrong> {
        let uri = request.uri();
        Ok(match uri.path() {
            "/" => with(StatusCode::OK, HTML, page(self.app.version())),
            "/version" => with_text(StatusCode::OK, self.app.version().to_owned()),
            "/health" => self.health().await,
            "/pid" => with_text(StatusCode::OK, std::process::id().to_string()),
            "/headers" => with_json(&pairs(request.headers())),
            "/echo" => echo(request),
            "/count" => count(request.into_body()).await?,
            "/chunks" => chunks(uri)?,
            "/bytes" => letters(number(uri, "n", 1024, 0..=MOST_BYTES)?),
            "/slow" => {
                sleep(Duration::from_millis(number(uri, "ms", 1000, 0..=LONGEST_WAIT)?)).await;
                with_text(StatusCode::OK, "at last\n".to_owned())
            }
            "/status" => status(number(uri, "code", 200, 200..=599)?),
            "/crash" => {
                let mut response = with_text(StatusCode::OK, "goodbye\n".to_owned());
                response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
                response
            }
            "/hang" => std::future::pending().await,
            "/ws" => self.web_socket(request),
            "/env" => environment(&text(uri, "name", "", MOST_TEXT)?)?,
            "/print" => {
                say(&text(uri, "text", "hello", MOST_TEXT)?).await;
                with_text(StatusCode::OK, "printed\n".to_owned())
            }
            "/trailers" => trailers(),
            _ => with_text(StatusCode::NOT_FOUND, PATHS.to_owned()),
        })
    }

    async fn health(&self) -> Response<Body> {
        match tokio::fs::try_exists(self.app.directory.join("unhealthy")).await {
            Ok(false) => with_text(StatusCode::OK, "well\n".to_owned()),
            Ok(true) | Err(_) => with_text(StatusCode::INTERNAL_SERVER_ERROR, "unhealthy\n".to_owned()),
        }
    }

    fn web_socket(&self, mut request: Request<Incoming>) -> Response<Body> {
        let headers = match web_socket::handshake(request.headers()) {
            Ok(headers) => headers,
            Err((status, message)) => {
                let mut response = with_text(status, format!("{message}\n"));
                if status == StatusCode::UPGRADE_REQUIRED {
                    response.headers_mut().insert(UPGRADE, HeaderValue::from_static("websocket"));
                    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("upgrade"));
                }
                return response;
            }
        };
        let Ok(place) = self.web_sockets.clone().try_acquire_owned() else {
            return with_text(StatusCode::SERVICE_UNAVAILABLE, "there are too many WebSockets\n".to_owned());
        };
        let (upgrade, stopping) = (hyper::upgrade::on(&mut request), self.stopping.clone());
        let working = self.working.clone();
        tokio::spawn(async move {
            let _held = (place, working);
            web_socket::echo(upgrade, stopping).await;
        });
        let mut response = Response::new(empty());
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        *response.headers_mut() = headers;
        response
    }
}

fn page(version: &str) -> String {
    let version = version.replace('&', "&amp;").replace('<', "&lt;");
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<title>Sample application {version}</title>\n\
         <h1>Version {version}</h1>\n<p>Served by process {}.</p>\n",
        std::process::id()
    )
}

/// A value that is not ASCII is read as Latin 1, so that no byte is lost.
fn pairs(headers: &HeaderMap) -> serde_json::Value {
    let latin_1 =
        |value: &HeaderValue| value.as_bytes().iter().map(|&byte| char::from(byte)).collect::<String>();
    headers.iter().map(|(name, value)| json!([name.as_str(), latin_1(value)])).collect()
}

fn echo(request: Request<Incoming>) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let mut response = Response::new(body.map_err(Into::into).boxed_unsync());
    if let Some(content_type) = parts.headers.get(CONTENT_TYPE) {
        response.headers_mut().insert(CONTENT_TYPE, content_type.clone());
    }
    response
}

async fn count(mut body: Incoming) -> Result<Response<Body>, Wrong> {
    let (mut bytes, mut hasher) = (0_u64, blake3::Hasher::new());
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| "the body broke off".to_owned())?;
        if let Some(data) = frame.data_ref() {
            bytes += data.len() as u64;
            hasher.update(data);
        }
    }
    Ok(with_json(&json!({"bytes": bytes, "blake3": hasher.finalize().to_hex().as_str()})))
}

fn chunks(uri: &Uri) -> Result<Response<Body>, Wrong> {
    let count = number(uri, "n", 3, 1..=MOST_CHUNKS)?;
    let pause = Duration::from_millis(number(uri, "ms", 100, 0..=LONGEST_WAIT)?);
    let chunks = stream::unfold(1, move |chunk| async move {
        if chunk > count {
            return None;
        }
        if chunk > 1 {
            sleep(pause).await;
        }
        Some((Frame::data(Bytes::from(format!("chunk {chunk}\n"))), chunk + 1))
    });
    Ok(with(StatusCode::OK, TEXT, frames(chunks)))
}

fn letters(count: u64) -> Response<Body> {
    let pieces = stream::unfold(count, |left| async move {
        let piece = usize::try_from(left).unwrap_or(usize::MAX).min(LETTERS.len());
        (piece > 0).then(|| (Frame::data(Bytes::from_static(&LETTERS[..piece])), left - piece as u64))
    });
    let mut response =
        with(StatusCode::OK, HeaderValue::from_static("application/octet-stream"), frames(pieces));
    response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(count));
    response
}

fn status(code: u64) -> Response<Body> {
    let status =
        u16::try_from(code).ok().and_then(|code| StatusCode::from_u16(code).ok()).unwrap_or_default();
    match status {
        StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT | StatusCode::NOT_MODIFIED => {
            let mut response = Response::new(empty());
            *response.status_mut() = status;
            response
        }
        _ => with_text(status, format!("status {code}\n")),
    }
}

/// A hash tells whoever knows the value whether it is this one, and nobody else what it is.
fn environment(name: &str) -> Result<Response<Body>, Wrong> {
    if name.is_empty() || name.contains('=') {
        return Err("`name` has to be the name of an environment variable".to_owned());
    }
    let hash = std::env::var_os(name).map(|value| {
        let pair = [name.as_bytes(), b"=", value.as_encoded_bytes()].concat();
        blake3::hash(&pair).to_hex().to_string()
    });
    Ok(with_json(&json!({"name": name, "set": hash.is_some(), "blake3": hash})))
}

fn trailers() -> Response<Body> {
    let content = Bytes::from_static(b"a trailer follows\n");
    let hash = blake3::hash(&content).to_hex();
    let trailers = HeaderValue::from_str(&hash).map(|hash| HeaderMap::from_iter([(HASH_TRAILER, hash)]));
    let frames = [Frame::data(content), Frame::trailers(trailers.unwrap_or_default())];
    let mut response = with(StatusCode::OK, TEXT, self::frames(stream::iter(frames)));
    response.headers_mut().insert(TRAILER, HeaderValue::from_name(HASH_TRAILER));
    response
}

fn with_text(status: StatusCode, text: String) -> Response<Body> {
    with(status, TEXT, text)
}

fn with_json(value: &serde_json::Value) -> Response<Body> {
    with(StatusCode::OK, JSON, value.to_string())
}

fn with(status: StatusCode, content_type: HeaderValue, content: impl Into<Content>) -> Response<Body> {
    let mut response = Response::new(content.into().0);
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}

/// A body of a text, or of frames.
struct Content(Body);

impl From<String> for Content {
    fn from(text: String) -> Self {
        Self(Full::new(Bytes::from(text)).map_err(|never| match never {}).boxed_unsync())
    }
}

fn frames(frames: impl Stream<Item = Frame<Bytes>> + Send + 'static) -> Content {
    use futures_util::StreamExt as _;
    Content(StreamBody::new(frames.map(Ok)).boxed_unsync())
}

fn empty() -> Body {
    Empty::new().map_err(|never| match never {}).boxed_unsync()
}
