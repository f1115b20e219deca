//! What the transport itself counts: responses by status, and what is open.

use std::{
    array,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
};

/// What the transport itself counts.
#[derive(Debug)]
pub(crate) struct Figures {
    /// Responses by status, from 100 on.
    responses: [AtomicU64; 500],
    streams: Arc<AtomicUsize>,
    connections: Arc<AtomicUsize>,
}

/// Something that is open, and counted as long as this is there.
#[derive(Debug)]
pub(crate) struct Open(Arc<AtomicUsize>);

impl Open {
    fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(count))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Default for Figures {
    fn default() -> Self {
        Self {
            responses: array::from_fn(|_| AtomicU64::new(0)),
            streams: Arc::default(),
            connections: Arc::default(),
        }
    }
}

impl Figures {
    /// Counts a response.
    pub(crate) fn responded(&self, status: http::StatusCode) {
        let index = usize::from(status.as_u16()).checked_sub(100);
        if let Some(count) = index.and_then(|index| self.responses.get(index)) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Counts an event stream for as long as it is open.
    pub(crate) fn stream(&self) -> Open {
        Open::new(&self.streams)
    }

    /// Counts a connection for as long as it is open.
    pub(crate) fn connection(&self) -> Open {
        Open::new(&self.connections)
    }

    /// How many event streams and how many connections are open.
    #[cfg(feature = "metrics")]
    pub(crate) fn open(&self) -> (usize, usize) {
        (self.streams.load(Ordering::Relaxed), self.connections.load(Ordering::Relaxed))
    }

    /// How many responses had each status that any had.
    #[cfg(feature = "metrics")]
    pub(crate) fn responses(&self) -> impl Iterator<Item = (String, u64)> {
        let counts = self.responses.iter().map(|count| count.load(Ordering::Relaxed)).enumerate();
        counts.filter(|(_, count)| *count > 0).map(|(index, count)| ((index + 100).to_string(), count))
    }
}
