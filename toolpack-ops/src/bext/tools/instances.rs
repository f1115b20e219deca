//! `list_instances` and `instance_health`: which instances there are, and whether they answer.

use mcp_core::{About, Annotations, Call, Tool, ToolError};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::progress::with_progress;
use crate::bext::engine::{
    self, Cursor, Engines, HealthReport, InstanceId, InstanceStatus, PageSize, Timestamp,
};
use crate::bext::scopes;

/// Lists the instances that the other tools can act on, ordered by id, each with what a check found just now.
///
/// Call it first: its ids are what the other tools take as `instance_id`. An instance that does not answer is listed
/// as `unreachable`, which is no error.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct ListInstances {
    /// How many instances this page has at most: 1 to 200, 100 by default.
    #[serde(default)]
    pub limit: PageSize<200>,
    /// `next_cursor` of the page before, unchanged; the first page when absent.
    pub cursor: Option<Cursor>,
}

/// One page of instances.
#[derive(Debug, Serialize, JsonSchema)]
pub struct InstanceList {
    /// The instances, ordered by id; empty if there are none.
    pub instances: Vec<ListedInstance>,
    /// How many instances are on this page.
    pub count: usize,
    /// Where the next page begins; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<Cursor>,
}

/// An instance and what the last check of it found.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ListedInstance {
    /// The id that other tools take as `instance_id`.
    pub id: InstanceId,
    /// The name for people; the id, where it was given none.
    pub name: String,
    /// Where the instance's gateway answers, such as `http://127.0.0.1:3000`; empty if it has no gateway, or nobody
    /// said where.
    pub url: String,
    /// `healthy`, `degraded` (answers slowly or only in part) or `unreachable`.
    pub status: engine::InstanceHealth,
    /// When that was found, RFC 3339 in UTC.
    pub last_checked_at: Timestamp,
    /// The version of the software that serves the instance; empty if it is not known.
    pub version: String,
}

// Callers rely on every member of an instance, so what an engine does not know is empty here and not left out.
impl From<InstanceStatus> for ListedInstance {
    fn from(found: InstanceStatus) -> Self {
        Self {
            id: found.id,
            name: found.name,
            url: found.url.map(String::from).unwrap_or_default(),
            status: found.status,
            last_checked_at: found.last_checked_at,
            version: found.version.unwrap_or_default(),
        }
    }
}

impl Tool<Engines> for ListInstances {
    const NAME: &'static str = "list_instances";
    const ANNOTATIONS: Annotations = Annotations::read_only();
    const SCOPES: &'static [&'static str] = &[scopes::READ];
    type Output = InstanceList;

    fn about(about: About) -> About {
        about.title("List instances")
    }

    async fn call(self, engines: &Engines, call: &Call) -> Result<InstanceList, ToolError> {
        let options = engine::ListInstances::default().with_limit(self.limit).with_cursor(self.cursor);
        let page = with_progress(call, engines.instances.list(options)).await?;
        let instances: Vec<ListedInstance> = page.instances.into_iter().map(ListedInstance::from).collect();
        Ok(InstanceList { count: instances.len(), instances, next_cursor: page.next_cursor })
    }
}

/// Checks one instance now: whether it answers, how quickly, and what is wrong.
///
/// An instance that does not answer is `unreachable`, which is no error. `list_instances` checks all of them.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct InstanceHealth {
    /// Instance to check, as `list_instances` has it, such as `local`.
    pub instance_id: InstanceId,
}

impl Tool<Engines> for InstanceHealth {
    const NAME: &'static str = "instance_health";
    const ANNOTATIONS: Annotations = Annotations::read_only();
    const SCOPES: &'static [&'static str] = &[scopes::READ];
    type Output = HealthReport;

    fn about(about: About) -> About {
        about.title("Check an instance")
    }

    async fn call(self, engines: &Engines, call: &Call) -> Result<HealthReport, ToolError> {
        with_progress(call, engines.instances.health(&self.instance_id)).await
    }
}
