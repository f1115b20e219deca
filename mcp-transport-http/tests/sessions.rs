//! Sessions of the revisions that open with a handshake.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Method, StatusCode};
use http_body_util::{BodyExt, Full};
use mcp_core::{
    Annotations, Contents, Empty, Endpoint, Form, Principal, PrincipalKind, Server, Text, ToolError,
    resource_fn, tool_fn,
};
use mcp_transport_http::{Http, HttpService};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::{Notify, Semaphore};
use tower_service::Service;

use crate::client::{Client, Response, TestServer, events, post, within};

/// A name.
#[derive(Deserialize, JsonSchema)]
struct Name {
    name: String,
}

/// What the tools tell and wait for.
#[derive(Clone, Default)]
struct Signals {
    dropped: Arc<Notify>,
    gate: Arc<Gate>,
}

struct Gate(Semaphore);

impl Default for Gate {
    fn default() -> Self {
        Self(Semaphore::new(0))
    }
}

struct Tell(Arc<Notify>);

impl Drop for Tell {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

fn endpoint() -> (Endpoint, Signals) {
    let signals = Signals::default();
    let (waiting, write) = (signals.clone(), Annotations::write());
    let endpoint = Server::new("test", "1.0.0")
        .add(tool_fn("who", write, async |_: Empty, call| Ok(Text(call.principal().subject().to_owned()))))
        .add(tool_fn("report", write, async |_: Empty, call| {
            call.progress(1.0, None, "at once");
            Ok(Text::new("done"))
        }))
        .add(tool_fn("ask", write, async |_: Empty, call| {
            let name = call.ask("name", Form::<Name>::new("Who are you?")).await.accepted()?;
            Ok(Text(format!("Hello, {}.", name.name)))
        }))
        .add(tool_fn("wait", write, move |_: Empty, call| {
            let Signals { dropped, gate } = waiting.clone();
            async move {
                let tell = Tell(dropped);
                call.progress(1.0, None, "waiting");
                gate.0.acquire().await.map_err(|_| ToolError::new("closed", "closed"))?.forget();
                drop(tell);
                Ok(Text::new("waited"))
            }
        }))
        .add(resource_fn("files://a", "a", async |_: Empty, _| Ok(Contents::text("a"))))
        .build()
        .unwrap();
    (endpoint, signals)
}

async fn server(options: Http) -> (TestServer, Signals) {
    let (endpoint, signals) = endpoint();
    (TestServer::of(endpoint, Arc::clone(&signals.dropped), options).await, signals)
}

fn initialize(revision: &str) -> Value {
    let params = json!({
        "protocolVersion": revision,
        "capabilities": {"elicitation": {}},
        "clientInfo": {"name": "test", "version": "1"},
    });
    json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params})
}

fn request(id: u32, method: &str, params: Value) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params})
}

fn call(id: u32, tool: &str) -> Value {
    request(id, "tools/call", json!({"name": tool, "arguments": {}}))
}

/// A session over connections of its own.
struct Session<'a> {
    server: &'a TestServer,
    id: String,
    revision: &'static str,
}

impl<'a> Session<'a> {
    async fn open(server: &'a TestServer, revision: &'static str) -> Self {
        let response = server.raw(&post(&initialize(revision), &[("MCP-Protocol-Version", None)])).await;
        assert_eq!(response.status, 200, "{response:?}");
        assert_eq!(response.json()["result"]["protocolVersion"], revision);
        let id = response.header("mcp-session-id").unwrap().to_owned();
        assert!(
            id.len() == 22 && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
        );
        let session = Self { server, id, revision };
        let initialized = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
        let response = session.post(&initialized).await;
        assert_eq!((response.status, response.body.len()), (202, 0));
        session
    }

    fn text(&self, message: &Value, changes: &[(&str, Option<&str>)]) -> String {
        let own = [("Mcp-Session-Id", Some(self.id.as_str())), ("MCP-Protocol-Version", Some(self.revision))];
        post(message, &[&own, changes].concat())
    }

    async fn post(&self, message: &Value) -> Response {
        self.server.raw(&self.text(message, &[])).await
    }

