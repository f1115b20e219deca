//! Scripts over HTTP: each message a POST of its own, and what belongs to no request over the stream of the session.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    net::{Shutdown, TcpStream},
    sync::mpsc::{Receiver, Sender, channel},
    thread::{self, JoinHandle},
};

use serde_json::Value;

use super::{
    script::Form,
    wire::{Arrival, Head, Outgoing, Wire},
};
use crate::support::process::{PATIENCE, Server};

/// Where a message names its revision itself.
const VERSION: &str = "/params/_meta/io.modelcontextprotocol~1protocolVersion";

/// A process that listens, and the session with it, if there is one.
pub(crate) struct Http {
    _server: Server,
    address: String,
    /// The revision to name where a message does not, if it is one without sessions.
    modern: Option<String>,
    session: Option<Session>,
    /// Responses that are still being read.
    open: Vec<Open>,
    arrivals: Option<Sender<Arrival>>,
    incoming: Receiver<Arrival>,
}

struct Session {
    id: String,
    revision: String,
}

struct Open {
    /// Of the request that it answers.
    id: Value,
    /// Whether it ends only when the client has enough of it.
    is_endless: bool,
    stream: TcpStream,
    reader: JoinHandle<()>,
}

impl Http {
    pub(crate) fn open(revision: &str) -> Self {
        let server = Server::start("everything", &["--http", "127.0.0.1:0"]);
        let url = server.url();
        let address = url.strip_prefix("http://").unwrap().strip_suffix("/mcp").unwrap().to_owned();
        let modern = (revision >= "2026").then(|| revision.to_owned());
        let (arrivals, incoming) = channel();
        let (session, open, arrivals) = (None, Vec::new(), Some(arrivals));
        Self { _server: server, address, modern, session, open, arrivals, incoming }
    }

    /// The headers of a message, or of a request without one.
    fn headers(&self, method: &str, message: &Outgoing<'_>) -> String {
        let mut headers = vec![
            ("Host", "localhost".to_owned()),
            ("Accept", "application/json, text/event-stream".to_owned()),
            ("Connection", "close".to_owned()),
        ];
        let member = |pointer: &str| message.json.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
        if method == "POST" {
            headers.push(("Content-Type", "application/json".to_owned()));
            headers.push(("Content-Length", message.text.len().to_string()));
        }
        if let Some(version) = member(VERSION).or_else(|| self.modern.clone()) {
            headers.push(("MCP-Protocol-Version", version));
            headers.extend(member("/method").map(|method| ("Mcp-Method", method)));
            let name = member("/params/name").or_else(|| member("/params/uri"));
            headers.extend(name.map(|name| ("Mcp-Name", name)));
        } else if let Some(session) = &self.session {
            headers.push(("Mcp-Session-Id", session.id.clone()));
            headers.push(("MCP-Protocol-Version", session.revision.clone()));
        }
        for (name, value) in message.headers {
            headers.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
            headers.extend(value.clone().map(|value| (name.as_str(), value)));
        }
        headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect()
    }

    /// Sends a request, and reads of its response what comes before the body.
    fn request(&self, method: &str, message: &Outgoing<'_>) -> TcpStream {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let body = if method == "POST" { message.text } else { "" };
        write!(stream, "{method} /mcp HTTP/1.1\r\n{}\r\n{body}", self.headers(method, message)).unwrap();
        stream
    }

    /// Reads on beside what else happens.
    fn read_aside(
        &mut self,
        id: Value,
        is_endless: bool,
        response: impl FnOnce() -> io::Result<Response> + Send + 'static,
        stream: TcpStream,
    ) {
        let Some(arrivals) = self.arrivals.clone() else { return };
        // A response that breaks off has nothing to say: the client may have hung up.
        let reader = thread::spawn(move || drop(response().and_then(|response| response.read_to(&arrivals))));
        self.open.push(Open { id, is_endless, stream, reader });
    }

    /// Opens the stream of the session, and waits until it is there.
    fn listen(&mut self) {
        let stream = self.request("GET", &NOTHING);
        let response = Response::begin(stream.try_clone().unwrap()).unwrap();
        assert_eq!(response.head, Head { status: 200, form: Some(Form::Events) });
        self.read_aside(Value::Null, true, || Ok(response), stream);
    }
}

/// The methods that stand in the place of a message.
pub(crate) const METHODS: [&str; 4] = ["GET", "HEAD", "PUT", "DELETE"];

/// Of a request without a message.
const NOTHING: Outgoing<'static> = Outgoing { text: "", json: &Value::Null, headers: &[] };

