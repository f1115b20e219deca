//! What a node does at its start with what an earlier one left in the middle, before an app gets a request.

use std::io;
use std::path::PathBuf;

use super::attempt;
use super::hosted::Hosted;
use super::lock::NodeLock;
use super::process;
use super::removal;
use super::runs::{Journal, RunKind, RunState};
use super::store::{Fault, blocking};
use crate::error::{Error, ErrorKind};

/// Ends processes that were left behind in a directory, whatever its instances are now; says how many groups.
pub(super) async fn sweep_all(root: PathBuf) -> Result<usize, Error> {
    let begin = move || {
        let instances = match std::fs::read_dir(root.join("instances")) {
            // There was no node, so there is no lock either.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            instances => instances?,
        };
        let lock = NodeLock::take(&root)?;
        let ledgers = instances.map(|instance| Ok(instance?.path().join("processes")));
        Ok(Some((lock, ledgers.collect::<io::Result<Vec<_>>>()?)))
    };
    let Some((_lock, ledgers)) = blocking(begin).await? else { return Ok(0) };
    let mut swept = 0;
    for ledger in ledgers {
        swept += process::sweep(&ledger).await.map_err(not_swept)?;
    }
    Ok(swept)
}

fn not_swept(error: io::Error) -> Error {
    let message =
        "processes that an earlier node left behind cannot be ended; the log of the server says why";
    Error::new(ErrorKind::Unavailable, "sweep_failed", message).with_source(error)
}

/// Ends processes that were left behind, and finishes or undoes each run that was under way.
pub(crate) async fn recover(hosted: &Hosted) -> Result<(), Error> {
    let swept = process::sweep(&hosted.layout.processes()).await.map_err(not_swept)?;
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