    /// Posts, and leaves the response to be read.
    async fn begin(&self, message: &Value, changes: &[(&str, Option<&str>)]) -> Client {
        let mut client = self.server.connect().await;
        client.send(&self.text(message, changes)).await;
        client
    }

    async fn bare(&self, method: &str) -> Client {
        let mut client = self.server.connect().await;
        let request = format!(
            "{method} /mcp HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\nMcp-Session-Id: {}\r\n\r\n",
            self.id
        );
        client.send(&request).await;
        client
    }

    /// Opens the stream, and reads what it begins with.
    async fn stream(&self) -> Client {
        let mut client = self.bare("GET").await;
        let head = client.head().await;
        assert_eq!((head.status, head.header("content-type")), (200, Some("text/event-stream")));
        assert_eq!(client.chunk().await.unwrap(), b":\n\n");
        client
    }
}

#[tokio::test]
async fn a_session_is_opened_used_and_ended() {
    let (server, _) = server(Http::new()).await;
    for revision in ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"] {
        let session = Session::open(&server, revision).await;
        let answer = session.post(&call(1, "who")).await;
        assert_eq!(answer.json()["result"]["content"][0]["text"], "anonymous");
        assert_eq!(answer.header("mcp-session-id"), None);
        assert_eq!(session.post(&request(2, "ping", json!({}))).await.json()["result"], json!({}));
        // Errors of JSON-RPC are answers: 404 would say that the session is over.
        for (method, code) in [("no/such", -32601), ("server/discover", -32601), ("initialize", -32602)] {
            let answer = session.post(&request(3, method, json!({}))).await;
            let expected = if method == "initialize" { 400 } else { 200 };
            assert_eq!(answer.refusal(), (expected, code), "{method}");
        }
        assert_eq!(session.bare("DELETE").await.head().await.status, 204);
        assert_eq!(session.post(&call(4, "who")).await.refusal(), (404, 404));
        for method in ["GET", "HEAD", "DELETE"] {
            assert_eq!(session.bare(method).await.head().await.status, 404, "{method}");
        }
    }
}

#[tokio::test]
async fn a_message_of_no_session_or_of_none_that_is_known_is_refused() {
    let (server, _) = server(Http::new()).await;
    let session = Session::open(&server, "2025-11-25").await;
    for (id, expected) in [
        (None, (400, -32020)),
        (Some(""), (404, 404)),
        (Some("x"), (404, 404)),
        (Some("AAAAAAAAAAAAAAAAAAAAAA"), (404, 404)),
    ] {
        let request = session.text(&call(1, "who"), &[("Mcp-Session-Id", id)]);
        assert_eq!(server.raw(&request).await.refusal(), expected, "{id:?}");
    }
    // Whatever a session that is over is sent, its client is to know that it is.
    for message in [json!([call(1, "who")]), json!(7), json!({"jsonrpc": "2.0", "id": 1, "result": {}})] {
        let request = session.text(&message, &[("Mcp-Session-Id", Some("x"))]);
        assert_eq!(server.raw(&request).await.refusal(), (404, 404), "{message}");
    }
    // Two that are right are one that is not.
    let twice = session.text(&call(1, "who"), &[]).replacen(
        "Mcp-Session-Id",
        &format!("Mcp-Session-Id: {}\r\nMcp-Session-Id", session.id),
        1,
    );
    assert_eq!(server.raw(&twice).await.refusal(), (404, 404));
    // What says that it is modern is served as such, whatever session it names.
    let modern = crate::client::call("who", json!({}));
    for id in [session.id.as_str(), "none"] {
        let answer = server.raw(&post(&modern, &[("Mcp-Session-Id", Some(id))])).await;
        assert_eq!(answer.json()["result"]["resultType"], "complete");
    }
    // Any of its era's versions will do.
    let request = session.text(&call(1, "who"), &[("MCP-Protocol-Version", None)]);
    assert_eq!(server.raw(&request).await.status, 200);
    let request = session.text(&call(1, "who"), &[("MCP-Protocol-Version", Some("1999-01-01"))]);
    assert_eq!(server.raw(&request).await.status, 400);
}

