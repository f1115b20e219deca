//! The time that buckets fill by: tokio's, which tests can stop. It is read once a request, however many buckets that has.

use std::ops::Add;

use governor::{clock, nanos::Nanos};
use tokio::time::Instant;

/// Counts nanoseconds from when it was made; they last for 584 years.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    start: Instant,
}

/// The clock that governor is given: it stands, and the [store](super::table::Store) tells it how far from now things are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Standing;

/// Nanoseconds from now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Ticks(u64);

impl Clock {
    pub(super) fn new() -> Self {
        Self { start: Instant::now() }
    }

    pub(super) fn nanos(self) -> u64 {
        let elapsed = self.start.elapsed();
        elapsed.as_secs().saturating_mul(1_000_000_000).saturating_add(elapsed.subsec_nanos().into())
    }
}

impl clock::Clock for Standing {
    type Instant = Ticks;

    fn now(&self) -> Ticks {
        Ticks(0)
    }
}

impl clock::Reference for Ticks {
    fn duration_since(&self, earlier: Self) -> Nanos {
        self.0.saturating_sub(earlier.0).into()
    }

    fn saturating_sub(&self, duration: Nanos) -> Self {
        Self(self.0.saturating_sub(duration.as_u64()))
    }
}

impl Add<Nanos> for Ticks {
    type Output = Self;

    fn add(self, nanos: Nanos) -> Self {
        Self(self.0.saturating_add(nanos.as_u64()))
    }
}
