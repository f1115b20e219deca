//! A client of a gateway that says exactly what it is told to, header by header.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::finding::Trouble;

/// Longer than any answer takes that is on its way.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

/// The most bytes that are read of one answer.
const MAX_BYTES: usize = 64 << 20;

/// A request; by default a GET without a body.
#[derive(Clone, Debug)]
pub(super) struct Ask {
    pub(super) method: Method,
    pub(super) host: String,
    pub(super) path: String,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: Bytes,
}

impl Ask {
    pub(super) fn get(host: impl Into<String>, path: impl Into<String>) -> Self {
        Self {
            method: Method::GET,
            host: host.into(),
            path: path.into(),
            headers: Vec::new(),
            body: Bytes::new(),
        }
    }

    pub(super) fn method(mut self, method: Method) -> Self {
        self.method = method;
        self
    }

    pub(super) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub(super) fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    fn request(&self, uri: &str) -> Result<http::Request<Full<Bytes>>, Trouble> {
        let mut request = http::Request::builder().method(&self.method).uri(uri);
        for (name, value) in &self.headers {
            request = request.header(*name, value);
        }
        Ok(request.body(Full::new(self.body.clone()))?)
    }
}

/// An answer that has been read to its end.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Answer {
    /// A header as text; empty if it is not there.
    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// Asks once, over a connection of its own.
pub(super) async fn ask(gateway: SocketAddr, ask: &Ask) -> Result<Answer, Trouble> {
    let response = begin(gateway, ask).await?;
    finish(response).await
}

/// Asks, and gives the answer when its head is there.
pub(super) async fn begin(gateway: SocketAddr, ask: &Ask) -> Result<http::Response<Incoming>, Trouble> {
    let mut connection = Connection::open(gateway).await?;
    connection.begin(ask).await
}

/// Reads an answer to its end.
pub(super) async fn finish(response: http::Response<Incoming>) -> Result<Answer, Trouble> {
    let (head, body) = response.into_parts();
    let body = http_body_util::Limited::new(body, MAX_BYTES).collect();
    let body = tokio::time::timeout(PATIENCE, body).await??.to_bytes();
    Ok(Answer { status: head.status, headers: head.headers, body })
}

/// A connection of HTTP/1.1 that is kept.
#[derive(Debug)]
pub(super) struct Connection {
    sender: http1::SendRequest<Full<Bytes>>,
}

impl Connection {
    pub(super) async fn open(gateway: SocketAddr) -> Result<Self, Trouble> {
        let stream = TcpStream::connect(gateway).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        // It ends with its sender; what goes wrong on it, the answer says.
        tokio::spawn(connection.with_upgrades());
        Ok(Self { sender })
    }

    pub(super) async fn ask(&mut self, ask: &Ask) -> Result<Answer, Trouble> {
        let response = self.begin(ask).await?;
        finish(response).await
    }

    async fn begin(&mut self, ask: &Ask) -> Result<http::Response<Incoming>, Trouble> {
        self.sender.ready().await?;
        let mut request = ask.request(&ask.path)?;
        if !request.headers().contains_key("host") {
            request.headers_mut().insert("host", ask.host.parse()?);
        }
        Ok(tokio::time::timeout(PATIENCE, self.sender.send_request(request)).await??)
    }
}

/// Asks over HTTP/2, as a client that knows beforehand.
pub(super) async fn ask_http2(gateway: SocketAddr, ask: &Ask) -> Result<Answer, Trouble> {
    let stream = TcpStream::connect(gateway).await?;
    let (mut sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let request = ask.request(&format!("http://{}{}", ask.host, ask.path))?;
    let response = tokio::time::timeout(PATIENCE, sender.send_request(request)).await??;
    finish(response).await
}

/// Sends bytes as they are, and reads until the gateway closes or `patience` is over. Says whether it closed.
pub(super) async fn send_raw(
    gateway: SocketAddr,
    bytes: &[u8],
    patience: Duration,
) -> Result<(String, bool), Trouble> {
    let mut stream = TcpStream::connect(gateway).await?;
    stream.write_all(bytes).await?;
    let mut answer = Vec::new();
    let mut piece = vec![0; 16 << 10];
    let reading = async {
        while answer.len() < MAX_BYTES {
            match stream.read(&mut piece).await {
                Ok(0) | Err(_) => break,
                Ok(read) => answer.extend_from_slice(&piece[..read]),
            }
        }
    };
    let closed = tokio::time::timeout(patience, reading).await.is_ok();
    Ok((String::from_utf8_lossy(&answer).into_owned(), closed))
}

/// A conversation with an app that sends back each part of a request as it comes, over a connection of its own.
#[derive(Debug)]
pub(super) struct Conversation {
    stream: TcpStream,
    heard: Vec<u8>,
}

impl Conversation {
    /// Begins a request to `/echo` of this host.
    pub(super) async fn begin(gateway: SocketAddr, host: &str) -> Result<Self, Trouble> {
        let mut stream = TcpStream::connect(gateway).await?;
        stream.set_nodelay(true)?;
        let head = format!(
            "POST /echo HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await?;
        Ok(Self { stream, heard: Vec::new() })
    }

    /// Sends a part; says whether it came back, while the request goes on.
    pub(super) async fn is_answered(&mut self, part: &str) -> Result<bool, Trouble> {
        self.stream.write_all(format!("{:x}\r\n{part}\r\n", part.len()).as_bytes()).await?;
        let reading = async {
            let mut piece = [0; 4096];
            while !String::from_utf8_lossy(&self.heard).contains(part) {
                match self.stream.read(&mut piece).await? {
                    0 => return Ok(false),
                    count => self.heard.extend_from_slice(&piece[..count]),
                }
            }
            Ok(true)
        };
        tokio::time::timeout(PATIENCE, reading).await.unwrap_or(Ok(false))
    }
}

/// The status of an answer that came as bytes; 0 if there is none.
pub(super) fn status_of(answer: &str) -> u16 {
    answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0)
}
