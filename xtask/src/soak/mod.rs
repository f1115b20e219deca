//! Whether the servers stay as they are under whatever clients do: `cargo xtask soak`.
//!
//! A random mix of actions runs against the example `everything`, over one HTTP server and a process of stdio for every
//! revision, twice: the first half warms up, the second must leave the same behind. Clients hold every answer against
//! what they asked for and keep a ledger of it; what the processes hold is measured from outside, when all is quiet.

mod calls;
mod ledger;
mod lines;
mod pipe;
mod process;
mod random;
mod rough;
mod sessions;
mod table;
mod web;
mod wire;

use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::Problem;
use crate::server::{self, Server};
use crate::step::{Log, Outcome, Step};
use calls::{HANDSHAKE, MODERN};
use ledger::{Event, Ledger};
use pipe::Pipe;
use process::{Figures, Watched};
use random::Random;
use table::Holding;
use web::{Shared, Web};
use wire::Wire;

/// How many clients over HTTP there are at once.
const WEB_CLIENTS: u64 = 32;
/// What memory may grow by in the second half: some of what is freed is not given back at once.
const MAX_GROWTH_KIB: u64 = 4 << 10;
/// With less time than this the first half has not warmed up, and growth is shown and not judged.
const SECONDS_TO_WARM_UP: u64 = 60;
/// Beyond the idle time of sessions: for connections that were left to be noticed.
const TIME_TO_SETTLE: Duration = Duration::from_secs(15);
/// So many problems are shown.
const SHOWN_PROBLEMS: usize = 10;

/// How long, and with which choices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Load {
    /// How long clients are busy, in all.
    pub(crate) seconds: u64,
    /// The same seed makes the same choices.
    pub(crate) seed: u64,
}

impl Load {
    /// Enough to see that the load itself works, always the same.
    pub(crate) const BRIEF: Self = Self { seconds: 3, seed: 1 };
}

impl Default for Load {
    /// Two minutes, and never the same twice.
    fn default() -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { seconds: 120, seed: u64::from(now.subsec_nanos()) }
    }
}

/// The step `soak`.
pub(crate) fn step(load: Load) -> Step {
    let about = format!("a random mix of what clients do, over both transports, for {} s", load.seconds);
    Step::new("soak", about, move |log| run(load, log))
}

fn run(load: Load, log: &mut Log) -> Result<Outcome, Problem> {
    let program = server::build(log)?;
    let seed = format!("seed {}", load.seed);
    log.say(&seed);
    let mut soak = Soak::start(load, &program, log).map_err(|problem| format!("{seed}: {problem}"))?;
    let mut wrong = soak.run(&program).err().into_iter().collect::<Vec<_>>();
    let table = soak.table();
    log.say(&table);
    log.show(table);
    wrong.extend(soak.problems());
    for problem in &wrong {
        log.say(problem);
    }
    if wrong.is_empty() {
        return Ok(Outcome::Passed(seed));
    }
    let left = wrong.len().saturating_sub(SHOWN_PROBLEMS);
    wrong.truncate(SHOWN_PROBLEMS);
    if left > 0 {
        wrong.push(format!("and {left} more, which the log has"));
    }
    Err(format!("{seed}: something is wrong\n{}", wrong.join("\n")))
}

/// All that runs.
struct Soak {
    load: Load,
    shared: Shared,
    lines: Ledger,
    // The server ends when this is dropped.
    _server: Server,
    pipes: Vec<Pipe>,
    /// What every process held: that of HTTP first.
    holding: Vec<Holding>,
    web: Watched,
    took: Duration,
    /// How many of the sessions that were opened are still there.
    sessions_left: Option<u64>,
}

impl Soak {
    fn start(load: Load, program: &Path, log: &mut Log) -> Result<Self, Problem> {
        let idle_seconds = if load.seconds < SECONDS_TO_WARM_UP { 1 } else { 4 };
        let mut command = process::command(program);
        command.args(["--session-idle-seconds", &idle_seconds.to_string()]);
        let mut server = Server::run(&mut command, log)?;
        let address = server.url.strip_prefix("http://").and_then(|url| url.strip_suffix("/mcp"));
        let shared = Shared {
            address: address.ok_or("the server has no address")?.to_owned(),
            ledger: Ledger::default(),
            idle_time: Duration::from_secs(idle_seconds),
            sessions: Mutex::default(),
        };
        let mut web = Watched::new(server.id(), server.take_lines().ok_or("no standard error")?);
        let lines = Ledger::default();
        let revisions = HANDSHAKE.into_iter().chain([MODERN]);
        let mut pipes = revisions
            .map(|revision| Pipe::open(program, revision, &lines))
            .collect::<Result<Vec<_>, Problem>>()?;
        // Once it has answered it is there, and what it holds to begin with.
        let first = wire::post(b"nothing", &[]);
        Wire::connect(&shared.address).and_then(|mut wire| {
            wire.send(&first)?;
            wire.reply()
        })?;
        std::thread::sleep(Duration::from_millis(100));
        let mut holding = vec![Holding::new("HTTP".to_owned(), web.figures()?)];
        for pipe in &mut pipes {
            let call = calls::Call::plain("tools/list", serde_json::json!({}));
            pipe.send(call, pipe::Then::Nothing, &lines);
            pipe.settle(&lines)?;
            holding.push(Holding::new(format!("stdio, {}", pipe.revision), pipe.watched.figures()?));
        }
        let (took, sessions_left) = (Duration::ZERO, None);
        Ok(Self { load, shared, lines, _server: server, pipes, holding, web, took, sessions_left })
    }

