//! A flag that is raised once and can be waited for.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use tokio::sync::Notify;

/// A flag shared by all its clones: raised once, never lowered.
#[derive(Clone, Debug, Default)]
pub struct Signal(Arc<Flag>);

impl Signal {
    /// A flag that is not raised yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Raises it, and wakes all who wait.
    pub fn raise(&self) {
        self.0.raise();
    }

    /// Whether it is raised.
    pub fn is_raised(&self) -> bool {
        self.0.is_raised()
    }

    /// Whether it is the same flag, and not merely one like it.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Waits until it is raised.
    pub async fn raised(&self) {
        self.0.raised().await;
    }
}

/// The flag itself, for what is shared already.
#[derive(Debug, Default)]
pub(crate) struct Flag {
    raised: AtomicBool,
    notice: Notify,
}

impl Flag {
    pub(crate) fn raise(&self) {
        self.raised.store(true, Ordering::Release);
        self.notice.notify_waiters();
    }

    pub(crate) fn is_raised(&self) -> bool {
        self.raised.load(Ordering::Acquire)
    }

    pub(crate) async fn raised(&self) {
        let notice = self.notice.notified();
        tokio::pin!(notice);
        // Registered before the look at the flag, so that nothing is missed in between.
        notice.as_mut().enable();
        if !self.is_raised() {
            notice.await;
        }
    }
}
