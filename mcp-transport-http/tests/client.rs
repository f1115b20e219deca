//! A client that says exactly what a test wants said, and shows exactly what came back.

use std::{net::SocketAddr, time::Duration};

use mcp_transport_http::{Http, HttpServer};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
    sync::oneshot,
    task::JoinHandle,
};

use crate::tools;

/// A server on a free port, with the tools of these tests.
pub(crate) struct TestServer {
    pub(crate) address: SocketAddr,
    pub(crate) endpoint: mcp_core::Endpoint,
    pub(crate) dropped: std::sync::Arc<tokio::sync::Notify>,
    /// How many hold `dropped` while no call does.
    idle: usize,
    end: Option<oneshot::Sender<()>>,
    running: JoinHandle<()>,
}

impl TestServer {
    pub(crate) async fn start() -> Self {
        Self::with(Http::new()).await
    }

    pub(crate) async fn with(options: Http) -> Self {
        let (endpoint, dropped) = tools::endpoint();
        Self::of(endpoint, dropped, options).await
    }

    /// One that lets in only whom the options say.
    pub(crate) async fn closed(options: Http) -> Self {
        let (endpoint, dropped) = tools::endpoint();
        Self::bound(endpoint, dropped, options).await
    }

    pub(crate) async fn of(
        endpoint: mcp_core::Endpoint,
        dropped: std::sync::Arc<tokio::sync::Notify>,
        options: Http,
    ) -> Self {
        Self::bound(endpoint, dropped, options.without_auth()).await
    }

    pub(crate) async fn bound(
        endpoint: mcp_core::Endpoint,
        dropped: std::sync::Arc<tokio::sync::Notify>,
        options: Http,
    ) -> Self {
        let server: HttpServer = options.bind(&endpoint, "127.0.0.1:0").await.unwrap();
        let address = server.local_addr();
        let (end, ended) = oneshot::channel::<()>();
        let running = tokio::spawn(server.run_until(async move { _ = ended.await }));
        let idle = std::sync::Arc::strong_count(&dropped);
        Self { address, endpoint, dropped, idle, end: Some(end), running }
    }

    /// How many calls of `hang` and `flood` are running.
    pub(crate) fn running(&self) -> usize {
        std::sync::Arc::strong_count(&self.dropped) - self.idle
    }

    /// Begins the shutdown, and waits for its end.
    pub(crate) async fn shut_down(mut self) {
        self.end.take().unwrap().send(()).unwrap();
        within(self.running).await.unwrap();
    }

    pub(crate) async fn connect(&self) -> Client {
        Client { stream: BufReader::new(TcpStream::connect(self.address).await.unwrap()) }
    }

    /// Posts a message over a connection of its own, with the headers that belong to it.
    pub(crate) async fn post(&self, message: &Value) -> Response {
        let mut client = self.connect().await;
        client.send(&post(message, &[])).await;
        client.response().await
    }

    /// Sends raw text over a connection of its own.
    pub(crate) async fn raw(&self, request: &str) -> Response {
        let mut client = self.connect().await;
        client.send(request).await;
        client.response().await
    }
}

pub(crate) struct Client {
    pub(crate) stream: BufReader<TcpStream>,
}

