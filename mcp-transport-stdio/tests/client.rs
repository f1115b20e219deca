//! A server on a socket of its own, and a client that says exactly what a test wants said.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use mcp_core::Principal;
use mcp_transport_stdio::{ListenAddr, SocketServer, Sockets};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader, ReadHalf, WriteHalf, split},
    net::{TcpStream, UnixStream},
    sync::oneshot,
    task::JoinHandle,
};

use crate::tools::{self, Stage};

/// Every default, and strangers are served as such.
pub(crate) fn sockets() -> Sockets {
    Sockets::new().strangers_are(Principal::anonymous())
}

/// A server with the tools of these tests, on a free port or in a directory of its own.
pub(crate) struct TestServer {
    pub(crate) address: ListenAddr,
    pub(crate) stage: Stage,
    end: Option<oneshot::Sender<()>>,
    running: JoinHandle<()>,
    _directory: Option<TempDir>,
}

impl TestServer {
    pub(crate) async fn tcp(options: Sockets) -> Self {
        let (server, stage) = tools::server();
        Self::running(options.bind_tcp(server, "127.0.0.1:0").await.unwrap(), stage, None)
    }

    pub(crate) async fn unix(options: Sockets) -> Self {
        let (server, stage) = tools::server();
        let directory = tempfile::tempdir().unwrap();
        let listening = options.bind_unix(server, directory.path().join("s")).await.unwrap();
        Self::running(listening, stage, Some(directory))
    }

    /// One of each.
    pub(crate) async fn both(options: Sockets) -> [Self; 2] {
        [Self::tcp(options.clone()).await, Self::unix(options).await]
    }

    fn running(listening: SocketServer, stage: Stage, directory: Option<TempDir>) -> Self {
        let address = listening.local_addr();
        let (end, ended) = oneshot::channel::<()>();
        let running = tokio::spawn(listening.run_until(async move { _ = ended.await }));
        Self { address, stage, end: Some(end), running, _directory: directory }
    }

    pub(crate) async fn connect(&self) -> Client {
        match &self.address {
            ListenAddr::Tcp(address) => Client::new(TcpStream::connect(address).await.unwrap()),
            ListenAddr::Unix(path) => Client::new(UnixStream::connect(path).await.unwrap()),
            other => panic!("{other} is new"),
        }
    }

    pub(crate) fn port(&self) -> SocketAddr {
        let ListenAddr::Tcp(address) = self.address else { panic!("{} has no port", self.address) };
        address
    }

    pub(crate) fn path(&self) -> &Path {
        let ListenAddr::Unix(path) = &self.address else { panic!("{} has no path", self.address) };
        path
    }

    /// Begins the shutdown.
    pub(crate) fn end(&mut self) {
        self.end.take().unwrap().send(()).unwrap();
    }

    /// Waits for its end.
    pub(crate) async fn ended(&mut self) {
        within(&mut self.running).await.unwrap();
    }
}

pub(crate) struct Client {
    pub(crate) input: WriteHalf<Box<dyn Stream>>,
    pub(crate) answers: Answers,
}

pub(crate) struct Answers(BufReader<ReadHalf<Box<dyn Stream>>>);

pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

impl Client {
    pub(crate) fn new(stream: impl Stream + 'static) -> Self {
        let (output, input) = split(Box::new(stream) as Box<dyn Stream>);
        Self { input, answers: Answers(BufReader::new(output)) }
    }

    pub(crate) async fn send_bytes(&mut self, bytes: &[u8]) {
        within(self.input.write_all(bytes)).await.unwrap();
    }

    /// Sends a message as a line.
    pub(crate) async fn send(&mut self, message: &Value) {
        self.send_bytes(format!("{message}\n").as_bytes()).await;
    }

    /// Says that there is nothing more to come.
    pub(crate) async fn end_input(&mut self) {
        self.input.shutdown().await.unwrap();
    }

    /// The next message; none at the end.
    pub(crate) async fn try_receive(&mut self) -> Option<Value> {
        self.answers.try_next().await
    }

    /// The next message.
    pub(crate) async fn receive(&mut self) -> Value {
        self.answers.next().await
    }

    /// Calls a tool, and returns the answer.
    pub(crate) async fn call(&mut self, tool: &str, arguments: Value) -> Value {
        self.send(&call("call", tool, arguments)).await;
        let answer = self.receive().await;
        assert_eq!(answer["id"], "call", "{answer}");
        answer
    }
}

impl Answers {
    /// The next message.
    pub(crate) async fn next(&mut self) -> Value {
        self.try_next().await.expect("the server has hung up")
    }

    async fn try_next(&mut self) -> Option<Value> {
        let mut line = String::new();
        let length = within(self.0.read_line(&mut line)).await.unwrap();
        (length > 0).then(|| serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}")))
    }
}

/// What a tool said.
pub(crate) fn text(answer: &Value) -> &str {
    answer["result"]["content"][0]["text"].as_str().unwrap_or_else(|| panic!("{answer}"))
}

/// Waits, but not for ever.
pub(crate) async fn within<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(30), work).await.expect("it takes longer than it may")
}

/// A call of a tool in the modern era.
pub(crate) fn call(id: impl Into<Value>, tool: &str, arguments: Value) -> Value {
    json!({"jsonrpc": "2.0", "id": id.into(), "method": "tools/call", "params": {
        "name": tool, "arguments": arguments, "_meta": {
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": {}}}})
}

/// The path of a socket in a directory that goes with it.
pub(crate) fn socket_path() -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("s");
    (directory, path)
}