#[tokio::test]
async fn what_a_request_says_before_its_answer_makes_it_a_stream() {
    let (server, _) = server(Http::new()).await;
    let session = Session::open(&server, "2025-11-25").await;
    let mut report = call(1, "report");
    report["params"]["_meta"]["progressToken"] = json!("p");
    let response = session.post(&report).await;
    assert_eq!(response.header("content-type"), Some("text/event-stream"));
    let said = events(&response.body);
    assert_eq!(said[0]["params"], json!({"progressToken": "p", "progress": 1.0, "message": "at once"}));
    assert_eq!(said[1]["result"]["content"][0]["text"], "done");
    // Where the client takes JSON alone, the answer alone.
    let request = session.text(&report, &[("Accept", Some("application/json"))]);
    assert_eq!(server.raw(&request).await.json()["result"]["content"][0]["text"], "done");
}

#[tokio::test]
async fn a_question_goes_over_the_answers_own_stream_or_the_sessions() {
    let (server, _) = server(Http::new()).await;
    let session = Session::open(&server, "2025-11-25").await;
    let accept = |question: &Value| {
        let content = json!({"action": "accept", "content": {"name": "Ada"}});
        json!({"jsonrpc": "2.0", "id": question["id"], "result": content})
    };

    let mut client = session.begin(&call(1, "ask"), &[]).await;
    assert_eq!(client.head().await.header("content-type"), Some("text/event-stream"));
    let question = client.events().await.unwrap().remove(0);
    assert_eq!(question["method"], "elicitation/create");
    // Somebody else's session has no such question.
    let other = Session::open(&server, "2025-11-25").await;
    assert_eq!(other.post(&accept(&question)).await.status, 202);
    assert_eq!(session.post(&accept(&question)).await.status, 202);
    assert_eq!(client.events().await.unwrap()[0]["result"]["content"][0]["text"], "Hello, Ada.");
    assert_eq!(client.events().await, None);

    // A client that takes no stream in answer has its own.
    let json_only = [("Accept", Some("application/json"))];
    let mut stream = session.stream().await;
    let mut client = session.begin(&call(2, "ask"), &json_only).await;
    let question = stream.events().await.unwrap().remove(0);
    assert_eq!(session.post(&accept(&question)).await.status, 202);
    assert_eq!(client.response().await.json()["result"]["content"][0]["text"], "Hello, Ada.");

    // And one that has neither is told.
    drop(stream);
    within(async {
        loop {
            let mut client = session.begin(&call(3, "ask"), &json_only).await;
            tokio::select! {
                answer = client.response() => {
                    let answer = answer.json();
                    let code = &answer["result"]["_meta"]["toolpack/error"]["code"];
                    assert_eq!(code, "question_refused", "{answer}");
                    return;
                }
                // The server has not noticed yet that the stream is gone, and asked over it.
                () = tokio::time::sleep(Duration::from_millis(50)) => {}
            }
        }
    })
    .await;
}