impl Wire for Http {
    fn send(&mut self, message: &Outgoing<'_>) {
        let bare = METHODS.into_iter().find(|method| *method == message.text);
        let stream = self.request(bare.unwrap_or("POST"), message);
        let own = stream.try_clone().unwrap();
        let (id, method) = (message.json.get("id"), message.json["method"].as_str());
        // What is answered when it is done is read meanwhile; everything else has been taken when its response is there.
        if let (Some(id), Some(method)) = (id, method)
            && method != "initialize"
        {
            let is_endless = method == "subscriptions/listen";
            return self.read_aside(id.clone(), is_endless, || Response::begin(own), stream);
        }
        let response = Response::begin(own).unwrap();
        let session = response.session.clone();
        if message.json.is_array() || response.head.form == Some(Form::Events) {
            return self.read_aside(Value::Null, false, || Ok(response), stream);
        }
        let body = response.read_json().unwrap();
        if let (Some(id), Some(body)) = (session, &body.message) {
            let revision = body["result"]["protocolVersion"].as_str().unwrap_or_default().to_owned();
            self.session = Some(Session { id, revision });
        }
        if bare == Some("DELETE") && body.http.is_some_and(|head| head.status < 300) {
            self.session = None;
        }
        self.arrivals.iter().for_each(|arrivals| arrivals.send(body.clone()).unwrap());
        if method == Some("notifications/initialized") && self.session.is_some() {
            self.listen();
        }
    }

    fn hang_up(&mut self, id: &Value) {
        for open in self.open.iter().filter(|open| open.id == *id) {
            let _ = open.stream.shutdown(Shutdown::Both);
        }
    }

    fn end(&mut self) {
        if self.session.is_some() {
            Response::begin(self.request("DELETE", &NOTHING)).unwrap();
        }
        self.arrivals = None;
        for open in self.open.drain(..) {
            if open.is_endless {
                let _ = open.stream.shutdown(Shutdown::Both);
            }
            open.reader.join().unwrap();
        }
    }

    fn receive(&mut self) -> Option<Arrival> {
        self.incoming.recv_timeout(PATIENCE).ok()
    }
}

/// A response whose body is still to be read.
struct Response {
    stream: BufReader<TcpStream>,
    head: Head,
    length: usize,
    session: Option<String>,
}

impl Response {
    fn begin(stream: TcpStream) -> io::Result<Self> {
        let mut stream = BufReader::new(stream);
        let line = read_line(&mut stream)?;
        let status = line.split(' ').nth(1).and_then(|status| status.parse().ok());
        let mut head = Head { status: status.ok_or(io::ErrorKind::UnexpectedEof)?, form: None };
        let (mut length, mut session) = (0, None);
        loop {
            let line = read_line(&mut stream)?;
            let Some((name, value)) = line.split_once(": ") else { break };
            match (name.to_ascii_lowercase().as_str(), value) {
                ("content-type", "application/json") => head.form = Some(Form::Json),
                ("content-type", "text/event-stream") => head.form = Some(Form::Events),
                ("content-type", other) => panic!("nothing of ours is {other}"),
                ("content-length", value) => length = value.parse().unwrap(),
                ("mcp-session-id", value) => session = Some(value.to_owned()),
                _ => {}
            }
        }
        Ok(Self { stream, head, length, session })
    }

    /// Reads a body in one piece.
    fn read_json(mut self) -> io::Result<Arrival> {
        let mut body = vec![0; self.length];
        self.stream.read_exact(&mut body)?;
        let message = (!body.is_empty()).then(|| serde_json::from_slice(&body).unwrap());
        Ok(Arrival { http: Some(self.head), message })
    }

    /// Reads all there is, and hands out each message as it comes.
    fn read_to(mut self, arrivals: &Sender<Arrival>) -> io::Result<()> {
        if self.head.form != Some(Form::Events) {
            let _ = arrivals.send(self.read_json()?);
            return Ok(());
        }
        let mut text = String::new();
        loop {
            let size = usize::from_str_radix(&read_line(&mut self.stream)?, 16).map_err(io::Error::other)?;
            let mut chunk = vec![0; size + 2];
            self.stream.read_exact(&mut chunk)?;
            text.push_str(std::str::from_utf8(&chunk[..size]).unwrap());
            while let Some(end) = text.find("\n\n") {
                let event: String = text.drain(..end + 2).collect();
                // Comments keep the connection alive.
                if let Some(data) = event.lines().find_map(|line| line.strip_prefix("data: ")) {
                    let message = Some(serde_json::from_str(data).unwrap());
                    let _ = arrivals.send(Arrival { http: Some(self.head), message });
                }
            }
            if size == 0 {
                return Ok(());
            }
        }
    }
}

fn read_line(stream: &mut impl BufRead) -> io::Result<String> {
    let mut line = String::new();
    stream.read_line(&mut line)?;
    line.truncate(line.trim_end().len());
    Ok(line)
}
