//! `list_apps`, `add_app` and `remove_app`: what an instance serves.

use mcp_core::{About, Annotations, Call, Tool, ToolError};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::current::app_meant;
use super::error::{pointing, tool_error};
use super::progress::with_progress;
use super::wording::shown_version;
use crate::bext::engine::{
    self, App, AppName, AppRef, AppSource, Cursor, DomainName, Engines, InstanceId, NewApp, PageSize,
    Removal, Runtime,
};
use crate::bext::scopes;

/// Lists the apps of an instance, ordered by name, each with its versions, domains and how it is.
///
/// An app is reached at `http://NAME.localhost:PORT` of the instance's gateway (`url` in `list_instances`), and at its
/// domains. While there is a `next_cursor` there are more: call again with it as `cursor`.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct ListApps {
    /// Instance whose apps are meant, as `list_instances` has it, such as `local`.
    pub instance_id: InstanceId,
    /// How many apps this page has at most: 1 to 200, 100 by default.
    #[serde(default)]
    pub limit: PageSize<200>,
    /// `next_cursor` of the page before, unchanged; the first page when absent.
    pub cursor: Option<Cursor>,
}

/// One page of apps.
#[derive(Debug, Serialize, JsonSchema)]
pub struct AppList {
    /// The apps, ordered by name; empty if there are none.
    pub apps: Vec<App>,
    /// How many apps are on this page.
    pub count: usize,
    /// Where the next page begins; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<Cursor>,
}

impl Tool<Engines> for ListApps {
    const NAME: &'static str = "list_apps";
    const ANNOTATIONS: Annotations = Annotations::read_only();
    const SCOPES: &'static [&'static str] = &[scopes::READ];
    type Output = AppList;

    fn about(about: About) -> About {
        about.title("List apps")
    }

    async fn call(self, engines: &Engines, call: &Call) -> Result<AppList, ToolError> {
        let options = engine::ListApps::default().with_limit(self.limit).with_cursor(self.cursor);
        let page =
            with_progress(call, engines.apps().map_err(tool_error)?.list_apps(&self.instance_id, options))
                .await?;
        Ok(AppList { count: page.apps.len(), apps: page.apps, next_cursor: page.next_cursor })
    }
}

/// Registers an app on an instance. Nothing of it runs before deploy puts a version live.
///
/// The source is a folder, a `.tar.gz`, or a git repository, whose tags are the versions. An optional `bext.app.toml` at
/// its root says more: the version, the command of a process, the folder of a static site, the path of the health
/// check. What the source is, is looked at here, and a source that cannot be served is refused.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct AddApp {
    /// Instance to add it to, as `list_instances` has it, such as `local`.
    pub instance_id: InstanceId,
    /// Name of the new app, unique on the instance: 1 to 64 of a-z, 0-9, - and _, such as `shop`. It is reached at
    /// `http://shop.localhost:PORT`.
    pub name: AppName,
    /// Where its releases come from: the path of a folder, of a `.tar.gz` or of a git repository on the machine of the
    /// instance, or the address of a git repository, such as `https://example.com/shop.git`. At most 4096 characters; no
    /// part of a path may be `..`.
    pub source: AppSource,
    /// Domains that lead to it, unused on the instance, such as `["shop.example.com", "*.shop.example.com"]`; none by
    /// default.
    #[serde(default)]
    pub domains: Vec<DomainName>,
    /// `static` (its files are served as they are) or `process` (a command of its manifest answers, at the port in the
    /// variable PORT); what its source says when absent: a manifest with a command means `process`.
    pub runtime: Option<Runtime>,
}

impl Tool<Engines> for AddApp {
    const NAME: &'static str = "add_app";
    const ANNOTATIONS: Annotations = Annotations::write();
    const SCOPES: &'static [&'static str] = &[scopes::WRITE];
    type Output = App;

    fn about(about: About) -> About {
        about.title("Add an app")
    }

    async fn call(self, engines: &Engines, call: &Call) -> Result<App, ToolError> {
        let new = NewApp::new(self.name, self.source).with_domains(self.domains).with_runtime(self.runtime);
        with_progress(call, engines.apps().map_err(tool_error)?.add_app(&self.instance_id, new))
            .await
            .map_err(pointing(&[
                ("app_exists", "/name"),
                ("domain_taken", "/domains"),
                ("source_not_found", "/source"),
                ("source_invalid", "/source"),
                ("source_unsupported", "/source"),
                ("manifest_invalid", "/source"),
                ("runtime_mismatch", "/runtime"),
            ]))
    }
}

/// Removes an app from an instance: it stops answering, and its domains, releases and secrets are deleted, for good.
///
/// Its deploy history stays, and so do its database and its keys. While it is being deployed it is refused as busy.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct RemoveApp {
    /// Instance to remove it from, as `list_instances` has it, such as `local`.
    pub instance_id: InstanceId,
    /// App to remove, as `list_apps` has it, such as `shop`.
    pub app: AppName,
}

/// An app was removed.
#[derive(Debug, Serialize, JsonSchema)]
pub struct AppRemoved {
    /// Always true: what cannot be removed is an error.
    pub removed: bool,
    /// The name of the app that is gone.
    pub app: AppName,
}

impl Tool<Engines> for RemoveApp {
    const NAME: &'static str = "remove_app";
    const ANNOTATIONS: Annotations = Annotations::destructive().idempotent();
    const SCOPES: &'static [&'static str] = &[scopes::ADMIN];
    type Output = AppRemoved;

    fn about(about: About) -> About {
        about.title("Remove an app")
    }

    async fn preview(&self, engines: &Engines, _: &Call) -> Result<Option<String>, ToolError> {
        let app = app_meant(engines, &self.instance_id, Some(&self.app)).await?;
        Ok(Some(removal_text(&app, &self.instance_id)))
    }

    async fn call(self, engines: &Engines, call: &Call) -> Result<AppRemoved, ToolError> {
        let app = AppRef::new(self.instance_id, self.app);
        with_progress(call, engines.apps().map_err(tool_error)?.remove_app(&app, Removal::KeepData)).await?;
        Ok(AppRemoved { removed: true, app: app.app })
    }
}

/// What the removal of the app as it is now would do.
fn removal_text(app: &App, instance: &InstanceId) -> String {
    let mut text = format!("This removes the app {} from {instance}.", app.name);
    match (&app.current_version, &app.canary) {
        (None, _) => text.push_str(" It is not deployed."),
        (Some(live), None) => {
            text.push_str(&format!(" {} is live and stops answering.", shown_version(live)))
        }
        (Some(live), Some(canary)) => {
            let (live, canary) = (shown_version(live), shown_version(&canary.version));
            text.push_str(&format!(" {live} and its canary {canary} are live and stop answering."));
        }
    }
    if !app.domains.is_empty() {
        let domains: Vec<&str> = app.domains.iter().map(DomainName::as_str).collect();
        text.push_str(&format!(" Its domains lead nowhere then: {}.", domains.join(", ")));
    }
    text.push_str(
        " Its releases and secrets are deleted for good; its deploy history, database and keys stay.",
    );
    text
}
