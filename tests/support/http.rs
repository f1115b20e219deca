//! A client of HTTP/1.1 that says exactly what a test wants said, one request a connection.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
};

use serde_json::Value;

use super::process::PATIENCE;

/// A request, as its lines.
pub(crate) struct Request {
    address: String,
    head: String,
    body: String,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Request {
    /// A request without a body.
    pub(crate) fn get(address: &str, path: &str) -> Self {
        Self::new(address, "GET", path)
    }

    /// A message of the modern era or, with the header of a session, of that.
    pub(crate) fn post(address: &str, message: &Value) -> Self {
        let mut request = Self::new(address, "POST", "/mcp").header("Content-Type", "application/json");
        let version = message["params"]["_meta"]["io.modelcontextprotocol/protocolVersion"].as_str();
        if let Some(version) = version {
            request = request.header("MCP-Protocol-Version", version);
            request = request.header("Mcp-Method", message["method"].as_str().unwrap());
            let named = message["params"]["name"].as_str().or(message["params"]["uri"].as_str());
            if let Some(name) = named {
                request = request.header("Mcp-Name", name);
            }
        }
        request.body = message.to_string();
        let length = request.body.len().to_string();
        request.header("Content-Length", &length)
    }

    pub(crate) fn new(address: &str, method: &str, path: &str) -> Self {
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\
             Accept: application/json, text/event-stream\r\n"
        );
        Self { address: address.to_owned(), head, body: String::new() }
    }

    /// One more header, as it is.
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.head.push_str(&format!("{name}: {value}\r\n"));
        self
    }

    /// Shows this key.
    pub(crate) fn key(self, key: &str) -> Self {
        self.header("Authorization", &format!("Bearer {key}"))
    }

    /// Sends it and reads the whole response.
    pub(crate) fn send(self) -> Response {
        let mut stream = self.open();
        let (status, headers) = stream.head();
        Response { status, headers, body: stream.rest() }
    }

    /// Sends it, and leaves the response to be read.
    pub(crate) fn open(self) -> Stream {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(format!("{}\r\n{}", self.head, self.body).as_bytes()).unwrap();
        Stream { reader: BufReader::new(stream), is_chunked: false }
    }
}

/// A response that is still being read.
pub(crate) struct Stream {
    reader: BufReader<TcpStream>,
    is_chunked: bool,
}

impl Stream {
    /// Reads the status and the headers.
    pub(crate) fn head(&mut self) -> (u16, Vec<(String, String)>) {
        let status = self.line();
        let status = status.split(' ').nth(1).and_then(|status| status.parse().ok());
        let mut headers = Vec::new();
        loop {
            let line = self.line();
            let Some((name, value)) = line.split_once(':') else { break };
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        self.is_chunked =
            headers.iter().any(|(name, value)| name == "transfer-encoding" && value == "chunked");
        (status.expect("a status"), headers)
    }

    /// Reads on until a line that begins so; what follows it there.
    pub(crate) fn line_with(&mut self, start: &str) -> String {
        loop {
            let line = self.line();
            if let Some(rest) = line.strip_prefix(start) {
                return rest.to_owned();
            }
        }
    }

    /// Reads to the end; fails where that does not come.
    pub(crate) fn rest(&mut self) -> String {
        let mut rest = Vec::new();
        self.reader.read_to_end(&mut rest).expect("the response ends");
        String::from_utf8(rest).unwrap()
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        assert!(self.reader.read_line(&mut line).unwrap() > 0, "the response has ended");
        line.trim_end().to_owned()
    }
}

impl Response {
    /// A header; the first of its name.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The body as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}
