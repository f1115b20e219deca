//! Sessions of the handshake revisions over HTTP: opened, used in every way there is, and ended or left alone.

use std::sync::PoisonError;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::calls::{self, Call, Expected, shorten};
use super::ledger::Event;
use super::web::{Web, is_answer};
use super::wire::{Reply, Wire, post};
use crate::Problem;

/// One that is open.
struct Session {
    id: String,
    revision: &'static str,
    last_used: Instant,
}

/// Something that is done in one.
type Step<Client> = fn(&mut Client, &Session) -> Result<(), Problem>;

impl Session {
    fn post(&self, message: &Value) -> Vec<u8> {
        self.post_with(message, &[])
    }

    fn post_with(&self, message: &Value, headers: &[(&str, &str)]) -> Vec<u8> {
        let mut all = vec![("Mcp-Session-Id", self.id.as_str())];
        if self.revision >= "2025-06-18" {
            all.push(("MCP-Protocol-Version", self.revision));
        }
        all.extend_from_slice(headers);
        post(message.to_string().as_bytes(), &all)
    }

    /// A request without a message.
    fn bare(&self, method: &str) -> Vec<u8> {
        format!(
            "{method} /mcp HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\nMcp-Session-Id: {}\r\n\r\n",
            self.id
        )
        .into_bytes()
    }
}

/// The request that asks whether there is a session of this id.
pub(super) fn probe(id: &str) -> Vec<u8> {
    let ping = json!({"jsonrpc": "2.0", "id": 1, "method": "ping"});
    post(ping.to_string().as_bytes(), &[("Mcp-Session-Id", id)])
}

