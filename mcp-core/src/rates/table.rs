//! The state of buckets by caller, in a table of a fixed size: whatever there is in it, each look costs the same.
//!
//! All that there is to know of a bucket is when it will be full (the theoretical arrival time of GCRA). From then on it is
//! as good as one that was never used, so its slot is free for another caller, and nobody has to look for such slots: the
//! few that a caller may have are looked at whenever it calls.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use governor::{nanos::Nanos, state::StateStore};

/// How many slots a caller may have: those of one set, which are looked at one after the other.
const WAYS: usize = 16;
/// So many locks at most, so that callers rarely wait for each other.
const MAX_SHARDS: usize = 64;
/// The buckets of a shard that callers without a slot share.
const SHARED_BUCKETS: usize = 8;

/// When the buckets of callers are full, by a hash of each under a random key; in nanoseconds of the clock.
#[derive(Debug)]
pub(super) struct Table {
    shards: Box<[Mutex<Shard>]>,
    sets: usize,
    #[cfg(test)]
    pub(super) looked_at: std::sync::atomic::AtomicUsize,
}

#[derive(Debug, Default)]
struct Shard {
    /// Made when the first is needed: most servers have few callers.
    sets: Vec<[Slot; WAYS]>,
    shared: [u64; SHARED_BUCKETS],
}

#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    caller: u64,
    full_at: u64,
}

/// A caller that comes at some time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Visit {
    pub(super) caller: u64,
    pub(super) now: u64,
}

impl Table {
    /// One for so many callers, rounded down to a number of sets that divides well.
    pub(super) fn new(callers: usize) -> Arc<Self> {
        let sets = (callers / WAYS).max(1);
        let shards = sets.min(MAX_SHARDS);
        Arc::new(Self {
            shards: (0..shards).map(|_| Mutex::default()).collect(),
            sets: sets / shards,
            #[cfg(test)]
            looked_at: Default::default(),
        })
    }

    /// When the bucket of this caller is full, or the one that it would share.
    pub(super) fn full_at(&self, Visit { caller, now }: Visit) -> u64 {
        *self.shard(caller).bucket(self, caller, now).full_at()
    }

    /// Has the bucket be full sooner by this much.
    pub(super) fn give_back(&self, Visit { caller, now }: Visit, nanos: u64) {
        let mut shard = self.shard(caller);
        if let Bucket::Own(slot) | Bucket::Shared(slot) = shard.bucket(self, caller, now) {
            *slot = slot.saturating_sub(nanos);
        }
    }

    /// How many callers have a slot because their buckets are not full.
    #[cfg(test)]
    pub(super) fn remembered(&self, now: u64) -> usize {
        let is_taken = |slot: &&Slot| slot.full_at > now;
        let taken = |shard: &Mutex<Shard>| {
            shard
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .sets
                .as_flattened()
                .iter()
                .filter(is_taken)
                .count()
        };
        self.shards.iter().map(taken).sum()
    }

    /// How many there is room for.
    #[cfg(test)]
    pub(super) fn room(&self) -> usize {
        self.shards.len() * self.sets * WAYS
    }

    fn shard(&self, caller: u64) -> MutexGuard<'_, Shard> {
        let index = scaled(caller >> 32, self.shards.len());
        // Nothing that runs with the lock held panics.
        self.shards[index].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A number of 32 bits, brought below another.
fn scaled(number: u64, below: usize) -> usize {
    ((number & 0xffff_ffff).wrapping_mul(below as u64) >> 32) as usize
}

/// The bucket that a caller has.
enum Bucket<'a> {
    Own(&'a mut u64),
    /// None of its own yet, and a slot for it.
    New(&'a mut Slot),
    /// Not its own, for want of slots.
    Shared(&'a mut u64),
}

impl Bucket<'_> {
    fn full_at(&self) -> &u64 {
        match self {
            Self::Own(full_at) | Self::Shared(full_at) => full_at,
            Self::New(_) => &0,
        }
    }
}

impl Shard {
    fn bucket(&mut self, table: &Table, caller: u64, now: u64) -> Bucket<'_> {
        if self.sets.is_empty() {
            self.sets = vec![[Slot::default(); WAYS]; table.sets];
        }
        #[cfg(test)]
        table.looked_at.fetch_add(WAYS, std::sync::atomic::Ordering::Relaxed);
        let set = &mut self.sets[scaled(caller, table.sets)];
        if let Some(own) = set.iter().position(|slot| slot.caller == caller) {
            return Bucket::Own(&mut set[own].full_at);
        }
        match set.iter_mut().find(|slot| slot.full_at <= now) {
            Some(slot) => Bucket::New(slot),
            // By bits that decided neither on the shard nor on the set.
            None => Bucket::Shared(&mut self.shared[caller as usize % SHARED_BUCKETS]),
        }
    }
}

/// The table as governor sees it: when a bucket is full is told, and kept, as how far that is from now.
#[derive(Clone, Debug)]
pub(super) struct Store(pub(super) Arc<Table>);

impl StateStore for Store {
    type Key = Visit;

    fn measure_and_replace<T, F, E>(&self, &Visit { caller, now }: &Visit, measure: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let mut shard = self.0.shard(caller);
        match shard.bucket(&self.0, caller, now) {
            Bucket::New(slot) => {
                let (taken, full_in) = measure(None)?;
                *slot = Slot { caller, full_at: now.saturating_add(full_in.as_u64()) };
                Ok(taken)
            }
            Bucket::Own(slot) | Bucket::Shared(slot) => {
                // One that has been full for a while is as good as one that is full now.
                let (taken, full_in) = measure(Some(slot.saturating_sub(now).into()))?;
                *slot = now.saturating_add(full_in.as_u64());
                Ok(taken)
            }
        }
    }
}