#[tokio::test]
async fn a_question_whose_stream_is_closed_is_given_up() {
    let (server, _) = server(Http::new()).await;
    let session = Session::open(&server, "2025-11-25").await;
    let mut client = session.begin(&call(1, "ask"), &[]).await;
    client.head().await;
    assert_eq!(client.events().await.unwrap()[0]["method"], "elicitation/create");
    drop(client);
    // Its call ends by that, which shows in its id.
    within(async {
        while session.post(&call(1, "who")).await.json().get("error").is_some() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn changes_are_told_over_the_newest_stream() {
    let (server, _) = server(Http::new()).await;
    let session = Session::open(&server, "2025-06-18").await;
    session.post(&request(1, "resources/subscribe", json!({"uri": "files://a"}))).await;
    // What happened before the stream was opened is told once, and no more than once.
    server.endpoint.resource_updated("files://a");
    server.endpoint.resource_updated("files://a");
    let mut first = session.bare("GET").await;
    assert_eq!(first.head().await.status, 200);
    let said = events(first.chunk().await.unwrap().strip_prefix(b":\n\n").unwrap());
    assert_eq!(
        said,
        [
            json!({"jsonrpc": "2.0", "method": "notifications/resources/updated", "params": {"uri": "files://a"}})
        ]
    );
    let mut second = session.stream().await;
    assert_eq!(first.chunk().await, None);
    let extra = tool_fn("extra", Annotations::read_only(), async |_: Empty, _| Ok(Text::new("")));
    server.endpoint.edit(|edit| edit.add(extra)).unwrap();
    assert_eq!(second.events().await.unwrap()[0]["method"], "notifications/tools/list_changed");
    // It ends with the session.
    assert_eq!(session.bare("DELETE").await.head().await.status, 204);
    assert_eq!(second.chunk().await, None);
}

#[tokio::test]
async fn a_head_request_opens_no_stream() {
    let (server, _) = server(Http::new()).await;
    let session = Session::open(&server, "2025-11-25").await;
    let mut stream = session.stream().await;
    let head = session.bare("HEAD").await.head().await;
    assert_eq!((head.status, head.header("content-type")), (200, Some("text/event-stream")));
    session.post(&request(1, "resources/subscribe", json!({"uri": "files://a"}))).await;
    server.endpoint.resource_updated("files://a");
    assert_eq!(stream.events().await.unwrap()[0]["method"], "notifications/resources/updated");
}

#[tokio::test]
async fn only_a_cancellation_cancels_and_a_client_that_goes_away_does_not() {
    let (server, signals) = server(Http::new()).await;
    let session = Session::open(&server, "2025-11-25").await;
    let mut wait = call(1, "wait");
    wait["params"]["_meta"]["progressToken"] = json!(1);
    // In the middle of a stream, the connection goes.
    let mut client = session.begin(&wait, &[]).await;
    client.head().await;
    client.events().await.unwrap();
    drop(client);
    // It runs still: its id is taken.
    assert_eq!(session.post(&call(1, "who")).await.refusal(), (200, -32600));
    let cancelled =
        json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}});
    assert_eq!(session.post(&cancelled).await.status, 202);
    within(signals.dropped.notified()).await;
    assert_eq!(session.post(&call(1, "who")).await.status, 200);

    // A stream that has begun ends without an answer, and a response that has not has nothing to say.
    let mut streaming = session.begin(&wait, &[]).await;
    streaming.head().await;
    streaming.events().await.unwrap();
    session.post(&cancelled).await;
    assert_eq!(streaming.chunk().await, None);
    within(signals.dropped.notified()).await;
    let mut silent = session.begin(&call(2, "wait"), &[]).await;
    let cancel_two =
        json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 2}});
    within(async {
        // Until it has been read.
        loop {
            session.post(&cancel_two).await;
            tokio::select! {
                response = silent.response() => {
                    assert_eq!((response.status, response.body.len()), (202, 0));
                    return;
                }
                () = tokio::time::sleep(Duration::from_millis(10)) => {}
            }
        }
    })
    .await;
    // Another session's request of the same id is none of this one's business.
    let other = Session::open(&server, "2025-11-25").await;
    let mut client = session.begin(&wait, &[]).await;
    client.head().await;
    client.events().await.unwrap();
    other.post(&cancelled).await;
    signals.gate.0.add_permits(1);
    assert_eq!(client.events().await.unwrap()[0]["result"]["content"][0]["text"], "waited");
}

#[tokio::test]
async fn batches_are_of_2025_03_26() {
    let (server, signals) = server(Http::new()).await;
    let session = Session::open(&server, "2025-03-26").await;
    let note = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
    let response = session.post(&json!([call(1, "who"), note, request(2, "ping", json!({}))])).await;
    let ids: Vec<_> = response.json().as_array().unwrap().iter().map(|answer| answer["id"].clone()).collect();
    assert_eq!(ids, [1, 2]);
    assert_eq!(session.post(&json!([note, note])).await.status, 202);
    assert_eq!(session.post(&json!([])).await.refusal(), (400, -32600));
    // What waits is waited for, and what is cancelled left out.
    let mut client = session.begin(&json!([call(3, "wait"), call(4, "who"), call(5, "wait"), 7]), &[]).await;
    let cancelled =
        json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 5}});
    session.post(&json!([cancelled])).await;
    within(signals.dropped.notified()).await;
    signals.gate.0.add_permits(1);
    let answers = client.response().await.json();
    let mut ids: Vec<_> = answers.as_array().unwrap().iter().map(|answer| answer["id"].to_string()).collect();
    ids.sort();
    assert_eq!(ids, ["3", "4", "null"], "{answers}");
    for revision in ["2024-11-05", "2025-06-18", "2025-11-25"] {
        let session = Session::open(&server, revision).await;
        assert_eq!(session.post(&json!([call(1, "who")])).await.refusal(), (400, -32600));
    }
}

