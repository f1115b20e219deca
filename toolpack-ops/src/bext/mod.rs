//! The pack for bext: instances, the apps that they serve, and the data of those.
//!
//! | tool | what it does | scope |
//! |---|---|---|
//! | `deploy`, `rollback`, `promote_canary` | an app gets another version, or part of its visitors do | `bext:write` |
//! | `fleet_deploy` | the same on several instances at once | `bext:write` |
//! | `deploy_history` | what was released, and how it ended | `bext:read` |
//! | `list_instances`, `instance_overview`, `instance_health` | the instances there are, and how they are | `bext:read` |
//! | `list_apps`, `list_domains` | what an instance serves, and under which names | `bext:read` |
//! | `add_app`, `add_domain`, `remove_domain` | registers apps, and leads domains to them | `bext:write` |
//! | `remove_app` | takes an app away, with what belongs to it | `bext:admin` |
//! | `list_secrets`, `set_secret`, `delete_secret` | what apps find in their environment | `bext:admin` |
//! | `read_config` | the configuration of an instance, masked | `bext:read` |
//! | `reload_config` | has it take effect | `bext:admin` |
//! | `db_query`, `db_execute` | one SQL statement on an app's database | `bext:read`, `bext:write` |
//! | `kv_get`, `kv_list` | a key, and the keys of a prefix | `bext:read` |
//! | `kv_set`, `kv_delete` | writes and deletes a key | `bext:write` |
//! | `run_conformance` | checks an instance from end to end, and gives a score | `bext:write` |
//!
//! The resources `bext://instance/{id}` and `bext://deploy-history` hold what `instance_overview` and `deploy_history`
//! answer, for `bext:read`. A group for which the [engines](engine::Engines) have none is left out.
//!
//! [`pack`] takes them into a server, beside whatever else it has; [`PackOptions`](mcp_core::PackOptions) says which of
//! them, and under which names:
//!
//! ```
//! use mcp_core::{PackOptions, Server, testing::Client};
//! use serde_json::json;
//! use toolpack_ops::bext;
//! use toolpack_ops::bext::engine::Engines;
//! use toolpack_ops::bext::engine::embedded::{Embedded, EmbeddedConfig};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let directory = tempfile::tempdir()?;
//! # let directory = directory.path();
//! let engine = Embedded::open(directory, EmbeddedConfig::default()).await?;
//! let server = Server::new("shop", "1.0.0").pack(bext::pack(Engines::of(engine)), PackOptions::new());
//!
//! let client = Client::new(server).await;
//! let set = json!({"instance_id": "local", "key": "greeting", "value": "hello"});
//! assert_eq!(client.call("kv_set", set).await.structured(), &json!({"key": "greeting", "set": true}));
//! # Ok(())
//! # }
//! ```
//!
//! Some of them alone: `server.over(engines).tool::<DbQuery>()`. Without tools, the [engines](engine) are a library.

#[cfg(feature = "bext-node")]
pub mod conformance;
pub mod engine;
#[cfg(feature = "bext-node")]
pub mod node;
pub mod scopes;
pub mod table;
pub mod tools;

use std::sync::Arc;

use mcp_core::{Pack, Server};

use self::engine::Engines;
use self::tools::{
    AddApp, AddDomain, DbExecute, DbQuery, DeleteSecret, Deploy, DeployHistory, FleetDeploy, InstanceHealth,
    InstanceOverview, InstancePage, KvDelete, KvGet, KvList, KvSet, ListApps, ListDomains, ListInstances,
    ListSecrets, PromoteCanary, ReadConfig, RecentDeploys, ReloadConfig, RemoveApp, RemoveDomain, Rollback,
    RunConformance, SetSecret,
};

/// The pack over these engines.
pub fn pack(engines: impl Into<Arc<Engines>>) -> Bext {
    Bext { engines: engines.into() }
}

/// See [`pack`].
#[derive(Clone, Debug)]
pub struct Bext {
    engines: Arc<Engines>,
}

impl Pack for Bext {
    fn add_to<S: Send + Sync + 'static>(self, server: Server<S>) -> Server<S> {
        let engines = self.engines;
        server.with(engines.clone(), |mut bext: Server<Engines>| {
            if engines.deploys.is_some() {
                bext = bext
                    .tool::<Deploy>()
                    .tool::<Rollback>()
                    .tool::<PromoteCanary>()
                    .tool::<FleetDeploy>()
                    .tool::<DeployHistory>()
                    .resource::<RecentDeploys>();
            }
            bext = bext
                .tool::<ListInstances>()
                .tool::<InstanceOverview>()
                .tool::<InstanceHealth>()
                .resource::<InstancePage>();
            if engines.apps.is_some() {
                bext = bext
                    .tool::<ListApps>()
                    .tool::<AddApp>()
                    .tool::<RemoveApp>()
                    .tool::<ListDomains>()
                    .tool::<AddDomain>()
                    .tool::<RemoveDomain>();
            }
            if engines.secrets.is_some() {
                bext = bext.tool::<ListSecrets>().tool::<SetSecret>().tool::<DeleteSecret>();
            }
            if engines.configs.is_some() {
                bext = bext.tool::<ReadConfig>().tool::<ReloadConfig>();
            }
            bext = bext
                .tool::<DbQuery>()
                .tool::<DbExecute>()
                .tool::<KvGet>()
                .tool::<KvSet>()
                .tool::<KvDelete>()
                .tool::<KvList>();
            if engines.conformance.is_some() {
                bext = bext.tool::<RunConformance>();
            }
            bext
        })
    }
}
