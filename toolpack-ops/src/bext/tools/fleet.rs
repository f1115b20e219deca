//! `fleet_deploy`: one version for several instances at once.

use std::collections::HashSet;

use mcp_core::{About, Annotations, Call, Reply, Tool, ToolError};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::error::{pointing, tool_error};
use super::progress::with_stages;
use super::wording::by;
use crate::bext::engine::{self, AppName, Engines, FleetResult, InstanceId, Version};
use crate::bext::scopes;
use crate::error::{Error, ErrorKind};

/// Puts one version of an app live on several instances at the same time.
///
/// All ids are checked before the first deploy begins. Then each instance is by itself: one that fails keeps what it had
/// and undoes no other. The answer begins with `2/3 instances deployed successfully` and has an entry for each; it is an
/// error only if all failed.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct FleetDeploy {
    /// Instances to deploy to, as `list_instances` has them, 1 to 100 and none twice, such as
    /// `["prod-1", "prod-2", "prod-3"]`.
    pub instance_ids: FleetInstances,
    /// Version to deploy, as for deploy, such as `1.2.4`; the newest that each app's source has when absent.
    pub version: Option<Version>,
    /// App to deploy, such as `shop`, which every instance has to have; each instance's only one when absent.
    pub app: Option<AppName>,
}

/// Ids of instances: one at least, 100 at most, none of them twice.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Vec<InstanceId>")]
pub struct FleetInstances(Vec<InstanceId>);

impl FleetInstances {
    const MAX: usize = 100;
}

impl TryFrom<Vec<InstanceId>> for FleetInstances {
    type Error = Error;

    fn try_from(ids: Vec<InstanceId>) -> Result<Self, Error> {
        let distinct: HashSet<&InstanceId> = ids.iter().collect();
        if distinct.len() == ids.len() && (1..=Self::MAX).contains(&ids.len()) {
            return Ok(Self(ids));
        }
        let message = format!("a fleet has 1 to {} instances, none of them twice", Self::MAX);
        Err(Error::new(ErrorKind::InvalidInput, "invalid_argument", message))
    }
}

impl JsonSchema for FleetInstances {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "FleetInstances".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "array",
            "items": InstanceId::json_schema(generator),
            "minItems": 1,
            "maxItems": Self::MAX,
            "uniqueItems": true,
        })
    }
}

/// What became of a deploy to several instances.
#[derive(Debug, Serialize, JsonSchema)]
pub struct FleetDeployed {
    /// How many instances it was for.
    pub total: usize,
    /// On how many of them the version is live.
    pub succeeded: usize,
    /// On how many of them it is not.
    pub failed: usize,
    /// One entry for each instance, in the order that was asked for.
    pub results: Vec<FleetEntry>,
}

/// What became of it on one instance.
#[derive(Debug, Serialize, JsonSchema)]
pub struct FleetEntry {
    /// The instance that this entry is about.
    pub instance_id: InstanceId,
    /// Whether the version is live there; if not, what was live before is.
    pub ok: bool,
    /// The version that is live; where it failed, the one that was asked for, or empty if none was.
    pub version: String,
    /// How long it took, in milliseconds; absent if it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<u64>,
    /// Why it failed; absent if it did not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

impl FleetDeployed {
    fn of(result: FleetResult, asked: Option<&Version>) -> Self {
        let entry = |(instance_id, result)| match result {
            Ok(engine::DeployRecord { version, duration_ms, .. }) => FleetEntry {
                instance_id,
                ok: true,
                version: version.into(),
                duration_ms: Some(duration_ms),
                error: None,
            },
            Err(error) => FleetEntry {
                instance_id,
                ok: false,
                version: asked.map(ToString::to_string).unwrap_or_default(),
                duration_ms: None,
                error: Some(error),
            },
        };
        let results: Vec<FleetEntry> = result.results.into_iter().map(entry).collect();
        let succeeded = results.iter().filter(|entry| entry.ok).count();
        Self { total: results.len(), succeeded, failed: results.len() - succeeded, results }
    }

    fn sentence(&self) -> String {
        format!("{}/{} instances deployed successfully", self.succeeded, self.total)
    }

    /// The error for when it is live nowhere: a result has no data then, so the words have it all.
    fn all_failed(&self) -> ToolError {
        let why = self.results.iter().map(|entry| {
            format!("\n{}: {}", entry.instance_id, entry.error.as_deref().unwrap_or("it failed"))
        });
        ToolError::new("fleet_deploy_failed", format!("{}{}", self.sentence(), why.collect::<String>()))
    }
}

impl Tool<Engines> for FleetDeploy {
    const NAME: &'static str = "fleet_deploy";
    const ANNOTATIONS: Annotations = Annotations::write().open_world();
    const SCOPES: &'static [&'static str] = &[scopes::WRITE];
    type Output = Reply<FleetDeployed>;

    fn about(about: About) -> About {
        about.title("Deploy to several instances")
    }

    async fn call(self, engines: &Engines, call: &Call) -> Result<Reply<FleetDeployed>, ToolError> {
        let deploys = engines.deploys().map_err(tool_error)?;
        let FleetInstances(instances) = self.instance_ids;
        // The engine looks too; here the very id at fault can be named.
        for (position, id) in instances.iter().enumerate() {
            let known = engines.instances.resolve(id).await;
            known.map_err(|error| match error.code() {
                "instance_not_found" => tool_error(error).at(format!("/instance_ids/{position}")),
                _ => tool_error(error),
            })?;
        }
        let fleet =
            engine::FleetDeploy { instances, app: self.app, version: self.version.clone(), by: by(call) };
        let result = with_stages(call, |stages| deploys.fleet_deploy(fleet, stages))
            .await
            .map_err(pointing(&[("instance_not_found", "/instance_ids")]))?;
        let deployed = FleetDeployed::of(result, self.version.as_ref());
        if deployed.succeeded == 0 {
            return Err(deployed.all_failed());
        }
        Ok(Reply::new(deployed.sentence(), deployed))
    }
}
