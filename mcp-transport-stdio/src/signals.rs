//! SIGTERM and SIGINT: the first ends a server in good order, the second at once.

use std::io;

use mcp_core::Signal;
use tokio::signal::unix::{SignalKind, signal};

/// Runs a server that is told by the flag when to end; none if a second signal cut it short.
pub(crate) async fn serve_until_signals<T>(serve: impl AsyncFnOnce(Signal) -> T) -> io::Result<Option<T>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut next = async || {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    let closing = Signal::new();
    let signals = async {
        next().await;
        closing.raise();
        next().await;
    };
    tokio::select! {
        served = serve(closing.clone()) => Ok(Some(served)),
        () = signals => {
            tracing::debug!("cut short by a second signal");
            Ok(None)
        }
    }
}
