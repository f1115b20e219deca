//! As much of an HTTP/1.1 client as the load needs: it says exactly what it is told to, and reads what comes back.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;

use crate::Problem;

/// Nothing that the load asks for takes as long as this.
const PATIENCE: Duration = Duration::from_secs(30);

/// One connection.
#[derive(Debug)]
pub(super) struct Wire {
    stream: BufReader<TcpStream>,
    rest: Rest,
    /// What was read of events, and not handed out yet.
    events: String,
    is_last: bool,
}

/// What is still to come of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rest {
    Length(usize),
    Chunks,
}

/// Status and headers.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) status: u16,
    headers: Vec<(String, String)>,
}

/// A whole response.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) head: Head,
    /// Its messages: those of a stream, or the one that it is.
    pub(super) messages: Vec<Value>,
}

impl Head {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub(super) fn is_stream(&self) -> bool {
        self.header("content-type") == Some("text/event-stream")
    }
}

impl Wire {
    pub(super) fn connect(address: &str) -> Result<Self, Problem> {
        let connect = || {
            let stream = TcpStream::connect(address)?;
            stream.set_read_timeout(Some(PATIENCE))?;
            stream.set_write_timeout(Some(PATIENCE))?;
            stream.set_nodelay(true)?;
            Ok(stream)
        };
        let stream = connect().map_err(|error: std::io::Error| format!("no connection: {error}"))?;
        Ok(Self {
            stream: BufReader::new(stream),
            rest: Rest::Length(0),
            events: String::new(),
            is_last: false,
        })
    }

    pub(super) fn send(&mut self, bytes: &[u8]) -> Result<(), Problem> {
        self.stream.get_mut().write_all(bytes).map_err(|error| format!("not sent: {error}"))
    }

    /// Reads as far as the body.
    pub(super) fn head(&mut self) -> Result<Head, Problem> {
        let first = self.line()?;
        let status = first.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status = status.ok_or_else(|| format!("no status line: {first:?}"))?;
        let mut headers = Vec::new();
        loop {
            let line = self.line()?;
            let Some((name, value)) = line.split_once(": ") else { break };
            headers.push((name.to_ascii_lowercase(), value.to_owned()));
        }
        let head = Head { status, headers };
        self.is_last = head.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"));
        self.rest = match head.header("content-length").map(str::parse) {
            Some(Ok(length)) => Rest::Length(length),
            _ if head.header("transfer-encoding") == Some("chunked") => Rest::Chunks,
            _ => Rest::Length(0),
        };
        Ok(head)
    }

    /// The next message of an event stream; none after the last.
    pub(super) fn event(&mut self) -> Result<Option<Value>, Problem> {
        loop {
            if let Some((event, _)) = self.events.split_once("\n\n") {
                let (end, data) = (event.len() + 2, event.strip_prefix("data: ").map(json));
                // Anything else is a comment.
                let message = data.transpose()?;
                self.events.drain(..end);
                if message.is_some() {
                    return Ok(message);
                }
                continue;
            }
            let piece = self.piece()?;
            if piece.is_empty() {
                let left = std::mem::take(&mut self.events);
                return if left.is_empty() { Ok(None) } else { Err(format!("half an event: {left:?}")) };
            }
            self.events += std::str::from_utf8(&piece).map_err(|error| format!("an event: {error}"))?;
        }
    }

    /// Reads the rest of a response.
    pub(super) fn rest(&mut self, head: Head) -> Result<Reply, Problem> {
        let mut messages = Vec::new();
        if head.is_stream() {
            while let Some(message) = self.event()? {
                messages.push(message);
            }
            return Ok(Reply { head, messages });
        }
        let mut body = Vec::new();
        loop {
            let piece = self.piece()?;
            if piece.is_empty() {
                break;
            }
            body.extend(piece);
        }
        if !body.is_empty() {
            let text = std::str::from_utf8(&body).map_err(|error| format!("a body: {error}"))?;
            messages.push(json(text)?);
        }
        Ok(Reply { head, messages })
    }

    /// Reads a response.
    pub(super) fn reply(&mut self) -> Result<Reply, Problem> {
        let head = self.head()?;
        self.rest(head)
    }

    /// Whether another request may be sent: the last response is read, and the server keeps the connection.
    pub(super) fn is_free(&self) -> bool {
        !self.is_last && self.rest == Rest::Length(0)
    }

    /// Waits for the server to close, having nothing more to say.
    pub(super) fn closed(&mut self) -> Result<(), Problem> {
        match self.stream.read(&mut [0; 1]) {
            Ok(0) => Ok(()),
            // It closed with something of ours unread.
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => Ok(()),
            Ok(_) => Err("something comes after the last response".into()),
            Err(error) => Err(format!("the server does not close: {error}")),
        }
    }

    /// The next piece of the body; empty at its end.
    fn piece(&mut self) -> Result<Vec<u8>, Problem> {
        let (length, is_chunk) = match self.rest {
            Rest::Length(length) => (length, false),
            Rest::Chunks => {
                let line = self.line()?;
                let length =
                    usize::from_str_radix(&line, 16).map_err(|_| format!("no chunk length: {line:?}"))?;
                (length, true)
            }
        };
        let mut piece = vec![0; length];
        self.stream.read_exact(&mut piece).map_err(unread)?;
        if is_chunk {
            self.line()?;
        }
        if !is_chunk || length == 0 {
            self.rest = Rest::Length(0);
        }
        Ok(piece)
    }

    fn line(&mut self) -> Result<String, Problem> {
        let mut line = String::new();
        match self.stream.read_line(&mut line).map_err(unread)? {
            0 => Err("not read: the server has closed".into()),
            _ => Ok(line.trim_end().to_owned()),
        }
    }
}

fn unread(error: std::io::Error) -> Problem {
    format!("not read: {error}")
}

fn json(text: &str) -> Result<Value, Problem> {
    serde_json::from_str(text).map_err(|error| format!("no JSON: {error} in {text:?}"))
}

/// A request that posts these bytes, with these headers beside those that every one has.
pub(super) fn post(body: &[u8], headers: &[(&str, &str)]) -> Vec<u8> {
    let mut request = b"POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
        Accept: application/json, text/event-stream\r\n"
        .to_vec();
    for (name, value) in headers {
        request.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
    }
    request.extend_from_slice(format!("Content-Length: {}\r\n\r\n", body.len()).as_bytes());
    request.extend_from_slice(body);
    request
}

/// The request that posts a message of the modern era, with the headers that repeat parts of it, and these.
pub(super) fn post_modern(message: &Value, headers: &[(&str, &str)]) -> Vec<u8> {
    let params = &message["params"];
    let mirrored = [
        ("MCP-Protocol-Version", params["_meta"]["io.modelcontextprotocol/protocolVersion"].as_str()),
        ("Mcp-Method", message["method"].as_str()),
        ("Mcp-Name", params["name"].as_str().or(params["uri"].as_str())),
        ("Mcp-Param-Region", params["arguments"]["region"].as_str()),
    ];
    let mirrored = mirrored.into_iter().filter_map(|(name, value)| Some((name, value?)));
    let headers: Vec<(&str, &str)> = mirrored.chain(headers.iter().copied()).collect();
    post(message.to_string().as_bytes(), &headers)
}
