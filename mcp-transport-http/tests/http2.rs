//! HTTP/2 as a client speaks it that others wrote: the same answers as over HTTP/1.1.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper_util::rt::{TokioExecutor, TokioIo};
use mcp_transport_http::Http;
use serde_json::{Value, json};
use tokio::{net::TcpStream, task::JoinHandle};

use crate::client::{TestServer, call, events, message, within};

pub(crate) struct Http2 {
    requests: SendRequest<Full<Bytes>>,
    connection: JoinHandle<hyper::Result<()>>,
    authority: String,
}

impl Http2 {
    pub(crate) async fn connect(server: &TestServer) -> Self {
        let stream = TokioIo::new(TcpStream::connect(server.address).await.unwrap());
        let (requests, connection) = handshake(TokioExecutor::new(), stream).await.unwrap();
        Self { requests, connection: tokio::spawn(connection), authority: server.address.to_string() }
    }

    /// Sends a request, and returns its answer, of which the body may still be on its way.
    pub(crate) fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: String,
    ) -> impl Future<Output = Response<hyper::body::Incoming>> + use<> {
        let mut request = Request::builder().method(method).uri(format!("http://{}{path}", self.authority));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let sent = self.requests.clone().send_request(request.body(Full::from(body)).unwrap());
        async { within(sent).await.unwrap() }
    }

    fn post(&self, message: &Value) -> impl Future<Output = Response<hyper::body::Incoming>> + use<> {
        let mut headers = vec![
            ("content-type", "application/json"),
            ("accept", "application/json, text/event-stream"),
            ("mcp-protocol-version", "2026-07-28"),
            ("mcp-method", message["method"].as_str().unwrap()),
        ];
        headers.extend(message["params"]["name"].as_str().map(|name| ("mcp-name", name)));
        self.send("POST", "/mcp", &headers, message.to_string())
    }
}

async fn body(response: Response<hyper::body::Incoming>) -> Bytes {
    within(response.into_body().collect()).await.unwrap().to_bytes()
}

async fn json_of(response: Response<hyper::body::Incoming>) -> Value {
    serde_json::from_slice(&body(response).await).unwrap()
}

#[tokio::test]
async fn calls_are_answered_side_by_side_over_one_connection() {
    let server = TestServer::start().await;
    let client = Http2::connect(&server).await;
    let hanging = client.post(&call("hang", json!({})));
    let hanging = tokio::spawn(hanging);
    let many: Vec<_> = (0..50)
        .map(|number| {
            let mut request = call("echo", json!({"message": number.to_string()}));
            request["id"] = json!(number);
            tokio::spawn(client.post(&request))
        })
        .collect();
    for (number, answer) in many.into_iter().enumerate() {
        let answer = json_of(answer.await.unwrap()).await;
        assert_eq!(answer["id"], number);
        assert_eq!(answer["result"]["content"][0]["text"], number.to_string());
    }
    // The one that takes longer held up none of them.
    assert!(!hanging.is_finished());
    hanging.abort();
    within(server.dropped.notified()).await;
}

#[tokio::test]
async fn answers_are_those_of_http_1() {
    let server = TestServer::start().await;
    let client = Http2::connect(&server).await;
    let mut report = call("report", json!({}));
    report["params"]["_meta"]["progressToken"] = json!("p");
    let stream = client.post(&report).await;
    assert_eq!(stream.headers()["content-type"], "text/event-stream");
    assert_eq!(events(&body(stream).await).len(), 3);
    // Larger than a piece, a window and a buffer.
    let long = "x".repeat(1 << 20);
    let answer = client.post(&call("echo", json!({"message": long}))).await;
    let length: usize = answer.headers()["content-length"].to_str().unwrap().parse().unwrap();
    let answer = body(answer).await;
    assert_eq!(answer.len(), length);
    assert_eq!(serde_json::from_slice::<Value>(&answer).unwrap()["result"]["content"][0]["text"], long);
    for (method, path, headers, status, length) in [
        ("GET", "/health", &[][..], 200, 15),
        ("HEAD", "/health", &[][..], 200, 0),
        ("HEAD", "/mcp", &[][..], 400, 0),
        ("HEAD", "/other", &[][..], 404, 0),
        ("HEAD", "/mcp", &[("origin", "null")][..], 403, 0),
        ("OPTIONS", "/mcp", &[][..], 204, 0),
        ("PUT", "/mcp", &[][..], 405, 0),
        ("POST", "/mcp", &[("content-type", "text/plain")][..], 415, 88),
        ("POST", "/mcp", &[("host", "evil.example.com"), ("content-type", "text/plain")][..], 415, 88),
    ] {
        let response = client.send(method, path, headers, String::new()).await;
        assert_eq!(response.status(), status, "{method} {path}");
        if path == "/mcp" && matches!(status, 204 | 405) {
            assert_eq!(response.headers()["allow"], "GET, HEAD, POST, DELETE, OPTIONS");
        }
        assert_eq!(body(response).await.len(), length, "{method} {path}");
    }
}

#[tokio::test]
async fn other_hosts_are_refused() {
    let server = TestServer::start().await;
    let mut client = Http2::connect(&server).await;
    client.authority = "evil.example.com".to_owned();
    assert_eq!(client.post(&call("echo", json!({"message": "hi"}))).await.status(), 403);
}

#[tokio::test]
async fn a_message_too_large_or_too_slow_is_refused_and_the_connection_goes_on() {
    let message = call("echo", json!({"message": "hi"}));
    let length = message.to_string().len();
    for (limit, status) in [(length + 1, 200), (length, 200), (length - 1, 413)] {
        let server = TestServer::with(Http::new().max_message_bytes(limit)).await;
        let client = Http2::connect(&server).await;
        for _ in 0..2 {
            assert_eq!(client.post(&message).await.status(), status);
        }
    }
    let server = TestServer::with(Http::new().body_time(Duration::from_millis(50))).await;
    let client = Http2::connect(&server).await;
    let slow = Full::new(Bytes::from_static(b"{")).with_trailers(std::future::pending());
    let stream = TokioIo::new(TcpStream::connect(server.address).await.unwrap());
    let (mut requests, connection) = handshake(TokioExecutor::new(), stream).await.unwrap();
    let connection = tokio::spawn(connection);
    let request = Request::post(format!("http://{}/mcp", server.address))
        .header("content-type", "application/json")
        .body(slow)
        .unwrap();
    assert_eq!(within(requests.send_request(request)).await.unwrap().status(), 408);
    assert_eq!(client.post(&message).await.status(), 200);
    connection.abort();
}

#[tokio::test]
async fn a_subscription_ends_with_the_server_and_the_connection_with_it() {
    let server = TestServer::start().await;
    let client = Http2::connect(&server).await;
    let mut listen = message("subscriptions/listen", json!({"notifications": {"toolsListChanged": true}}));
    listen["id"] = json!("listen-1");
    let mut stream = client.post(&listen).await.into_body();
    let first = within(stream.frame()).await.unwrap().unwrap().into_data().unwrap();
    assert_eq!(events(&first)[0]["method"], "notifications/subscriptions/acknowledged");
    server.shut_down().await;
    let rest = within(stream.collect()).await.unwrap().to_bytes();
    assert_eq!(events(&rest)[0]["id"], "listen-1");
    within(client.connection).await.unwrap().unwrap();
}
