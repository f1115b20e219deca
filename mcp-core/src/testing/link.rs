//! The wire between the client in memory and its server: a connection driven by a task, and a mailbox a request.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use serde_json::{Value, json};
use tokio::{
    sync::{Notify, mpsc, oneshot},
    task::AbortHandle,
};

use super::options::{Answering, Asked, Options, Reaction};
use crate::{Connection, Endpoint, TransportKind, protocol::meta::key};

/// The client's end of the wire.
#[derive(Debug)]
pub(super) struct Link {
    shared: Arc<Shared>,
    driver: AbortHandle,
}

struct Shared {
    state: Mutex<State>,
    news: Notify,
    outgoing: mpsc::UnboundedSender<Outgoing>,
    answering: Option<Answering>,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("state", &self.state).finish_non_exhaustive()
    }
}

#[derive(Debug, Default)]
struct State {
    /// Where the messages of a request go, by its id as it stands in JSON.
    mailboxes: HashMap<String, mpsc::UnboundedSender<Value>>,
    /// Notifications that belong to no request.
    strays: Vec<Value>,
    /// Nothing comes any more.
    is_over: bool,
    transcript: Vec<(bool, Value)>,
}

/// What the client does.
enum Outgoing {
    Line(String),
    /// Cancels a request, and wants to know when its work has ended.
    Cancel {
        id: i64,
        line: String,
        ended: oneshot::Sender<()>,
    },
}

/// Waits for the end of a task: an aborted one is dropped when the runtime comes by.
async fn tell_when_ended(task: Option<AbortHandle>, ended: oneshot::Sender<()>) {
    while task.as_ref().is_some_and(|task| !task.is_finished()) {
        tokio::task::yield_now().await;
    }
    // Whoever cancelled may have gone on.
    let _ = ended.send(());
}

/// What has come for one request.
#[derive(Debug)]
pub(super) struct Mailbox {
    incoming: mpsc::UnboundedReceiver<Value>,
    answer: Option<Value>,
}

impl Link {
    pub(super) fn open(endpoint: &Endpoint, options: &Options) -> Arc<Self> {
        let (outgoing, mut lines) = mpsc::unbounded_channel::<Outgoing>();
        let shared = Arc::new(Shared {
            state: Mutex::default(),
            news: Notify::new(),
            outgoing: outgoing.clone(),
            answering: options.answering.clone(),
        });
        let mut connection = Connection::new(endpoint, options.principal.clone(), TransportKind::InMemory);
        if let Some(peer) = options.peer {
            connection = connection.peer(peer);
        }
        // A test's own answers to questions may panic: whoever waits hears of it.
        let inbox = End(Arc::clone(&shared));
        let driver = tokio::spawn(async move {
            let mut out = Vec::new();
            loop {
                tokio::select! {
                    line = lines.recv() => match line {
                        Some(Outgoing::Line(line)) => connection.receive(line.as_bytes(), &mut out),
                        Some(Outgoing::Cancel { id, line, ended }) => {
                            let task = connection.task_of(&id.into());
                            connection.receive(line.as_bytes(), &mut out);
                            tokio::spawn(tell_when_ended(task, ended));
                        }
                        None => return,
                    },
                    () = std::future::poll_fn(|cx| connection.poll_output(cx, &mut out)) => {}
                }
                for line in out.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
                    inbox.0.deliver(line);
                }
                out.clear();
            }
        });
        Arc::new(Self { shared, driver: driver.abort_handle() })
    }

    /// Opens a mailbox for the request of this id.
    pub(super) fn expect(&self, id: &Value) -> Mailbox {
        let (sender, incoming) = mpsc::unbounded_channel();
        let mut state = self.shared.lock();
        if !state.is_over {
            state.mailboxes.insert(id.to_string(), sender);
        }
        drop(state);
        Mailbox { incoming, answer: None }
    }

    pub(super) fn send(&self, line: String) {
        self.shared.send(line);
    }

    /// Cancels a request, and waits until its work has been dropped.
    pub(super) async fn cancel(&self, id: i64, message: &Value) {
        let (ended, end) = oneshot::channel();
        self.shared.lock().transcript.push((true, message.clone()));
        // The driver lives as long as the link.
        let _ = self.shared.outgoing.send(Outgoing::Cancel { id, line: message.to_string(), ended });
        let _ = end.await;
    }

    pub(super) async fn stray(&self) -> Value {
        loop {
            let news = self.shared.news.notified();
            {
                let mut state = self.shared.lock();
                if !state.strays.is_empty() {
                    return state.strays.remove(0);
                }
                assert!(!state.is_over, "the connection ended before a notification");
            }
            news.await;
        }
    }

    pub(super) fn transcript(&self) -> Vec<(bool, Value)> {
        self.shared.lock().transcript.clone()
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// Ends all waiting when it is dropped.
struct End(Arc<Shared>);

impl Drop for End {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.is_over = true;
        state.mailboxes.clear();
        drop(state);
        self.0.news.notify_waiters();
    }
}

