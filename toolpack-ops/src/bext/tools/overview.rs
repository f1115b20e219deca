//! `instance_overview` and the resource `bext://instance/{id}`: all of one instance at a glance.

use mcp_core::{
    About, Annotations, Call, Completing, Completion, Contents, RequestError, Resource, ResourceDefinition,
    Tool, ToolError,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::error::request_error;
use super::progress::with_progress;
use crate::bext::engine::{
    App, DeployRecord, Engines, HealthReport, Instance, InstanceId, InstanceMetrics, ListApps, ListDeploys,
    ListInstances, PageSize,
};
use crate::bext::scopes;
use crate::error::Error;

/// Shows all of one instance at a glance: health, counters, configuration, apps and recent deploys.
///
/// It is what the resource `bext://instance/{id}` holds. What is secret in the configuration is masked. A part that
/// cannot be read just now is empty and named in `incomplete`, and the rest is there.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct InstanceOverview {
    /// Instance to show, as `list_instances` has it, such as `local`.
    pub instance_id: InstanceId,
}

/// An instance at a glance.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Overview {
    /// The id that other tools take as `instance_id`.
    pub id: InstanceId,
    /// The name for people; the id, where it was given none.
    pub name: String,
    /// Where the instance's gateway answers, such as `http://127.0.0.1:3000`; empty if it has no gateway, or nobody
    /// said where.
    pub url: String,
    /// What a check of the instance found just now.
    pub health: HealthReport,
    /// What the instance has counted since it was started.
    pub metrics: InstanceMetrics,
    /// Its configuration, masked; without members if it has none.
    pub config: OverviewConfig,
    /// The first 100 of its apps, ordered by name; empty if it has none.
    pub apps: Vec<App>,
    /// Whether there are more apps, which `list_apps` shows.
    pub has_more_apps: bool,
    /// The ten newest deploys, promotions and rollbacks on it, newest first, also those that failed.
    pub recent_deploys: Vec<DeployRecord>,
    /// The parts that could not be read just now, and why; absent if none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub incomplete: Vec<String>,
}

/// The configuration of an instance as an overview has it.
#[derive(Debug, Default, Serialize, JsonSchema)]
pub struct OverviewConfig {
    /// The name of its file within the data directory; absent if there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Its text as TOML, with what is secret in it masked; absent if there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub toml: Option<String>,
}

impl Overview {
    async fn of(engines: &Engines, id: &InstanceId) -> Result<Self, Error> {
        let Instance { id, name, url } = engines.instances.resolve(id).await?;
        let mut overview = Self {
            name,
            url: url.map(String::from).unwrap_or_default(),
            health: engines.instances.health(&id).await?,
            metrics: engines.instances.metrics(&id).await?,
            config: OverviewConfig::default(),
            apps: Vec::new(),
            has_more_apps: false,
            recent_deploys: Vec::new(),
            incomplete: Vec::new(),
            id,
        };
        overview.fill(engines).await;
        Ok(overview)
    }

    /// Adds what other groups have of the instance, as far as there are engines for them.
    async fn fill(&mut self, engines: &Engines) {
        if let Some(configs) = &engines.configs {
            match configs.read_config(&self.id).await {
                Ok(config) => {
                    self.config = OverviewConfig { path: Some(config.path), toml: Some(config.toml) };
                }
                Err(error) => self.lacks("config", &error),
            }
        }
        if let Some(apps) = &engines.apps {
            match apps.list_apps(&self.id, ListApps::default().with_limit(PageSize::of::<100>())).await {
                Ok(page) => (self.apps, self.has_more_apps) = (page.apps, page.next_cursor.is_some()),
                Err(error) => self.lacks("apps", &error),
            }
        }
        if let Some(deploys) = &engines.deploys {
            let newest = ListDeploys::default().with_instance(Some(self.id.clone()));
            match deploys.history(newest.with_limit(PageSize::of::<10>())).await {
                Ok(page) => self.recent_deploys = page.deploys,
                Err(error) => self.lacks("recent_deploys", &error),
            }
        }
    }

    /// Says what is missing. The error ends here, hence the log.
    fn lacks(&mut self, part: &str, error: &Error) {
        let cause = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
        tracing::warn!(instance = %self.id, part, code = error.code(), cause, "{error}");
        self.incomplete.push(format!("{part}: {} [{}]", error.message(), error.code()));
    }
}

impl Tool<Engines> for InstanceOverview {
    const NAME: &'static str = "instance_overview";
    const ANNOTATIONS: Annotations = Annotations::read_only();
    const SCOPES: &'static [&'static str] = &[scopes::READ];
    type Output = Overview;

    fn about(about: About) -> About {
        about.title("Show an instance")
    }

    async fn call(self, engines: &Engines, call: &Call) -> Result<Overview, ToolError> {
        with_progress(call, Overview::of(engines, &self.instance_id)).await
    }
}

/// One instance at a glance, as JSON: `{id, name, url, health, metrics, config, apps, recent_deploys}`, with what is
/// secret masked.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct InstancePage {
    /// The id of the instance, as `list_instances` has it.
    // Any text: what is no id at all is not found, as any other that is not known.
    pub id: String,
}

/// The most instances that are listed as resources; all of them can be read.
const MOST_LISTED: usize = 1000;

/// The instances there are, the first thousand of them.
async fn known(engines: &Engines) -> Result<Vec<Instance>, RequestError> {
    let mut known = Vec::new();
    let mut cursor = None;
    loop {
        let options = ListInstances::default().with_limit(PageSize::of::<200>()).with_cursor(cursor);
        let page = engines.instances.list(options).await.map_err(request_error)?;
        let instance = |found: crate::bext::engine::InstanceStatus| Instance {
            id: found.id,
            name: found.name,
            url: found.url,
        };
        known.extend(page.instances.into_iter().map(instance));
        cursor = page.next_cursor;
        if cursor.is_none() || known.len() >= MOST_LISTED {
            return Ok(known);
        }
    }
}

impl Resource<Engines> for InstancePage {
    const URI: &'static str = "bext://instance/{id}";
    const NAME: &'static str = "instance";
    const SCOPES: &'static [&'static str] = &[scopes::READ];

    fn about(about: About) -> About {
        about.title("Instance").mime_type("application/json")
    }

    async fn read(self, engines: &Engines, _: &Call) -> Result<Contents, RequestError> {
        let id = InstanceId::try_from(self.id).map_err(|_| RequestError::not_found())?;
        Contents::json(&Overview::of(engines, &id).await.map_err(request_error)?)
    }

    async fn list(engines: &Engines, _: &Call) -> Result<Vec<ResourceDefinition>, RequestError> {
        let definition = |instance: Instance| {
            let uri = format!("bext://instance/{}", instance.id);
            let definition = ResourceDefinition::new(uri, format!("instance-{}", instance.id));
            ResourceDefinition {
                title: Some(format!("Instance {}", instance.name)),
                mime_type: Some("application/json".to_owned()),
                ..definition
            }
        };
        Ok(known(engines).await?.into_iter().map(definition).collect())
    }

    async fn complete(
        engines: &Engines,
        completing: Completing,
        _: &Call,
    ) -> Result<Option<Completion>, RequestError> {
        let ids = known(engines).await?.into_iter().map(|instance| String::from(instance.id));
        Ok(Some(Completion::matching(&completing, ids)))
    }
}
