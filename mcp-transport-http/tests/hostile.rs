//! What an attacker would try with sessions and messages: each attempt has one right answer, and leaves nothing behind.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use mcp_core::{Annotations, Empty, Form, Server, Text, ToolError, tool_fn};
use mcp_transport_http::Http;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::{Barrier, Notify, Semaphore};

use crate::client::{Client, Response, TestServer, post, within};

/// A name.
#[derive(Deserialize, JsonSchema)]
struct Name {
    name: String,
}

/// A server whose tool `wait` waits for permits.
struct Target {
    server: TestServer,
    gate: Arc<Semaphore>,
    begun: Arc<AtomicUsize>,
}

impl Target {
    async fn start(options: Http) -> Self {
        let (gate, begun) = (Arc::new(Semaphore::new(0)), Arc::new(AtomicUsize::new(0)));
        let (waiting, beginning, write) = (Arc::clone(&gate), Arc::clone(&begun), Annotations::write());
        let endpoint = Server::new("test", "1.0.0")
            .add(tool_fn("quick", write, async |_: Empty, _| Ok(Text::new("quick"))))
            .add(tool_fn("ask", write, async |_: Empty, call| {
                let name = call.ask("name", Form::<Name>::new("Who are you?")).await.accepted()?;
                Ok(Text(format!("Hello, {}.", name.name)))
            }))
            .add(tool_fn("wait", write, move |_: Empty, _| {
                let (gate, begun) = (Arc::clone(&waiting), Arc::clone(&beginning));
                async move {
                    begun.fetch_add(1, Ordering::Relaxed);
                    gate.acquire().await.map_err(|_| ToolError::new("closed", "closed"))?.forget();
                    Ok(Text::new("waited"))
                }
            }))
            .build()
            .unwrap();
        Self { server: TestServer::of(endpoint, Arc::new(Notify::new()), options).await, gate, begun }
    }

    async fn open(&self) -> String {
        let response = self.initialize("2025-11-25").await;
        assert_eq!(response.status, 200, "{response:?}");
        response.header("mcp-session-id").unwrap().to_owned()
    }

    async fn initialize(&self, revision: &str) -> Response {
        let params = json!({
            "protocolVersion": revision,
            "capabilities": {"elicitation": {}},
            "clientInfo": {"name": "test", "version": "1"},
        });
        let message = request(0, "initialize", params);
        self.server.raw(&post(&message, &[("MCP-Protocol-Version", None)])).await
    }

    async fn post(&self, session: &str, message: &Value) -> Response {
        self.server.raw(&in_session(session, message)).await
    }

    /// Posts, and leaves the response to be read.
    async fn begin(&self, session: &str, message: &Value) -> Client {
        let mut client = self.server.connect().await;
        client.send(&in_session(session, message)).await;
        client
    }

    async fn bare(&self, method: &str, session: &str) -> Client {
        let mut client = self.server.connect().await;
        client.send(&bare(method, session)).await;
        client
    }

