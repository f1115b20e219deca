//! A process of `everything --stdio` and its client: what is written, what is read, and what is still to come.

use std::collections::{HashMap, VecDeque};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::calls::{self, Call, Expected, shorten};
use super::ledger::{Event, Ledger};
use super::process::{self, Watched};
use crate::Problem;
use crate::server::lines_of;

/// Nothing that the load asks for takes as long as this.
const PATIENCE: Duration = Duration::from_secs(30);

/// A client over stdio, of one revision.
pub(super) struct Pipe {
    pub(super) revision: &'static str,
    pub(super) watched: Watched,
    pub(super) process: Child,
    /// What a thread writes: the server need not read at once.
    writing: Option<Sender<Vec<u8>>>,
    lines: Receiver<String>,
    /// Whoever holds it keeps the client from reading.
    pub(super) reading: Arc<Mutex<()>>,
    next_id: u64,
    /// What was asked and not answered yet, by its id in JSON.
    waiting: HashMap<String, Waiting>,
    /// What was cancelled, and may have been answered before the server read so.
    cancelled: HashMap<String, Waiting>,
    /// The codes of errors to come that name no request.
    owed: VecDeque<i64>,
    /// The subscription that is open: the id of its request, or that of a session's.
    pub(super) subscription: Option<Value>,
    /// Whether a change is to be told.
    awaits_update: bool,
}

/// A request that waits for its answer.
#[derive(Debug)]
struct Waiting {
    call: Call,
    /// What to do when it is answered.
    then: Then,
}

/// What follows an answer.
#[derive(Clone, Debug)]
pub(super) enum Then {
    Nothing,
    /// This one was cancelled before: it cannot be answered any more.
    IsOver(Value),
    /// The answer is a question, to be answered with the same call again.
    Answer(Call),
}

/// The beginning of questions that are not answered, but cancelled.
pub(super) const LEAVE: &str = "leave";

impl Pipe {
    /// Starts a process, and opens a session if the revision has them.
    pub(super) fn open(program: &Path, revision: &'static str, ledger: &Ledger) -> Result<Self, Problem> {
        let mut process = start(program)?;
        ledger.count(Event::Process);
        let (mut stdin, stdout) = (process.stdin.take(), process.stdout.take().ok_or("no standard output")?);
        let watched = Watched::new(process.id(), lines_of(&mut process)?);
        let (writing, to_write) = mpsc::channel::<Vec<u8>>();
        std::thread::spawn(move || {
            for bytes in to_write {
                // A server that is gone is noticed by who reads.
                _ = stdin.as_mut().map(|stdin| stdin.write_all(&bytes));
            }
        });
        let (read, lines) = mpsc::channel();
        let reading = Arc::new(Mutex::new(()));
        let may_read = Arc::clone(&reading);
        std::thread::spawn(move || {
            let mut stdout = BufReader::new(stdout);
            loop {
                drop(may_read.lock().unwrap_or_else(PoisonError::into_inner));
                let mut line = String::new();
                match stdout.read_line(&mut line) {
                    Ok(1..) if read.send(line).is_ok() => {}
                    _ => return,
                }
            }
        });
        let mut pipe = Self {
            revision,
            watched,
            process,
            writing: Some(writing),
            lines,
            reading,
            next_id: 0,
            waiting: HashMap::new(),
            cancelled: HashMap::new(),
            owed: VecDeque::new(),
            subscription: None,
            awaits_update: false,
        };
        if pipe.has_session() {
            let call = Call { expected: Expected::any_result(), ..Call::plain("initialize", Value::Null) };
            pipe.await_answer(&json!(0), call, Then::Nothing, ledger);
            pipe.write(&calls::initialize(revision));
            pipe.settle(ledger)?;
            pipe.write(&calls::notification("notifications/initialized", json!({})));
        }
        Ok(pipe)
    }

    pub(super) fn has_session(&self) -> bool {
        self.revision != calls::MODERN
    }

    /// How many requests have no answer yet.
    pub(super) fn in_flight(&self) -> usize {
        self.waiting.len()
    }

    pub(super) fn write(&self, message: &Value) {
        self.write_line(message.to_string().into_bytes());
    }

    pub(super) fn write_line(&self, mut line: Vec<u8>) {
        line.push(b'\n');
        // Without a writer the output has ended as well, which is noticed there.
        _ = self.writing.as_ref().map(|writing| writing.send(line));
    }

    /// An id that was not used yet, with the message of a call and its answer awaited.
    pub(super) fn message(
        &mut self,
        call: Call,
        then: Then,
        is_modern: bool,
        ledger: &Ledger,
    ) -> (Value, Value) {
        self.next_id += 1;
        let id = if self.next_id.is_multiple_of(2) {
            json!(self.next_id)
        } else {
            json!(format!("id-{}", self.next_id))
        };
        let message = if is_modern { call.modern(&id) } else { call.in_session(&id) };
        self.await_answer(&id, call, then, ledger);
        (id, message)
    }

