//! What an engine of this pack can do: a small trait for each group of tools, and the types that go in and come out.
//!
//! | trait | what |
//! |---|---|
//! | [`Instances`] | the instances an engine knows, and whether they answer |
//! | [`Apps`] | their apps, and the domains that lead to them |
//! | [`Deploys`] | releases of the apps, and the record of them |
//! | [`Secrets`] | what apps find in their environment, and nobody else finds |
//! | [`Configs`] | the configurations of the instances |
//! | [`Conformance`] | checks of an instance, and a score |
//! | [`Database`] | one SQL database for each app |
//! | [`KeyValue`] | one key-value store for each app |
//!
//! The traits are object-safe and held as `Arc<dyn …>`, all of them together as [`Engines`]. Every method is required, so that a wrapper cannot lose one.
//! [`embedded`] is the engine that needs nothing else; `suite` (feature `suite`) holds the promises that every
//! engine keeps.
//!
//! # What every method promises
//!
//! - An instance that is not known fails with `NotFound`, code `instance_not_found`, before anything else is looked
//!   at, be it the statement, the cursor or the size of a value.
//! - An app that has stored nothing reads as empty, and reading does not store anything.
//! - What returned success is durable: killing the process loses nothing of it.
//! - Dropping the future cancels: a write is then either undone or complete, never half done.
//! - Any number of calls may run at once, from several processes too, where the engine has a shared store.
//!
//! A method returns its error and does not log it: whoever tells the caller of it does, as the tools do.
//!
//! There is no SQL here and no type of a vendor.

mod apps;
mod configs;
mod conformance;
mod database;
mod deploys;
pub mod embedded;
mod instances;
mod key_value;
mod names;
mod paging;
mod secrets;
mod stages;
#[cfg(feature = "suite")]
pub mod suite;
mod text;
mod time;

pub use apps::{
    App, AppPage, AppSource, AppStatus, Apps, Canary, Domain, DomainName, DomainPage, ListApps, ListDomains,
    NewApp, Removal, Runtime,
};
pub use configs::{ConfigChange, ConfigText, Configs};
pub use conformance::{Check, Conformance, Outcome, Report, RunChecks, SuiteName};
pub use database::{Cell, Changes, Database, Param, Rows, Statement};
pub use deploys::{
    Deploy, DeployPage, DeployRecord, DeployStatus, Deploys, FleetDeploy, FleetResult, ListDeploys, Percent,
    Release, Rollback, Strategy, Version,
};
pub use instances::{
    HealthReport, Instance, InstanceHealth, InstanceMetrics, InstancePage, InstanceStatus, Instances,
    ListInstances,
};
pub use key_value::{
    Deleted, Entry, Key, KeyPage, KeyPrefix, KeyValue, KeyValueText, ListKeys, SetKey, Ttl, Written,
};
pub use names::{AppName, AppRef, InstanceId, InstanceUrl};
pub use paging::{Cursor, PageSize};
pub use secrets::{ListSecrets, SecretInfo, SecretName, SecretPage, SecretValue, Secrets, SecretsOf};
pub use stages::{Stages, Unheard};
pub use time::{Clock, SystemClock, Timestamp};

pub use crate::error::{Error, ErrorKind, Retry};

use std::sync::Arc;

/// The engines of the pack: one for each group of tools, or one that is several of them.
///
/// It is the state of every tool; cloning it is cheap. A group without an engine has no tools.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Engines {
    /// The instances.
    pub instances: Arc<dyn Instances>,
    /// The databases.
    pub database: Arc<dyn Database>,
    /// The key-value stores.
    pub key_value: Arc<dyn KeyValue>,
    /// The apps.
    pub apps: Option<Arc<dyn Apps>>,
    /// Their releases.
    pub deploys: Option<Arc<dyn Deploys>>,
    /// Their secrets.
    pub secrets: Option<Arc<dyn Secrets>>,
    /// The configurations of the instances.
    pub configs: Option<Arc<dyn Configs>>,
    /// The checks of the instances.
    pub conformance: Option<Arc<dyn Conformance>>,
}

