//! Hears that the application is told to stop.

use tokio::sync::watch;

/// Becomes ready when the application is told to stop.
#[derive(Clone, Debug)]
pub(super) struct Stopping(watch::Receiver<bool>);

impl Stopping {
    pub(super) fn of(told: watch::Receiver<bool>) -> Self {
        Self(told)
    }

    pub(super) async fn wait(&mut self) {
        // Whoever would have told is gone: that is the end, too.
        let _ = self.0.wait_for(|stopping| *stopping).await;
    }
}
