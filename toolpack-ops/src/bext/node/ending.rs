//! How a run's end is written down: again and again where it cannot be, as on a full disk.

use std::sync::Arc;
use std::time::Duration;

use rusqlite::Transaction;

use super::hosted::Hosted;
use super::store::Fault;
use super::tasks::Turn;
use crate::error::Error;

/// How long it takes until it is tried again, at first and at most.
const RETRY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// Writes down how a run ended. That it cannot be is the error; then it is tried again in the background until it can, or
/// until the node stops, after which the next start does it. `held` is let go when nothing is tried any more.
pub(crate) async fn write_down<W>(
    hosted: &Arc<Hosted>,
    run: &str,
    write: W,
    (held, turn): (impl Send + 'static, Turn),
) -> Result<(), Error>
where
    W: Fn(&Transaction<'_>) -> Result<(), Fault> + Clone + Send + 'static,
{
    let written = hosted.store.write(write.clone()).await;
    if let Err(error) = &written {
        log(hosted, run, error);
        let (hosted, run) = (hosted.clone(), run.to_owned());
        tokio::spawn(async move {
            let _held = (held, turn);
            try_again(&hosted, &run, write).await;
        });
    }
    written
}

async fn try_again<W>(hosted: &Hosted, run: &str, write: W)
where
    W: Fn(&Transaction<'_>) -> Result<(), Fault> + Clone + Send + 'static,
{
    let mut pause = RETRY.0;
    loop {
        tokio::select! {
            () = hosted.tasks.closing() => return,
            () = tokio::time::sleep(pause) => {}
        }
        match hosted.store.write(write.clone()).await {
            Ok(()) => return hosted.clear_away().await,
            Err(error) => log(hosted, run, &error),
        }
        pause = (pause * 2).min(RETRY.1);
    }
}

fn log(hosted: &Hosted, run: &str, error: &Error) {
    let cause = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
    tracing::error!(instance = %hosted.id, run, cause, "the end of a run cannot be written yet: {error}");
}
