//! How many of something there may be at once: in all, and of one caller.

use std::{
    collections::HashMap,
    hash::{BuildHasherDefault, Hasher},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

/// So many locks, so that callers rarely wait for each other.
const SHARDS: usize = 16;

/// Places of which each caller may have a share.
///
/// A caller is known by a hash under a random key, which whoever takes a place hands over. That two are taken for one is as good as impossible, and would only mean
/// that they share their share. Who has no place is not remembered.
#[derive(Debug)]
pub(crate) struct Places {
    limit: usize,
    share: usize,
    taken: AtomicUsize,
    callers: [Mutex<Counts>; SHARDS],
}

type Counts = HashMap<u64, usize, BuildHasherDefault<Hashed>>;

/// Why there is no place, with the limit that was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Full {
    InAll(usize),
    OfCaller(usize),
}

impl Places {
    /// So many in all, and so many of one caller; without an end, callers are not told apart.
    pub(crate) fn new(limit: usize, share: usize) -> Arc<Self> {
        let callers = std::array::from_fn(|_| Mutex::default());
        Arc::new(Self { limit, share, taken: AtomicUsize::new(0), callers })
    }

    /// Takes a place, if there is one, for a caller of this hash.
    pub(crate) fn take(self: &Arc<Self>, caller: impl FnOnce() -> u64) -> Result<Place, Full> {
        let key = (self.share < usize::MAX).then(caller);
        if let Some(key) = key {
            let mut counts = self.counts(key);
            let count = count_of(&mut counts, key);
            if *count >= self.share {
                return Err(Full::OfCaller(self.share));
            }
            *count += 1;
        }
        self.taken.fetch_add(1, Ordering::Relaxed);
        let mut place = Place { places: Arc::clone(self), key, is_held: true };
        // Its own is one of them.
        if self.taken.load(Ordering::Relaxed) > self.limit {
            place.give_up();
            return Err(Full::InAll(self.limit));
        }
        Ok(place)
    }

    fn counts(&self, key: u64) -> MutexGuard<'_, Counts> {
        // Nothing in here panics with the lock held.
        self.callers[key as usize % SHARDS].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How many places a caller has.
fn count_of(counts: &mut Counts, key: u64) -> &mut usize {
    if counts.len() == counts.capacity() && !counts.contains_key(&key) {
        counts.retain(|_, count| *count > 0);
        // So that this is not done for every newcomer while there are as many as there is room for.
        if 2 * counts.len() > counts.capacity() {
            counts.reserve(counts.capacity());
        }
    }
    counts.entry(key).or_default()
}

/// A place; given up for a while where that is asked for, and for good when dropped.
#[derive(Debug)]
pub(crate) struct Place {
    places: Arc<Places>,
    /// Whose share it is of, where there are any.
    key: Option<u64>,
    is_held: bool,
}

impl Place {
    /// Takes it again where it was given up, though there may be more than the limit for a while.
    pub(crate) fn take_again(&mut self) {
        if !self.is_held {
            self.is_held = true;
            if let Some(key) = self.key {
                *count_of(&mut self.places.counts(key), key) += 1;
            }
            self.places.taken.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(crate) fn give_up(&mut self) {
        if !self.is_held {
            return;
        }
        self.is_held = false;
        self.places.taken.fetch_sub(1, Ordering::Relaxed);
        if let Some(key) = self.key
            && let Some(count) = self.places.counts(key).get_mut(&key)
        {
            *count -= 1;
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.give_up();
    }
}

/// The hash of what is a hash already.
#[derive(Debug, Default)]
pub(crate) struct Hashed(u64);

impl Hasher for Hashed {
    fn finish(&self) -> u64 {
        // The map takes the lowest bits for the place and the highest as a mark, and the lowest have chosen the shard.
        self.0.rotate_right(32)
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on says why")]
mod tests {
    use std::hash::{BuildHasher as _, RandomState};

    use super::*;
    use crate::{
        caller::Caller,
        principal::{Principal, PrincipalKind},
    };

    fn remembered(places: &Places) -> usize {
        let having = |counts: &Counts| counts.values().filter(|count| **count > 0).count();
        places.callers.iter().map(|counts| having(&counts.lock().unwrap())).sum()
    }

    #[test]
    fn each_caller_has_a_share_and_all_of_them_have_what_there_is() {
        let places = Places::new(5, 2);
        let names: Vec<_> = ["a", "b", "c"].map(|name| Principal::new(PrincipalKind::User, name)).into();
        let keys = RandomState::new();
        let [a, b, c] = [0, 1, 2].map(|index: usize| {
            let hash = keys.hash_one(Caller::of(&names[index], None));
            move || hash
        });
        let mut first = places.take(a).unwrap();
        let second = places.take(a).unwrap();
        assert_eq!(places.take(a).unwrap_err(), Full::OfCaller(2));
        let others = [places.take(b).unwrap(), places.take(b).unwrap(), places.take(c).unwrap()];
        assert_eq!(places.take(c).unwrap_err(), Full::InAll(5));
        // One that was given up can be had by others, and comes back over the limit.
        first.give_up();
        let fifth = places.take(c).unwrap();
        first.take_again();
        drop((second, fifth));
        let again = places.take(c).unwrap();
        assert_eq!(places.take(c).unwrap_err(), Full::OfCaller(2));
        drop((first, others, again));
        assert_eq!((places.taken.load(Ordering::Relaxed), remembered(&places)), (0, 0));
    }

    #[test]
    fn callers_without_a_place_are_forgotten_when_others_need_the_room() {
        let places = Places::new(usize::MAX, 1);
        let keys = RandomState::new();
        for address in 0..100_000_u32 {
            let caller = Caller::from_address(std::net::Ipv4Addr::from_bits(address).into());
            drop(places.take(|| keys.hash_one(caller)).unwrap());
        }
        let room: usize = places.callers.iter().map(|counts| counts.lock().unwrap().capacity()).sum();
        assert!(room <= SHARDS * 8, "{room}");
        for (limit, share) in [(usize::MAX, 0), (0, 1)] {
            let places = Places::new(limit, share);
            places.take(|| 7).unwrap_err();
            assert_eq!((places.taken.load(Ordering::Relaxed), remembered(&places)), (0, 0));
        }
    }

    #[test]
    fn without_shares_nobody_is_asked_who_it_is() {
        let places = Places::new(2, usize::MAX);
        let unasked = || -> u64 { unreachable!("there is nothing to count by caller") };
        let mut both = [places.take(unasked).unwrap(), places.take(unasked).unwrap()];
        assert_eq!(places.take(unasked).unwrap_err(), Full::InAll(2));
        both[0].give_up();
        both[0].take_again();
        drop(both);
        assert_eq!((places.taken.load(Ordering::Relaxed), remembered(&places)), (0, 0));
    }
}