#[tokio::test]
async fn a_message_that_is_too_large_is_refused_as_the_revision_has_it() {
    let (server, _) = server(Http::new().max_message_bytes(2_000)).await;
    for (revision, id) in [("2025-06-18", Some(&Value::Null)), ("2025-11-25", None)] {
        let session = Session::open(&server, revision).await;
        let large = request(1, "ping", json!({"x": "x".repeat(2_000)}));
        let response = session.post(&large).await;
        assert_eq!((response.refusal(), response.json().get("id")), ((413, 413), id), "{revision}");
        assert_eq!(session.post(&call(1, "who")).await.status, 200);
    }
}

#[tokio::test]
async fn idle_sessions_end_and_busy_ones_do_not() {
    let (server, signals) = server(Http::new().session_idle_time(Duration::from_millis(200))).await;
    let [idle, streaming, waiting] = [
        Session::open(&server, "2025-11-25").await,
        Session::open(&server, "2025-11-25").await,
        Session::open(&server, "2025-11-25").await,
    ];
    let _stream = streaming.stream().await;
    let mut client = waiting.begin(&call(1, "wait"), &[]).await;
    within(async {
        while idle.bare("HEAD").await.head().await.status != 404 {
            tokio::time::sleep(Duration::from_millis(400)).await;
        }
    })
    .await;
    assert_eq!(streaming.post(&call(2, "who")).await.status, 200);
    signals.gate.0.add_permits(1);
    assert_eq!(client.response().await.status, 200);
    assert_eq!(waiting.post(&call(2, "who")).await.status, 200);
}

#[tokio::test]
async fn one_session_too_many_is_refused_until_another_ends() {
    let (server, _) = server(Http::new().max_sessions(2)).await;
    let first = Session::open(&server, "2025-11-25").await;
    let second = Session::open(&server, "2025-11-25").await;
    for session in [&first, &second] {
        assert_eq!(session.post(&call(1, "who")).await.status, 200);
    }
    let response = server.raw(&post(&initialize("2025-11-25"), &[("MCP-Protocol-Version", None)])).await;
    assert_eq!(response.refusal(), (503, 503));
    assert!(response.json()["error"]["message"].as_str().unwrap().contains("2 sessions"));
    assert_eq!(response.json()["id"], 0);
    // None of them is idle for long enough any sooner, give or take how often that is looked at.
    let seconds: u64 = response.header("retry-after").unwrap().parse().unwrap();
    assert!((30 * 60 - 30..=30 * 60 + 60).contains(&seconds), "{seconds}");
    assert_eq!(response.json()["error"]["data"]["retryAfterMs"].as_u64().unwrap().div_ceil(1_000), seconds);
    assert_eq!(second.post(&call(1, "who")).await.status, 200);
    first.bare("DELETE").await.head().await;
    Session::open(&server, "2025-11-25").await;
}

#[tokio::test]
async fn a_session_that_was_never_used_makes_place_for_another() {
    let (server, _) = server(Http::new().max_sessions(3)).await;
    let open = async || server.raw(&post(&initialize("2025-11-25"), &[("MCP-Protocol-Version", None)])).await;
    let who = async |session: &Response| {
        let id = session.header("mcp-session-id").unwrap();
        let headers = [("MCP-Protocol-Version", Some("2025-11-25")), ("Mcp-Session-Id", Some(id))];
        server.raw(&post(&call(1, "who"), &headers)).await.status
    };
    let used = open().await;
    assert_eq!(who(&used).await, 200);
    let (forgotten, kept) = (open().await, open().await);
    let newest = open().await;
    assert_eq!(who(&forgotten).await, 404);
    for session in [&used, &kept, &newest] {
        assert_eq!(who(session).await, 200);
    }
    assert_eq!(open().await.status, 503);
}

