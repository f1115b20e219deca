//! `list_secrets`, `set_secret` and `delete_secret`: what apps find in their environment.
//!
//! A value goes in and never comes out: no answer, error, record or log has it.

use mcp_core::{About, Annotations, Call, Tool, ToolError};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::current::{all_apps, secret_meant};
use super::error::tool_error;
use super::progress::with_progress;
use crate::bext::engine::{
    self, AppName, AppStatus, Cursor, Engines, InstanceId, PageSize, SecretInfo, SecretName, SecretValue,
    SecretsOf,
};
use crate::bext::scopes;

/// Lists the names of secrets, ordered, each with when it was last set. Values are never shown.
///
/// Without `app` they are those of the whole instance, which every app gets; with it, the app's own, which go before
/// those. While there is a `next_cursor` there are more: call again with it as `cursor` and the same `app`.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct ListSecrets {
    /// Instance whose secrets are meant, as `list_instances` has it, such as `local`.
    pub instance_id: InstanceId,
    /// App whose own secrets are meant, such as `shop`; those of the whole instance when absent.
    pub app: Option<AppName>,
    /// How many names this page has at most: 1 to 200, 100 by default.
    #[serde(default)]
    pub limit: PageSize<200>,
    /// `next_cursor` of the page before, unchanged; the first page when absent.
    pub cursor: Option<Cursor>,
}

/// One page of names.
#[derive(Debug, Serialize, JsonSchema)]
pub struct SecretList {
    /// The secrets, ordered by name; empty if there are none.
    pub secrets: Vec<SecretInfo>,
    /// How many secrets are on this page.
    pub count: usize,
    /// Where the next page begins; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<Cursor>,
}

impl Tool<Engines> for ListSecrets {
    const NAME: &'static str = "list_secrets";
    const ANNOTATIONS: Annotations = Annotations::read_only();
    const SCOPES: &'static [&'static str] = &[scopes::ADMIN];
    type Output = SecretList;

    fn about(about: About) -> About {
        about.title("List secrets")
    }

    async fn call(self, engines: &Engines, call: &Call) -> Result<SecretList, ToolError> {
        let of = SecretsOf { instance: self.instance_id, app: self.app };
        let options = engine::ListSecrets::default().with_limit(self.limit).with_cursor(self.cursor);
        let page =
            with_progress(call, engines.secrets().map_err(tool_error)?.list_secrets(&of, options)).await?;
        Ok(SecretList { count: page.secrets.len(), secrets: page.secrets, next_cursor: page.next_cursor })
    }
}

/// Sets a secret, whether it exists or not. Apps find it in their environment, by its name.
///
/// An app that runs keeps the environment it was started with: it sees the new value at its next deploy, rollback or
/// restart, and the answer says so. The value is encrypted where it lies, and never shown again.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct SetSecret {
    /// Instance to set it on, as `list_instances` has it, such as `local`.
    pub instance_id: InstanceId,
    /// App that gets it, such as `shop`; every app of the instance when absent.
    pub app: Option<AppName>,
    /// Name of the variable: 1 to 128 of A-Z, a-z, 0-9 and _, and no digit first, such as `DATABASE_URL`.
    pub name: SecretName,
    /// The value: any text without NUL, at most 64 KiB of UTF-8, also empty.
    pub value: SecretValue,
}

/// A secret was set.
#[derive(Debug, Serialize, JsonSchema)]
pub struct SecretSet {
    /// The name of the secret.
    pub name: SecretName,
    /// Always true: what cannot be set is an error.
    pub set: bool,
    /// When apps that run already see it; absent if no app that gets it runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub takes_effect: Option<String>,
}

impl Tool<Engines> for SetSecret {
    const NAME: &'static str = "set_secret";
    const ANNOTATIONS: Annotations = Annotations::write().idempotent();
    const SCOPES: &'static [&'static str] = &[scopes::ADMIN];
    type Output = SecretSet;

    fn about(about: About) -> About {
        about.title("Set a secret")
    }

    async fn call(self, engines: &Engines, call: &Call) -> Result<SecretSet, ToolError> {
        let of = SecretsOf { instance: self.instance_id, app: self.app };
        with_progress(call, engines.secrets().map_err(tool_error)?.set_secret(&of, &self.name, self.value))
            .await?;
        let takes_effect =
            runs(engines, &of).await.then(|| "at the next deploy, rollback or restart of the app".to_owned());
        Ok(SecretSet { name: self.name, set: true, takes_effect })
    }
}

/// Whether an app runs that gets these secrets. It is set whatever comes of this, so not to know is to say yes.
async fn runs(engines: &Engines, of: &SecretsOf) -> bool {
    if engines.apps.is_none() {
        return true;
    }
    let Ok(apps) = all_apps(engines, &of.instance).await else { return true };
    apps.iter()
        .filter(|app| of.app.as_ref().is_none_or(|name| app.name == *name))
        .any(|app| app.status != AppStatus::Stopped)
}

/// Deletes a secret, for good.
///
/// A secret that is not there is `deleted: false`, no error. An app that runs keeps it until its next deploy, rollback
/// or restart.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct DeleteSecret {
    /// Instance to delete it from, as `list_instances` has it, such as `local`.
    pub instance_id: InstanceId,
    /// App whose own secret is meant, such as `shop`; that of the whole instance when absent.
    pub app: Option<AppName>,
    /// Name of the secret, as `list_secrets` has it, such as `DATABASE_URL`.
    pub name: SecretName,
}

/// What became of a secret that was to be deleted.
#[derive(Debug, Serialize, JsonSchema)]
pub struct SecretDeleted {
    /// The name of the secret.
    pub name: SecretName,
    /// Whether there was a secret of that name; either way there is none now.
    pub deleted: bool,
}

impl Tool<Engines> for DeleteSecret {
    const NAME: &'static str = "delete_secret";
    const ANNOTATIONS: Annotations = Annotations::destructive().idempotent();
    const SCOPES: &'static [&'static str] = &[scopes::ADMIN];
    type Output = SecretDeleted;

    fn about(about: About) -> About {
        about.title("Delete a secret")
    }

    async fn preview(&self, engines: &Engines, _: &Call) -> Result<Option<String>, ToolError> {
        let of = SecretsOf { instance: self.instance_id.clone(), app: self.app.clone() };
        let whose = match &of.app {
            Some(app) => format!("the app {app} on {}", of.instance),
            None => format!("all apps on {}", of.instance),
        };
        let name = &self.name;
        Ok(Some(match secret_meant(engines, &of, name).await? {
            Some(_) => format!(
                "This deletes the secret {name} of {whose} for good; what runs keeps it until its next deploy, \
                 rollback or restart."
            ),
            None => format!("There is no secret {name} of {whose}, so nothing is deleted."),
        }))
    }

    async fn call(self, engines: &Engines, call: &Call) -> Result<SecretDeleted, ToolError> {
        let of = SecretsOf { instance: self.instance_id, app: self.app };
        let deleted =
            with_progress(call, engines.secrets().map_err(tool_error)?.delete_secret(&of, &self.name))
                .await?;
        Ok(SecretDeleted { name: self.name, deleted })
    }
}
