//! `deploy`, `rollback` and `promote_canary`: one app of one instance gets another version.

use mcp_core::{About, Annotations, Call, Reply, Tool, ToolError};
use schemars::JsonSchema;
use serde::Deserialize;

use super::current::app_meant;
use super::error::tool_error;
use super::progress::with_stages;
use super::wording::{by, shown_time, shown_version};
use crate::bext::engine::{
    self, App, AppName, DeployRecord, Engines, InstanceId, Percent, Release, Strategy, Version,
};
use crate::bext::scopes;

/// Puts a version of an app live on one instance, without a lost request.
///
/// The version is taken from the app's source, made ready beside the one that is live, and checked; only when it is
/// healthy does it get the requests. If anything fails before that, the live version goes on as if nothing had been
/// tried, and the error says what the new one printed last. What was live is kept: rollback returns to it. With
/// `canary_percent` both run side by side until promote_canary or rollback ends that. A second deploy of the same app
/// meanwhile is refused as busy. To several instances at once: fleet_deploy.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct Deploy {
    /// Instance to deploy to, as `list_instances` has it, such as `local`.
    pub instance_id: InstanceId,
    /// App to deploy, as `list_apps` has it, such as `shop`; the instance's only one when absent.
    pub app: Option<AppName>,
    /// Version to deploy: a tag, a commit, or the version in the app's manifest, such as `1.2.4`, which is also the tag
    /// `v1.2.4`; the newest that the source has when absent.
    pub version: Option<Version>,
    /// Which part of new visitors gets this version, in percent, 1 to 99, such as 10: a canary, while what is live keeps
    /// the rest. All requests when absent.
    pub canary_percent: Option<Percent>,
}

impl Tool<Engines> for Deploy {
    const NAME: &'static str = "deploy";
    const ANNOTATIONS: Annotations = Annotations::write().open_world();
    const SCOPES: &'static [&'static str] = &[scopes::WRITE];
    type Output = Reply<DeployRecord>;

    fn about(about: About) -> About {
        about.title("Deploy a version")
    }

    async fn call(self, engines: &Engines, call: &Call) -> Result<Reply<DeployRecord>, ToolError> {
        let deploys = engines.deploys().map_err(tool_error)?;
        let canary = self.canary_percent;
        let deploy = engine::Deploy {
            release: Release { instance: self.instance_id, app: self.app, by: by(call) },
            version: self.version,
            canary,
        };
        let record = with_stages(call, |stages| deploys.deploy(deploy, stages)).await?;
        let mut text =
            format!("Deployed {} in {}", shown_version(&record.version), shown_time(record.duration_ms));
        if let Some(percent) = canary {
            text.push_str(&format!(" as a canary for {}% of new visitors", percent.get()));
        }
        Ok(Reply::new(text, record))
    }
}

/// Takes an app back to the version before the live one, or ends its canary.
///
/// A running canary is ended first. Without `version` that is all: what was live gets every request again. Without a
/// canary, the version before the live one is started from what is kept of it, checked, and gets the requests, all
/// without a build and without a lost request. `previous_version` in `list_apps` says which one that is.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct Rollback {
    /// Instance that the app is on, as `list_instances` has it, such as `local`.
    pub instance_id: InstanceId,
    /// App to take back, as `list_apps` has it, such as `shop`; the instance's only one when absent.
    pub app: Option<AppName>,
    /// Version to return to, such as `1.2.3`, one of those that are kept; the one before the live one when absent.
    pub version: Option<Version>,
}

impl Tool<Engines> for Rollback {
    const NAME: &'static str = "rollback";
    const ANNOTATIONS: Annotations = Annotations::destructive();
    const SCOPES: &'static [&'static str] = &[scopes::WRITE];
    type Output = Reply<DeployRecord>;

    fn about(about: About) -> About {
        about.title("Roll back")
    }

    async fn preview(&self, engines: &Engines, _: &Call) -> Result<Option<String>, ToolError> {
        if engines.apps.is_none() {
            return Ok(None);
        }
        let app = app_meant(engines, &self.instance_id, self.app.as_ref()).await?;
        rollback_text(&app, &self.instance_id, self.version.as_ref()).map(Some)
    }

    async fn call(self, engines: &Engines, call: &Call) -> Result<Reply<DeployRecord>, ToolError> {
        let deploys = engines.deploys().map_err(tool_error)?;
        let rollback = engine::Rollback {
            release: Release { instance: self.instance_id, app: self.app, by: by(call) },
            version: self.version,
        };
        let record = with_stages(call, |stages| deploys.rollback(rollback, stages)).await?;
        let time = shown_time(record.duration_ms);
        let text = match record.strategy {
            Strategy::Full => format!("Rolled back to {} in {time}", shown_version(&record.version)),
            Strategy::Canary => {
                let live = shown_version(&record.version);
                format!("Ended the canary of {} in {time}; {live} gets every request again", record.app)
            }
        };
        Ok(Reply::new(text, record))
    }
}

/// What a rollback would do to the app as it is now.
fn rollback_text(app: &App, instance: &InstanceId, version: Option<&Version>) -> Result<String, ToolError> {
    let live = app.current_version.as_ref().map_or_else(|| "nothing".to_owned(), shown_version);
    let canary = app.canary.as_ref().map(|canary| {
        format!("{} ({}% of new visitors)", shown_version(&canary.version), canary.percent.get())
    });
    let name = &app.name;
    match (canary, version.or(app.previous_version.as_ref())) {
        (Some(canary), _) if version.is_none() => Ok(format!(
            "This ends the canary {canary} of {name} on {instance}; {live} gets every request again."
        )),
        (canary, Some(target)) => {
            let ends = canary.map(|canary| format!(", and ends its canary {canary}")).unwrap_or_default();
            let target = shown_version(target);
            Ok(format!(
                "This takes {name} on {instance} back from {live} to {target} for every request{ends}."
            ))
        }
        (_, None) => Err(ToolError::new(
            "no_previous_version",
            format!("{name} has no earlier version to return to; deploy one, or name a version that is kept"),
        )),
    }
}

/// Gives a running canary all requests of its app.
///
/// What was live until then is kept as `previous_version`, so rollback returns to it. Without a canary it fails: deploy
/// with `canary_percent` starts one.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct PromoteCanary {
    /// Instance that the app is on, as `list_instances` has it, such as `local`.
    pub instance_id: InstanceId,
    /// App whose canary is meant, as `list_apps` has it, such as `shop`; the instance's only one when absent.
    pub app: Option<AppName>,
}

impl Tool<Engines> for PromoteCanary {
    const NAME: &'static str = "promote_canary";
    const ANNOTATIONS: Annotations = Annotations::write();
    const SCOPES: &'static [&'static str] = &[scopes::WRITE];
    type Output = Reply<DeployRecord>;

    fn about(about: About) -> About {
        about.title("Promote a canary")
    }

    async fn call(self, engines: &Engines, call: &Call) -> Result<Reply<DeployRecord>, ToolError> {
        let deploys = engines.deploys().map_err(tool_error)?;
        let release = Release { instance: self.instance_id, app: self.app, by: by(call) };
        let record = with_stages(call, |stages| deploys.promote_canary(release, stages)).await?;
        let (version, time) = (shown_version(&record.version), shown_time(record.duration_ms));
        Ok(Reply::new(format!("Promoted {version} in {time}"), record))
    }
}
