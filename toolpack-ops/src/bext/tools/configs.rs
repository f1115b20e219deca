//! `read_config` and `reload_config`: how an instance is set up.

use mcp_core::{About, Annotations, Call, Tool, ToolError};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::error::tool_error;
use super::progress::with_progress;
use crate::bext::engine::{Engines, InstanceId};
use crate::bext::scopes;

/// Reads the configuration of an instance as its file has it, with what is secret in it masked.
///
/// It may be newer than what is in effect: reload_config has it take effect.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct ReadConfig {
    /// Instance whose configuration is meant, as `list_instances` has it, such as `local`.
    pub instance_id: InstanceId,
}

/// The configuration of an instance.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ConfigFile {
    /// The name of its file, within the data directory.
    pub path: String,
    /// Its text as TOML, with what is secret in it masked; empty if every default holds.
    pub toml: String,
}

impl Tool<Engines> for ReadConfig {
    const NAME: &'static str = "read_config";
    const ANNOTATIONS: Annotations = Annotations::read_only();
    const SCOPES: &'static [&'static str] = &[scopes::READ];
    type Output = ConfigFile;

    fn about(about: About) -> About {
        about.title("Read the configuration")
    }

    async fn call(self, engines: &Engines, call: &Call) -> Result<ConfigFile, ToolError> {
        let config =
            with_progress(call, engines.configs().map_err(tool_error)?.read_config(&self.instance_id))
                .await?;
        Ok(ConfigFile { path: config.path, toml: config.toml })
    }
}

/// Has the configuration file of an instance take effect, without a restart and without a lost request.
///
/// A file with a mistake in it is refused with the place of the mistake, and what was in effect stays. What only a
/// restart can change is listed in `needs_restart`.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct ReloadConfig {
    /// Instance whose configuration is to be read anew, as `list_instances` has it, such as `local`.
    pub instance_id: InstanceId,
}

/// What a configuration that was read anew has changed.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ConfigReloaded {
    /// Always true: what cannot take effect is an error.
    pub reloaded: bool,
    /// The settings that have changed and are in effect now, such as `gateway.request_timeout`, ordered; empty if none.
    pub changed: Vec<String>,
    /// The settings that have changed and wait for the node to be started again, ordered; empty if none.
    pub needs_restart: Vec<String>,
    /// What is doubtful in the file, one sentence each; empty if nothing is.
    pub warnings: Vec<String>,
}

impl Tool<Engines> for ReloadConfig {
    const NAME: &'static str = "reload_config";
    const ANNOTATIONS: Annotations = Annotations::write().idempotent();
    const SCOPES: &'static [&'static str] = &[scopes::ADMIN];
    type Output = ConfigReloaded;

    fn about(about: About) -> About {
        about.title("Reload the configuration")
    }

    async fn call(self, engines: &Engines, call: &Call) -> Result<ConfigReloaded, ToolError> {
        let change =
            with_progress(call, engines.configs().map_err(tool_error)?.reload_config(&self.instance_id))
                .await?;
        Ok(ConfigReloaded {
            reloaded: true,
            changed: change.changed,
            needs_restart: change.needs_restart,
            warnings: change.warnings,
        })
    }
}