impl Shared {
    /// Puts a message into the mailbox that it is for.
    fn deliver(&self, line: &[u8]) {
        let message: Value = match serde_json::from_slice(line) {
            Ok(message) => message,
            Err(error) => {
                panic!("the server sent what is not JSON ({error}): {}", String::from_utf8_lossy(line))
            }
        };
        let mut state = self.lock();
        state.transcript.push((false, message.clone()));
        if message.get("id").is_some() && message.get("method").is_some() {
            drop(state);
            return self.asked(message);
        }
        let params = &message["params"];
        let address = match message.get("id") {
            Some(id) => Some(id.to_string()),
            None => params["_meta"]
                .get(key::SUBSCRIPTION_ID)
                .or(params.get("progressToken"))
                .map(Value::to_string),
        };
        // A log message names no request: it goes to the only one that can be meant, if there is just one.
        let address = address.or_else(|| match (state.mailboxes.len(), message["method"].as_str()) {
            (1, Some(crate::protocol::method::MESSAGE)) => state.mailboxes.keys().next().cloned(),
            _ => None,
        });
        let is_answer = message.get("method").is_none();
        match address.as_ref().and_then(|address| state.mailboxes.get(address)) {
            Some(mailbox) => {
                let _ = mailbox.send(message);
                if let (true, Some(address)) = (is_answer, address) {
                    state.mailboxes.remove(&address);
                }
            }
            None => {
                state.strays.push(message);
                self.news.notify_waiters();
            }
        }
    }

    fn send(&self, line: String) {
        if let Ok(message) = serde_json::from_str(&line) {
            self.lock().transcript.push((true, message));
        }
        // The driver lives as long as the link.
        let _ = self.outgoing.send(Outgoing::Line(line));
    }

    /// Answers a request of the server's, or leaves it to the test.
    fn asked(&self, request: Value) {
        let reaction =
            self.answering.as_ref().map_or(Reaction::Leave, |answer| answer(&Asked::new("", &request)));
        let id = &request["id"];
        match reaction {
            Reaction::Answer(result) => {
                self.send(json!({"jsonrpc": "2.0", "id": id, "result": result}).to_string())
            }
            Reaction::Refuse(message) => {
                let error = json!({"code": -1, "message": message});
                self.send(json!({"jsonrpc": "2.0", "id": id, "error": error}).to_string());
            }
            Reaction::Leave => {
                self.lock().strays.push(request);
                self.news.notify_waiters();
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Mailbox {
    /// The next notification; `None` once the answer has come.
    pub(super) async fn notification(&mut self) -> Option<Value> {
        if self.answer.is_some() {
            return None;
        }
        match self.incoming.recv().await {
            Some(message) if message.get("method").is_some() => Some(message),
            Some(answer) => {
                self.answer = Some(answer);
                None
            }
            None => panic!("the connection ended before the answer"),
        }
    }

    /// The answer, once [`notification`](Self::notification) has run out.
    pub(super) fn answer(self) -> Value {
        self.answer.unwrap_or_default()
    }
}
