//! One attempt at a release, as a recorded run: what it was to be, its steps, and its record however it ends.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use rusqlite::Transaction;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::claims::Claim;
use super::ending::write_down;
use super::hosted::Hosted;
use super::running::Running;
use super::runs::{Journal, Run, RunKind, RunState};
use super::store::{DomainsTable, Fault, RecordsTable};
use super::tasks::{Turn, Wanted};
use super::traffic::Change;
use crate::bext::engine::{
    AppName, DeployRecord, DeployStatus, InstanceId, ReleaseAction, Stages, Strategy, Timestamp, Version,
};
use crate::error::Error;

/// How many stages a release has, for whoever listens.
pub(crate) const STAGES: u64 = 4;

/// What is said of a release that the node did not live to decide.
const STOPPED: &str = "the node was stopped in the middle";

/// What is known of a release from its beginning.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Draft {
    pub(crate) app: AppName,
    pub(crate) action: ReleaseAction,
    /// None until the newest is known.
    pub(crate) version: Option<Version>,
    pub(crate) previous_version: Option<Version>,
    pub(crate) strategy: Strategy,
    pub(crate) by: String,
    /// The run that this is a part of.
    pub(crate) parent: Option<String>,
}

/// A release that is under way.
#[derive(Debug)]
pub(crate) struct Attempt {
    pub(crate) hosted: Arc<Hosted>,
    pub(crate) draft: Draft,
    pub(crate) wanted: Wanted,
    id: String,
    began: Instant,
    started_at: Timestamp,
    stages: Arc<dyn Stages>,
    turn: Turn,
    _claim: Claim,
}

