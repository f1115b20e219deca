//! `list_instances`: which instances there are, and whether they answer.

use mcp_core::{About, Annotations, Call, Tool, ToolError};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::progress::with_progress;
use crate::bext::engine::{self, Cursor, Engines, InstanceStatus, PageSize};
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
    pub instances: Vec<InstanceStatus>,
    /// How many instances are on this page.
    pub count: usize,
    /// Where the next page begins; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<Cursor>,
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
        let count = page.instances.len();
        Ok(InstanceList { instances: page.instances, count, next_cursor: page.next_cursor })
    }
}
