//! How long an app that ended waits before it is started again.

use std::time::Duration;

const FIRST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(30);
/// After so long in good health, the next end counts as the first.
const FORGET_AFTER: Duration = Duration::from_secs(60);

/// A pause that doubles: 100 ms first, 30 s at most.
#[derive(Debug)]
pub(super) struct Backoff {
    next: Duration,
}

impl Backoff {
    pub(super) fn new() -> Self {
        Self { next: FIRST }
    }

    /// It ended after it was well for so long.
    pub(super) fn was_well_for(&mut self, time: Duration) {
        if time >= FORGET_AFTER {
            self.next = FIRST;
        }
    }

    /// The pause before the next start.
    pub(super) fn pause(&mut self) -> Duration {
        let pause = self.next;
        self.next = (pause * 2).min(LONGEST);
        pause
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_until_it_was_well_for_a_minute() {
        let mut backoff = Backoff::new();
        let pauses: Vec<u128> = (0..11).map(|_| backoff.pause().as_millis()).collect();
        assert_eq!(pauses, [100, 200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 30_000, 30_000]);
        backoff.was_well_for(Duration::from_secs(59));
        assert_eq!(backoff.pause(), LONGEST);
        backoff.was_well_for(Duration::from_secs(60));
        assert_eq!(backoff.pause(), FIRST);
    }
}
