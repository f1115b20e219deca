//! API keys in the heads of requests: which are taken, and what is answered to the others.

use std::{
    io,
    sync::{Arc, Mutex},
    time::Duration,
};

use mcp_transport_http::{ApiKeys, Http, KeyKind, MemoryKeys, NewKey};
use serde_json::json;
use tracing_subscriber::{
    filter::LevelFilter,
    fmt::{MakeWriter, format::FmtSpan},
};

use crate::{
    client::{Response, TestServer, call, post, within},
    http2::Http2,
};

/// A server that takes these keys, also in two headers of its own.
async fn server(keys: &ApiKeys) -> TestServer {
    let keys = keys.clone().header("X-Client-Key").unwrap().header("x-service-key").unwrap();
    TestServer::closed(Http::new().keys(keys)).await
}

fn in_memory() -> ApiKeys {
    ApiKeys::new(MemoryKeys::new()).prefix("bx").unwrap()
}

async fn new_key(keys: &ApiKeys, name: &str) -> String {
    keys.create(NewKey::named(name)).await.unwrap().1.expose().to_owned()
}

/// Asks who the caller is, with these headers.
async fn who(server: &TestServer, headers: &[(&str, &str)]) -> Response {
    let headers: Vec<_> = headers.iter().map(|&(name, value)| (name, Some(value))).collect();
    server.raw(&post(&call("who", json!({})), &headers)).await
}

fn bearer(key: &str) -> String {
    format!("Bearer {key}")
}

/// All of a response but its date.
fn seen(response: Response) -> (u16, Vec<(String, String)>, Vec<u8>) {
    let headers = response.headers.into_iter().filter(|(name, _)| name != "date").collect();
    (response.status, headers, response.body)
}

#[tokio::test]
async fn a_key_is_taken_wherever_it_may_stand() {
    let keys = in_memory();
    let (record, key) = keys.create(NewKey::named("ci").kind(KeyKind::Service)).await.unwrap();
    assert!(key.expose().starts_with(&format!("bx_{}.", record.id)));
    let server = server(&keys).await;
    let key = key.expose();
    for (name, value) in [
        ("Authorization", format!("Bearer {key}")),
        ("authorization", format!("bearer {key}")),
        ("Authorization", format!("BEARER   {key}")),
        ("X-Client-Key", key.to_owned()),
        ("X-Service-Key", key.to_owned()),
    ] {
        let response = who(&server, &[(name, &value)]).await;
        assert_eq!(response.json()["result"]["content"][0]["text"], record.id, "{name}");
    }
    // What a proxy in front has asked for is none of ours.
    let headers = [("Authorization", "Basic YTpi"), ("X-Client-Key", key)];
    assert_eq!(who(&server, &headers).await.status, 200);
}

