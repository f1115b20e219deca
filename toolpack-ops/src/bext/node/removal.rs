//! Removes an app with all that is its own. Once begun it is finished, at the next start of the node at the latest.
//!
//! What names the app goes last, in one transaction with the end of the run; what went before can be done again.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::claims::{Claim, Doing};
use super::hosted::Hosted;
use super::runs::{Journal, RunKind, RunState};
use super::store::{AppsTable, RecordsTable};
use crate::bext::engine::{AppName, AppRef, Removal};
use crate::error::Error;

/// How long requests that are under way may go on, at most: whoever removes an app waits for it.
const DRAIN: Duration = Duration::from_secs(10);

/// Removes an app that is there.
pub(crate) async fn remove(hosted: Arc<Hosted>, name: AppName, what: Removal) -> Result<(), Error> {
    let claim: Claim = hosted.claims.take(&name, Doing::Removing)?;
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
    finish(&hosted, &id, &name, what).await?;
    drop(claim);
    hosted.clear_away().await;
    Ok(())
}

/// Does what is left to do of a removal, when nothing of the app runs any more.
pub(crate) async fn finish(hosted: &Hosted, id: &str, name: &AppName, what: Removal) -> Result<(), Error> {
    if what == Removal::Everything {
        hosted.data.forget(&AppRef::new(hosted.id.clone(), name.clone())).await?;
    }
    let (run, app, now) = (id.to_owned(), name.clone(), hosted.now());
    let (secrets, layout) = (hosted.secrets.clone(), hosted.layout.clone());
    // One piece of work: nobody sets a secret of the app between the one and the other.
    hosted
        .store
        .write(move |transaction| {
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
        })
        .await
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
