//! One version to several instances at the same time, each by itself, as parts of one run.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Value, json};

use super::attempt::{STAGES, tell};
use super::hosted::Hosted;
use super::release::{self, Order};
use super::runs::{Journal, Run, RunKind, RunState};
use super::store::Store;
use super::tasks::{Turn, Wanted};
use crate::bext::engine::{DeployRecord, FleetDeploy, FleetResult, InstanceId, Stages, Timestamp};
use crate::error::{Error, ErrorKind};

/// A deploy to several instances.
#[derive(Debug)]
pub(crate) struct Fleet {
    /// Where the run of it is recorded; each instance records its own part.
    runs: Store,
    hosted: Vec<Arc<Hosted>>,
    order: FleetDeploy,
    stages: Arc<dyn Stages>,
}

/// Refuses a list of instances that makes no sense.
pub(crate) fn check(instances: &[InstanceId]) -> Result<(), Error> {
    let refuse = |message: String| Err(Error::new(ErrorKind::InvalidInput, "invalid_argument", message));
    if instances.is_empty() {
        return refuse("say which instances, at least one; list_instances shows them".to_owned());
    }
    let mut seen = HashSet::new();
    match instances.iter().find(|instance| !seen.insert(*instance)) {
        Some(twice) => refuse(format!("the instance \"{twice}\" is named twice")),
        None => Ok(()),
    }
}

impl Fleet {
    pub(crate) fn new(
        runs: Store,
        hosted: Vec<Arc<Hosted>>,
        order: FleetDeploy,
        stages: Arc<dyn Stages>,
    ) -> Self {
        Self { runs, hosted, order, stages }
    }

    /// Deploys, and waits for all of them.
    pub(crate) async fn deploy(self, wanted: Wanted, turn: Turn) -> Result<FleetResult, Error> {
        let Some(first) = self.hosted.first().cloned() else {
            return Ok(FleetResult { results: Vec::new() });
        };
        let id = self.begin(&first).await?;
        let sum = Arc::new(Sum::of(self.hosted.len(), self.stages.clone()));
        let parts = self.hosted.iter().enumerate().map(|(position, hosted)| {
            let stages: Arc<dyn Stages> = Arc::new(Part { position, sum: sum.clone() });
            let order = Order {
                hosted: hosted.clone(),
                app: self.order.app.clone(),
                by: self.order.by.clone(),
                parent: Some(id.clone()),
                stages,
            };
            let work = (wanted.clone(), turn.another());
            let (sum, instance) = (sum.clone(), hosted.id.clone());
            let part = tokio::spawn(release::deploy(order, (self.order.version.clone(), None), work));
            async move {
                let result = part.await.unwrap_or_else(|panic| {
                    Err(Error::new(ErrorKind::Unexpected, "internal", "the engine failed").with_source(panic))
                });
                sum.reached(position, STAGES, &format!("{instance} is done"));
                (instance, result)
            }
        });
        let results = futures_util::future::join_all(parts).await;
        if let Err(error) = self.end(&id, &first, &results).await {
            // What the instances did is done, and is said. The next start settles the run.
            tracing::error!(run = id, %error, "the run of a fleet deploy stays open");
        }
        if results.iter().all(|(_, result)| result.is_err()) {
            // Given up as a whole, and not because of an instance.
            wanted.check()?;
        }
        let told = |(instance, result): (InstanceId, Result<DeployRecord, Error>)| {
            (instance, result.map_err(|error| told(&error)))
        };
        Ok(FleetResult { results: results.into_iter().map(told).collect() })
    }

    async fn begin(&self, first: &Hosted) -> Result<String, Error> {
        let now = first.now();
        let id = first.ids.next(now)?;
        let subject = self.hosted.iter().map(|hosted| hosted.id.as_str()).collect::<Vec<_>>().join(",");
        let FleetDeploy { app, version, by, .. } = &self.order;
        let (run, data) = (id.clone(), json!({"app": app, "version": version, "by": by}));
        self.runs
            .write(move |transaction| {
                Journal(transaction).begin((&run, RunKind::Fleet, &subject), None, &data, "deploy", now)
            })
            .await?;
        Ok(id)
    }

    async fn end(
        &self,
        id: &str,
        first: &Hosted,
        results: &[(InstanceId, Result<DeployRecord, Error>)],
    ) -> Result<(), Error> {
        let came_of_it: Vec<Value> = results
            .iter()
            .map(|(instance, result)| match result {
                Ok(record) => json!({"instance": instance, "run": record.id}),
                Err(error) => json!({"instance": instance, "error": error.message()}),
            })
            .collect();
        let failed = results.iter().filter(|(_, result)| result.is_err()).count();
        let error = (failed > 0).then(|| format!("{failed} of {} instances failed", results.len()));
        let (run, now) = (id.to_owned(), first.now());
        self.runs
            .write(move |transaction| {
                let journal = Journal(transaction);
                journal.came_of_it(&run, &came_of_it.into())?;
                let state = if error.is_none() { RunState::Done } else { RunState::Failed };
                journal.end(&run, state, error.as_deref(), now)
            })
            .await
    }
}

/// Ends a run that an earlier node left under way, after its instances have decided their parts.
pub(crate) async fn settle(
    runs: &Store,
    run: Run,
    hosted: &[Arc<Hosted>],
    now: Timestamp,
) -> Result<(), Error> {
    let mut done = 0;
    for hosted in hosted {
        let parent = run.id.clone();
        let parts = hosted.store.read(move |connection| Journal(connection).parts_of(&parent)).await?;
        done += parts.iter().filter(|part| part.state == RunState::Done).count();
    }
    let all = run.subject.split(',').count();
    let error =
        (done < all).then(|| format!("the node was stopped in the middle; {done} of {all} were deployed"));
    let state = if error.is_none() { RunState::Done } else { RunState::Failed };
    runs.write(move |transaction| Journal(transaction).end(&run.id, state, error.as_deref(), now)).await
}

/// What the caller is told of a failure: of one that is nobody's fault, that the log says more.
fn told(error: &Error) -> String {
    let cause = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
    tracing::warn!(code = error.code(), cause, "{error}");
    error.message().to_owned()
}

/// How far all parts are together.
#[derive(Debug)]
struct Sum {
    parts: Mutex<Vec<u64>>,
    stages: Arc<dyn Stages>,
}

impl Sum {
    fn of(parts: usize, stages: Arc<dyn Stages>) -> Self {
        Self { parts: Mutex::new(vec![0; parts]), stages }
    }

    fn reached(&self, position: usize, done: u64, doing: &str) {
        // The counts are whole at any moment. Told under the lock, so that what is heard never goes back.
        let mut parts = self.parts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(part) = parts.get_mut(position) {
            *part = (*part).max(done);
        }
        let total = STAGES * parts.len() as u64;
        tell(&*self.stages, (parts.iter().sum(), total), doing);
    }
}

/// One part of them.
#[derive(Debug)]
struct Part {
    position: usize,
    sum: Arc<Sum>,
}

impl Stages for Part {
    fn reached(&self, done: u64, _: u64, doing: &str) {
        self.sum.reached(self.position, done, doing);
    }
}