#[tokio::test]
async fn whoever_shows_nothing_is_told_what_to_show_before_the_body_is_read() {
    let keys = in_memory();
    let key = new_key(&keys, "ci").await;
    let server = server(&keys).await;
    for request in [
        "POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n".to_owned(),
        "GET /mcp HTTP/1.1\r\nHost: localhost\r\n\r\n".to_owned(),
        "DELETE /mcp HTTP/1.1\r\nHost: localhost\r\nMcp-Session-Id: x\r\n\r\n".to_owned(),
        "PUT /mcp HTTP/1.1\r\nHost: localhost\r\n\r\n".to_owned(),
        // It is never looked for there.
        format!("GET /mcp?access_token={key}&key={key} HTTP/1.1\r\nHost: localhost\r\n\r\n"),
        format!("GET /mcp HTTP/1.1\r\nHost: localhost\r\nX-Other-Key: {key}\r\n\r\n"),
        format!("GET /mcp HTTP/1.1\r\nHost: localhost\r\nCookie: key={key}\r\n\r\n"),
        format!("GET /mcp HTTP/1.1\r\nHost: localhost\r\nAuthorization: Basic {key}\r\n\r\n"),
    ] {
        let response = server.raw(&request).await;
        assert_eq!(response.refusal(), (401, 401), "{request}");
        assert_eq!(response.header("www-authenticate"), Some("Bearer realm=\"mcp\""), "{request}");
        assert!(response.json().get("id").is_none());
    }
    // What browsers send beforehand, and what watches over the server, need none.
    let options = server.raw("OPTIONS /mcp HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    assert_eq!(options.status, 204);
    for path in ["/health", "/health/live", "/health/ready"] {
        let health = server.raw(&format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n")).await;
        assert_eq!((health.status, health.json()), (200, json!({"status": "ok"})), "{path}");
    }
}

#[tokio::test]
async fn whatever_is_wrong_with_a_key_the_answer_is_the_same() {
    let keys = in_memory();
    let (one, other) = (new_key(&keys, "one").await, new_key(&keys, "other").await);
    let (revoked, revoked_key) = keys.create(NewKey::named("revoked")).await.unwrap();
    assert!(keys.revoke(&revoked.id).await.unwrap());
    let soon = NewKey::named("expired").expires_in(Duration::from_millis(50));
    let (expired, expired_key) = keys.create(soon).await.unwrap();
    let server = server(&keys).await;
    within(async {
        while expired.is_valid() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;

    let (head, secret) = one.split_once('.').unwrap();
    let (other_head, other_secret) = other.split_once('.').unwrap();
    let mut shorter = one.clone();
    shorter.pop();
    let mut answers = Vec::new();
    for wrong in [
        format!("bx_zzzzzzzz.{secret}"),
        format!("{head}.{other_secret}"),
        format!("{other_head}.{secret}"),
        format!("yx{}", &one[2..]),
        one.to_ascii_uppercase(),
        shorter,
        format!("{one}A"),
        format!("{one}="),
        revoked_key.expose().to_owned(),
        expired_key.expose().to_owned(),
        "letmein".to_owned(),
        format!("bx_a.{}", "s".repeat(10_000)),
    ] {
        answers.push((wrong.clone(), seen(who(&server, &[("Authorization", &bearer(&wrong))]).await)));
        answers.push((wrong.clone(), seen(who(&server, &[("X-Client-Key", &wrong)]).await)));
    }
    for (wrong, answer) in &answers {
        assert_eq!(answer, &answers[0].1, "{wrong}");
    }
    let (status, headers, body) = &answers[0].1;
    assert_eq!(*status, 401);
    let challenge = headers.iter().find(|(name, _)| name == "www-authenticate").unwrap();
    assert!(challenge.1.starts_with("Bearer realm=\"mcp\", error=\"invalid_token\""), "{challenge:?}");
    let body: serde_json::Value = serde_json::from_slice(body).unwrap();
    assert_eq!(body["error"]["code"], 401);
    assert_eq!(who(&server, &[("Authorization", &bearer(&one))]).await.status, 200);
}

#[tokio::test]
async fn what_can_be_no_credentials_is_a_bad_request() {
    let keys = in_memory();
    let key = new_key(&keys, "ci").await;
    let server = server(&keys).await;
    let once = bearer(&key);
    let (client, service) = (format!("X-Client-Key: {key}"), format!("X-Service-Key: {key}"));
    let authorization = format!("Authorization: {once}");
    for lines in [
        "Authorization: Bearer".to_owned(),
        "Authorization: Bearer   ".to_owned(),
        format!("{authorization}\r\n{authorization}"),
        format!("{authorization}\r\nAuthorization: Basic YTpi"),
        format!("{authorization}, {once}"),
        format!("{authorization}\r\n{client}"),
        format!("{client}\r\n{service}"),
        format!("{client}\r\n{client}"),
        "X-Client-Key:".to_owned(),
        format!("X-Client-Key: {once}"),
        format!("Authorization: Bearer\t{key}"),
        format!("Authorization: Bearer {key}\u{e9}"),
        format!("Authorization: Bearer \"{key}\""),
    ] {
        let request = format!("GET /mcp HTTP/1.1\r\nHost: localhost\r\n{lines}\r\n\r\n");
        let response = server.raw(&request).await;
        assert_eq!(response.refusal(), (400, 400), "{lines}");
        let challenge = response.header("www-authenticate").unwrap();
        assert!(challenge.starts_with("Bearer realm=\"mcp\", error=\"invalid_request\""), "{challenge}");
        assert!(!String::from_utf8_lossy(&response.body).contains(&key));
    }
    // What no header may hold is refused before that.
    for control in ["\u{1}", "\u{7f}", "\0"] {
        let request = format!("GET /mcp HTTP/1.1\r\nHost: localhost\r\n{authorization}{control}\r\n\r\n");
        assert_eq!(server.raw(&request).await.status, 400, "{control:?}");
    }
}

#[tokio::test]
async fn a_session_is_found_with_its_own_key_alone() {
    let keys = in_memory();
    let (one, other) = (bearer(&new_key(&keys, "same").await), bearer(&new_key(&keys, "same").await));
    let server = server(&keys).await;
    let initialize = json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {
        "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "a", "version": "1"}}});
    let head = [("MCP-Protocol-Version", None), ("Authorization", Some(one.as_str()))];
    let opened = server.raw(&post(&initialize, &head)).await;
    let id = opened.header("mcp-session-id").unwrap();
    for (key, post_status, get_status) in [(Some(&other), 404, 404), (None, 401, 401), (Some(&one), 200, 200)]
    {
        let ping = json!({"jsonrpc": "2.0", "id": 1, "method": "ping"});
        let changes = [
            ("MCP-Protocol-Version", Some("2025-11-25")),
            ("Mcp-Session-Id", Some(id)),
            ("Authorization", key.map(String::as_str)),
        ];
        assert_eq!(server.raw(&post(&ping, &changes)).await.status, post_status, "{key:?}");
        let key = key.map(|key| format!("Authorization: {key}\r\n")).unwrap_or_default();
        let get = format!("GET /mcp HTTP/1.1\r\nHost: localhost\r\nMcp-Session-Id: {id}\r\n{key}\r\n");
        let mut client = server.connect().await;
        client.send(&get).await;
        assert_eq!(client.head().await.status, get_status, "{key}");
    }
}

/// Everything that is logged.
#[derive(Clone, Default)]
struct Logged(Arc<Mutex<Vec<u8>>>);

impl io::Write for Logged {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Logged {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

#[tokio::test]
async fn no_log_and_no_debug_output_holds_a_key() {
    let logged = Logged::default();
    let subscriber = tracing_subscriber::fmt()
        .with_writer(logged.clone())
        .with_max_level(LevelFilter::TRACE)
        .with_span_events(FmtSpan::NEW)
        .finish();
    // Server and clients run on this thread. Where there is one dispatcher alone, what other threads log first is taken for
    // what nobody wants to hear, here too; so there are two.
    let _another = tracing::Dispatch::new(tracing::subscriber::NoSubscriber::default());
    let _default = tracing::subscriber::set_default(subscriber);
    let keys = in_memory();
    let (record, key) = keys.create(NewKey::named("ci")).await.unwrap();
    let secret = key.expose().split_once('.').unwrap().1;
    let server = server(&keys).await;
    let (good, bad) = (bearer(key.expose()), format!("Bearer bx_other.{secret}"));
    let message = call("who", json!({}));
    for (status, headers) in [
        (200, &[("Authorization", good.as_str())][..]),
        (401, &[("Authorization", bad.as_str())]),
        (400, &[("Authorization", good.as_str()), ("X-Client-Key", key.expose())]),
        (403, &[("Authorization", good.as_str()), ("Origin", "https://evil.example.com")]),
    ] {
        let changes: Vec<_> = headers.iter().map(|&(name, value)| (name, Some(value))).collect();
        assert_eq!(server.raw(&post(&message, &changes)).await.status, status);
    }
    let http2 = Http2::connect(&server).await;
    let headers = [
        ("authorization", good.as_str()),
        ("content-type", "application/json"),
        ("mcp-protocol-version", "2026-07-28"),
        ("mcp-method", "tools/call"),
        ("mcp-name", "who"),
    ];
    let path = format!("/mcp?key={}", key.expose());
    assert_eq!(http2.send("POST", &path, &headers, message.to_string()).await.status(), 200);
    let request =
        format!("GET /mcp?key={0} HTTP/1.1\r\nHost: evil\r\nOrigin: http://x/?{0}\r\n\r\n", key.expose());
    assert_eq!(
        server.raw(&request.replace(&format!("Origin: http://x/?{}", key.expose()), "X: y")).await.status,
        403
    );
    server.raw(&format!("GET /mcp HTTP/1.1\r\nHost: localhost\r\n{good}\u{1}\r\n\r\n")).await;

    let text = String::from_utf8(logged.0.lock().unwrap().clone()).unwrap();
    // It did look.
    for logged in ["mcp.server", "h2::", "Forbidden"] {
        assert!(text.contains(logged), "{logged} is not logged");
    }
    let debug =
        format!("{keys:?} {record:?} {key:?} {:?} {:?}", Http::new().keys(keys.clone()), keys.list().await);
    for (what, text) in [("the log", text), ("Debug", debug)] {
        assert!(!text.contains(secret), "{what} has it: {text}");
    }
}
