//! A release that answers requests, and what of them is under way.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::Duration;

use tokio::sync::{Notify, watch};

use super::pool::Pool;
use crate::bext::engine::Version;
use crate::bext::node::site::Site;

/// What stands behind a release.
#[derive(Clone, Debug)]
pub(crate) enum Target {
    /// Files.
    Site(Arc<Site>),
    /// A process at this address; none while it is being started again, and once it has failed for good.
    Process(watch::Receiver<Option<SocketAddr>>),
}

/// A release that answers requests.
#[derive(Debug)]
pub(crate) struct Backend {
    /// What stands for its version where visitors see it.
    label: String,
    target: Target,
    pool: Pool,
    /// How many requests are under way, and [`DRAINING`].
    under_way: AtomicU64,
    /// Told when the last request has ended after draining began.
    is_empty: Notify,
    /// Whether what is under way is to be cut off.
    cut: watch::Sender<bool>,
}

/// Set once a release takes no more requests. In one number with their count, so that none can come in
/// unseen.
const DRAINING: u64 = 1 << 63;

impl Backend {
    pub(crate) fn new(version: &Version, target: Target) -> Self {
        let hash = blake3::hash(version.as_str().as_bytes()).to_hex();
        let cut = watch::Sender::new(false);
        Self {
            label: hash.as_str().chars().take(12).collect(),
            target,
            pool: Pool::new(cut.subscribe()),
            under_way: AtomicU64::new(0),
            is_empty: Notify::new(),
            cut,
        }
    }

    /// How many requests are under way that it answers.
    pub(crate) fn in_flight(&self) -> u64 {
        self.under_way.load(SeqCst) & !DRAINING
    }

    /// Waits until no request is under way that it answers, after it was taken out of the route; for so long
    /// at most, after which what is left is cut off. Says how many those were.
    pub(crate) async fn drain(&self, limit: Duration) -> usize {
        self.under_way.fetch_or(DRAINING, SeqCst);
        let is_drained = tokio::time::timeout(limit, self.emptied()).await.is_ok();
        let left = if is_drained { 0 } else { self.in_flight() };
        self.cut.send_replace(true);
        self.pool.close();
        usize::try_from(left).unwrap_or(usize::MAX)
    }

    async fn emptied(&self) {
        loop {
            let mut told = std::pin::pin!(self.is_empty.notified());
            // From here on nothing is missed.
            told.as_mut().enable();
            if self.in_flight() == 0 {
                return;
            }
            told.await;
        }
    }

    pub(super) fn label(&self) -> &str {
        &self.label
    }

    pub(super) fn target(&self) -> &Target {
        &self.target
    }

    pub(super) fn pool(&self) -> &Pool {
        &self.pool
    }

    /// Counts a request as under way, until what it gives is dropped. None if it takes no more.
    pub(super) fn enter(self: &Arc<Self>) -> Option<Passage> {
        let before = self.under_way.fetch_add(1, SeqCst);
        // Made in any case, so that it is taken back in one place.
        let passage = Passage(self.clone());
        (before & DRAINING == 0).then_some(passage)
    }

    pub(super) fn is_cut(&self) -> bool {
        *self.cut.borrow()
    }

    /// Becomes ready when what is under way is to be cut off.
    pub(super) fn cutting(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut cut = self.cut.subscribe();
        async move {
            // The sender lives in the release; without it there is nothing left to go on with.
            let _ = cut.wait_for(|is_cut| *is_cut).await;
        }
    }
}

/// One request that a release answers, or one tunnel to it.
#[derive(Debug)]
pub(super) struct Passage(Arc<Backend>);

impl Passage {
    pub(super) fn release(&self) -> &Arc<Backend> {
        &self.0
    }
}

impl Drop for Passage {
    fn drop(&mut self) {
        if self.0.under_way.fetch_sub(1, SeqCst) == DRAINING + 1 {
            self.0.is_empty.notify_waiters();
        }
    }
}
