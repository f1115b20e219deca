//! A client over HTTP: what its actions have in common, and those of the modern era.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::calls::{self, Call, shorten};
use super::ledger::{Event, Ledger};
use super::random::{Action, Random};
use super::wire::{Head, Reply, Wire, post_modern};
use crate::Problem;

/// One client, for one round of the load.
pub(super) struct Web<'a> {
    pub(super) shared: &'a Shared,
    pub(super) random: Random,
    kept: Option<Wire>,
    next_id: u64,
}

/// What all clients have in common.
pub(super) struct Shared {
    pub(super) address: String,
    pub(super) ledger: Ledger,
    /// After so long without a request the server ends a session.
    pub(super) idle_time: Duration,
    /// The ids of every session that was opened.
    pub(super) sessions: Mutex<Vec<String>>,
}

impl<'a> Web<'a> {
    /// What it does, and how often among all of it.
    const ACTIONS: [(u64, (&'static str, Action<Self>)); 12] = [
        (40, ("calls over a kept connection", Self::keeps_calling)),
        (6, ("many short connections", Self::calls_shortly)),
        (4, ("several calls in one write", Self::pipelines)),
        (8, ("a call with progress", Self::follows_progress)),
        (8, ("a call closed in the middle", Self::closes)),
        (6, ("a question in rounds", Self::answers_in_rounds)),
        (2, ("a question left open", Self::leaves_a_question)),
        (6, ("a subscription", Self::listens)),
        (1, ("a change of the tools", Self::changes_tools)),
        (4, ("large answers", Self::takes_large)),
        (20, ("what is refused", Self::is_rough)),
        (25, ("a session", Self::opens_a_session)),
    ];

    pub(super) fn new(shared: &'a Shared, random: Random) -> Self {
        Self { shared, random, kept: None, next_id: 0 }
    }

    /// Does one thing after the other until then.
    pub(super) fn run(&mut self, end: Instant) {
        while Instant::now() < end && !self.ledger().is_full() {
            let (name, action) = self.random.weighted(&Self::ACTIONS);
            if let Err(problem) = action(self) {
                // Whatever it was, the next one begins anew.
                self.kept = None;
                self.ledger().wrong(format!("HTTP, {name}: {problem}"));
            }
        }
        self.kept = None;
    }

    pub(super) fn ledger(&self) -> &'a Ledger {
        &self.shared.ledger
    }

    /// An id that this client has not used; texts and numbers.
    pub(super) fn id(&mut self) -> Value {
        self.next_id += 1;
        if self.random.chance(50) { json!(self.next_id) } else { json!(format!("id-{}", self.next_id)) }
    }

    pub(super) fn connect(&self) -> Result<Wire, Problem> {
        self.ledger().count(Event::Connection);
        Wire::connect(&self.shared.address)
    }

    /// Sends a request, and reads all of its response; over the kept connection if there is one.
    pub(super) fn exchange(&mut self, request: &[u8]) -> Result<Reply, Problem> {
        let mut wire = match self.kept.take() {
            Some(wire) => wire,
            None => self.connect()?,
        };
        wire.send(request)?;
        let reply = wire.reply()?;
        if wire.is_free() {
            self.kept = Some(wire);
        }
        Ok(reply)
    }

    /// Calls, and holds the answer against what is expected.
    fn call(&mut self, call: &Call) -> Result<Value, Problem> {
        let id = self.id();
        let request = post_modern(&call.modern(&id), &[]);
        self.ledger().count(Event::Called);
        let reply = self.exchange(&request)?;
        self.answered(&reply, &id, None, call)
    }

    /// Finds the answer in a response, and sees that there is no other and nothing after it.
    pub(super) fn answered(
        &self,
        reply: &Reply,
        id: &Value,
        token: Option<&Value>,
        call: &Call,
    ) -> Result<Value, Problem> {
        let (answer, before) = reply.messages.split_last().ok_or("there is no answer")?;
        for message in before {
            self.noted(message, token)?;
        }
        is_answer(answer, id)?;
        call.expected.check(answer)?;
        self.ledger().count(Event::Answered);
        Ok(answer.clone())
    }

    /// Looks at a notification that comes before an answer.
    pub(super) fn noted(&self, message: &Value, token: Option<&Value>) -> Result<(), Problem> {
        let is_progress = message["method"] == "notifications/progress";
        if is_progress && token.is_some_and(|token| message["params"]["progressToken"] == *token) {
            self.ledger().count(Event::Progress);
            return Ok(());
        }
        Err(format!("unasked for: {}", shorten(message)))
    }

    /// Sends a call that reports its progress, and reads its first report.
    fn begin_slow(&mut self, milliseconds: u64) -> Result<(Wire, Head, Value, Call), Problem> {
        let (id, token) = (self.id(), self.id());
        let call = Call::slow(milliseconds).with_progress(&token);
        let mut wire = self.connect()?;
        wire.send(&post_modern(&call.modern(&id), &[]))?;
        self.ledger().count(Event::Called);
        let head = self.first_report(&mut wire, &token)?;
        Ok((wire, head, id, call))
    }

    /// Reads up to the first report of a call that takes its time.
    pub(super) fn first_report(&self, wire: &mut Wire, token: &Value) -> Result<Head, Problem> {
        let head = wire.head()?;
        if !head.is_stream() {
            return Err(format!("no stream, but {:?}", wire.rest(head)?));
        }
        let first = wire.event()?.ok_or("the stream ends before the first report")?;
        self.noted(&first, Some(token))?;
        Ok(head)
    }

    fn keeps_calling(&mut self) -> Result<(), Problem> {
        for _ in 0..=self.random.below(20) {
            let call = Call::quick(&mut self.random);
            self.call(&call)?;
        }
        Ok(())
    }

    fn calls_shortly(&mut self) -> Result<(), Problem> {
        let mut open = Vec::new();
        for _ in 0..=self.random.below(16) {
            let (id, call) = (self.id(), Call::quick(&mut self.random));
            let mut wire = self.connect()?;
            wire.send(&post_modern(&call.modern(&id), &[("Connection", "close")]))?;
            self.ledger().count(Event::Called);
            open.push((wire, id, call));
        }
        for (mut wire, id, call) in open {
            let reply = wire.reply()?;
            self.answered(&reply, &id, None, &call)?;
            wire.closed()?;
        }
        Ok(())
    }

    fn pipelines(&mut self) -> Result<(), Problem> {
        let mut wire = self.connect()?;
        let (mut requests, mut sent) = (Vec::new(), Vec::new());
        for _ in 0..=self.random.below(8) {
            let (id, call) = (self.id(), Call::quick(&mut self.random));
            requests.extend(post_modern(&call.modern(&id), &[]));
            sent.push((id, call));
        }
        wire.send(&requests)?;
        self.ledger().add(Event::Called, sent.len() as u64);
        for (id, call) in sent {
            let reply = wire.reply()?;
            self.answered(&reply, &id, None, &call)?;
        }
        Ok(())
    }

    fn follows_progress(&mut self) -> Result<(), Problem> {
        let (id, token) = (self.id(), self.id());
        let call = Call::slow(self.random.below(300)).with_progress(&token);
        let request = post_modern(&call.modern(&id), &[]);
        self.ledger().count(Event::Called);
        let reply = self.exchange(&request)?;
        let reports: Vec<f64> =
            reply.messages.iter().filter_map(|message| message["params"]["progress"].as_f64()).collect();
        if !reports.is_sorted() {
            return Err(format!("progress goes back: {reports:?}"));
        }
        self.answered(&reply, &id, Some(&token), &call).map(drop)
    }

    fn closes(&mut self) -> Result<(), Problem> {
        // Long enough that one that is not cancelled is still there at the end.
        let (wire, ..) = self.begin_slow(590_000)?;
        drop(wire);
        self.ledger().count(Event::Disconnected);
        Ok(())
    }

    fn answers_in_rounds(&mut self) -> Result<(), Problem> {
        let mut call = Call::question(&self.random.word());
        let asked = self.ask(&call)?;
        call.params["requestState"] = asked["result"]["requestState"].clone();
        let question = &asked["result"]["inputRequests"]["reply"];
        call.params["inputResponses"]["reply"] = calls::sampled(question);
        self.call(&call).map(drop)
    }

    fn leaves_a_question(&mut self) -> Result<(), Problem> {
        let call = Call::question(&self.random.word());
        self.ask(&call).map(drop)
    }

    /// Calls what answers with a question.
    fn ask(&mut self, call: &Call) -> Result<Value, Problem> {
        let asking = Call { expected: calls::Expected::question(), ..call.clone() };
        let asked = self.call(&asking)?;
        self.ledger().count(Event::Asked);
        Ok(asked)
    }

    fn listens(&mut self) -> Result<(), Problem> {
        let id = self.id();
        let mut wire = self.connect()?;
        wire.send(&post_modern(&calls::listen().modern(&id), &[]))?;
        self.ledger().count(Event::Called);
        self.ledger().count(Event::Stream);
        wire.head()?;
        for round in 0..=self.random.below(4) {
            let wanted = match round {
                0 => "notifications/subscriptions/acknowledged",
                _ => "notifications/resources/updated",
            };
            loop {
                let message = wire.event()?.ok_or("the subscription ends by itself")?;
                let named = &message["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"];
                if *named != id {
                    return Err(format!("not of this subscription: {}", shorten(&message)));
                }
                self.ledger().count(Event::Update);
                if message["method"] == wanted {
                    break;
                }
            }
            self.call(&Call::update())?;
        }
        drop(wire);
        self.ledger().count(Event::Disconnected);
        Ok(())
    }

    fn changes_tools(&mut self) -> Result<(), Problem> {
        self.call(&Call::change_tools()).map(drop)
    }

    fn takes_large(&mut self) -> Result<(), Problem> {
        for _ in 0..=self.random.below(4) {
            let call = Call::large(&mut self.random);
            self.call(&call)?;
        }
        Ok(())
    }
}

/// Whether a message is the answer to the request of this id.
pub(super) fn is_answer(message: &Value, id: &Value) -> Result<(), Problem> {
    let is_one = message["jsonrpc"] == "2.0"
        && message.get("method").is_none()
        && message.get("result").is_some() != message.get("error").is_some();
    if is_one && message["id"] == *id {
        return Ok(());
    }
    Err(format!("no answer to {id}: {}", shorten(message)))
}
