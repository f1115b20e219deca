//! Counts of what a server does: calls by what they asked for and how they ended, how long they took, and refusals.
//!
//! Nothing is counted before somebody [wants to know](crate::Endpoint::meter). What is counted is for operators: of callers
//! and their arguments it says nothing.

use std::{
    array,
    collections::HashMap,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use crate::protocol::error::code;

/// The upper bounds of the time that calls took, in seconds: those that OpenTelemetry recommends for
/// `mcp.server.operation.duration`, and one for calls that wait for nothing.
pub const CALL_SECONDS: [f64; 15] =
    [0.001, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0];

/// How many pairs of method and name are counted apart. A server whose tools come and go under ever new names has the rest
/// counted under [`OTHER_NAMES`].
const MAX_SERIES: usize = 4_096;

/// The name under which everything is counted for which there is no place of its own.
const OTHER_NAMES: &str = "_other";

/// Counts of what a server does; shared by its transports.
#[derive(Debug, Default)]
pub struct Meter {
    is_on: AtomicBool,
    series: RwLock<ByMethod>,
    refusals: [AtomicU64; Refusal::ALL.len()],
}

/// What is counted, by method and then by name.
type ByMethod = HashMap<&'static str, HashMap<Box<str>, Arc<Series>>>;

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CallEnd {
    /// With a result.
    Completed,
    /// With a tool's own error.
    ToolError,
    /// With a question to the client, who may come back with the answer.
    InputRequired,
    /// With an error of the protocol.
    Error,
    /// Before its end: its client went away or took it back.
    Cancelled,
}

impl CallEnd {
    /// Each of them.
    pub const ALL: [Self; 5] =
        [Self::Completed, Self::ToolError, Self::InputRequired, Self::Error, Self::Cancelled];

    /// In one word, as metrics have it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::ToolError => "tool_error",
            Self::InputRequired => "input_required",
            Self::Error => "error",
            Self::Cancelled => "cancelled",
        }
    }
}

/// Why something was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// No credentials, or none that are good.
    Unauthorized,
    /// The caller may not do this.
    Forbidden,
    /// A name, a method or parameters that do not fit.
    Invalid,
    /// Larger than a limit.
    TooLarge,
    /// More calls than the caller may make.
    TooManyCalls,
    /// More than the server takes at once.
    Overloaded,
    /// Longer than it may take.
    TimeLimit,
    /// Whatever else an error of the protocol says.
    Other,
}

impl Refusal {
    /// Each of them.
    pub const ALL: [Self; 8] = [
        Self::Unauthorized,
        Self::Forbidden,
        Self::Invalid,
        Self::TooLarge,
        Self::TooManyCalls,
        Self::Overloaded,
        Self::TimeLimit,
        Self::Other,
    ];

    /// In one word, as metrics have it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unauthorized => "unauthorized",
            Self::Forbidden => "forbidden",
            Self::Invalid => "invalid",
            Self::TooLarge => "too_large",
            Self::TooManyCalls => "too_many_calls",
            Self::Overloaded => "overloaded",
            Self::TimeLimit => "time_limit",
            Self::Other => "other",
        }
    }

    /// What an error code of the protocol stands for.
    pub(crate) const fn of(code: i32) -> Self {
        match code {
            code::UNAUTHORIZED => Self::Unauthorized,
            code::FORBIDDEN => Self::Forbidden,
            code::INVALID_PARAMS | code::INVALID_REQUEST | code::METHOD_NOT_FOUND | code::PARSE_ERROR => {
                Self::Invalid
            }
            code::TOO_LARGE => Self::TooLarge,
            code::TOO_MANY_CALLS => Self::TooManyCalls,
            code::OVERLOADED => Self::Overloaded,
            code::TIME_LIMIT => Self::TimeLimit,
            _ => Self::Other,
        }
    }
}

/// The calls of one method to one tool, resource or prompt.
#[derive(Debug, Default)]
struct Series {
    ends: [AtomicU64; CallEnd::ALL.len()],
    /// How many took no longer than each bound and longer than the one before; the last, longer than all.
    times: [AtomicU64; CALL_SECONDS.len() + 1],
    nanos: AtomicU64,
}

/// What was counted of one method and one name.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct CallCounts {
    /// The method.
    pub method: &'static str,
    /// The name of the tool or prompt, the URI or template of the resource; empty for methods without.
    pub name: String,
    /// How many calls ended how, in the order of [`CallEnd::ALL`].
    pub ends: [u64; CallEnd::ALL.len()],
    /// How many calls took no longer than each of [`CALL_SECONDS`] and longer than the one before; the last, longer
    /// than all.
    pub times: [u64; CALL_SECONDS.len() + 1],
    /// How long all of them took together, in seconds.
    pub seconds: f64,
}

