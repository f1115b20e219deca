//! The load over stdio: standing processes that are kept busy, and short ones that end in every way there is.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::calls::{self, Call, Expected};
use super::ledger::{Event, Ledger};
use super::pipe::{self, LEAVE, Pipe, Then};
use super::random::{Action, Random};
use super::rough::MAX_MESSAGE_BYTES;
use crate::Problem;

/// So many requests of one client run at once, at most.
const MAX_IN_FLIGHT: usize = 200;

/// A standing process, for one round of the load.
struct Round<'a> {
    pipe: &'a mut Pipe,
    random: Random,
    ledger: &'a Ledger,
}

/// Keeps a process busy until then, and lets it answer everything.
pub(super) fn keep_busy(pipe: &mut Pipe, random: Random, ledger: &Ledger, end: Instant) {
    let revision = pipe.revision;
    let mut round = Round { pipe, random, ledger };
    let mut work = || {
        while Instant::now() < end && !ledger.is_full() {
            let (name, action) = round.random.weighted(&Round::ACTIONS);
            action(&mut round).map_err(|problem| format!("{name}: {problem}"))?;
            // Not more at once than it may have, and not always as fast as it goes.
            let pause = if round.random.chance(20) { Duration::from_millis(2) } else { Duration::ZERO };
            round.pipe.read(pause, ledger)?;
            while round.pipe.in_flight() > MAX_IN_FLIGHT {
                round.pipe.read(Duration::from_millis(10), ledger)?;
            }
        }
        round.end()
    };
    if let Err(problem) = work() {
        ledger.wrong(format!("stdio, {revision}, {problem}"));
    }
}

/// Starts one process after the other until then, and leaves each in one of several ways.
pub(super) fn come_and_go(program: &Path, mut random: Random, ledger: &Ledger, end: Instant) {
    while Instant::now() < end && !ledger.is_full() {
        let done = match random.chance(50) {
            true => leave_in_order(program, &mut random, ledger),
            false => be_killed(program, &mut random, ledger),
        };
        if let Err(problem) = done {
            ledger.wrong(format!("stdio, a short process: {problem}"));
        }
        std::thread::sleep(Duration::from_millis(random.below(200)));
    }
}

/// Ends the input of a process with calls running: all of them are answered.
pub(super) fn end_with_calls(mut pipe: Pipe, random: &mut Random, ledger: &Ledger) -> Result<(), Problem> {
    for _ in 0..=random.below(20) {
        let call = if random.chance(50) { Call::quick(random) } else { Call::slow(random.below(1000)) };
        pipe.send(call, Then::Nothing, ledger);
    }
    if !pipe.has_session() {
        pipe.send(calls::listen(), Then::Nothing, ledger);
    }
    pipe.finish(ledger)
}

fn leave_in_order(program: &Path, random: &mut Random, ledger: &Ledger) -> Result<(), Problem> {
    let revision = match random.below(5) {
        4 => calls::MODERN,
        _ => random.pick(&calls::HANDSHAKE),
    };
    let mut pipe = Pipe::open(program, revision, ledger)?;
    if random.chance(30) {
        pipe.send_wrong(vec![b' '; MAX_MESSAGE_BYTES + 1], 413);
    }
    end_with_calls(pipe, random, ledger)
}

/// Has a client vanish with calls running, or in the middle of a line.
fn be_killed(program: &Path, random: &mut Random, ledger: &Ledger) -> Result<(), Problem> {
    let mut process = pipe::start(program)?;
    ledger.count(Event::Process);
    let mut stdin = process.stdin.take().ok_or("no standard input")?;
    let mut stdout = BufReader::new(process.stdout.take().ok_or("no standard output")?);
    let sent = random.below(20);
    let mut text: String = (0..sent)
        .map(|id| {
            let call = if random.chance(50) { Call::quick(random) } else { Call::slow(random.below(1000)) };
            format!("{}\n", call.with_progress(&json!(id)).modern(&json!(id)))
        })
        .collect();
    if random.chance(50) {
        text += r#"{"jsonrpc":"2.0","id":"#;
    }
    stdin.write_all(text.as_bytes()).map_err(|error| format!("not sent: {error}"))?;
    ledger.add(Event::Called, sent);
    if sent > 0 && random.chance(50) {
        stdout.read_line(&mut String::new()).map_err(|error| format!("not read: {error}"))?;
    }
    drop((stdin, stdout));
    ledger.add(Event::Disconnected, sent);
    ledger.count(Event::ProcessKilled);
    pipe::ended(&mut process)
}