    /// Waits until so many calls of `wait` began.
    async fn until_begun(&self, count: usize) {
        within(async {
            while self.begun.load(Ordering::Relaxed) < count {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }
}

fn request(id: impl Into<Value>, method: &str, params: Value) -> Value {
    json!({"jsonrpc": "2.0", "id": id.into(), "method": method, "params": params})
}

fn call(id: impl Into<Value>, tool: &str) -> Value {
    request(id, "tools/call", json!({"name": tool, "arguments": {}}))
}

fn cancelled(id: impl Into<Value>) -> Value {
    json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": id.into()}})
}

fn in_session(session: &str, message: &Value) -> String {
    post(message, &[("Mcp-Session-Id", Some(session)), ("MCP-Protocol-Version", Some("2025-11-25"))])
}

fn bare(method: &str, session: &str) -> String {
    format!(
        "{method} /mcp HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\nMcp-Session-Id: {session}\r\n\r\n"
    )
}

#[tokio::test]
async fn ids_of_sessions() {
    let target = Target::start(Http::new()).await;
    let (own, ended) = (target.open().await, target.open().await);
    assert_eq!(target.bare("DELETE", &ended).await.head().await.status, 204);
    let swapped: String = own
        .chars()
        .map(|c| if c.is_lowercase() { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() })
        .collect();
    let fits = 8 << 10;
    for (id, status) in [
        (own.clone(), 200),
        // White space around a value is none of it (RFC 9110, section 5.5).
        (format!("  {own}\t"), 200),
        (ended, 404),
        (own[..21].to_owned(), 404),
        (own[1..].to_owned(), 404),
        (format!("{own}A"), 404),
        (format!("{own}{own}"), 404),
        (swapped, 404),
        (format!("\"{own}\""), 404),
        (format!("{own}, {own}"), 404),
        (format!("{own},"), 404),
        (format!("{own};a=b"), 404),
        (format!("{own}%00"), 404),
        (format!("{own}é"), 404),
        (format!("{own}\u{ff}"), 404),
        (String::new(), 404),
        ("../../etc/passwd".to_owned(), 404),
        ("0".repeat(22), 404),
        ("x".repeat(fits), 404),
        (format!("{own}{}", "x".repeat(fits)), 404),
        // No header has such a value: the connection is at its end.
        (format!("{own}\0"), 400),
        (format!("{own}\x01"), 400),
        (format!("{own}\x7f"), 400),
        (format!("{own}\rX: y"), 400),
        (format!("{own}{}", "x".repeat(1 << 20)), 431),
    ] {
        let what: String = id.chars().take(60).collect();
        for method in ["POST", "GET", "HEAD", "DELETE"] {
            if status == 200 && method == "DELETE" {
                continue;
            }
            let text = if method == "POST" { in_session(&id, &call(1, "quick")) } else { bare(method, &id) };
            let mut client = target.server.connect().await;
            // The server may hang up before it has read all of a large one.
            _ = tokio::io::AsyncWriteExt::write_all(&mut client.stream, text.as_bytes()).await;
            let head = client.head().await;
            assert_eq!(head.status, status, "{method} {what:?}");
            assert_eq!(head.header("mcp-session-id"), None);
        }
    }
    // Twice, be it the same or another; and in any place but its header, where it is none.
    let other = target.open().await;
    for second in [&own, &other] {
        let text = in_session(&own, &call(1, "quick"));
        let twice = text.replacen("\r\n", &format!("\r\nMcp-Session-Id: {second}\r\n"), 1);
        assert_eq!(target.server.raw(&twice).await.refusal(), (404, 404));
    }
    let elsewhere = post(&call(1, "quick"), &[("MCP-Protocol-Version", Some("2025-11-25"))]);
    for text in [
        elsewhere.replacen("/mcp", &format!("/mcp?sessionId={own}"), 1),
        elsewhere.replacen("/mcp", &format!("/mcp?Mcp-Session-Id={own}"), 1),
        elsewhere.replacen("\r\n", &format!("\r\nCookie: Mcp-Session-Id={own}\r\n"), 1),
        elsewhere.replacen("\r\n", &format!("\r\nAuthorization: Bearer {own}\r\n"), 1),
    ] {
        assert_eq!(target.server.raw(&text).await.refusal(), (400, -32020));
    }
    let elsewhere = elsewhere.replacen("/mcp", &format!("/mcp/{own}"), 1);
    assert_eq!(target.server.raw(&elsewhere).await.status, 404);
    // A modern request has no session, whatever it names: what it does is nothing of the session's.
    let modern = crate::client::call("quick", json!({}));
    let response = target.server.raw(&post(&modern, &[("Mcp-Session-Id", Some(&own))])).await;
    assert_eq!(response.json()["result"]["resultType"], "complete");
    let mut cancel = cancelled(1);
    cancel["params"]["_meta"] = modern["params"]["_meta"].clone();
    let mut waiting = target.begin(&own, &call(1, "wait")).await;
    target.until_begun(1).await;
    assert_eq!(target.server.raw(&post(&cancel, &[("Mcp-Session-Id", Some(&own))])).await.status, 202);
    target.gate.add_permits(1);
    assert_eq!(waiting.response().await.json()["result"]["content"][0]["text"], "waited");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_id_from_many_connections_at_once() {
    const AT_ONCE: usize = 32;
    let target = Arc::new(Target::start(Http::new()).await);
    let session = target.open().await;
    for round in 1..=5 {
        let (begin, refused) = (Arc::new(Barrier::new(AT_ONCE)), Arc::new(AtomicUsize::new(0)));
        let requests: Vec<_> = (0..AT_ONCE)
            .map(|_| {
                let (target, session) = (Arc::clone(&target), session.clone());
                let (begin, refused) = (Arc::clone(&begin), Arc::clone(&refused));
                tokio::spawn(async move {
                    let mut client = target.server.connect().await;
                    begin.wait().await;
                    client.send(&in_session(&session, &call("same", "wait"))).await;
                    let answer = client.response().await.json();
                    let code = answer["error"]["code"].as_i64();
                    if code.is_some() && refused.fetch_add(1, Ordering::Relaxed) == AT_ONCE - 2 {
                        target.gate.add_permits(1);
                    }
                    (answer["id"].clone(), code)
                })
            })
            .collect();
        let mut served = 0;
        for request in requests {
            let (id, code) = within(request).await.unwrap();
            assert_eq!(id, "same");
            assert!(matches!(code, None | Some(-32600)), "{code:?}");
            served += usize::from(code.is_none());
        }
        assert_eq!((served, target.begun.load(Ordering::Relaxed)), (1, round));
    }
}

#[tokio::test]
async fn answers_to_questions() {
    let target = Target::start(Http::new()).await;
    let (own, other) = (target.open().await, target.open().await);
    let answer = |id: Value, name: &str| json!({"jsonrpc": "2.0", "id": id, "result": {"action": "accept", "content": {"name": name}}});
    let mut asked = target.begin(&own, &call(1, "ask")).await;
    asked.head().await;
    let question = asked.events().await.unwrap().remove(0);
    let id = question["id"].as_i64().unwrap();
    // Somebody else's question, and ids that are none of a question.
    assert_eq!(target.post(&other, &answer(json!(id), "Eve")).await.status, 202);
    for wrong in [
        json!(id + 1),
        json!(-id),
        json!(0),
        json!(id.to_string()),
        json!(f64::from(i32::try_from(id).unwrap()) + 0.5),
        json!(i64::MAX),
        json!(u64::MAX),
        json!(null),
        json!(true),
        json!([id]),
        json!({ "id": id }),
    ] {
        let response = target.post(&own, &answer(wrong.clone(), "Eve")).await;
        assert_eq!((response.status, response.body.len()), (202, 0), "{wrong}");
    }
    // The first answer counts, and the second is one to nothing.
    assert_eq!(target.post(&own, &answer(json!(id), "Ada")).await.status, 202);
    assert_eq!(target.post(&own, &answer(json!(id), "Eve")).await.status, 202);
    assert_eq!(asked.events().await.unwrap()[0]["result"]["content"][0]["text"], "Hello, Ada.");
    // Nor does it answer the next question.
    let mut asked = target.begin(&own, &call(2, "ask")).await;
    asked.head().await;
    let question = asked.events().await.unwrap().remove(0);
    assert_ne!(question["id"], id);
    // What does not fit the form, or is an error of any form, is not taken for consent, nor repeated at length.
    let long = "x".repeat(1 << 20);
    let error = json!({"jsonrpc": "2.0", "id": question["id"], "error": {"code": 1, "message": long}});
    assert_eq!(target.post(&own, &error).await.status, 202);
    let said = asked.events().await.unwrap().remove(0);
    assert_eq!(said["result"]["isError"], true);
    assert!(said.to_string().len() < 1 << 10);
}

#[tokio::test]
async fn a_flood_of_cancellations_over_one_connection() {
    let target = Target::start(Http::new()).await;
    let (own, other) = (target.open().await, target.open().await);
    let mut waiting = target.begin(&own, &call(1, "wait")).await;
    target.until_begun(1).await;
    let mut client = target.server.connect().await;
    for number in 0..2_000 {
        // None that is there, that of `initialize`, and another session's.
        let (session, id) = match number % 4 {
            0 => (&own, json!(number + 2)),
            1 => (&own, json!("1")),
            2 => (&own, json!(0)),
            _ => (&other, json!(1)),
        };
        client.send(&in_session(session, &cancelled(id))).await;
        assert_eq!(client.head().await.status, 202);
    }
    target.gate.add_permits(1);
    assert_eq!(waiting.response().await.json()["result"]["content"][0]["text"], "waited");
}

#[tokio::test]
async fn a_thousand_streams_of_one_session() {
    let target = Target::start(Http::new()).await;
    let session = target.open().await;
    let mut streams = Vec::new();
    for _ in 0..1_000 {
        let mut stream = target.bare("GET", &session).await;
        assert_eq!(stream.head().await.status, 200);
        streams.push(stream);
    }
    let mut last = streams.pop().unwrap();
    for mut earlier in streams {
        // What it began with, and its end.
        assert_eq!(earlier.chunk().await.as_deref(), Some(b":\n\n".as_slice()));
        assert_eq!(earlier.chunk().await, None);
    }
    last.chunk().await;
    let extra = tool_fn("extra", Annotations::read_only(), async |_: Empty, _| Ok(Text::new("")));
    target.server.endpoint.edit(|edit| edit.add(extra)).unwrap();
    assert_eq!(last.events().await.unwrap()[0]["method"], "notifications/tools/list_changed");
}

#[tokio::test]
async fn the_end_of_a_session_in_the_middle_of_everything() {
    let target = Target::start(Http::new()).await;
    let session = target.open().await;
    let mut stream = target.bare("GET", &session).await;
    assert_eq!((stream.head().await.status, stream.chunk().await.is_some()), (200, true));
    let mut calls = Vec::new();
    for id in 0..10 {
        calls.push(target.begin(&session, &call(id, "wait")).await);
    }
    target.until_begun(10).await;
    let mut asked = target.begin(&session, &call("ask", "ask")).await;
    assert_eq!((asked.head().await.status, asked.events().await.unwrap().len()), (200, 1));
    assert_eq!(target.bare("DELETE", &session).await.head().await.status, 204);
    // Nothing is answered any more, and everything ends.
    for mut call in calls {
        let response = call.response().await;
        assert_eq!((response.status, response.body.len()), (202, 0));
    }
    while asked.chunk().await.is_some() {}
    assert_eq!(stream.chunk().await, None);
    assert_eq!(target.post(&session, &call(1, "quick")).await.refusal(), (404, 404));
    assert_eq!(target.bare("DELETE", &session).await.head().await.status, 404);
    target.server.shut_down().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_end_of_a_session_and_its_requests_at_once() {
    let target = Target::start(Http::new()).await;
    for round in 0..200 {
        let session = target.open().await;
        let [mut calling, mut deleting, mut streaming] =
            [target.server.connect().await, target.server.connect().await, target.server.connect().await];
        let (wait, delete, stream) =
            (in_session(&session, &call(1, "wait")), bare("DELETE", &session), bare("GET", &session));
        let sending = async {
            match round % 3 {
                0 => tokio::join!(calling.send(&wait), deleting.send(&delete), streaming.send(&stream)),
                1 => tokio::join!(deleting.send(&delete), calling.send(&wait), streaming.send(&stream)),
                _ => tokio::join!(streaming.send(&stream), deleting.send(&delete), calling.send(&wait)),
            }
        };
        sending.await;
        assert_eq!(deleting.head().await.status, 204);
        // The call waits for what never comes: either it was cancelled, or it came too late.
        let response = calling.response().await;
        assert!(matches!((response.status, response.body.len()), (202, 0) | (404, 1..)), "{response:?}");
        let head = streaming.head().await;
        match head.status {
            200 => while streaming.chunk().await.is_some() {},
            status => assert_eq!(status, 404),
        }
    }
}

#[tokio::test]
async fn sessions_that_are_opened_and_never_used() {
    const LIMIT: usize = 50;
    let options = Http::new().max_sessions(LIMIT).session_idle_time(Duration::from_secs(2));
    let target = Target::start(options).await;
    let first = target.open().await;
    assert_eq!(target.post(&first, &call(0, "quick")).await.status, 200);
    // They keep nobody out, and least of all who uses theirs.
    for _ in 0..4 * LIMIT {
        target.open().await;
    }
    let mut used = Vec::new();
    for _ in 1..LIMIT {
        let session = target.open().await;
        assert_eq!(target.post(&session, &call(0, "quick")).await.status, 200);
        used.push(session);
    }
    for _ in 0..200 {
        let response = target.initialize("2025-11-25").await;
        assert_eq!(response.refusal(), (503, 503));
        let seconds: u64 = response.header("retry-after").unwrap().parse().unwrap();
        assert!((1..=3).contains(&seconds), "{seconds}");
        assert_eq!(response.header("mcp-session-id"), None);
    }
    // Those that are there are served, and so is whoever needs none.
    assert_eq!(target.post(&first, &call(1, "quick")).await.status, 200);
    assert_eq!(target.server.post(&crate::client::call("quick", json!({}))).await.status, 200);
    // Once they were idle for their time there is room again.
    within(async {
        while target.initialize("2025-11-25").await.status != 200 {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn messages_at_and_beyond_the_limit_leave_the_session_alone() {
    let message = call("x".repeat(500), "quick");
    let length = message.to_string().len();
    for (limit, status) in [(length + 1, 200), (length, 200), (length - 1, 413)] {
        let target = Target::start(Http::new().max_message_bytes(limit)).await;
        let session = target.open().await;
        assert_eq!(target.post(&session, &message).await.status, status);
        assert_eq!(target.post(&session, &call(1, "quick")).await.status, 200);
    }
}

#[tokio::test]
async fn hosts_and_origins() {
    let target = Target::start(Http::new().allow_host("mcp.example.com")).await;
    let session = target.open().await;
    let message = in_session(&session, &call(1, "quick"));
    for (host, status) in [
        ("localhost:8080", 200),
        ("127.0.0.1", 200),
        ("[::1]:1", 200),
        ("MCP.example.com:443", 200),
        ("localhost.", 403),
        ("localhost.evil.com", 403),
        ("evil.com", 403),
        ("127.0.0.1.nip.io", 403),
        ("2130706433", 403),
        ("0x7f.1", 403),
        ("0.0.0.0", 403),
        ("[::]", 403),
        ("localhost:evil", 403),
        ("evil@localhost", 403),
        ("localhost@evil.com", 403),
        ("localhost/evil.com", 403),
        ("localhost evil.com", 403),
        ("sub.mcp.example.com", 403),
        ("", 403),
    ] {
        let text = message.replacen("Host: localhost", &format!("Host: {host}"), 1);
        assert_eq!(target.server.raw(&text).await.status, status, "{host:?}");
        for method in ["GET", "HEAD", "DELETE"] {
            if status == 403 {
                let text = bare(method, &session).replacen("Host: localhost", &format!("Host: {host}"), 1);
                let mut client = target.server.connect().await;
                client.send(&text).await;
                assert_eq!(client.head().await.status, status, "{method} {host:?}");
            }
        }
    }
    for (origin, status) in [
        ("http://localhost:3000", 200),
        ("https://mcp.example.com", 200),
        ("null", 403),
        ("", 403),
        ("http://evil.com", 403),
        ("http://localhost.evil.com", 403),
        ("http://localhost@evil.com", 403),
        ("http://evil.com#localhost", 403),
        ("http://evil.com/localhost", 403),
        ("http://localhost, http://evil.com", 403),
        ("file://", 403),
        ("chrome-extension://localhost", 403),
    ] {
        let text = message.replacen("\r\n", &format!("\r\nOrigin: {origin}\r\n"), 1);
        assert_eq!(target.server.raw(&text).await.status, status, "{origin:?}");
    }
    // The session is as it was.
    assert_eq!(target.post(&session, &call(1, "quick")).await.status, 200);
}
