//! A flag that is raised once and can be waited for.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use tokio::sync::Notify;

/// A flag shared by all its clones: raised once, never lowered.
#[derive(Clone, Debug, Default)]
pub struct Signal(Arc<State>);

#[derive(Debug, Default)]
struct State {
    raised: AtomicBool,
    notice: Notify,
}

impl Signal {
    /// A flag that is not raised yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Raises it, and wakes all who wait.
    pub fn raise(&self) {
        self.0.raised.store(true, Ordering::Release);
        self.0.notice.notify_waiters();
    }

    /// Whether it is raised.
    pub fn is_raised(&self) -> bool {
        self.0.raised.load(Ordering::Acquire)
    }

    /// Waits until it is raised.
    pub async fn raised(&self) {
        let notice = self.0.notice.notified();
        tokio::pin!(notice);
        // Registered before the look at the flag, so that nothing is missed in between.
        notice.as_mut().enable();
        if !self.is_raised() {
            notice.await;
        }
    }
}
