//! `bext.config.toml`: how an instance serves and deploys, as its owner writes it.

use std::path::Path;
use std::time::Duration;

use super::gateway::GatewaySettings;
use crate::bext::engine::{ConfigChange, ConfigText};
use crate::error::Error;

/// The configuration of an instance, with its defaults.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct InstanceConfig {
    pub(crate) gateway: GatewaySettings,
    /// How long requests that are under way may go on when a release is taken out. 30 seconds by default.
    pub(crate) drain_time: Duration,
    /// How long a process that was asked to end may take, before it is killed. 5 seconds by default.
    pub(crate) stop_time: Duration,
    /// How many artifacts of an app are kept, besides those in use. 5 by default.
    pub(crate) keep_artifacts: usize,
}

/// The file and what of it is in effect. Its methods block.
#[derive(Debug)]
pub(crate) struct ConfigFile {}

impl ConfigFile {
    /// That of an instance; made on first start, with every setting as a comment.
    pub(crate) fn open(_instance: &Path) -> Result<Self, Error> {
        unimplemented!()
    }

    /// What is in effect.
    pub(crate) fn current(&self) -> InstanceConfig {
        unimplemented!()
    }

    /// Reads it anew and has it take effect; says what has changed.
    pub(crate) fn reload(&self) -> Result<(InstanceConfig, ConfigChange), Error> {
        unimplemented!()
    }

    /// Its text with what is secret masked.
    pub(crate) fn shown(&self) -> Result<ConfigText, Error> {
        unimplemented!()
    }
}
