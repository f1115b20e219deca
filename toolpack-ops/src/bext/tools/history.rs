//! `deploy_history` and the resource `bext://deploy-history`: what was released, and how it ended.

use mcp_core::{About, Annotations, Call, Contents, RequestError, Resource, Tool, ToolError};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::error::{request_error, tool_error};
use super::progress::with_progress;
use crate::bext::engine::{AppName, Cursor, DeployRecord, Engines, InstanceId, ListDeploys, PageSize};
use crate::bext::scopes;

/// Lists what was deployed, promoted and rolled back, newest first, also what failed.
///
/// Without `instance_id` it is of all instances, without `app` of all apps; those of apps that were removed stay. While
/// there is a `next_cursor` there are more: call again with it as `cursor` and the same other arguments.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct DeployHistory {
    /// Instance whose records are meant, as `list_instances` has it, such as `local`; all of them when absent.
    pub instance_id: Option<InstanceId>,
    /// App whose records are meant, such as `shop`; all of them when absent.
    pub app: Option<AppName>,
    /// How many records this page has at most: 1 to 200, 20 by default.
    #[serde(default = "twenty")]
    pub limit: PageSize<200>,
    /// `next_cursor` of the page before, unchanged; the first page when absent.
    pub cursor: Option<Cursor>,
}

fn twenty() -> PageSize<200> {
    PageSize::of::<20>()
}

/// One page of records.
#[derive(Debug, Serialize, JsonSchema)]
pub struct DeployList {
    /// The records, newest first; empty if there are none.
    pub deploys: Vec<DeployRecord>,
    /// How many records are on this page.
    pub count: usize,
    /// Where the next page begins; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<Cursor>,
}

impl Tool<Engines> for DeployHistory {
    const NAME: &'static str = "deploy_history";
    const ANNOTATIONS: Annotations = Annotations::read_only();
    const SCOPES: &'static [&'static str] = &[scopes::READ];
    type Output = DeployList;

    fn about(about: About) -> About {
        about.title("List deploys")
    }

    async fn call(self, engines: &Engines, call: &Call) -> Result<DeployList, ToolError> {
        let options = ListDeploys::default()
            .with_instance(self.instance_id)
            .with_app(self.app)
            .with_limit(self.limit)
            .with_cursor(self.cursor);
        let page = with_progress(call, engines.deploys().map_err(tool_error)?.history(options)).await?;
        Ok(DeployList { count: page.deploys.len(), deploys: page.deploys, next_cursor: page.next_cursor })
    }
}

/// The 50 newest deploys, promotions and rollbacks of all instances, newest first, also what failed, as JSON:
/// `{deploys, count}`.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct RecentDeploys {}

impl Resource<Engines> for RecentDeploys {
    const URI: &'static str = "bext://deploy-history";
    const NAME: &'static str = "deploy-history";
    const SCOPES: &'static [&'static str] = &[scopes::READ];

    fn about(about: About) -> About {
        about.title("Recent deploys").mime_type("application/json")
    }

    async fn read(self, engines: &Engines, _: &Call) -> Result<Contents, RequestError> {
        let options = ListDeploys::default().with_limit(PageSize::of::<50>());
        let deploys = async { engines.deploys()?.history(options).await };
        let deploys = deploys.await.map_err(request_error)?.deploys;
        Contents::json(&DeployList { count: deploys.len(), deploys, next_cursor: None })
    }
}
