//! Ids that sort by the time they were made at.

use std::sync::{Mutex, PoisonError};

use crate::bext::engine::Timestamp;
use crate::error::{Error, ErrorKind};

/// Makes ids of records and runs: text in the form of a UUID of version 7 (RFC 9562), each later than all before it.
#[derive(Debug, Default)]
pub(crate) struct Ids {
    last: Mutex<Tick>,
}

/// A millisecond, and how many ids were made in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Tick {
    millis: u64,
    count: u16,
}

/// What twelve bits hold.
const MAX_COUNT: u16 = 0xfff;

impl Ids {
    /// Only ids that are later than this one from now on, even if the clock was set back since it was made.
    pub(crate) fn go_on_after(&self, id: &str) {
        let digits: String = id.chars().filter(|c| *c != '-').collect();
        let part = |range| digits.get(range).and_then(|hex| u64::from_str_radix(hex, 16).ok());
        if let (Some(millis), Some(count)) = (part(0..12), part(13..16)) {
            let seen = Tick { millis, count: u16::try_from(count).unwrap_or(MAX_COUNT) };
            // A tick is whole at any moment, so a panic elsewhere leaves it good.
            let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
            *last = (*last).max(seen);
        }
    }

    /// A new one.
    pub(crate) fn next(&self, now: Timestamp) -> Result<String, Error> {
        let mut random = [0; 8];
        getrandom::fill(&mut random).map_err(|error| {
            Error::new(ErrorKind::Unavailable, "no_randomness", "the system gives no random numbers")
                .with_source(error)
        })?;
        let tick = self.tick(u64::try_from(now.unix_millis()).unwrap_or_default());
        let random = u64::from_be_bytes(random) & 0x3fff_ffff_ffff_ffff | 0x8000_0000_0000_0000;
        let (high, low) = (tick.millis >> 16, tick.millis & 0xffff);
        let (variant, node) = (random >> 48, random & 0xffff_ffff_ffff);
        Ok(format!("{high:08x}-{low:04x}-7{:03x}-{variant:04x}-{node:012x}", tick.count))
    }

    fn tick(&self, now: u64) -> Tick {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        *last = if now > last.millis {
            Tick { millis: now, count: 0 }
        } else if last.count < MAX_COUNT {
            Tick { millis: last.millis, count: last.count + 1 }
        } else {
            Tick { millis: last.millis + 1, count: 0 }
        };
        *last
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on says why")]

    use super::*;

    #[test]
    fn ids_sort_as_they_were_made_whatever_the_clock_does() {
        let ids = Ids::default();
        let at = |millis| Timestamp::from_unix_millis(millis);
        let mut made = Vec::new();
        for _ in 0..5000 {
            made.push(ids.next(at(1_767_225_600_000)).unwrap());
        }
        made.push(ids.next(at(1_767_225_500_000)).unwrap());
        made.push(ids.next(at(1_767_225_700_000)).unwrap());
        let reopened = Ids::default();
        reopened.go_on_after(made.last().unwrap());
        made.push(reopened.next(at(0)).unwrap());
        let mut sorted = made.clone();
        sorted.sort();
        sorted.dedup();
        assert_eq!(made, sorted);
        assert_eq!(made[0].len(), 36);
        assert!(made[0].starts_with("019b76da-a800-7000-"), "{}", made[0]);
    }

    #[test]
    fn what_is_no_id_is_passed_over() {
        let ids = Ids::default();
        for odd in ["", "x", "zzzzzzzz-zzzz-7zzz", "é".repeat(40).as_str()] {
            ids.go_on_after(odd);
        }
        assert!(ids.next(Timestamp::from_unix_millis(0)).unwrap().starts_with("00000000-0000-7001"));
    }
}
