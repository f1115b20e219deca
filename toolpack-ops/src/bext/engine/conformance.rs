//! Whether an instance does what it is there for: checks by name, and a score.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Serialize;

use super::text::text_type;
use super::{InstanceId, Stages};
use crate::error::Error;

/// Checks of instances.
#[async_trait]
pub trait Conformance: fmt::Debug + Send + Sync + 'static {
    /// Runs the checks against a live instance, in scratch apps that are made and removed. It leaves nothing behind.
    ///
    /// # Errors
    ///
    /// `NotFound` for an unknown instance or suite (`suite_not_found`), naming those that there are; `Conflict` without an
    /// instance where there is none (`no_instance`). A check that fails is no error.
    async fn run(&self, run: RunChecks, stages: Arc<dyn Stages>) -> Result<Report, Error>;
}

/// Which checks to run, and where.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunChecks {
    /// The instance; that of the newest deploy, when absent, or the first one.
    pub instance: Option<InstanceId>,
    /// Only those of this suite.
    pub suite: Option<SuiteName>,
    /// Who asked for it.
    pub by: String,
}

/// What a run of the checks found.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// Where it ran.
    pub instance: InstanceId,
    /// All checks, in their order.
    pub checks: Vec<Check>,
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
}

impl Report {
    /// How many checks ended so.
    pub fn count(&self, outcome: Outcome) -> usize {
        self.checks.iter().filter(|check| check.outcome == outcome).count()
    }

    /// Checks that passed, in percent of all; 0 if there are none.
    pub fn score(&self) -> f64 {
        let (passed, total) = (self.count(Outcome::Passed), self.checks.len());
        // No count comes near where an f64 would be inexact.
        if total == 0 { 0.0 } else { passed as f64 * 100.0 / total as f64 }
    }
}

/// One check and how it ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Check {
    /// The suite it belongs to.
    pub suite: String,
    /// What is promised, such as `an unknown host is answered with 404`.
    pub name: String,
    /// `passed`, `failed`, or `partial`: it could be looked at in part only.
    pub outcome: Outcome,
    /// What should have been seen.
    pub expected: String,
    /// What was seen when it was looked at.
    pub seen: String,
}

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum Outcome {
    /// As promised.
    Passed,
    /// It could be looked at in part only.
    Partial,
    /// Not as promised.
    Failed,
}

fn is_suite(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'_'))
}

text_type! {
    /// The name of a suite of checks: 1 to 64 characters of `a-z _`.
    SuiteName,
    accepts: is_suite,
    else: "the name of a suite has 1 to 64 characters of a-z and _",
    schema: { "type": "string", "pattern": "^[a-z_]{1,64}$" }
}
