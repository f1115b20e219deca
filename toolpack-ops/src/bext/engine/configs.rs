//! The configuration of an instance, as text that people write.

use std::fmt;

use async_trait::async_trait;

use super::InstanceId;
use crate::error::Error;

/// The configurations of the instances of an engine.
#[async_trait]
pub trait Configs: fmt::Debug + Send + Sync + 'static {
    /// The configuration as it lies there, with what is secret in it masked. Idempotent.
    ///
    /// # Errors
    ///
    /// `NotFound` for an unknown instance; `Unavailable` if it cannot be read (`config_unavailable`).
    async fn read_config(&self, instance: &InstanceId) -> Result<ConfigText, Error>;

    /// Reads the configuration anew and has it take effect, without a restart and without a lost request. Idempotent.
    ///
    /// # Errors
    ///
    /// `NotFound` for an unknown instance; `InvalidInput` for a configuration that is not good (`config_invalid`), saying
    /// where: then what was in effect stays.
    async fn reload_config(&self, instance: &InstanceId) -> Result<ConfigChange, Error>;
}

/// A configuration as text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigText {
    /// The name of its file, within the data directory.
    pub path: String,
    /// Its text, with what is secret in it masked.
    pub toml: String,
}

/// What a configuration that was read anew has changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConfigChange {
    /// The settings that are in effect now, such as `gateway.request_timeout`, ordered.
    pub changed: Vec<String>,
    /// The settings that have changed and wait for the node to be started again, ordered; `listen` is where the gateway
    /// listens, which is set beside the configuration.
    pub needs_restart: Vec<String>,
    /// What is doubtful, as sentences for a person.
    pub warnings: Vec<String>,
}
