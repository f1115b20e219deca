//! What a node does at its start with what an earlier one left in the middle, before an app gets a request.

use super::attempt;
use super::hosted::Hosted;
use super::process;
use super::removal;
use super::runs::{Journal, RunKind, RunState};
use super::store::Fault;
use crate::error::{Error, ErrorKind};

/// Ends processes that were left behind, and finishes or undoes each run that was under way.
pub(crate) async fn recover(hosted: &Hosted) -> Result<(), Error> {
    let ledger = hosted.layout.processes();
    let swept = process::sweep(&ledger).await.map_err(|error| {
        let message =
            "processes that an earlier node left behind cannot be ended; the log of the server says why";
        Error::new(ErrorKind::Unavailable, "sweep_failed", message).with_source(error)
    })?;
    if swept > 0 {
        tracing::warn!(instance = %hosted.id, swept, "an earlier node left processes behind; they were ended");
    }
    let runs = hosted.store.read(|connection| Journal(connection).unfinished()).await?;
    for run in runs {
        tracing::warn!(instance = %hosted.id, run = run.id, kind = ?run.kind, state = ?run.state, "a run was left in the middle");
        match (run.kind, run.state) {
            (RunKind::Removal, _) => {
                let app = run.subject.parse()?;
                removal::finish_after_restart(hosted, &run.id, &app, removal::asked(&run.data)).await?;
            }
            (_, RunState::Finishing) => end(hosted, run.id).await?,
            (RunKind::Deploy | RunKind::Promotion | RunKind::Rollback, _) => {
                attempt::undo_after_restart(hosted, run).await?;
            }
            (RunKind::Fleet, _) => {
                return Err(Fault::foreign("a run of several instances in one of them").into());
            }
        }
    }
    hosted.clear_away().await;
    Ok(())
}

/// What it had to end ended with the earlier node.
async fn end(hosted: &Hosted, id: String) -> Result<(), Error> {
    let now = hosted.now();
    hosted.store.write(move |transaction| Journal(transaction).end(&id, RunState::Done, None, now)).await
}
