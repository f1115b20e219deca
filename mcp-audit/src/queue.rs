//! Records that wait to be written, and who waits for them.

use std::{
    fmt, io,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::oneshot;

/// The most bytes of records that wait, however few they are.
const MOST_BYTES: usize = 16 << 20;

/// How long records wait for others that nobody waits for either: to write one costs as much as to write a hundred.
const GATHERING: Duration = Duration::from_millis(5);

/// The records of a batch are not durable.
#[derive(Clone, Debug)]
pub(crate) struct WriteFailed(Arc<io::Error>);

impl fmt::Display for WriteFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the audit could not be written")
    }
}

impl std::error::Error for WriteFailed {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(self.0.as_ref())
    }
}

impl WriteFailed {
    pub(crate) fn of(error: io::Error) -> Self {
        Self(Arc::new(error))
    }
}

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

impl Batch {
    /// Whether it is to be written at once: somebody waits for it, or there is soon no room for more.
    fn is_urgent(&self, most: usize) -> bool {
        !self.waiters.is_empty() || self.records.len() > most / 2 || self.bytes > MOST_BYTES / 2
    }
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
        // The writer is asleep, or gathers until there is a reason not to.
        let is_first = state.batch.records.len() == 1;
        if is_first || state.batch.is_urgent(self.most) {
            self.filled.notify_one();
        }
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
        let mut gathering = None;
        loop {
            let is_empty = state.batch.records.is_empty() && state.batch.waiters.is_empty();
            // What was lost is said with what comes next, or at the end: a full disk would be asked for ever.
            if state.is_closed && is_empty && state.batch.lost == 0 {
                return None;
            }
            if state.is_closed || state.batch.is_urgent(self.most) {
                return Some(std::mem::take(&mut state.batch));
            }
            if is_empty {
                state = self.filled.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            let since = *gathering.get_or_insert_with(Instant::now);
            match GATHERING.checked_sub(since.elapsed()) {
                None | Some(Duration::ZERO) => return Some(std::mem::take(&mut state.batch)),
                Some(left) => {
                    let waited = self.filled.wait_timeout(state, left);
                    state = waited.unwrap_or_else(PoisonError::into_inner).0;
                }
            }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn push(queue: &Queue, waiter: Option<Waiter>) -> bool {
        queue.push(|| "record".to_owned(), waiter)
    }

    #[test]
    fn what_nobody_waits_for_is_gathered_and_what_somebody_waits_for_is_not() {
        let queue = Queue::new(1000);
        (0..3).for_each(|_| assert!(push(&queue, None)));
        let since = Instant::now();
        let batch = queue.take();
        assert_eq!(batch.map(|batch| (batch.records.len(), batch.unwatched)), Some((3, 3)));
        assert!(since.elapsed() >= GATHERING);
        assert!(push(&queue, None));
        assert!(push(&queue, Some(oneshot::channel().0)));
        let batch = queue.take();
        assert_eq!(batch.map(|batch| (batch.records.len(), batch.unwatched)), Some((2, 1)));
    }

    #[test]
    fn what_there_is_no_room_for_is_counted_if_nobody_hears_of_it() {
        let queue = Queue::new(2);
        assert!(push(&queue, None) && push(&queue, None));
        assert!(!push(&queue, None) && !push(&queue, Some(oneshot::channel().0)));
        let batch = queue.take();
        assert_eq!(batch.map(|batch| (batch.records.len(), batch.lost)), Some((2, 1)));
        queue.lose(4);
        queue.close();
        assert!(!push(&queue, None));
        let batch = queue.take();
        assert_eq!(batch.map(|batch| (batch.records.len(), batch.lost)), Some((0, 5)));
        assert!(queue.take().is_none());
    }
}
