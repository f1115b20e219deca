//! `run_conformance`: what an instance promises, looked at from outside, in scratch apps that are made and removed.
//!
//! [`Checks`] knows an engine by its traits alone, and an instance by the address of its gateway: it registers apps,
//! deploys them, asks them things over HTTP, and holds what it sees against what is promised. So it runs against an engine
//! of anybody's.
//!
//! The suites are in `suites`, one file each; a check is one function with a name and what is expected. Checks run one
//! after the other, in their order, each with a limit of time; only those that have to wait for some seconds run beside them,
//! on an app of their own. None needs what another has left.

mod bench;
mod client;
mod finding;
mod load;
mod made;
mod names;
mod scratch;
mod suites;
mod trial;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;

use self::bench::Bench;
use self::made::{remove_left, remove_left_sources};
use self::suites::SUITES;
use self::trial::{Pace, Suite, Trial};
use super::engine::{
    Check, Conformance, Engines, InstanceId, ListDeploys, ListInstances, Outcome, PageSize, Report,
    RunChecks, Stages,
};
use crate::error::{Error, ErrorKind};

/// How long one check may take.
const CHECK_TIME: Duration = Duration::from_secs(30);
/// How long all of them may take.
const RUN_TIME: Duration = Duration::from_secs(15 * 60);

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

    /// Removes the scratch apps of runs whose process was killed, from all instances, and says how many there were. Those of
    /// a run under way are left alone, whosever it is. A host calls it once it has started, in the background: an app that is
    /// being released is waited for. Each run does the same for its instance.
    ///
    /// # Errors
    ///
    /// Those of the engine, of the first app that could not be removed; the others are.
    pub async fn sweep(&self) -> Result<usize, Error> {
        let Some(apps) = &self.engines.apps else { return Ok(0) };
        let mut removed = Ok(0);
        let mut options = ListInstances::default();
        loop {
            let page = self.engines.instances.list(options).await?;
            for instance in page.instances {
                match (remove_left(&**apps, &instance.id).await, &mut removed) {
                    (Ok(more), Ok(removed)) => *removed += more,
                    (Err(error), Ok(_)) => removed = Err(error),
                    (_, Err(_)) => {}
                }
            }
            match page.next_cursor {
                Some(cursor) => options = ListInstances::default().with_cursor(Some(cursor)),
                None => break,
            }
        }
        remove_left_sources().await;
        removed
    }

    /// The instance that is meant where none is named: that of the newest deploy, or the first. What the checks deploy does
    /// not count.
    async fn default_instance(&self) -> Result<InstanceId, Error> {
        if let Some(deploys) = &self.engines.deploys {
            let mut options = ListDeploys::default();
            loop {
                let page = deploys.history(options).await?;
                if let Some(record) = page.deploys.into_iter().find(|record| !names::is_scratch(&record.app))
                {
                    return Ok(record.instance_id);
                }
                match page.next_cursor {
                    Some(cursor) => options = ListDeploys::default().with_cursor(Some(cursor)),
                    None => break,
                }
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
        let suites = chosen(run.suite.as_ref().map(|suite| suite.as_str()))?;
        let instance = match &run.instance {
            Some(instance) => self.engines.instances.resolve(instance).await?.id,
            None => self.default_instance().await?,
        };
        // One stage for each check, and one for clearing away.
        let total = suites.iter().map(|suite| suite.checks.len() as u64).sum::<u64>() + 1;
        stages.reached(0, total, "making the scratch apps");
        let bench = Bench::new(&self.engines, instance.clone(), self.command.as_deref(), &run.by).await?;
        let set_up = bench.set_up().await;
        let checks = match &set_up {
            Ok(()) => Run::new(&bench, &*stages, total, started + RUN_TIME).all(&suites).await,
            Err(_) => Vec::new(),
        };
        let removed = bench.remove().await;
        set_up?;
        removed?;
        stages.reached(total, total, "the scratch apps are removed");
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
    /// By when it is over, whatever the checks do.
    deadline: Instant,
}

impl<'a> Run<'a> {
    fn new(bench: &'a Bench, stages: &'a dyn Stages, total: u64, deadline: Instant) -> Self {
        Self { bench, stages, total, done: AtomicU64::new(0), deadline }
    }

    /// Carries out all checks of some suites, and gives them in the order of the suites.
    async fn all(&self, suites: &[&'static Suite]) -> Vec<Check> {
        let of = |pace| suites.iter().enumerate().flat_map(move |(place, suite)| suite.trials(place, pace));
        let one_by_one = async {
            let mut checks = Vec::new();
            for (place, suite, trial) in of(Pace::Quick) {
                checks.push((place, self.one(suite, trial).await));
            }
            checks
        };
        // What waits does so while the others run.
        let beside =
            of(Pace::Waits).map(|(place, suite, trial)| async move { (place, self.one(suite, trial).await) });
        let (mut checks, beside) = tokio::join!(one_by_one, futures_util::future::join_all(beside));
        checks.extend(beside);
        checks.sort_by_key(|(place, _)| *place);
        checks.into_iter().map(|(_, check)| check).collect()
    }

    async fn one(&self, suite: &Suite, trial: &Trial) -> Check {
        let (outcome, seen) = match self.bench.without_process().filter(|_| suite.asks_process) {
            Some(reason) => (Outcome::Partial, reason),
            None => self.carry_out(trial).await,
        };
        if outcome == Outcome::Failed && trial.pace == Pace::Quick && suite.asks_process {
            self.bench.settle().await;
        }
        let done = self.done.fetch_add(1, Ordering::Relaxed) + 1;
        self.stages.reached(done, self.total, &format!("{}: {}", suite.name, trial.name));
        Check {
            suite: suite.name.to_owned(),
            name: trial.name.to_owned(),
            outcome,
            expected: trial.expected.to_owned(),
            seen: if seen.trim().is_empty() { "nothing".to_owned() } else { seen },
        }
    }

    async fn carry_out(&self, trial: &Trial) -> (Outcome, String) {
        let until = self.deadline.min(Instant::now() + CHECK_TIME);
        match tokio::time::timeout_at(until, (trial.run)(self.bench)).await {
            Ok(Ok(seen)) => (seen.outcome, seen.text),
            Ok(Err(trouble)) => (Outcome::Failed, format!("it could not be looked at: {trouble}")),
            Err(_) if until == self.deadline => (
                Outcome::Failed,
                format!("it was given up: all checks together have {} min", RUN_TIME.as_secs() / 60),
            ),
            Err(_) => {
                (Outcome::Failed, format!("it had not come to an end after {} s", CHECK_TIME.as_secs()))
            }
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
