//! `run_conformance`: whether an instance does what it is there for, as a score.

use mcp_core::{About, Annotations, Call, Reply, Tool, ToolError};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::error::tool_error;
use super::progress::with_stages;
use super::wording::by;
use crate::bext::engine::{Check, Engines, InstanceId, Outcome, Report, RunChecks, SuiteName};
use crate::bext::scopes;

/// Checks a live instance from end to end, in apps of its own making which it removes again, and gives a score.
///
/// It deploys, routes, rolls back, restarts and more, for some seconds up to a few minutes, beside the apps that are
/// there and without touching them. `score` is the percentage of checks that passed, 0 to 100; partial ones, which could
/// only be looked at in part, do not count as passed. `failures` says what was expected and what was seen. A check that
/// fails is no error of the call.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct RunConformance {
    /// Instance to check, as `list_instances` has it, such as `staging-1`; that of the newest deploy, or else the first
    /// one, when absent.
    pub instance_id: Option<InstanceId>,
    /// Only the checks of this suite, such as `routing`; all of them when absent. An unknown one is refused with the
    /// names of those that there are.
    pub suite: Option<SuiteName>,
}

/// What the checks found.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ConformanceScore {
    /// Checks that passed, in percent of all, 0 to 100, with one decimal that is never rounded up.
    pub score: f64,
    /// How many checks passed.
    pub passed: usize,
    /// How many checks could be looked at in part only.
    pub partial: usize,
    /// How many checks failed.
    pub failed: usize,
    /// How many checks there were in all.
    pub total: usize,
    /// How long all of it took, in milliseconds.
    pub duration_ms: u64,
    /// The instance that was checked.
    pub instance_id: InstanceId,
    /// The checks that failed, with what was expected and seen; empty if none did.
    pub failures: Vec<Check>,
    /// The same counts for each suite, in the order in which they ran.
    pub suites: Vec<SuiteScore>,
    /// All checks, in the order in which they ran.
    pub checks: Vec<Check>,
}

/// How the checks of one suite ended.
#[derive(Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct SuiteScore {
    /// The name of the suite, which `suite` takes.
    pub suite: String,
    /// How many of its checks passed.
    pub passed: usize,
    /// How many of its checks could be looked at in part only.
    pub partial: usize,
    /// How many of its checks failed.
    pub failed: usize,
}

impl From<Report> for ConformanceScore {
    fn from(report: Report) -> Self {
        let mut suites: Vec<SuiteScore> = Vec::new();
        for check in &report.checks {
            let position = suites.iter().position(|suite| suite.suite == check.suite).unwrap_or_else(|| {
                suites.push(SuiteScore { suite: check.suite.clone(), passed: 0, partial: 0, failed: 0 });
                suites.len() - 1
            });
            let suite = &mut suites[position];
            *match check.outcome {
                Outcome::Passed => &mut suite.passed,
                Outcome::Partial => &mut suite.partial,
                Outcome::Failed => &mut suite.failed,
            } += 1;
        }
        Self {
            // Whoever asks for more than 95 % is not to get it by rounding.
            score: (report.score() * 10.0).floor() / 10.0,
            passed: report.count(Outcome::Passed),
            partial: report.count(Outcome::Partial),
            failed: report.count(Outcome::Failed),
            total: report.checks.len(),
            duration_ms: report.duration_ms,
            failures: report
                .checks
                .iter()
                .filter(|check| check.outcome == Outcome::Failed)
                .cloned()
                .collect(),
            suites,
            instance_id: report.instance,
            checks: report.checks,
        }
    }
}

impl ConformanceScore {
    fn sentence(&self) -> String {
        let Self { score, passed, partial, failed, .. } = self;
        format!("Score: {score}% ({passed} pass, {partial} partial, {failed} fail)")
    }
}

impl Tool<Engines> for RunConformance {
    const NAME: &'static str = "run_conformance";
    const ANNOTATIONS: Annotations = Annotations::write().idempotent();
    const SCOPES: &'static [&'static str] = &[scopes::WRITE];
    type Output = Reply<ConformanceScore>;

    fn about(about: About) -> About {
        about.title("Run the conformance suite")
    }

    async fn call(self, engines: &Engines, call: &Call) -> Result<Reply<ConformanceScore>, ToolError> {
        let conformance = engines.conformance().map_err(tool_error)?;
        let run = RunChecks { instance: self.instance_id, suite: self.suite, by: by(call) };
        let report = with_stages(call, |stages| conformance.run(run, stages)).await?;
        let score = ConformanceScore::from(report);
        Ok(Reply::new(score.sentence(), score))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on says why")]

    use super::*;

    fn sentence(passed: usize, partial: usize, failed: usize) -> String {
        let outcomes = [(Outcome::Passed, passed), (Outcome::Partial, partial), (Outcome::Failed, failed)];
        let checks = outcomes.iter().flat_map(|(outcome, count)| {
            let check = Check {
                suite: "routing".to_owned(),
                name: "a host leads to its app".to_owned(),
                outcome: *outcome,
                expected: "200".to_owned(),
                seen: "200".to_owned(),
            };
            std::iter::repeat_n(check, *count)
        });
        let report = Report { instance: "local".parse().unwrap(), checks: checks.collect(), duration_ms: 1 };
        ConformanceScore::from(report).sentence()
    }

    #[test]
    fn a_score_is_never_more_than_was_reached() {
        assert_eq!(sentence(133, 1, 1), "Score: 98.5% (133 pass, 1 partial, 1 fail)");
        assert_eq!(sentence(64, 0, 0), "Score: 100% (64 pass, 0 partial, 0 fail)");
        assert_eq!(sentence(2999, 1, 0), "Score: 99.9% (2999 pass, 1 partial, 0 fail)");
        assert_eq!(sentence(0, 0, 0), "Score: 0% (0 pass, 0 partial, 0 fail)");
    }
}