    fn run(&mut self, program: &Path) -> Result<(), Problem> {
        for half in 0..2 {
            self.round(half, program);
            let limit = self.shared.idle_time + TIME_TO_SETTLE;
            let figures = self.web.settled(&self.holding[0].before, limit)?;
            self.holding[0].then(half, figures);
            for (pipe, holding) in self.pipes.iter_mut().zip(&mut self.holding[1..]) {
                let figures = pipe.watched.settled(&holding.before, TIME_TO_SETTLE)?;
                holding.then(half, figures);
            }
        }
        self.sessions_left = Some(self.probe()?);
        let (lines, seed) = (&self.lines, self.load.seed);
        std::thread::scope(|scope| {
            for (number, pipe) in (0..).zip(self.pipes.drain(..)) {
                let mut random = Random::new(seed, u64::MAX - number);
                scope.spawn(move || {
                    let revision = pipe.revision;
                    if let Err(problem) = lines::end_with_calls(pipe, &mut random, lines) {
                        lines.wrong(format!("stdio, {revision}, the end: {problem}"));
                    }
                });
            }
        });
        Ok(())
    }

    /// Half of the load: every client works for its time, and has come to an end when this returns.
    fn round(&mut self, half: u64, program: &Path) {
        let (began, time) = (Instant::now(), Duration::from_secs(self.load.seconds) / 2);
        let end = began + time;
        let (shared, lines, seed) = (&self.shared, &self.lines, self.load.seed);
        let mut client = half * 1000;
        let mut random = || {
            client += 1;
            Random::new(seed, client)
        };
        std::thread::scope(|scope| {
            for _ in 0..WEB_CLIENTS {
                let mut web = Web::new(shared, random());
                scope.spawn(move || web.run(end));
            }
            for pipe in &mut self.pipes {
                let random = random();
                scope.spawn(move || lines::keep_busy(pipe, random, lines, end));
            }
            let random = random();
            scope.spawn(move || lines::come_and_go(program, random, lines, end));
        });
        self.took += began.elapsed();
    }

    /// How many of all sessions there are still.
    fn probe(&self) -> Result<u64, Problem> {
        let sessions = self.shared.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        let mut wire = Wire::connect(&self.shared.address)?;
        let mut left = 0;
        for id in &*sessions {
            wire.send(&sessions::probe(id))?;
            left += u64::from(wire.reply()?.head.status != 404);
        }
        Ok(left)
    }

    fn table(&self) -> String {
        let ledgers = [&self.shared.ledger, &self.lines];
        let counts = Event::ALL.map(|(event, name)| (name, ledgers.map(|ledger| ledger.counted(event))));
        let calls: u64 = ledgers.iter().map(|ledger| ledger.counted(Event::Called)).sum();
        let mut table = table::counts(&counts);
        table += &format!(
            "\n{:.0} calls per second for {:.0} s; sessions left: {}\n\n",
            calls as f64 / self.took.as_secs_f64().max(1.0),
            self.took.as_secs_f64(),
            table::number(self.sessions_left),
        );
        table + &table::holdings(&self.holding)
    }

    fn problems(&mut self) -> Vec<Problem> {
        let mut problems = self.shared.ledger.problems();
        problems.extend(self.lines.problems());
        if self.sessions_left.is_some_and(|left| left > 0) {
            problems.push("HTTP: sessions are left that should have ended".to_owned());
        }
        let max_growth = (self.load.seconds >= SECONDS_TO_WARM_UP).then_some(MAX_GROWTH_KIB);
        problems.extend(self.holding.iter().flat_map(|holding| holding.left_over(max_growth)));
        problems.extend(self.web.said().iter().map(|line| format!("HTTP, on standard error: {line}")));
        problems
    }
}
