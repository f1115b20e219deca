//! How a node is opened.

use std::sync::Arc;

use serde::Deserialize;

use crate::bext::engine::embedded::EmbeddedConfig;
use crate::bext::engine::{Clock, InstanceId, SystemClock};

/// What a node is opened with. Unknown fields are refused; every default is safe to start with.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct NodeConfig {
    /// The limits of the data of apps.
    pub embedded: EmbeddedConfig,
    /// The instances that a first start makes, in `instances.toml`; one that is called `local`, if there are none. Later
    /// it is that file that counts, and a list that is not what it says is refused.
    pub instances: Vec<InstanceId>,
    /// Where the time of day comes from; the system's clock by default. Time limits do not go by it.
    #[serde(skip, default = "system_clock")]
    pub clock: Arc<dyn Clock>,
}

fn system_clock() -> Arc<dyn Clock> {
    Arc::new(SystemClock)
}

impl Default for NodeConfig {
    fn default() -> Self {
        Self { embedded: EmbeddedConfig::default(), instances: Vec::new(), clock: system_clock() }
    }
}

impl NodeConfig {
    /// With these limits of the data of apps.
    #[must_use]
    pub fn with_embedded(mut self, embedded: EmbeddedConfig) -> Self {
        self.embedded = embedded;
        self
    }

    /// With these instances at a first start.
    #[must_use]
    pub fn with_instances(mut self, instances: Vec<InstanceId>) -> Self {
        self.instances = instances;
        self
    }

    /// With this clock.
    #[must_use]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }
}
