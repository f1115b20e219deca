//! What happened: every call from its sending to its end, and whatever was not as it should be.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::Problem;

/// So many problems are enough: the run ends early.
const ENOUGH: usize = 50;

/// What is counted. The order is that of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Event {
    /// A request went out whole, and has to come to one of the three ends below.
    Called,
    /// It was answered, once.
    Answered,
    /// The client cancelled it, or ended its session, and it was not answered.
    Cancelled,
    /// The client closed the connection on it.
    Disconnected,
    TooLarge,
    Malformed,
    WrongHeaders,
    WrongPlace,
    NotHttp,
    BrokenOff,
    SlowBody,
    Progress,
    Asked,
    Stream,
    Update,
    Batch,
    SessionOpened,
    SessionDeleted,
    SessionAbandoned,
    SessionExpired,
    Connection,
    Process,
    ProcessKilled,
    Deaf,
}

impl Event {
    /// All of them, as the table calls them.
    pub(super) const ALL: [(Self, &'static str); 24] = [
        (Self::Called, "calls accepted"),
        (Self::Answered, "  answered once"),
        (Self::Cancelled, "  cancelled"),
        (Self::Disconnected, "  client went away"),
        (Self::TooLarge, "refused: too large"),
        (Self::Malformed, "refused: malformed"),
        (Self::WrongHeaders, "refused: headers"),
        (Self::WrongPlace, "refused: host, path, method"),
        (Self::NotHttp, "refused: not HTTP"),
        (Self::BrokenOff, "broken off in the middle"),
        (Self::SlowBody, "sent piece by piece"),
        (Self::Progress, "reports of progress"),
        (Self::Asked, "questions"),
        (Self::Stream, "streams of changes"),
        (Self::Update, "changes told"),
        (Self::Batch, "batches"),
        (Self::SessionOpened, "sessions opened"),
        (Self::SessionDeleted, "  ended by the client"),
        (Self::SessionAbandoned, "  abandoned"),
        (Self::SessionExpired, "  expired under a slow client"),
        (Self::Connection, "connections"),
        (Self::Process, "processes started"),
        (Self::ProcessKilled, "  whose client was killed"),
        (Self::Deaf, "times a client read nothing"),
    ];
}

/// The ledger of all clients of one transport.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    counts: Mutex<BTreeMap<Event, u64>>,
    problems: Mutex<Vec<Problem>>,
    is_full: AtomicBool,
}

impl Ledger {
    /// Counts one.
    pub(super) fn count(&self, event: Event) {
        self.add(event, 1);
    }

    /// Counts several.
    pub(super) fn add(&self, event: Event, number: u64) {
        *lock(&self.counts).entry(event).or_default() += number;
    }

    /// Notes what is wrong.
    pub(super) fn wrong(&self, problem: Problem) {
        let mut problems = lock(&self.problems);
        problems.push(problem);
        self.is_full.store(problems.len() >= ENOUGH, Ordering::Relaxed);
    }

    /// Whether it is no use to go on.
    pub(super) fn is_full(&self) -> bool {
        self.is_full.load(Ordering::Relaxed)
    }

    /// How often something happened.
    pub(super) fn counted(&self, event: Event) -> u64 {
        lock(&self.counts).get(&event).copied().unwrap_or_default()
    }

    /// What was wrong; a call without an end is.
    pub(super) fn problems(&self) -> Vec<Problem> {
        let mut problems = lock(&self.problems).clone();
        let ended: u64 = [Event::Answered, Event::Cancelled, Event::Disconnected]
            .iter()
            .map(|event| self.counted(*event))
            .sum();
        let called = self.counted(Event::Called);
        if called != ended {
            problems.push(format!("of {called} accepted calls {ended} came to an end"));
        }
        problems
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_without_an_end_is_wrong() {
        let ledger = Ledger::default();
        ledger.add(Event::Called, 2);
        ledger.count(Event::Answered);
        assert_eq!(ledger.problems().len(), 1);
        ledger.count(Event::Disconnected);
        assert!(ledger.problems().is_empty());
    }
}