impl Attempt {
    /// Writes down that it begins.
    pub(crate) async fn begin(
        (hosted, claim): (Arc<Hosted>, Claim),
        (kind, step): (RunKind, &'static str),
        draft: Draft,
        (wanted, turn): (Wanted, Turn),
        stages: Arc<dyn Stages>,
    ) -> Result<Self, Error> {
        let started_at = hosted.now();
        let id = hosted.ids.next(started_at)?;
        let began = Instant::now();
        let (run, about) = (id.clone(), draft.clone());
        hosted
            .store
            .write(move |transaction| {
                let subject = (run.as_str(), kind, about.app.as_str());
                Journal(transaction).begin(
                    subject,
                    about.parent.as_deref(),
                    &described(&about),
                    step,
                    started_at,
                )
            })
            .await?;
        Ok(Self { hosted, draft, wanted, id, began, started_at, stages, turn, _claim: claim })
    }

    /// Says how far it is.
    pub(crate) fn reached(&self, done: u64, doing: &str) {
        tell(&*self.stages, (done, STAGES), doing);
    }

    /// The name of the version, for people.
    pub(crate) fn version(&self) -> &str {
        self.draft.version.as_ref().map_or("the newest version", Version::as_str)
    }

    /// Writes down what came of a step, and that the next begins.
    pub(crate) async fn next(&self, came_of_it: Value, step: &'static str, data: Value) -> Result<(), Error> {
        let (id, draft, now) = (self.id.clone(), described(&self.draft), self.hosted.now());
        self.hosted
            .store
            .write(move |transaction| {
                let journal = Journal(transaction);
                journal.describe(&id, &draft)?;
                journal.came_of_it(&id, &came_of_it)?;
                journal.next(&id, step, &data, now)
            })
            .await
    }

    /// Makes the change: route, record and run in one transaction, and the gateway right after it. What gets no requests any
    /// more is ended in the background.
    pub(crate) async fn switch(
        &self,
        status: DeployStatus,
        route: impl FnOnce(&Transaction<'_>, Timestamp) -> Result<(), Fault> + Send + 'static,
        change: Change,
    ) -> Result<DeployRecord, Error> {
        self.reached(STAGES - 1, &format!("leading requests to {}", self.version()));
        let now = self.hosted.now();
        let took = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let record =
            record(&self.id, &self.hosted.id, &self.draft, (self.started_at, now, took), status, None);
        let (id, app, written, hosted) =
            (self.id.clone(), self.draft.app.clone(), record.clone(), self.hosted.clone());
        let in_traffic = app.clone();
        let switched = self.hosted.store.write_then(
            move |transaction| {
                route(transaction, now)?;
                RecordsTable(transaction).insert(&written)?;
                let journal = Journal(transaction);
                journal.next(&id, "switch", &Value::Null, now)?;
                journal.turn(&id, "retire", now)?;
                DomainsTable(transaction).of(&app)
            },
            move |domains| hosted.traffic.change(&in_traffic, domains, change),
        );
        let out = switched.await?;
        tokio::spawn(finish(self.hosted.clone(), self.id.clone(), out, self.turn.another()));
        self.reached(STAGES, &format!("{} has the requests that it is to have", record.version));
        Ok(record)
    }

    /// Nothing has changed: writes that down, with the reason, and leaves nothing behind.
    pub(crate) async fn undo(self, error: &Error) {
        let now = self.hosted.now();
        let took = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let times = (self.started_at, now, took);
        let why = Some(error.message());
        let record = record(&self.id, &self.hosted.id, &self.draft, times, DeployStatus::Failed, why);
        // It is undone also where that cannot be written yet, and another may begin.
        let _ = write_down(&self.hosted, &self.id, undone(record, now), ((), self.turn)).await;
        self.hosted.clear_away().await;
    }
}

/// Says how far something is. A listener that panics does so alone.
pub(crate) fn tell(stages: &dyn Stages, (done, total): (u64, u64), doing: &str) {
    let told = AssertUnwindSafe(|| stages.reached(done, total, doing));
    if std::panic::catch_unwind(told).is_err() {
        tracing::error!(doing, "whoever listens to the stages of a release has panicked");
    }
}

/// Ends what a release leaves behind that has switched.
async fn finish(hosted: Arc<Hosted>, id: String, out: Vec<Running>, turn: Turn) {
    hosted.retire(out, hosted.config().drain_time).await;
    hosted.clear_away().await;
    let now = hosted.now();
    let run = id.clone();
    let end = move |transaction: &Transaction<'_>| Journal(transaction).end(&run, RunState::Done, None, now);
    // The release is complete also where that cannot be written yet.
    let _ = write_down(&hosted, &id, end, ((), turn)).await;
}

/// Decides a release that an earlier node left under way: it has not switched, so it failed.
pub(crate) async fn undo_after_restart(hosted: &Hosted, run: Run) -> Result<(), Error> {
    let draft: Draft = serde_json::from_value(run.data).map_err(Fault::foreign)?;
    let now = hosted.now();
    // What is known of how long it took: until its last step began.
    let last = run.steps.iter().map(|step| step.started_at).max().unwrap_or(run.started_at);
    let took = u64::try_from(last.unix_millis() - run.started_at.unix_millis()).unwrap_or_default();
    let times = (run.started_at, now, took);
    let record = record(&run.id, &hosted.id, &draft, times, DeployStatus::Failed, Some(STOPPED));
    hosted.store.write(undone(record, now)).await
}

/// Writes down a release that was undone.
fn undone(
    record: DeployRecord,
    now: Timestamp,
) -> impl Fn(&Transaction<'_>) -> Result<(), Fault> + Clone + Send + 'static {
    move |transaction| {
        RecordsTable(transaction).insert(&record)?;
        Journal(transaction).end(&record.id, RunState::Undone, record.error.as_deref(), now)
    }
}

fn described(draft: &Draft) -> Value {
    json!(draft)
}

fn record(
    id: &str,
    instance: &InstanceId,
    draft: &Draft,
    (started_at, finished_at, duration_ms): (Timestamp, Timestamp, u64),
    status: DeployStatus,
    error: Option<&str>,
) -> DeployRecord {
    DeployRecord {
        id: id.to_owned(),
        instance_id: instance.clone(),
        app: draft.app.clone(),
        action: draft.action,
        version: draft.version.clone().unwrap_or_else(newest),
        previous_version: draft.previous_version.clone(),
        status,
        strategy: draft.strategy,
        duration_ms,
        started_at,
        finished_at,
        deployed_by: draft.by.clone(),
        error: error.map(str::to_owned),
    }
}

/// How a record names a version that never came to be known.
fn newest() -> Version {
    "newest".parse().unwrap_or_else(|_| unreachable!("it has letters only"))
}
