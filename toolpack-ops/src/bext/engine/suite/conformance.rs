//! Promises of [`Conformance`].

use std::collections::HashSet;
use std::sync::Arc;

use super::expect;
use super::node::{Begun, Bench, NodeHarness};
use crate::bext::engine::{App, Conformance, ListApps, Outcome, RunChecks, Unheard};
use crate::error::ErrorKind::NotFound;

impl Bench<'_> {
    fn checks(&self) -> &dyn Conformance {
        &**self.engines.conformance().unwrap()
    }

    async fn listed(&self) -> Vec<App> {
        self.apps().list_apps(&self.instance(), ListApps::default()).await.unwrap().apps
    }

    fn run_of(&self, suite: Option<&str>) -> RunChecks {
        RunChecks {
            instance: Some(self.instance()),
            suite: suite.map(|suite| suite.parse().unwrap()),
            by: "the suite".to_owned(),
        }
    }
}

/// On a clock that goes, the checks have names of their own, add up to a score, and leave the apps as they were.
pub async fn checks_leave_nothing_behind(harness: &dyn NodeHarness) {
    let bench = Bench::open(harness).await;
    let app = bench.live("shop").await;
    let before = bench.listed().await;
    let begun = Arc::new(Begun::default());
    let report = bench.checks().run(bench.run_of(None), begun.clone()).await.unwrap();
    begun.wait().await;
    assert_eq!(report.instance, bench.instance());
    let names: HashSet<(&str, &str)> =
        report.checks.iter().map(|check| (check.suite.as_str(), check.name.as_str())).collect();
    assert_eq!(names.len(), report.checks.len(), "each check has a name of its own");
    for check in &report.checks {
        assert!(!check.expected.is_empty() && !check.seen.is_empty(), "{check:?}");
    }
    let failed: Vec<_> = report.checks.iter().filter(|check| check.outcome == Outcome::Failed).collect();
    assert!(failed.is_empty(), "{failed:#?}");
    assert_eq!(bench.listed().await, before);
    assert_eq!(bench.served(&app).await, "1.0.0");
}

/// A suite that there is not is refused with the names of those that there are, each of which can be run by itself.
pub async fn an_unknown_suite_is_refused_with_those_there_are(harness: &dyn NodeHarness) {
    let bench = Bench::open(harness).await;
    let unknown = bench.checks().run(bench.run_of(Some("no_such_suite")), Arc::new(Unheard)).await;
    let error = expect(unknown, NotFound, "suite_not_found", "a suite that there is not");
    let known = error
        .message()
        .split(|c: char| !(c.is_ascii_lowercase() || c == '_'))
        .find(|word| *word == "routing")
        .unwrap_or_else(|| panic!("{error} names no suite `routing`"));
    let report = bench.checks().run(bench.run_of(Some(known)), Arc::new(Unheard)).await.unwrap();
    assert!(!report.checks.is_empty() && report.checks.iter().all(|check| check.suite == known));
    let mut run = bench.run_of(None);
    run.instance = Some("no-such-instance".parse().unwrap());
    expect(bench.checks().run(run, Arc::new(Unheard)).await, NotFound, "instance_not_found", "an instance");
}