impl Round<'_> {
    /// What it does, and how often among all of it.
    const ACTIONS: [(u64, (&'static str, Action<Self>)); 13] = [
        (40, ("a call", Self::calls)),
        (6, ("many calls at once", Self::calls_at_once)),
        (8, ("a call with progress", Self::follows_progress)),
        (8, ("a cancellation", Self::cancels)),
        (8, ("a cancellation close to the answer", Self::cancels_late)),
        (6, ("a question", Self::answers)),
        (3, ("a question left open", Self::leaves_a_question)),
        (4, ("a subscription", Self::subscribes)),
        (6, ("a change", Self::changes)),
        (5, ("what is malformed", Self::sends_malformed)),
        (1, ("a line too long", Self::sends_too_much)),
        (4, ("a batch", Self::sends_a_batch)),
        (1, ("reading nothing", Self::is_deaf)),
    ];

    fn send(&mut self, call: Call) -> Value {
        self.pipe.send(call, Then::Nothing, self.ledger)
    }

    fn calls(&mut self) -> Result<(), Problem> {
        let call = Call::quick(&mut self.random);
        // Requests of the modern era are served beside an open session.
        let is_modern = !self.pipe.has_session() || self.random.chance(20);
        let (_, message) = self.pipe.message(call, Then::Nothing, is_modern, self.ledger);
        self.pipe.write(&message);
        Ok(())
    }

    fn calls_at_once(&mut self) -> Result<(), Problem> {
        let mut text = Vec::new();
        for _ in 0..=self.random.below(100) {
            let call = Call::quick(&mut self.random);
            let is_modern = !self.pipe.has_session();
            let (_, message) = self.pipe.message(call, Then::Nothing, is_modern, self.ledger);
            text.push(message.to_string());
        }
        self.pipe.write_line(text.join("\n").into_bytes());
        Ok(())
    }

    fn begin_slow(&mut self, milliseconds: u64) -> Value {
        let token = json!(self.random.word());
        self.send(Call::slow(milliseconds).with_progress(&token))
    }

    fn follows_progress(&mut self) -> Result<(), Problem> {
        let milliseconds = self.random.below(300);
        self.begin_slow(milliseconds);
        Ok(())
    }

    fn cancel(&mut self, id: &Value) {
        let next = Call::echo(&mut self.random);
        self.pipe.cancel(id, next, self.ledger);
    }

    fn cancels(&mut self) -> Result<(), Problem> {
        let id = self.begin_slow(590_000);
        self.pipe.read(Duration::from_millis(self.random.below(20)), self.ledger)?;
        self.cancel(&id);
        Ok(())
    }

    /// Cancels when the answer may be on its way already: there is one or none.
    fn cancels_late(&mut self) -> Result<(), Problem> {
        let milliseconds = self.random.below(40);
        let id = self.begin_slow(milliseconds);
        std::thread::sleep(Duration::from_millis(milliseconds.saturating_sub(self.random.below(4))));
        self.cancel(&id);
        Ok(())
    }

    fn answers(&mut self) -> Result<(), Problem> {
        let call = Call::question(&self.random.word());
        if self.pipe.has_session() {
            self.send(call);
        } else {
            let asking = Call { expected: Expected::question(), ..call.clone() };
            self.pipe.send(asking, Then::Answer(call), self.ledger);
        }
        Ok(())
    }

    fn leaves_a_question(&mut self) -> Result<(), Problem> {
        let mut call = Call::question(&format!("{LEAVE} {}", self.random.word()));
        if !self.pipe.has_session() {
            call.expected = Expected::question();
        }
        self.send(call);
        Ok(())
    }

    /// Opens a subscription, or closes the one that is open.
    fn subscribes(&mut self) -> Result<(), Problem> {
        let watched = json!({"uri": calls::WATCHED});
        match (self.pipe.subscription.clone(), self.pipe.has_session()) {
            (None, true) => {
                self.ledger.count(Event::Stream);
                self.pipe.subscription = Some(self.send(Call::plain("resources/subscribe", watched)));
            }
            (None, false) => {
                self.ledger.count(Event::Stream);
                self.pipe.subscription = Some(self.send(calls::listen()));
            }
            (Some(_), true) => {
                self.send(Call::plain("resources/unsubscribe", watched));
                self.pipe.forget_updates();
            }
            (Some(id), false) => self.cancel(&id),
        }
        Ok(())
    }

    fn changes(&mut self) -> Result<(), Problem> {
        if self.random.chance(10) {
            self.send(Call::change_tools());
        } else {
            self.send(Call::update());
            self.pipe.await_update();
        }
        Ok(())
    }

    fn sends_malformed(&mut self) -> Result<(), Problem> {
        let (text, code) = calls::malformed(&mut self.random);
        self.pipe.send_wrong(text.as_bytes().to_vec(), code);
        Ok(())
    }

    fn sends_too_much(&mut self) -> Result<(), Problem> {
        let length = MAX_MESSAGE_BYTES + 1 + self.random.below(1 << 20) as usize;
        self.pipe.send_wrong(vec![b'x'; length], 413);
        Ok(())
    }

    fn sends_a_batch(&mut self) -> Result<(), Problem> {
        if self.pipe.revision != calls::WITH_BATCHES {
            self.pipe.send_wrong(b"[{}]".to_vec(), -32600);
            return Ok(());
        }
        let mut messages = Vec::new();
        for number in 0..=self.random.below(6) {
            let call = if number == 3 { Call::slow(50) } else { Call::quick(&mut self.random) };
            messages.push(self.pipe.message(call, Then::Nothing, false, self.ledger).1);
        }
        self.ledger.count(Event::Batch);
        self.pipe.write(&json!(messages));
        Ok(())
    }

    /// Asks for more than the pipe takes, and reads nothing for a while.
    fn is_deaf(&mut self) -> Result<(), Problem> {
        let reading = Arc::clone(&self.pipe.reading);
        let deaf = reading.lock().unwrap_or_else(PoisonError::into_inner);
        for _ in 0..50 {
            let call = Call::large(&mut self.random);
            self.send(call);
        }
        std::thread::sleep(Duration::from_millis(self.random.below(300)));
        drop(deaf);
        self.ledger.count(Event::Deaf);
        Ok(())
    }

    /// Closes what is open, and reads all that is left to come.
    fn end(&mut self) -> Result<(), Problem> {
        // What changed is told before the subscription closes.
        self.pipe.settle(self.ledger)?;
        if self.pipe.subscription.is_some() {
            self.subscribes()?;
        }
        self.pipe.settle(self.ledger)
    }
}
