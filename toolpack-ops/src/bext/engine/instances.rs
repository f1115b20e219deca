//! The instances that an engine knows, and whether they answer.

use std::borrow::Cow;
use std::fmt;

use async_trait::async_trait;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Serialize;

use super::paging::page_setters;
use super::{Cursor, InstanceId, InstanceUrl, PageSize, Timestamp};
use crate::error::Error;

/// The instances of an engine.
#[async_trait]
pub trait Instances: fmt::Debug + Send + Sync + 'static {
    /// One page of the instances, ordered by id, each with what a check found just now.
    ///
    /// An instance that does not answer is `Unreachable`: data, not an error. A check has a time limit of its own, so
    /// one dead instance does not hold up the page. Checks store nothing. Idempotent.
    ///
    /// # Errors
    ///
    /// `InvalidInput` for a cursor that is not one of this list (`invalid_cursor`); `Unavailable` if the registry
    /// itself cannot be read.
    async fn list(&self, options: ListInstances) -> Result<InstancePage, Error>;

    /// The instance of that id, without a check of its health. Idempotent.
    ///
    /// # Errors
    ///
    /// `NotFound` if there is none (`instance_not_found`); `Unavailable` if the registry cannot be read.
    async fn resolve(&self, id: &InstanceId) -> Result<Instance, Error>;

    /// Checks one instance now. That it does not answer is data, not an error. Idempotent.
    ///
    /// # Errors
    ///
    /// As [`resolve`](Self::resolve).
    async fn health(&self, id: &InstanceId) -> Result<HealthReport, Error>;

    /// What an instance has counted since it was started. Idempotent.
    ///
    /// # Errors
    ///
    /// As [`resolve`](Self::resolve).
    async fn metrics(&self, id: &InstanceId) -> Result<InstanceMetrics, Error>;
}

/// What a check of an instance found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct HealthReport {
    /// The instance that was checked.
    pub instance_id: InstanceId,
    /// `healthy`, `degraded` (answers slowly or only in part) or `unreachable`.
    pub status: InstanceHealth,
    /// How long the check took, in milliseconds.
    pub latency_ms: u64,
    /// When it was made, RFC 3339 in UTC.
    pub checked_at: Timestamp,
    /// For how many seconds the instance has been running; absent if it does not, or nobody knows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uptime_s: Option<u64>,
    /// The version of the software that serves it; absent if it is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// What was looked at, and how each is: one sentence each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub details: Vec<String>,
    /// Why it is not healthy; absent if it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// What an instance has counted since it was started.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct InstanceMetrics {
    /// Requests that its gateway has answered.
    pub requests: u64,
    /// Of them, those that it answered by itself with 502, 503 or 504, for want of an app that does.
    pub gateway_errors: u64,
    /// Requests that are under way.
    pub in_flight: u64,
    /// Bytes of bodies that went out.
    pub response_bytes: u64,
    /// Connections that are open.
    pub connections: u64,
    /// Apps that are registered.
    pub apps: u64,
    /// Processes of apps that run.
    pub processes: u64,
    /// How often a process that had ended by itself was started again.
    pub restarts: u64,
}

/// Which page of the instances.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct ListInstances {
    /// How many entries at most.
    pub limit: PageSize<200>,
    /// Where to go on; from the first, if absent.
    pub cursor: Option<Cursor>,
}

impl ListInstances {
    page_setters!(200);
}

/// An instance as the registry has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instance {
    /// Its id.
    pub id: InstanceId,
    /// Its name for people.
    pub name: String,
    /// Where its gateway answers; none if it has no gateway, or nobody said where.
    pub url: Option<InstanceUrl>,
}

/// One page of instances.
#[derive(Clone, Debug)]
pub struct InstancePage {
    /// The instances, ordered by id.
    pub instances: Vec<InstanceStatus>,
    /// Where the next page begins; absent on the last.
    pub next_cursor: Option<Cursor>,
}

/// An instance and what the last check of it found.
#[derive(Clone, Debug)]
pub struct InstanceStatus {
    /// Its id.
    pub id: InstanceId,
    /// Its name for people; the id, where it was given none.
    pub name: String,
    /// Where its gateway answers; none if it has no gateway, or nobody said where.
    pub url: Option<InstanceUrl>,
    /// How it is.
    pub status: InstanceHealth,
    /// When that was found.
    pub last_checked_at: Timestamp,
    /// The version of the software that serves the instance; none if it is not known.
    pub version: Option<String>,
}

/// How an instance is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum InstanceHealth {
    /// Its store opens and answers.
    Healthy,
    /// It answers slowly, or only in part.
    Degraded,
    /// It does not answer.
    Unreachable,
}

impl JsonSchema for InstanceHealth {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "InstanceHealth".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "enum": ["healthy", "degraded", "unreachable"] })
    }
}
