//! Durable steps: what changes more than one thing is a recorded run, so that a node killed in its midst finishes or
//! undoes it at its next start.
//!
//! A step is written before its effect, with what it is about to do, and again after it, with what came of it. One
//! transaction makes the run's change, turns the run ([`RunState::Finishing`]) and writes its record: before that it is
//! undone, after that it is finished.

mod journal;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

pub(crate) use self::journal::Journal;
use crate::bext::engine::Timestamp;

/// A recorded run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[non_exhaustive]
pub struct Run {
    /// Its id, later than those of all runs before; that of its record, if it is of a release.
    pub id: String,
    /// What it does.
    pub kind: RunKind,
    /// To what: the name of an app, or ids of instances with commas between them.
    pub subject: String,
    /// The run that it is a part of; absent if it is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
    /// How it is.
    pub state: RunState,
    /// What it was asked to do.
    pub data: Value,
    /// Why it did not do it; absent if it did, or is at it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// When it began, RFC 3339 in UTC.
    pub started_at: Timestamp,
    /// When nothing of it was left to do, RFC 3339 in UTC; absent before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Timestamp>,
    /// Its steps, in order, up to the one that it is at.
    pub steps: Vec<Step>,
}

/// A step of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[non_exhaustive]
pub struct Step {
    /// Such as `artifact`.
    pub name: String,
    /// How it is.
    pub state: StepState,
    /// What it was about to do, or what came of it.
    pub data: Value,
    /// When it began, RFC 3339 in UTC.
    pub started_at: Timestamp,
    /// When it ended, RFC 3339 in UTC; absent before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Timestamp>,
}

/// Names that are the same in the store and in answers.
macro_rules! named {
    ($(#[$attribute:meta])* $type:ident { $($(#[$doc:meta])* $variant:ident = $name:literal,)* }) => {
        $(#[$attribute])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
        #[serde(rename_all = "snake_case")]
        #[schemars(inline)]
        #[non_exhaustive]
        pub enum $type { $($(#[$doc])* $variant,)* }

        impl $type {
            fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            fn of(name: &str) -> Option<Self> {
                match name { $($name => Some(Self::$variant),)* _ => None }
            }
        }
    };
}

named! {
    /// What a run does.
    RunKind {
        /// Deploys a version of an app, or starts a canary.
        Deploy = "deploy",
        /// Gives a canary all requests.
        Promotion = "promotion",
        /// Goes back to an earlier version, or ends a canary.
        Rollback = "rollback",
        /// Removes an app.
        Removal = "removal",
        /// Deploys to several instances, each of which has a run of its own.
        Fleet = "fleet",
    }
}

named! {
    /// How a run is.
    RunState {
        /// It is under way, and is undone if the node stops now. (A removal is finished all the same.)
        Running = "running",
        /// What it was to change has changed; it clears away what that leaves behind.
        Finishing = "finishing",
        /// Nothing is left to do.
        Done = "done",
        /// It failed or was given up, and nothing of it is left.
        Undone = "undone",
        /// It failed in part, and what it did stays.
        Failed = "failed",
    }
}

named! {
    /// How a step is.
    StepState {
        /// It is under way.
        Running = "running",
        /// It was done.
        Done = "done",
        /// It was undone, or ended before it did anything.
        Undone = "undone",
    }
}
