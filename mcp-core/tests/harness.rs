//! What the tests share: the bare wire of a connection, single messages with headers, and a gate to wait at.

use std::{future::poll_fn, sync::Arc};

use mcp_core::{
    AnswerStatus, Call, Connection, Endpoint, Exchange, Messages, MirroredHeaders, NamedSession, Post,
    Principal, Prompt, RequestError, Server, Signal, Step, TransportKind,
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

/// The two required keys of a modern request, with whatever else is to stand there.
pub(crate) fn meta(further: Value) -> Value {
    let mut meta = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    meta.as_object_mut().unwrap().extend(further.as_object().cloned().unwrap_or_default());
    meta
}

/// A modern request.
pub(crate) fn modern(id: impl Into<Value>, method: &str, mut params: Value) -> Value {
    params["_meta"] = meta(params["_meta"].clone());
    json!({"jsonrpc": "2.0", "id": id.into(), "method": method, "params": params})
}

/// A request without any metadata.
pub(crate) fn bare(id: impl Into<Value>, method: &str, params: Value) -> Value {
    json!({"jsonrpc": "2.0", "id": id.into(), "method": method, "params": params})
}

/// `initialize`, asking for this revision.
pub(crate) fn initialize(id: impl Into<Value>, revision: &str) -> Value {
    let client = json!({"name": "test", "version": "0"});
    bare(id, "initialize", json!({"protocolVersion": revision, "capabilities": {}, "clientInfo": client}))
}

/// A connection without a client: what goes in, and what comes out.
pub(crate) struct Wire {
    pub(crate) connection: Connection,
}

impl Wire {
    pub(crate) fn new(endpoint: &Endpoint) -> Self {
        Self { connection: Connection::new(endpoint, Principal::local(), TransportKind::InMemory) }
    }

    /// Hands over a message, and returns what is said at once.
    pub(crate) fn send(&mut self, message: &Value) -> Vec<Value> {
        self.send_bytes(message.to_string().as_bytes())
    }

    pub(crate) fn send_bytes(&mut self, message: &[u8]) -> Vec<Value> {
        let mut out = Vec::new();
        self.connection.receive(message, &mut out);
        lines(&out)
    }

    /// The only thing that is said at once.
    pub(crate) fn ask(&mut self, message: &Value) -> Value {
        let said = self.send(message);
        assert_eq!(said.len(), 1, "{message} is answered with {said:?}");
        said.into_iter().next().unwrap()
    }

    /// Waits for what is said later.
    pub(crate) async fn later(&mut self) -> Vec<Value> {
        let mut out = Vec::new();
        poll_fn(|cx| self.connection.poll_output(cx, &mut out)).await;
        lines(&out)
    }

    /// What is said once everything that can run has run.
    pub(crate) async fn settled(&mut self) -> Vec<Value> {
        let mut out = Vec::new();
        for _ in 0..64 {
            tokio::task::yield_now().await;
            poll_fn(|cx| {
                let _ = self.connection.poll_output(cx, &mut out);
                std::task::Poll::Ready(())
            })
            .await;
        }
        lines(&out)
    }
}

/// The messages of a stream of lines; every line has to be JSON, and the last to end.
pub(crate) fn lines(out: &[u8]) -> Vec<Value> {
    assert!(out.is_empty() || out.ends_with(b"\n"), "an unfinished line");
    let lines = out.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    lines.map(|line| serde_json::from_slice(line).unwrap()).collect()
}

/// What came of a message that stood for itself.
#[derive(Debug)]
pub(crate) struct Posted {
    /// `None` for a notification.
    pub(crate) status: Option<AnswerStatus>,
    pub(crate) answer: Value,
    pub(crate) notifications: Vec<Value>,
}

impl Posted {
    pub(crate) fn code(&self) -> Option<i64> {
        self.answer["error"]["code"].as_i64()
    }
}

/// Headers as a client with nothing to hide would set them for this message.
pub(crate) fn headers_for(message: &Value) -> MirroredHeaders<'static> {
    let text = |value: &Value| value.as_str().map(|text| text.as_bytes().to_vec().into());
    let params = &message["params"];
    MirroredHeaders {
        protocol_version: text(&params["_meta"]["io.modelcontextprotocol/protocolVersion"]),
        method: text(&message["method"]),
        name: text(&params["name"]).or_else(|| text(&params["uri"])),
        params: Vec::new(),
    }
}

/// Hands over a message as over HTTP, with the headers that belong to it.
pub(crate) fn exchange(endpoint: &Endpoint, message: &Value, closing: &Signal) -> Exchange {
    endpoint.exchange(Post {
        message: message.to_string().as_bytes(),
        headers: headers_for(message),
        session: NamedSession::None,
        principal: Principal::anonymous(),
        peer: None,
        takes_stream: true,
        closing,
    })
}

/// Takes a message as over HTTP, to its answer.
pub(crate) async fn post(endpoint: &Endpoint, message: &Value, headers: MirroredHeaders<'_>) -> Posted {
    post_bytes(endpoint, message.to_string().as_bytes(), headers).await
}

pub(crate) async fn post_bytes(endpoint: &Endpoint, message: &[u8], headers: MirroredHeaders<'_>) -> Posted {
    post_in(endpoint, NamedSession::None, message, headers).await
}

/// The same for a message that names a session.
pub(crate) async fn post_in(
    endpoint: &Endpoint,
    session: NamedSession,
    message: &[u8],
    headers: MirroredHeaders<'_>,
) -> Posted {
    let mut notifications = Vec::new();
    let post = Post {
        message,
        headers,
        session,
        principal: Principal::anonymous(),
        peer: None,
        takes_stream: true,
        closing: &Signal::new(),
    };
    let answer = match endpoint.exchange(post) {
        Exchange::Accepted => return Posted { status: None, answer: Value::Null, notifications },
        Exchange::Answered(answer) => answer,
        Exchange::Opened { answer, .. } => answer,
        Exchange::Running(mut running) => loop {
            match poll_fn(|cx| running.poll_step(cx)).await {
                Step::Notification(bytes) => notifications.push(serde_json::from_slice(&bytes).unwrap()),
                Step::Answer(answer) => break answer,
                Step::End => return Posted { status: None, answer: Value::Null, notifications },
            }
        },
    };
    Posted {
        status: Some(answer.status),
        answer: serde_json::from_slice(&answer.bytes).unwrap(),
        notifications,
    }
}

/// Where work waits until a test lets it on.
#[derive(Clone, Debug)]
pub(crate) struct Gate(Arc<Semaphore>);

impl Gate {
    pub(crate) fn closed() -> Self {
        Self(Arc::new(Semaphore::new(0)))
    }

    /// Lets this many through.
    pub(crate) fn open(&self, count: usize) {
        self.0.add_permits(count);
    }

    pub(crate) async fn pass(&self) {
        self.0.acquire().await.unwrap().forget();
    }
}

/// A server with nothing in it.
pub(crate) fn server() -> Server {
    Server::new("test", "1.0.0")
}

/// Asks.
#[derive(Deserialize, JsonSchema)]
pub(crate) struct Ask {}

impl Prompt for Ask {
    const NAME: &'static str = "ask";

    async fn get(self, (): &(), _: &Call) -> Result<Messages, RequestError> {
        Ok(Messages::user("?"))
    }
}