#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Client {
    pub(crate) async fn send(&mut self, text: &str) {
        self.stream.write_all(text.as_bytes()).await.unwrap();
    }

    /// The status line and the headers.
    pub(crate) async fn head(&mut self) -> Response {
        let status = self.line().await;
        let status =
            status.split(' ').nth(1).unwrap_or_else(|| panic!("no status: {status:?}")).parse().unwrap();
        let mut headers = Vec::new();
        loop {
            let line = self.line().await;
            let Some((name, value)) = line.split_once(": ") else { break };
            headers.push((name.to_ascii_lowercase(), value.to_owned()));
        }
        Response { status, headers, body: Vec::new() }
    }

    /// A whole response.
    pub(crate) async fn response(&mut self) -> Response {
        let mut response = self.head().await;
        if let Some(length) = response.header("content-length") {
            response.body = vec![0; length.parse().unwrap()];
            within(self.stream.read_exact(&mut response.body)).await.unwrap();
        } else if response.header("transfer-encoding") == Some("chunked") {
            while let Some(chunk) = self.chunk().await {
                response.body.extend(chunk);
            }
        }
        response
    }

    /// The next chunk of a chunked body; none after the last.
    pub(crate) async fn chunk(&mut self) -> Option<Vec<u8>> {
        let length = usize::from_str_radix(&self.line().await, 16).unwrap();
        let mut chunk = vec![0; length + 2];
        within(self.stream.read_exact(&mut chunk)).await.unwrap();
        chunk.truncate(length);
        (length > 0).then_some(chunk)
    }

    /// The messages of the next chunk of an event stream.
    pub(crate) async fn events(&mut self) -> Option<Vec<Value>> {
        Some(events(&self.chunk().await?))
    }

    /// Whether the server has closed the connection, with nothing more to say.
    pub(crate) async fn is_closed(&mut self) -> bool {
        within(self.stream.read(&mut [0; 1])).await.is_ok_and(|length| length == 0)
    }

    async fn line(&mut self) -> String {
        let mut line = String::new();
        within(self.stream.read_line(&mut line)).await.unwrap();
        line.trim_end().to_owned()
    }
}

impl Response {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn json(&self) -> Value {
        assert_eq!(self.header("content-type"), Some("application/json"), "{self:?}");
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The status and the code of the JSON-RPC error.
    pub(crate) fn refusal(&self) -> (u16, i64) {
        (self.status, self.json()["error"]["code"].as_i64().unwrap())
    }
}

pub(crate) fn events(bytes: &[u8]) -> Vec<Value> {
    let text = std::str::from_utf8(bytes).unwrap();
    text.split("\n\n")
        .filter_map(|event| event.strip_prefix("data: "))
        .map(|data| serde_json::from_str(data).unwrap())
        .collect()
}

/// Waits, but not for ever.
pub(crate) async fn within<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), work).await.expect("it takes longer than it may")
}

/// A message of the modern era, complete.
pub(crate) fn message(method: &str, mut params: Value) -> Value {
    params["_meta"]["io.modelcontextprotocol/protocolVersion"] = json!("2026-07-28");
    params["_meta"]["io.modelcontextprotocol/clientCapabilities"] = json!({});
    json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
}

/// A call of a tool.
pub(crate) fn call(name: &str, arguments: Value) -> Value {
    message("tools/call", json!({"name": name, "arguments": arguments}))
}

/// The request that posts a message, with its mirrored headers; those given replace or, without a value, remove
/// them.
pub(crate) fn post(message: &Value, changes: &[(&str, Option<&str>)]) -> String {
    let body = message.to_string();
    let mut headers = vec![
        ("Host".to_owned(), "localhost".to_owned()),
        ("Content-Type".to_owned(), "application/json".to_owned()),
        ("Accept".to_owned(), "application/json, text/event-stream".to_owned()),
        ("Content-Length".to_owned(), body.len().to_string()),
        ("MCP-Protocol-Version".to_owned(), "2026-07-28".to_owned()),
    ];
    let params = &message["params"];
    let mirrored =
        [("Mcp-Method", &message["method"]), ("Mcp-Name", params.get("name").unwrap_or(&params["uri"]))];
    headers.extend(
        mirrored.iter().filter_map(|(name, value)| Some(((*name).to_owned(), value.as_str()?.to_owned()))),
    );
    for (name, value) in changes {
        headers.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
        headers.extend(value.map(|value| ((*name).to_owned(), value.to_owned())));
    }
    let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    format!("POST /mcp HTTP/1.1\r\n{headers}\r\n{body}")
}