    /// Sends a call in the revision's own era.
    pub(super) fn send(&mut self, call: Call, then: Then, ledger: &Ledger) -> Value {
        let (id, message) = self.message(call, then, !self.has_session(), ledger);
        self.write(&message);
        id
    }

    /// Sends what is answered with an error that names no request.
    pub(super) fn send_wrong(&mut self, line: Vec<u8>, code: i64) {
        self.owed.push_back(code);
        self.write_line(line);
    }

    /// Cancels a request, and sends another whose answer says that it is too late for the first one's.
    pub(super) fn cancel(&mut self, id: &Value, next: Call, ledger: &Ledger) {
        if let Some(waiting) = self.waiting.remove(&id.to_string()) {
            self.cancelled.insert(id.to_string(), waiting);
        }
        if self.subscription.as_ref() == Some(id) {
            (self.subscription, self.awaits_update) = (None, false);
        }
        self.write(&calls::cancellation(id));
        self.send(next, Then::IsOver(id.clone()), ledger);
    }

    /// Says that a change of the watched resource has to be told, if anybody is to be told.
    pub(super) fn await_update(&mut self) {
        self.awaits_update = self.subscription.is_some();
    }

    /// Expects no change to be told any more.
    pub(super) fn forget_updates(&mut self) {
        (self.subscription, self.awaits_update) = (None, false);
    }

    /// Reads what comes in this time, all of what is there already.
    pub(super) fn read(&mut self, time: Duration, ledger: &Ledger) -> Result<(), Problem> {
        let mut next = self.lines.recv_timeout(time);
        loop {
            match next {
                Ok(line) => self.take_line(&line, ledger)?,
                Err(RecvTimeoutError::Timeout) => return Ok(()),
                Err(RecvTimeoutError::Disconnected) => return Err("the server has ended its output".into()),
            }
            next = self.lines.recv_timeout(Duration::ZERO);
        }
    }

    /// Reads until nothing is left to come.
    pub(super) fn settle(&mut self, ledger: &Ledger) -> Result<(), Problem> {
        let began = Instant::now();
        while !self.is_settled() {
            if began.elapsed() > PATIENCE {
                return Err(self.is_missing());
            }
            self.read(Duration::from_millis(100), ledger)?;
        }
        Ok(())
    }

    /// Ends the input, and sees that everything is answered, and the process gone in good order.
    pub(super) fn finish(mut self, ledger: &Ledger) -> Result<(), Problem> {
        self.writing = None;
        let began = Instant::now();
        loop {
            match self.lines.recv_timeout(PATIENCE.saturating_sub(began.elapsed())) {
                Ok(line) => self.take_line(&line, ledger)?,
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => return Err("the output does not end".into()),
            }
        }
        ended(&mut self.process)?;
        if !self.is_settled() {
            return Err(format!("at the end of input, {}", self.is_missing()));
        }
        match self.watched.said() {
            [] => Ok(()),
            said => Err(format!("on standard error: {said:?}")),
        }
    }

    /// Whether nothing is left to come, but for the end of an open subscription.
    fn is_settled(&self) -> bool {
        let subscribed = usize::from(self.subscription.is_some() && !self.has_session());
        self.waiting.len() == subscribed
            && self.cancelled.is_empty()
            && self.owed.is_empty()
            && !self.awaits_update
    }

    fn is_missing(&self) -> Problem {
        format!(
            "not answered: {:?}; cancelled and unclear: {:?}; errors to come: {:?}; a change to be told: {}",
            self.waiting.iter().map(|(id, waiting)| (id, waiting.call.method)).collect::<Vec<_>>(),
            self.cancelled.keys(),
            self.owed,
            self.awaits_update
        )
    }

    fn await_answer(&mut self, id: &Value, call: Call, then: Then, ledger: &Ledger) {
        ledger.count(Event::Called);
        self.waiting.insert(id.to_string(), Waiting { call, then });
    }

    fn take_line(&mut self, line: &str, ledger: &Ledger) -> Result<(), Problem> {
        let message: Value =
            serde_json::from_str(line).map_err(|error| format!("no JSON: {error} in {line:?}"))?;
        match message {
            Value::Array(messages) => messages.iter().try_for_each(|message| self.take(message, ledger)),
            message => self.take(&message, ledger),
        }
    }

