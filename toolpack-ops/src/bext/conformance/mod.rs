//! `run_conformance`: what an instance promises, looked at from outside, in scratch apps that are made and removed.
//!
//! [`Checks`] knows an engine by its traits alone, and an instance by the address of its gateway: it registers apps,
//! deploys them, asks them things over HTTP, and holds what it sees against what is promised. So it runs against an engine
//! of anybody's.
//!
//! The suites are in `suites`, one file each; a check is one function with a name and what is expected. Checks run one
//! after the other, in their order, each with a limit of time; only those that wait for a limit of the gateway's run beside
//! them.

mod bench;
mod client;
mod load;
mod scratch;
mod suites;
mod trial;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;

use self::bench::Bench;
use self::suites::SUITES;
use self::trial::{Pace, Suite, Trial};
use super::engine::{
    Check, Conformance, Engines, InstanceId, ListDeploys, ListInstances, Outcome, PageSize, Report,
    RunChecks, Stages,
};
use crate::error::{Error, ErrorKind};

/// How long one check may take.
const CHECK_TIME: Duration = Duration::from_secs(30);

/// The checks, over the engines of a pack.
#[derive(Debug)]
pub struct Checks {
    engines: Engines,
    command: Option<Vec<String>>,
}

impl Checks {
    /// Checks of the instances of these engines. Those of static sites, domains and data run as they are; for those of
    /// processes say [`with_command`](Self::with_command).
    pub fn new(engines: Engines) -> Self {
        Self { engines, command: None }
    }

    /// The command of the scratch app: a program that does what [`sample_app`](super::node::sample_app) does, such as
    /// `["/usr/bin/my-service", "demo-app"]`. Without one, the checks of processes count as partial.
    #[must_use]
    pub fn with_command(mut self, command: Vec<String>) -> Self {
        self.command = Some(command).filter(|command| !command.is_empty());
        self
    }

    /// The instance that is meant where none is named: that of the newest deploy, or the first.
    async fn default_instance(&self) -> Result<InstanceId, Error> {
        if let Some(deploys) = &self.engines.deploys {
            let newest = deploys.history(ListDeploys::default().with_limit(one())).await?;
            if let Some(record) = newest.deploys.into_iter().next() {
                return Ok(record.instance_id);
            }
        }
        let first = self.engines.instances.list(ListInstances::default().with_limit(one())).await?;
        first.instances.into_iter().next().map(|instance| instance.id).ok_or_else(|| {
            Error::new(ErrorKind::Conflict, "no_instance", "there is no instance that could be checked")
        })
    }
}

#[async_trait]
impl Conformance for Checks {
    async fn run(&self, run: RunChecks, stages: Arc<dyn Stages>) -> Result<Report, Error> {
        let started = Instant::now();
        let instance = match &run.instance {
            Some(instance) => self.engines.instances.resolve(instance).await?.id,
            None => self.default_instance().await?,
        };
        let suites = chosen(run.suite.as_ref().map(|suite| suite.as_str()))?;
        let total = suites.iter().map(|suite| suite.checks.len() as u64).sum();
        stages.reached(0, total, "making the scratch apps");
        let bench = Bench::make(&self.engines, instance.clone(), self.command.as_deref(), &run.by).await?;
        let run = Run { bench: &bench, stages: &*stages, total, done: AtomicU64::new(0) };
        // What waits for a limit of time does so while the others run.
        let (ones, others) = tokio::join!(
            run.one_by_one(suites.iter().flat_map(|suite| suite.trials(Pace::Quick))),
            futures_util::future::join_all(
                suites
                    .iter()
                    .flat_map(|suite| suite.trials(Pace::Waits))
                    .map(|(suite, trial)| run.one(suite, trial))
            ),
        );
        let mut checks = [ones, others].concat();
        let position = |check: &Check| suites.iter().position(|suite| suite.name == check.suite);
        checks.sort_by_key(position);
        stages.reached(total, total, "removing the scratch apps");
        bench.remove().await?;
        let duration_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        Ok(Report { instance, checks, duration_ms })
    }
}

fn one() -> PageSize<200> {
    PageSize::try_from(1).unwrap_or_default()
}

fn chosen(name: Option<&str>) -> Result<Vec<&'static Suite>, Error> {
    let chosen: Vec<_> = SUITES.iter().filter(|suite| name.is_none_or(|name| suite.name == name)).collect();
    if chosen.is_empty() {
        let names: Vec<_> = SUITES.iter().map(|suite| suite.name).collect();
        let message = format!("there is no suite of that name; there are {}", names.join(", "));
        return Err(Error::new(ErrorKind::NotFound, "suite_not_found", message));
    }
    Ok(chosen)
}

/// A run under way.
struct Run<'a> {
    bench: &'a Bench,
    stages: &'a dyn Stages,
    total: u64,
    done: AtomicU64,
}

impl Run<'_> {
    async fn one_by_one(&self, trials: impl Iterator<Item = (&'static Suite, &'static Trial)>) -> Vec<Check> {
        let mut checks = Vec::new();
        for (suite, trial) in trials {
            checks.push(self.one(suite, trial).await);
        }
        checks
    }

    async fn one(&self, suite: &Suite, trial: &Trial) -> Check {
        let (outcome, seen) = match self.bench.cannot(suite) {
            Some(reason) => (Outcome::Partial, reason),
            None => self.carry_out(trial).await,
        };
        let done = self.done.fetch_add(1, Ordering::Relaxed) + 1;
        self.stages.reached(done, self.total, &format!("{}: {}", suite.name, trial.name));
        Check {
            suite: suite.name.to_owned(),
            name: trial.name.to_owned(),
            outcome,
            expected: trial.expected.to_owned(),
            seen,
        }
    }

    async fn carry_out(&self, trial: &Trial) -> (Outcome, String) {
        match tokio::time::timeout(CHECK_TIME, (trial.run)(self.bench)).await {
            Ok(Ok(seen)) => (seen.outcome, seen.text),
            Ok(Err(trouble)) => (Outcome::Failed, format!("it could not be looked at: {trouble}")),
            Err(_) => (Outcome::Failed, format!("nothing within {} s", CHECK_TIME.as_secs())),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on says why")]

    use std::collections::HashSet;

    use super::*;

    #[test]
    fn there_are_many_checks_and_no_two_of_one_name() {
        let names: Vec<_> =
            SUITES.iter().flat_map(|suite| suite.checks.iter().map(|trial| trial.name)).collect();
        assert!(names.len() >= 60, "{}", names.len());
        assert_eq!(names.iter().collect::<HashSet<_>>().len(), names.len());
    }

    #[test]
    fn a_suite_that_is_not_there_is_refused_with_those_that_are() {
        let error = chosen(Some("rooting")).unwrap_err();
        assert!(error.message().contains("routing, "), "{error}");
        assert_eq!(chosen(Some("routing")).unwrap().len(), 1);
        assert_eq!(chosen(None).unwrap().len(), SUITES.len());
    }
}
