//! The tools: what a caller may ask for, each a struct of its arguments over [`Engines`](super::engine::Engines).
//!
//! They hold no SQL of their own and know no engine but by its traits. What an engine refuses, they say to the caller
//! in the engine's words, with the argument at fault.
//!
//! The two resources are here too, each beside the tool that answers with the same.

mod apps;
mod configs;
mod conformance;
mod current;
mod deploys;
mod domains;
mod error;
mod fleet;
mod history;
mod instances;
mod key_value;
mod overview;
mod progress;
mod secrets;
mod sql;
mod wording;

pub use apps::{AddApp, AppList, AppRemoved, ListApps, RemoveApp};
pub use configs::{ConfigFile, ConfigReloaded, ReadConfig, ReloadConfig};
pub use conformance::{ConformanceScore, RunConformance, SuiteScore};
pub use deploys::{Deploy, PromoteCanary, Rollback};
pub use domains::{
    AddDomain, DomainAdded, DomainList, DomainRemoved, ListDomains, ListedDomain, RemoveDomain,
};
pub use fleet::{FleetDeploy, FleetDeployed, FleetEntry, FleetInstances};
pub use history::{DeployHistory, DeployList, RecentDeploys};
pub use instances::{InstanceHealth, InstanceList, ListInstances, ListedInstance};
pub use key_value::{KeyList, KvDelete, KvGet, KvList, KvSet, KvValue, KvWritten};
pub use overview::{InstanceOverview, InstancePage, Overview, OverviewConfig};
pub use secrets::{DeleteSecret, ListSecrets, SecretDeleted, SecretList, SecretSet, SetSecret};
pub use sql::{DbExecute, DbQuery, Executed};