    fn take(&mut self, message: &Value, ledger: &Ledger) -> Result<(), Problem> {
        match (message["method"].as_str(), message.get("id").filter(|id| !id.is_null())) {
            (Some(_), Some(id)) => self.take_question(message, id, ledger),
            (Some(method), None) => self.take_notification(method, message, ledger),
            (None, Some(id)) => self.take_answer(message, id, ledger),
            (None, None) => {
                let code = message["error"]["code"].as_i64();
                if code.is_none() || self.owed.pop_front() != code {
                    return Err(format!("an answer to nothing: {}", shorten(message)));
                }
                ledger.count(if code == Some(413) { Event::TooLarge } else { Event::Malformed });
                Ok(())
            }
        }
    }

    fn take_answer(&mut self, message: &Value, id: &Value, ledger: &Ledger) -> Result<(), Problem> {
        let key = id.to_string();
        let known = self.waiting.remove(&key).or_else(|| self.cancelled.remove(&key));
        let Some(Waiting { call, then }) = known else {
            return Err(format!("answered twice, after its cancellation, or unasked: {}", shorten(message)));
        };
        super::web::is_answer(message, id)?;
        call.expected.check(message)?;
        ledger.count(Event::Answered);
        match then {
            Then::Nothing => {}
            Then::IsOver(id) => {
                if self.cancelled.remove(&id.to_string()).is_some() {
                    ledger.count(Event::Cancelled);
                }
            }
            Then::Answer(mut again) => {
                ledger.count(Event::Asked);
                again.params["requestState"] = message["result"]["requestState"].clone();
                let question = &message["result"]["inputRequests"]["reply"];
                again.params["inputResponses"]["reply"] = calls::sampled(question);
                self.send(again, Then::Nothing, ledger);
            }
        }
        Ok(())
    }

    /// Answers what the server asks, or cancels what made it ask.
    fn take_question(&mut self, message: &Value, id: &Value, ledger: &Ledger) -> Result<(), Problem> {
        let prompt = &message["params"]["messages"][0]["content"]["text"];
        let asking = self
            .waiting
            .iter()
            .find(|(_, waiting)| waiting.call.params["arguments"]["prompt"] == *prompt)
            .and_then(|(key, _)| serde_json::from_str::<Value>(key).ok());
        let Some(asking) = asking else {
            return Err(format!("a question of no call: {}", shorten(message)));
        };
        ledger.count(Event::Asked);
        if prompt.as_str().is_some_and(|prompt| prompt.starts_with(LEAVE)) {
            self.cancel(&asking, Call::plain("ping", json!({})), ledger);
        } else {
            self.write(&json!({"jsonrpc": "2.0", "id": id, "result": calls::sampled(message)}));
        }
        Ok(())
    }

    fn take_notification(&mut self, method: &str, message: &Value, ledger: &Ledger) -> Result<(), Problem> {
        let params = &message["params"];
        match method {
            "notifications/progress" => {
                let token = &params["progressToken"];
                let mut open = self.waiting.values().chain(self.cancelled.values());
                if token.is_null()
                    || !open.any(|waiting| waiting.call.params["_meta"]["progressToken"] == *token)
                {
                    return Err(format!("progress of nothing that runs: {}", shorten(message)));
                }
                ledger.count(Event::Progress);
            }
            "notifications/resources/updated"
            | "notifications/tools/list_changed"
            | "notifications/subscriptions/acknowledged" => {
                let named = &params["_meta"]["io.modelcontextprotocol/subscriptionId"];
                let key = named.to_string();
                let is_known = self.waiting.contains_key(&key) || self.cancelled.contains_key(&key);
                if !self.has_session() && !is_known {
                    return Err(format!("not of an open subscription: {}", shorten(message)));
                }
                if method == "notifications/resources/updated" {
                    self.awaits_update = false;
                }
                ledger.count(Event::Update);
            }
            // A question whose call was cancelled, or a subscription that ended with the server.
            "notifications/cancelled" => {}
            _ => return Err(format!("unasked for: {}", shorten(message))),
        }
        Ok(())
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        // It has ended, or something is wrong: then it must not stay.
        _ = self.process.kill();
        _ = self.process.wait();
    }
}

/// Starts a process with pipes in all three places.
pub(super) fn start(program: &Path) -> Result<Child, Problem> {
    process::command(program)
        .arg("--stdio")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("cannot start {}: {error}", program.display()))
}

/// Waits until a process has ended by itself, and in good order.
pub(super) fn ended(process: &mut Child) -> Result<(), Problem> {
    let began = Instant::now();
    while began.elapsed() < PATIENCE {
        match process.try_wait() {
            Ok(Some(status)) if status.success() => return Ok(()),
            Ok(Some(status)) => return Err(format!("the process has ended with {status}")),
            Ok(None) => std::thread::sleep(Duration::from_millis(5)),
            Err(error) => return Err(format!("the process cannot be waited for: {error}")),
        }
    }
    _ = process.kill();
    Err("the process does not end".into())
}
