//! Calls over HTTP without a socket: the service that a server or a router calls, and requests with their body ready.

use std::{
    future::Future,
    net::Ipv4Addr,
    pin::pin,
    task::{Context, Poll, Waker},
    time::SystemTime,
};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, header};
use http_body_util::{BodyExt as _, Full};
use serde_json::json;
use tokio::runtime::Handle;
use toolpack::{
    Endpoint, Revision,
    http::{
        ApiKeys, Authenticate as _, Found, Granted, Http, HttpService, KeyHash, KeyKind, KeyRecord,
        KeyStore as _, MemoryKeys, PeerAddress,
    },
};
use tower_service::Service;

use super::request;

pub(crate) fn service(endpoint: &Endpoint) -> HttpService {
    Http::new().without_auth().service(endpoint).expect("what is built already can be served")
}

/// A service that lets in whoever has one of so many keys, and one of these as a header has it.
#[allow(dead_code, reason = "not every bench wants it")]
pub(crate) fn service_with_keys(endpoint: &Endpoint, count: usize) -> (HttpService, HeaderValue) {
    let store = MemoryKeys::new();
    let nothing = || Granted::These(Vec::new());
    // As long as keys that are made at random.
    let key = |number: usize| format!("key_{number:06}.{:0<43}", "secret");
    for number in 0..count {
        let record = KeyRecord {
            id: format!("{number:06}"),
            name: "bench".to_owned(),
            kind: KeyKind::Client,
            hash: KeyHash::of(key(number).as_bytes()),
            scopes: nothing(),
            tenants: nothing(),
            created: SystemTime::now(),
            expires: None,
            revoked: None,
        };
        store.insert(&record).expect("every id is another");
    }
    let keys = ApiKeys::new(store);
    let header = HeaderValue::try_from(format!("Bearer {}", key(count / 2))).expect("a key can stand there");
    // Read beforehand, as by the first request.
    let head = Request::builder().header(header::AUTHORIZATION, &header).body(()).expect("it is a request");
    let head = head.into_parts().0;
    let mut found = keys.authenticate(&head);
    while let Found::Later(later) = found {
        found = Handle::current().block_on(later);
    }
    (Http::new().keys(keys).service(endpoint).expect("what is built already can be served"), header)
}

/// Has calls from so many other addresses counted.
#[allow(dead_code, reason = "not every bench wants it")]
pub(crate) fn remember_addresses(endpoint: &Endpoint, count: u32) {
    let first = u32::from_be_bytes([10, 0, 0, 0]);
    for address in first..first + count {
        endpoint.charge_address(Ipv4Addr::from_bits(address).into()).expect("none has called before");
    }
}

/// Opens a session, where clients of this revision do.
pub(crate) fn open(service: &mut HttpService, revision: Revision) -> Option<HeaderValue> {
    if revision.is_modern() {
        return None;
    }
    let client = json!({"name": "bench", "version": "1.0.0"});
    let params = json!({"protocolVersion": revision.as_str(), "capabilities": {}, "clientInfo": client});
    let message = request(revision, 0, "initialize", params);
    let Ok(response) = at_once(service.call(post(message)));
    Some(response.headers().get("mcp-session-id").expect("a session was opened").clone())
}

/// A call of `echo` as clients send it.
pub(crate) fn echo(revision: Revision, session: Option<&HeaderValue>) -> Request<Full<Bytes>> {
    let mut post = post(request(revision, 1, "tools/call", super::echo()));
    let headers = post.headers_mut();
    headers.insert("mcp-protocol-version", HeaderValue::from_static(revision.as_str()));
    match session {
        Some(session) => _ = headers.insert("mcp-session-id", session.clone()),
        None => {
            headers.insert("mcp-method", HeaderValue::from_static("tools/call"));
            headers.insert("mcp-name", HeaderValue::from_static("echo"));
        }
    }
    post
}

/// A message with the headers that every one has.
fn post(message: Vec<u8>) -> Request<Full<Bytes>> {
    Request::builder()
        .method(Method::POST)
        .uri("/mcp")
        .header(header::HOST, "127.0.0.1:8080")
        .header(header::USER_AGENT, "bench/1.0.0")
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::ACCEPT, "application/json, text/event-stream")
        .header(header::CONTENT_LENGTH, message.len())
        .extension(PeerAddress([192, 0, 2, 1].into()))
        .body(Full::new(message.into()))
        .expect("all parts are valid")
}

/// Has a request answered and takes the body of the answer, which has to be there at once and in one piece.
pub(crate) fn exchange(service: &mut HttpService, request: Request<Full<Bytes>>) -> Bytes {
    let Ok(response) = at_once(service.call(request));
    let mut body = response.into_body();
    let frame = at_once(body.frame()).expect("an answer has a body");
    let Ok(frame) = frame;
    frame.into_data().expect("a body begins with data")
}

/// What comes of a future that need not wait.
fn at_once<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => unreachable!("nothing here waits"),
    }
}
