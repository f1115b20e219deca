//! Records that wait to be written, and who waits for them.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use crate::log::WriteFailed;

/// The most bytes of records that wait, however few they are.
const MOST_BYTES: usize = 16 << 20;

/// Hears whether a record is durable.
pub(crate) type Waiter = oneshot::Sender<Result<(), WriteFailed>>;

/// Records on their way to the writer, a bounded number of them.
#[derive(Debug)]
pub(crate) struct Queue {
    state: Mutex<State>,
    /// There is something to do.
    filled: Condvar,
    most: usize,
}

#[derive(Debug, Default)]
struct State {
    batch: Batch,
    is_closed: bool,
}

/// What is written at once.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    pub(crate) records: Vec<String>,
    bytes: usize,
    /// How many of them nobody waits for.
    pub(crate) unwatched: u64,
    /// How many were lost before.
    pub(crate) lost: u64,
    pub(crate) waiters: Vec<Waiter>,
}

impl Queue {
    pub(crate) fn new(most: usize) -> Self {
        Self { state: Mutex::default(), filled: Condvar::new(), most: most.max(1) }
    }

    /// Hands a record to the writer; `false` where there is no room for it, and then it is counted as lost unless
    /// somebody waits for it.
    pub(crate) fn push(&self, record: impl FnOnce() -> String, waiter: Option<Waiter>) -> bool {
        // Outside the lock: others would wait for what is written here.
        if !self.has_room(waiter.is_none()) {
            return false;
        }
        let record = record();
        let mut state = self.lock();
        if state.is_closed {
            return false;
        }
        // A few more than there is room for, where several came at once.
        state.batch.bytes += record.len();
        state.batch.records.push(record);
        match waiter {
            Some(waiter) => state.batch.waiters.push(waiter),
            None => state.batch.unwatched += 1,
        }
        self.filled.notify_one();
        true
    }

    fn has_room(&self, counts: bool) -> bool {
        let mut state = self.lock();
        let Batch { records, bytes, .. } = &state.batch;
        let has_room = !state.is_closed && records.len() < self.most && *bytes < MOST_BYTES;
        state.batch.lost += u64::from(!has_room && counts);
        has_room
    }

    /// Has somebody hear when all that was handed over before is written.
    pub(crate) fn wait(&self, waiter: Waiter) {
        let mut state = self.lock();
        if !state.is_closed {
            state.batch.waiters.push(waiter);
            self.filled.notify_one();
        }
    }

    /// Everything that waits, once something does; `None` when nothing will come any more.
    pub(crate) fn take(&self) -> Option<Batch> {
        let mut state = self.lock();
        loop {
            let has_work = !state.batch.records.is_empty() || !state.batch.waiters.is_empty();
            // What was lost is said with what comes next, or at the end: a full disk would be asked for ever.
            if has_work || (state.is_closed && state.batch.lost > 0) {
                return Some(std::mem::take(&mut state.batch));
            }
            if state.is_closed {
                return None;
            }
            state = self.filled.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Counts records that could not be written.
    pub(crate) fn lose(&self, count: u64) {
        let mut state = self.lock();
        // At the end there is nobody left to try it again.
        if !state.is_closed {
            state.batch.lost += count;
        }
    }

    /// Takes nothing further.
    pub(crate) fn close(&self) {
        self.lock().is_closed = true;
        self.filled.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing that runs with the lock held can panic half way.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