impl Engines {
    /// One engine for the instances and their data, such as [`Embedded`](embedded::Embedded).
    pub fn of(engine: impl Instances + Database + KeyValue) -> Self {
        let engine = Arc::new(engine);
        Self {
            instances: engine.clone(),
            database: engine.clone(),
            key_value: engine,
            apps: None,
            deploys: None,
            secrets: None,
            configs: None,
            conformance: None,
        }
    }

    /// One engine for everything but the checks.
    pub fn of_all(engine: impl Instances + Database + KeyValue + Apps + Deploys + Secrets + Configs) -> Self {
        let engine = Arc::new(engine);
        Self {
            instances: engine.clone(),
            database: engine.clone(),
            key_value: engine.clone(),
            apps: Some(engine.clone()),
            deploys: Some(engine.clone()),
            secrets: Some(engine.clone()),
            configs: Some(engine),
            conformance: None,
        }
    }

    /// Another engine for the instances.
    #[must_use]
    pub fn with_instances(mut self, instances: Arc<dyn Instances>) -> Self {
        self.instances = instances;
        self
    }

    /// Another engine for the databases.
    #[must_use]
    pub fn with_database(mut self, database: Arc<dyn Database>) -> Self {
        self.database = database;
        self
    }

    /// Another engine for the key-value stores.
    #[must_use]
    pub fn with_key_value(mut self, key_value: Arc<dyn KeyValue>) -> Self {
        self.key_value = key_value;
        self
    }

    /// Another engine for the apps.
    #[must_use]
    pub fn with_apps(mut self, apps: Arc<dyn Apps>) -> Self {
        self.apps = Some(apps);
        self
    }

    /// Another engine for releases.
    #[must_use]
    pub fn with_deploys(mut self, deploys: Arc<dyn Deploys>) -> Self {
        self.deploys = Some(deploys);
        self
    }

    /// Another engine for secrets.
    #[must_use]
    pub fn with_secrets(mut self, secrets: Arc<dyn Secrets>) -> Self {
        self.secrets = Some(secrets);
        self
    }

    /// Another engine for configurations.
    #[must_use]
    pub fn with_configs(mut self, configs: Arc<dyn Configs>) -> Self {
        self.configs = Some(configs);
        self
    }

    /// The engine for the apps.
    ///
    /// # Errors
    ///
    /// `Unsupported` if there is none (`no_engine`).
    pub fn apps(&self) -> Result<&Arc<dyn Apps>, Error> {
        self.apps.as_ref().ok_or_else(|| no_engine("apps"))
    }

    /// The engine for releases.
    ///
    /// # Errors
    ///
    /// As [`apps`](Self::apps()).
    pub fn deploys(&self) -> Result<&Arc<dyn Deploys>, Error> {
        self.deploys.as_ref().ok_or_else(|| no_engine("deploys"))
    }

    /// The engine for secrets.
    ///
    /// # Errors
    ///
    /// As [`apps`](Self::apps()).
    pub fn secrets(&self) -> Result<&Arc<dyn Secrets>, Error> {
        self.secrets.as_ref().ok_or_else(|| no_engine("secrets"))
    }

    /// The engine for configurations.
    ///
    /// # Errors
    ///
    /// As [`apps`](Self::apps()).
    pub fn configs(&self) -> Result<&Arc<dyn Configs>, Error> {
        self.configs.as_ref().ok_or_else(|| no_engine("configurations"))
    }

    /// The engine for the checks.
    ///
    /// # Errors
    ///
    /// As [`apps`](Self::apps()).
    pub fn conformance(&self) -> Result<&Arc<dyn Conformance>, Error> {
        self.conformance.as_ref().ok_or_else(|| no_engine("conformance checks"))
    }

    /// Another engine for the checks.
    #[must_use]
    pub fn with_conformance(mut self, conformance: Arc<dyn Conformance>) -> Self {
        self.conformance = Some(conformance);
        self
    }
}

fn no_engine(group: &str) -> Error {
    let message = format!("this server has no engine for {group}, so it cannot do this");
    Error::new(ErrorKind::Unsupported, "no_engine", message)
}

/// A value that its type refuses.
fn invalid_argument(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidInput, "invalid_argument", message)
}
