//! Removes an app with all that is its own. Once begun it is finished, at the next start of the node at the latest.
//!
//! What names the app goes last, in one transaction with the end of the run; what went before can be done again.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use rusqlite::Transaction;

use super::claims::Doing;
use super::ending::write_down;
use super::hosted::Hosted;
use super::runs::{Journal, RunKind, RunState};
use super::store::{AppsTable, Fault, RecordsTable};
use super::tasks::Turn;
use crate::bext::engine::{AppName, AppRef, Removal, Timestamp};
use crate::error::Error;

/// How long requests that are under way may go on, at most: whoever removes an app waits for it.
const DRAIN: Duration = Duration::from_secs(10);

/// Removes an app that is there.
///
/// What keeps it from its end is told, and tried again while nobody else may change the app: a removal that was left open
/// would, at the next start, hit another app that has its name by then.
pub(crate) async fn remove(
    hosted: Arc<Hosted>,
    name: AppName,
    what: Removal,
    turn: Turn,
) -> Result<(), Error> {
    let claim = hosted.claims.take(&name, Doing::Removing)?;
    hosted.app(Some(&name)).await?;
    let now = hosted.now();
    let id = hosted.ids.next(now)?;
    let (run, app) = (id.clone(), name.clone());
    hosted
        .store
        .write(move |transaction| {
            let subject = (run.as_str(), RunKind::Removal, app.as_str());
            Journal(transaction).begin(subject, None, &described(&app, what), "stop", now)
        })
        .await?;
    let out = hosted.traffic.remove(&name);
    hosted.retire(out, hosted.config().drain_time.min(DRAIN)).await;
    let forgotten = forget_data(&hosted, &name, what).await;
    let end = last_of(&hosted, &id, &name, what, hosted.now());
    write_down(&hosted, &id, end, (claim, turn)).await?;
    // The app is gone by now all the same.
    forgotten?;
    hosted.clear_away().await;
    Ok(())
}

/// Does what an earlier node left to do of a removal. Nothing of the app runs.
pub(crate) async fn finish_after_restart(
    hosted: &Hosted,
    id: &str,
    name: &AppName,
    what: Removal,
) -> Result<(), Error> {
    forget_data(hosted, name, what).await?;
    hosted.store.write(last_of(hosted, id, name, what, hosted.now())).await
}

/// Removes the database and the keys of an app, where that was asked for.
async fn forget_data(hosted: &Hosted, name: &AppName, what: Removal) -> Result<(), Error> {
    match what {
        Removal::KeepData => Ok(()),
        Removal::Everything => hosted.data.forget(&AppRef::new(hosted.id.clone(), name.clone())).await,
    }
}

/// What is left to do of a removal, when nothing of the app runs any more.
///
/// One piece of work: nobody sets a secret of the app between the one and the other.
fn last_of(
    hosted: &Hosted,
    id: &str,
    name: &AppName,
    what: Removal,
    now: Timestamp,
) -> impl Fn(&Transaction<'_>) -> Result<(), Fault> + Clone + Send + 'static {
    let (run, app) = (id.to_owned(), name.clone());
    let (secrets, layout) = (hosted.secrets.clone(), hosted.layout.clone());
    move |transaction| {
        secrets.forget(&app)?;
        layout.remove_logs(&app)?;
        AppsTable(transaction).remove(&app)?;
        match what {
            Removal::KeepData => Journal(transaction).end(&run, RunState::Done, None, now),
            // This run is one of those that are forgotten.
            Removal::Everything => {
                RecordsTable(transaction).forget(&app)?;
                Journal(transaction).forget(&app)
            }
        }
    }
}

/// What a run of a removal was asked to do.
fn described(app: &AppName, what: Removal) -> Value {
    json!({"app": app, "everything": what == Removal::Everything})
}

/// What a run of a removal that was left in the middle was asked to take.
pub(crate) fn asked(data: &Value) -> Removal {
    // Earlier versions did not say, and kept it.
    if data["everything"] == true { Removal::Everything } else { Removal::KeepData }
}