impl Web<'_> {
    const STEPS: [(u64, (&'static str, Step<Self>)); 12] = [
        (20, ("calls", Self::calls_in_session)),
        (5, ("calls at once", Self::calls_at_once)),
        (4, ("progress", Self::follows_in_session)),
        (4, ("going away", Self::goes_away)),
        (6, ("a cancellation", Self::cancels)),
        (6, ("a cancellation close to the answer", Self::cancels_late)),
        (6, ("a question", Self::answers)),
        (3, ("a question that is cancelled", Self::cancels_a_question)),
        (4, ("ping and level", Self::pings)),
        (4, ("a batch", Self::sends_a_batch)),
        (6, ("a stream", Self::streams)),
        (3, ("what is refused", Self::is_rough_in_session)),
    ];

    pub(super) fn opens_a_session(&mut self) -> Result<(), Problem> {
        let revision = self.random.pick(&calls::HANDSHAKE);
        let mut session = self.open(revision)?;
        for _ in 0..self.random.below(8) {
            // On a machine that is busy with other things a client may be too late.
            if session.last_used.elapsed() * 4 >= self.shared.idle_time * 3 {
                self.ledger().count(Event::SessionExpired);
                return Ok(());
            }
            let (name, step) = self.random.weighted(&Self::STEPS);
            step(self, &session).map_err(|problem| format!("{revision}, {name}: {problem}"))?;
            session.last_used = Instant::now();
        }
        let ended = match self.random.below(10) {
            0..5 => self.delete(&session),
            5 | 6 => self.delete_in_the_middle(&session),
            7 => self.goes_away(&session).map(|()| self.ledger().count(Event::SessionAbandoned)),
            _ => {
                self.ledger().count(Event::SessionAbandoned);
                Ok(())
            }
        };
        ended.map_err(|problem| format!("{revision}, the end: {problem}"))
    }

    fn open(&mut self, revision: &'static str) -> Result<Session, Problem> {
        let request = post(calls::initialize(revision).to_string().as_bytes(), &[]);
        let reply = self.exchange(&request)?;
        let agreed = &reply.messages.first().ok_or("no answer to initialize")?["result"]["protocolVersion"];
        if *agreed != revision {
            return Err(format!("{revision} is answered with {agreed}"));
        }
        let id = reply.head.header("mcp-session-id").ok_or("the session has no id")?.to_owned();
        self.shared.sessions.lock().unwrap_or_else(PoisonError::into_inner).push(id.clone());
        self.ledger().count(Event::SessionOpened);
        let session = Session { id, revision, last_used: Instant::now() };
        self.tell(&session, &calls::notification("notifications/initialized", json!({})))?;
        Ok(session)
    }

    /// Posts what has no answer.
    fn tell(&mut self, session: &Session, message: &Value) -> Result<(), Problem> {
        let reply = self.exchange(&session.post(message))?;
        if reply.head.status == 202 && reply.messages.is_empty() {
            return Ok(());
        }
        Err(format!("{} should be accepted: {reply:?}", shorten(message)))
    }

    fn ask_in(&mut self, session: &Session, call: &Call) -> Result<Value, Problem> {
        let id = self.id();
        self.ask_as(session, call, &id)
    }

    fn ask_as(&mut self, session: &Session, call: &Call, id: &Value) -> Result<Value, Problem> {
        self.ledger().count(Event::Called);
        let reply = self.exchange(&session.post(&call.in_session(id)))?;
        self.answered(&reply, id, None, call)
    }

    /// Sends a call over a connection of its own.
    fn begin(&mut self, session: &Session, call: &Call, id: &Value) -> Result<Wire, Problem> {
        let mut wire = self.connect()?;
        wire.send(&session.post(&call.in_session(id)))?;
        self.ledger().count(Event::Called);
        Ok(wire)
    }

    /// Sends a call that takes so long, and reads its first report.
    fn begin_slow_in(&mut self, session: &Session, milliseconds: u64) -> Result<(Wire, Value), Problem> {
        let (id, token) = (self.id(), self.id());
        let call = Call::slow(milliseconds).with_progress(&token);
        let mut wire = self.begin(session, &call, &id)?;
        self.first_report(&mut wire, &token)?;
        Ok((wire, id))
    }

    /// Reads a stream to its end, on which there may be anything but an answer.
    fn unanswered(&self, mut wire: Wire) -> Result<(), Problem> {
        while let Some(message) = wire.event()? {
            if message.get("method").is_none() {
                return Err(format!("answered after its cancellation: {}", shorten(&message)));
            }
        }
        self.ledger().count(Event::Cancelled);
        Ok(())
    }

    fn calls_in_session(&mut self, session: &Session) -> Result<(), Problem> {
        for _ in 0..=self.random.below(6) {
            let call = Call::quick(&mut self.random);
            self.ask_in(session, &call)?;
        }
        Ok(())
    }

    fn calls_at_once(&mut self, session: &Session) -> Result<(), Problem> {
        let mut open = Vec::new();
        for _ in 0..=self.random.below(8) {
            let id = self.id();
            let call = if self.random.chance(30) {
                Call::slow(self.random.below(200))
            } else {
                Call::quick(&mut self.random)
            };
            open.push((self.begin(session, &call, &id)?, id, call));
        }
        for (mut wire, id, call) in open {
            let reply = wire.reply()?;
            self.answered(&reply, &id, None, &call)?;
        }
        Ok(())
    }

    fn follows_in_session(&mut self, session: &Session) -> Result<(), Problem> {
        let (id, token) = (self.id(), self.id());
        let call = Call::slow(self.random.below(200)).with_progress(&token);
        let mut wire = self.begin(session, &call, &id)?;
        let reply = wire.reply()?;
        self.answered(&reply, &id, Some(&token), &call).map(drop)
    }

    /// Closes the connection of a call, which goes on: its answer is for nobody.
    fn goes_away(&mut self, session: &Session) -> Result<(), Problem> {
        // Time enough for its first report.
        let milliseconds = 100 + self.random.below(600);
        drop(self.begin_slow_in(session, milliseconds)?);
        self.ledger().count(Event::Disconnected);
        Ok(())
    }

    fn cancels(&mut self, session: &Session) -> Result<(), Problem> {
        let (wire, id) = self.begin_slow_in(session, 590_000)?;
        self.tell(session, &calls::cancellation(&id))?;
        self.unanswered(wire)?;
        // The id is free again.
        let call = Call::quick(&mut self.random);
        self.ask_as(session, &call, &id).map(drop)
    }

    /// Cancels when the answer may be on its way already: there is one or none.
    fn cancels_late(&mut self, session: &Session) -> Result<(), Problem> {
        let (id, token) = (self.id(), self.id());
        let milliseconds = self.random.below(60);
        let mut call = Call::slow(milliseconds);
        if self.random.chance(50) {
            call = call.with_progress(&token);
        }
        let mut wire = self.begin(session, &call, &id)?;
        std::thread::sleep(Duration::from_millis(milliseconds.saturating_sub(self.random.below(8))));
        self.tell(session, &calls::cancellation(&id))?;
        let reply = wire.reply()?;
        if reply.messages.last().is_some_and(|last| is_answer(last, &id).is_ok()) {
            return self.answered(&reply, &id, Some(&token), &call).map(drop);
        }
        for message in &reply.messages {
            self.noted(message, Some(&token))?;
        }
        self.ledger().count(Event::Cancelled);
        Ok(())
    }

    /// Has the server ask, and reads the question.
    fn be_asked(&mut self, session: &Session) -> Result<(Wire, Value, Call, Value), Problem> {
        let (id, call) = (self.id(), Call::question(&self.random.word()));
        let mut wire = self.begin(session, &call, &id)?;
        wire.head()?;
        let question = wire.event()?.ok_or("nothing is asked")?;
        if question["method"] != "sampling/createMessage" {
            return Err(format!("no question: {}", shorten(&question)));
        }
        self.ledger().count(Event::Asked);
        Ok((wire, id, call, question))
    }

    fn answers(&mut self, session: &Session) -> Result<(), Problem> {
        let (mut wire, id, call, question) = self.be_asked(session)?;
        let answer = json!({"jsonrpc": "2.0", "id": question["id"], "result": calls::sampled(&question)});
        self.tell(session, &answer)?;
        let answer = wire.event()?.ok_or("no answer after the question")?;
        is_answer(&answer, &id)?;
        call.expected.check(&answer)?;
        if let Some(more) = wire.event()? {
            return Err(format!("after the answer: {}", shorten(&more)));
        }
        self.ledger().count(Event::Answered);
        // One that comes too late changes nothing.
        let late = json!({"jsonrpc": "2.0", "id": question["id"], "result": {}});
        self.tell(session, &late)
    }

    fn cancels_a_question(&mut self, session: &Session) -> Result<(), Problem> {
        let (wire, id, ..) = self.be_asked(session)?;
        self.tell(session, &calls::cancellation(&id))?;
        self.unanswered(wire)
    }

    fn pings(&mut self, session: &Session) -> Result<(), Problem> {
        self.ask_in(session, &Call::plain("ping", json!({})))?;
        let level = self.random.pick(&["debug", "info", "error"]);
        self.ask_in(session, &Call::plain("logging/setLevel", json!({"level": level}))).map(drop)
    }

    fn sends_a_batch(&mut self, session: &Session) -> Result<(), Problem> {
        let calls: Vec<(Value, Call)> = (0..=self.random.below(6))
            .map(|number| {
                let id = self.id();
                // One that waits, so that the others have to.
                (id, if number == 3 { Call::slow(50) } else { Call::quick(&mut self.random) })
            })
            .collect();
        let messages: Vec<Value> = calls.iter().map(|(id, call)| call.in_session(id)).collect();
        let reply = self.exchange(&session.post(&json!(messages)))?;
        if session.revision != calls::WITH_BATCHES {
            let code = &reply.messages.first().ok_or("no answer to a batch")?["error"]["code"];
            self.ledger().count(Event::Malformed);
            return if *code == -32600 { Ok(()) } else { Err(format!("a batch is not refused: {reply:?}")) };
        }
        self.ledger().count(Event::Batch);
        self.ledger().add(Event::Called, calls.len() as u64);
        let mut answers = match &*reply.messages {
            [Value::Array(answers)] => answers.clone(),
            _ => return Err(format!("no batch of answers: {reply:?}")),
        };
        for (id, call) in calls {
            let place = answers.iter().position(|answer| answer["id"] == id);
            let answer = answers.swap_remove(place.ok_or_else(|| format!("no answer to {id}: {reply:?}"))?);
            is_answer(&answer, &id)?;
            call.expected.check(&answer)?;
            self.ledger().count(Event::Answered);
        }
        if answers.is_empty() { Ok(()) } else { Err(format!("nobody asked for these: {answers:?}")) }
    }

    fn open_stream(&mut self, session: &Session) -> Result<Wire, Problem> {
        let mut wire = self.connect()?;
        wire.send(&session.bare("GET"))?;
        let head = wire.head()?;
        if head.status != 200 || !head.is_stream() {
            return Err(format!("no stream: {head:?}"));
        }
        self.ledger().count(Event::Stream);
        Ok(wire)
    }

    /// Opens the session's own stream, has a resource change, and sees that it is told.
    fn streams(&mut self, session: &Session) -> Result<(), Problem> {
        let mut wire = self.open_stream(session)?;
        let watched = json!({"uri": calls::WATCHED});
        self.ask_in(session, &Call::plain("resources/subscribe", watched.clone()))?;
        for _ in 0..=self.random.below(3) {
            self.ask_in(session, &Call::update())?;
            loop {
                let message = wire.event()?.ok_or("the stream ends by itself")?;
                self.ledger().count(Event::Update);
                match message["method"].as_str() {
                    Some("notifications/resources/updated") if message["params"] == watched => break,
                    Some("notifications/tools/list_changed") => {}
                    _ => return Err(format!("not for this stream: {}", shorten(&message))),
                }
            }
        }
        if self.random.chance(30) {
            // Another one takes its place.
            let other = self.open_stream(session)?;
            while wire.event()?.is_some() {}
            wire = other;
        }
        if self.random.chance(50) {
            self.ask_in(session, &Call::plain("resources/unsubscribe", watched))?;
        }
        drop(wire);
        Ok(())
    }

    fn is_rough_in_session(&mut self, session: &Session) -> Result<(), Problem> {
        match self.random.below(3) {
            0 => {
                let stranger = Session {
                    id: self.random.word(),
                    revision: session.revision,
                    last_used: session.last_used,
                };
                self.gone(&stranger)?;
            }
            1 => {
                let (wire, id) = self.begin_slow_in(session, 590_000)?;
                let again = Call { expected: Expected::error(-32600), ..Call::echo(&mut self.random) };
                self.ask_as(session, &again, &id)?;
                self.tell(session, &calls::cancellation(&id))?;
                self.unanswered(wire)?;
            }
            _ => {
                let (text, code) = calls::malformed(&mut self.random);
                let wrong = post(text.as_bytes(), &[("Mcp-Session-Id", &session.id)]);
                let reply = self.exchange(&wrong)?;
                let found = reply.messages.first().map(|message| message["error"]["code"].clone());
                if reply.head.status != 400 || found != Some(json!(code)) {
                    return Err(format!("{text:?} should be refused: {reply:?}"));
                }
                self.ledger().count(Event::Malformed);
            }
        }
        Ok(())
    }

    fn delete(&mut self, session: &Session) -> Result<(), Problem> {
        let reply = self.exchange(&session.bare("DELETE"))?;
        if reply.head.status != 204 {
            return Err(format!("DELETE is answered with {reply:?}"));
        }
        self.ledger().count(Event::SessionDeleted);
        self.gone(session)
    }

    /// Sees that there is no such session.
    fn gone(&mut self, session: &Session) -> Result<(), Problem> {
        let Reply { head, .. } = self.exchange(&probe(&session.id))?;
        if head.status == 404 { Ok(()) } else { Err(format!("should be gone: {head:?}")) }
    }

    /// Ends a session with a call, a question and a stream open.
    fn delete_in_the_middle(&mut self, session: &Session) -> Result<(), Problem> {
        let (running, _) = self.begin_slow_in(session, 590_000)?;
        let mut stream = self.open_stream(session)?;
        let (asked, ..) = self.be_asked(session)?;
        self.delete(session)?;
        self.unanswered(running)?;
        self.unanswered(asked)?;
        while stream.event()?.is_some() {}
        Ok(())
    }
}
