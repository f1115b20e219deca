//! SIGTERM and SIGINT: the first ends what runs in good order, the second at once.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Both, from the moment that they are listened for.
pub(crate) struct Signals([Signal; 2]);

impl Signals {
    pub(crate) fn listen() -> io::Result<Self> {
        Ok(Self([signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?]))
    }

    /// Waits for the next one.
    pub(crate) async fn next(&mut self) {
        let [terminate, interrupt] = &mut self.0;
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    }
}