#[tokio::test]
async fn one_caller_may_have_so_many_sessions() {
    let (server, _) = server(Http::new().max_sessions_per_caller(2).trust_proxy("127.0.0.1").unwrap()).await;
    let open = async |address: &str| {
        let headers = [("MCP-Protocol-Version", None), ("X-Forwarded-For", Some(address))];
        server.raw(&post(&initialize("2025-11-25"), &headers)).await
    };
    let session = open("192.0.2.1").await;
    assert_eq!((session.status, open("192.0.2.1").await.status), (200, 200));
    // Though neither was used: it is the caller's own to end one.
    let response = open("192.0.2.1").await;
    assert_eq!(response.refusal(), (429, 429));
    assert_eq!(response.json()["id"], 0);
    assert!(response.json()["error"]["message"].as_str().unwrap().contains("2 sessions of one caller"));
    let seconds: u64 = response.header("retry-after").unwrap().parse().unwrap();
    assert!((30 * 60 - 30..=30 * 60 + 60).contains(&seconds), "{seconds}");
    assert_eq!((open("192.0.2.2").await.status, open("192.0.2.2").await.status), (200, 200));
    let id = session.header("mcp-session-id").unwrap();
    let end = format!("DELETE /mcp HTTP/1.1\r\nHost: localhost\r\nMcp-Session-Id: {id}\r\n\r\n");
    assert_eq!(server.raw(&end).await.status, 204);
    assert_eq!((open("192.0.2.1").await.status, open("192.0.2.1").await.status), (200, 429));
}

#[tokio::test]
async fn the_servers_end_ends_streams_and_answers_what_was_accepted() {
    let (server, signals) = server(Http::new()).await;
    let session = Session::open(&server, "2025-11-25").await;
    let mut stream = session.stream().await;
    let mut report = call(1, "wait");
    report["params"]["_meta"]["progressToken"] = json!(1);
    let mut client = session.begin(&report, &[]).await;
    client.head().await;
    client.events().await.unwrap();
    // One whose client does not wait for it is done all the same.
    let mut gone = session.begin(&call(2, "wait"), &[]).await;
    gone.send("").await;
    let ending = tokio::spawn(server.shut_down());
    assert_eq!(stream.chunk().await, None);
    signals.gate.0.add_permits(2);
    assert_eq!(client.events().await.unwrap()[0]["result"]["content"][0]["text"], "waited");
    within(ending).await.unwrap();
}

#[tokio::test]
async fn a_session_is_its_openers_alone() {
    let (endpoint, _) = endpoint();
    let service = HttpService::new(&endpoint).unwrap();
    let ada = Principal::new(PrincipalKind::User, "ada");
    let send = |method: Method, session: Option<String>, message: Value, principal: &Principal| {
        let mut request = http::Request::builder()
            .method(method)
            .uri("/mcp")
            .header("host", "localhost")
            .header("content-type", "application/json")
            .extension(principal.clone());
        if let Some(session) = session {
            request = request.header("mcp-session-id", session);
        }
        let request = request.body(Full::new(Bytes::from(message.to_string()))).unwrap();
        let mut service = service.clone();
        async move { service.call(request).await.unwrap() }
    };
    let opened = send(Method::POST, None, initialize("2025-11-25"), &ada).await;
    let id = opened.headers()["mcp-session-id"].to_str().unwrap().to_owned();
    let again = ada.clone().with_scopes(["a"]);
    // What was granted since does not matter, who it is does.
    for (principal, status) in [
        (&again, StatusCode::OK),
        (&Principal::new(PrincipalKind::User, "bob"), StatusCode::NOT_FOUND),
        (&Principal::new(PrincipalKind::Client, "ada"), StatusCode::NOT_FOUND),
        (&Principal::anonymous(), StatusCode::NOT_FOUND),
    ] {
        let response = send(Method::POST, Some(id.clone()), call(1, "who"), principal).await;
        assert_eq!(response.status(), status, "{principal:?}");
        if status == StatusCode::OK {
            let answer = response.into_body().collect().await.unwrap().to_bytes();
            let answer: Value = serde_json::from_slice(&answer).unwrap();
            assert_eq!(answer["result"]["content"][0]["text"], "ada");
            continue;
        }
        for method in [Method::GET, Method::DELETE] {
            assert_eq!(send(method, Some(id.clone()), json!(null), principal).await.status(), status);
        }
    }
    assert_eq!(send(Method::DELETE, Some(id), json!(null), &ada).await.status(), StatusCode::NO_CONTENT);
}
