//! What scripts are replayed over: one stream of messages in each direction, in memory or to a process.

use std::{collections::VecDeque, future::poll_fn, time::Duration};

use mcp_core::{Connection, Principal, TransportKind};
use serde_json::Value;
use tokio::runtime::Runtime;

use super::{everything, script::Form};
use crate::support::process::{PATIENCE, Server};

/// A client's end of a transport.
pub(crate) trait Wire {
    /// Sends a message, or what should have been one.
    fn send(&mut self, message: &Outgoing<'_>);

    /// Closes the response to a request, where there is such a thing.
    fn hang_up(&mut self, id: &Value);

    /// Leaves: nothing will be sent any more.
    fn end(&mut self);

    /// What comes next; `None` where that is nothing, because the client has left or has waited long enough.
    fn receive(&mut self) -> Option<Arrival>;
}

/// A message on its way to the server.
#[derive(Debug)]
pub(crate) struct Outgoing<'a> {
    pub(crate) text: &'a str,
    /// The same, if it is JSON.
    pub(crate) json: &'a Value,
    pub(crate) headers: &'a [(String, Option<String>)],
}

/// What came from the server.
#[derive(Debug, Clone)]
pub(crate) struct Arrival {
    pub(crate) http: Option<Head>,
    /// `None` for an empty response.
    pub(crate) message: Option<Value>,
}

/// What HTTP says of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) status: u16,
    pub(crate) form: Option<Form>,
}

impl Arrival {
    fn message(message: Value) -> Self {
        Self { http: None, message: Some(message) }
    }
}

/// A connection to the same server in this process.
pub(crate) struct Memory {
    runtime: Runtime,
    connection: Connection,
    arrived: VecDeque<Value>,
    is_ended: bool,
}

impl Memory {
    pub(crate) fn open() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let endpoint = everything::server().build().unwrap();
        let connection = Connection::new(&endpoint, Principal::local(), TransportKind::InMemory);
        Self { runtime, connection, arrived: VecDeque::new(), is_ended: false }
    }

    fn take(&mut self, out: &[u8]) {
        let lines = out.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        self.arrived.extend(lines.map(|line| serde_json::from_slice::<Value>(line).unwrap()));
    }

    /// Waits for more; false where none comes in this time.
    fn wait(&mut self, patience: Duration) -> bool {
        let mut out = Vec::new();
        let waiting = poll_fn(|cx| self.connection.poll_output(cx, &mut out));
        let came = self.runtime.block_on(async { tokio::time::timeout(patience, waiting).await.is_ok() });
        self.take(&out);
        came
    }
}

impl Wire for Memory {
    fn send(&mut self, message: &Outgoing<'_>) {
        let mut out = Vec::new();
        // A request is run where it is received, and may start tasks.
        let entered = self.runtime.enter();
        self.connection.receive(message.text.as_bytes(), &mut out);
        drop(entered);
        self.take(&out);
    }

    fn hang_up(&mut self, _: &Value) {}

    fn end(&mut self) {
        self.connection.close();
        self.is_ended = true;
    }

    fn receive(&mut self) -> Option<Arrival> {
        // What is cancelled ends without a word, so that after the end one has to look again.
        let tick = Duration::from_millis(10);
        let mut waited = Duration::ZERO;
        while self.arrived.is_empty() && waited < PATIENCE && (!self.is_ended || self.connection.is_busy()) {
            if !self.wait(if self.is_ended { tick } else { PATIENCE }) {
                waited += if self.is_ended { tick } else { PATIENCE };
            }
        }
        self.arrived.pop_front().map(Arrival::message)
    }
}

/// A process that reads its standard input.
pub(crate) struct Stdio(Server);

impl Stdio {
    pub(crate) fn open() -> Self {
        Self(Server::start("everything", &["--stdio"]))
    }
}

impl Wire for Stdio {
    fn send(&mut self, message: &Outgoing<'_>) {
        self.0.send_bytes(format!("{}\n", message.text).as_bytes());
    }

    fn hang_up(&mut self, _: &Value) {}

    fn end(&mut self) {
        self.0.end_input();
    }

    fn receive(&mut self) -> Option<Arrival> {
        self.0.try_receive().map(Arrival::message)
    }
}
