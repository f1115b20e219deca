//! A client over lines, at the other end of a pair of sockets.

use std::{
    collections::VecDeque,
    io::{BufRead, BufReader, Write},
    os::unix::net::UnixStream,
};

use mcp_core::{Endpoint, Principal, Revision, TransportKind};
use mcp_transport_stdio::Sockets;
use serde_json::{Value, json};

use super::{
    initialize, initialized, request,
    walk::{Told, Way},
};
use crate::support::process::PATIENCE;

/// A client over lines; the server serves it for as long as the runtime of its test.
pub(crate) struct Lines {
    reader: BufReader<UnixStream>,
    revision: Revision,
    last_id: u64,
    /// Of the subscription.
    listens: Option<u64>,
    notifications: VecDeque<Value>,
}

impl Lines {
    /// Connects as this caller, with a session where the revision has any; or what it is told who gets none.
    pub(crate) fn connect(
        endpoint: &Endpoint,
        principal: Principal,
        revision: Revision,
    ) -> Result<Self, Value> {
        let (ours, theirs) = UnixStream::pair().unwrap();
        ours.set_read_timeout(Some(PATIENCE)).unwrap();
        theirs.set_nonblocking(true).unwrap();
        let theirs = tokio::net::UnixStream::from_std(theirs).unwrap();
        let endpoint = endpoint.clone();
        tokio::spawn(async move {
            Sockets::new().serve_stream(&endpoint, theirs, principal, TransportKind::Unix).await
        });
        let (listens, notifications) = (None, VecDeque::new());
        let mut lines = Self { reader: BufReader::new(ours), revision, last_id: 0, listens, notifications };
        if !revision.is_modern() {
            lines.write(&initialize(revision));
            let opened = lines.read();
            if opened.get("result").is_none() {
                return Err(opened);
            }
            lines.write(&initialized());
        }
        Ok(lines)
    }

    /// Sends a request; its id.
    pub(crate) fn start(&mut self, method: &str, params: Value) -> u64 {
        self.last_id += 1;
        let message = request(self.revision, self.last_id, method, params);
        self.write(&message);
        self.last_id
    }

    /// The answer to a request; notifications are kept for later.
    pub(crate) fn answer(&mut self, id: u64) -> Value {
        loop {
            let message = self.read();
            if message["id"] == id {
                return message;
            }
            assert!(message.get("method").is_some() && message.get("id").is_none(), "{message}");
            self.notifications.push_back(message);
        }
    }

    /// The next notification.
    fn notification(&mut self) -> Value {
        let kept = self.notifications.pop_front();
        kept.unwrap_or_else(|| self.read())
    }

    /// The next that is told of this subscription, or the answer that ends it; others may not have ended yet.
    fn next_of(&mut self, id: u64) -> Value {
        loop {
            let message = self.notification();
            let of = &message["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"];
            if *of == id || message["id"] == id {
                return message;
            }
        }
    }

    /// Sends a message as it is.
    pub(crate) fn write(&mut self, message: &Value) {
        self.reader.get_mut().write_all(format!("{message}\n").as_bytes()).unwrap();
    }

    fn read(&mut self) -> Value {
        let mut line = String::new();
        assert!(self.reader.read_line(&mut line).unwrap() > 0, "the server has hung up");
        serde_json::from_str(&line).unwrap()
    }
}

impl Way for Lines {
    async fn request(&mut self, method: &str, params: Value) -> Told {
        let id = self.start(method, params);
        Told { message: self.answer(id), beside: String::new() }
    }

    async fn listen(&mut self, params: Value) -> Told {
        let id = self.start("subscriptions/listen", params);
        self.listens = Some(id);
        Told { message: self.next_of(id), beside: String::new() }
    }

    async fn told(&mut self) -> Value {
        match self.listens {
            Some(id) => self.next_of(id),
            None => self.notification(),
        }
    }

    async fn hang_up(&mut self) {
        let id = self.listens.take().expect("a subscription");
        self.write(
            &json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": id}}),
        );
    }
}