impl Meter {
    /// Counts from now on.
    pub(crate) fn turn_on(&self) {
        self.is_on.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_on(&self) -> bool {
        self.is_on.load(Ordering::Relaxed)
    }

    /// Counts a call that has ended. `name` is one that is registered, and never what a client made up.
    pub(crate) fn called(&self, method: &'static str, name: &str, end: CallEnd, took: Duration) {
        let series = self.series(method, name);
        add(&series.ends[end as usize], 1);
        let seconds = took.as_secs_f64();
        let bucket = CALL_SECONDS.iter().position(|&bound| seconds <= bound).unwrap_or(CALL_SECONDS.len());
        add(&series.times[bucket], 1);
        add(&series.nanos, u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
    }

    /// Counts a refusal: by the core, or by a transport before a message was read.
    pub fn refused(&self, why: Refusal) {
        if self.is_on() {
            add(&self.refusals[why as usize], 1);
        }
    }

    /// What was counted of calls, by method and name.
    pub fn calls(&self) -> Vec<CallCounts> {
        let series = self.series.read().unwrap_or_else(PoisonError::into_inner);
        let named = series
            .iter()
            .flat_map(|(method, names)| names.iter().map(|(name, series)| series.counts(method, name)));
        let mut calls: Vec<_> = named.collect();
        calls.sort_by(|a, b| (a.method, &a.name).cmp(&(b.method, &b.name)));
        calls
    }

    /// What was counted of refusals.
    pub fn refusals(&self) -> [(Refusal, u64); Refusal::ALL.len()] {
        Refusal::ALL.map(|why| (why, self.refusals[why as usize].load(Ordering::Relaxed)))
    }

    fn series(&self, method: &'static str, name: &str) -> Arc<Series> {
        let find = |series: &ByMethod, name: &str| {
            series.get(method).and_then(|names| names.get(name)).map(Arc::clone)
        };
        if let Some(known) = find(&self.series.read().unwrap_or_else(PoisonError::into_inner), name) {
            return known;
        }
        let mut series = self.series.write().unwrap_or_else(PoisonError::into_inner);
        let is_full = series.values().map(HashMap::len).sum::<usize>() >= MAX_SERIES;
        let name = if is_full { OTHER_NAMES } else { name };
        let names = series.entry(method).or_default();
        Arc::clone(names.entry(name.into()).or_default())
    }
}

impl Series {
    fn counts(&self, method: &'static str, name: &str) -> CallCounts {
        let load = |count: &AtomicU64| count.load(Ordering::Relaxed);
        CallCounts {
            method,
            name: name.to_owned(),
            ends: array::from_fn(|end| load(&self.ends[end])),
            times: array::from_fn(|bucket| load(&self.times[bucket])),
            seconds: Duration::from_nanos(load(&self.nanos)).as_secs_f64(),
        }
    }
}

fn add(count: &AtomicU64, n: u64) {
    count.fetch_add(n, Ordering::Relaxed);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_in_the_bucket_of_its_time() {
        let meter = Meter::default();
        for millis in [1, 2, 10, 11, 400_000] {
            meter.called("tools/call", "slow", CallEnd::Completed, Duration::from_millis(millis));
        }
        let calls = &meter.calls()[0];
        assert_eq!(calls.times[..3], [1, 2, 1]);
        assert_eq!(calls.times[CALL_SECONDS.len()], 1);
        assert_eq!(calls.ends, [5, 0, 0, 0, 0]);
        assert!((calls.seconds - 400.024).abs() < 1e-9);
    }

    #[test]
    fn names_without_end_are_counted_together() {
        let meter = Meter::default();
        for name in 0..2 * MAX_SERIES {
            meter.called("tools/call", &name.to_string(), CallEnd::Completed, Duration::ZERO);
        }
        let calls = meter.calls();
        assert_eq!(calls.len(), MAX_SERIES + 1);
        let others = calls.iter().find(|calls| calls.name == OTHER_NAMES).map(|calls| calls.ends[0]);
        assert_eq!(others, Some(MAX_SERIES as u64));
    }

    #[test]
    fn nothing_is_counted_before_somebody_wants_to_know() {
        let meter = Meter::default();
        meter.refused(Refusal::Forbidden);
        meter.turn_on();
        meter.refused(Refusal::Forbidden);
        assert_eq!(meter.refusals()[1], (Refusal::Forbidden, 1));
    }
}
