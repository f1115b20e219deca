//! Engines over a node that do one thing otherwise than they should.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use toolpack_ops::Error;
use toolpack_ops::bext::engine::{
    App, AppName, AppPage, AppRef, Apps, ConfigChange, ConfigText, Configs, Deleted, Deploy, DeployPage,
    DeployRecord, Deploys, DomainName, DomainPage, Entry, FleetDeploy, FleetResult, HealthReport, Instance,
    InstanceId, InstanceMetrics, InstancePage, InstanceUrl, Instances, Key, KeyPage, KeyValue, ListApps,
    ListDeploys, ListDomains, ListInstances, ListKeys, ListSecrets, NewApp, Release, Removal, Rollback,
    SecretName, SecretPage, SecretValue, Secrets, SecretsOf, SetKey, Stages, Written,
};
use toolpack_ops::bext::node::Node;

/// Says that the gateways are elsewhere.
#[derive(Debug)]
pub(super) struct Elsewhere(pub(super) Node, pub(super) InstanceUrl);

#[async_trait]
impl Instances for Elsewhere {
    async fn list(&self, options: ListInstances) -> Result<InstancePage, Error> {
        Instances::list(&self.0, options).await
    }
    async fn resolve(&self, id: &InstanceId) -> Result<Instance, Error> {
        let found = self.0.resolve(id).await?;
        Ok(Instance { url: Some(self.1.clone()), ..found })
    }
    async fn health(&self, id: &InstanceId) -> Result<HealthReport, Error> {
        self.0.health(id).await
    }
    async fn metrics(&self, id: &InstanceId) -> Result<InstanceMetrics, Error> {
        self.0.metrics(id).await
    }
}

/// Remembers the sources of all apps.
#[derive(Debug)]
pub(super) struct Noting(pub(super) Node, pub(super) Arc<Mutex<Vec<String>>>);

#[async_trait]
impl Apps for Noting {
    async fn list_apps(&self, instance: &InstanceId, options: ListApps) -> Result<AppPage, Error> {
        self.0.list_apps(instance, options).await
    }
    async fn add_app(&self, instance: &InstanceId, new: NewApp) -> Result<App, Error> {
        self.1.lock().unwrap().push(new.source.as_str().to_owned());
        self.0.add_app(instance, new).await
    }
    async fn remove_app(&self, app: &AppRef, what: Removal) -> Result<(), Error> {
        self.0.remove_app(app, what).await
    }
    async fn list_domains(&self, instance: &InstanceId, options: ListDomains) -> Result<DomainPage, Error> {
        self.0.list_domains(instance, options).await
    }
    async fn add_domain(&self, app: &AppRef, domain: &DomainName) -> Result<(), Error> {
        self.0.add_domain(app, domain).await
    }
    async fn remove_domain(
        &self,
        instance: &InstanceId,
        app: Option<&AppName>,
        domain: &DomainName,
    ) -> Result<(), Error> {
        self.0.remove_domain(instance, app, domain).await
    }
}

/// Gives canaries another part than they should have, or loses a request in the second release of an app.
#[derive(Debug)]
pub(super) struct Careless {
    pub(super) node: Node,
    pub(super) percent: Option<u64>,
    pub(super) cut: Option<Arc<AtomicBool>>,
    pub(super) deploys: Mutex<HashMap<AppName, usize>>,
}

#[async_trait]
impl Deploys for Careless {
    async fn deploy(&self, mut deploy: Deploy, stages: Arc<dyn Stages>) -> Result<DeployRecord, Error> {
        if let (Some(percent), Some(_)) = (self.percent, deploy.canary) {
            deploy.canary = Some(percent.try_into().unwrap());
        }
        let app = deploy.release.app.clone().unwrap();
        let nth = {
            let mut deploys = self.deploys.lock().unwrap();
            let nth = deploys.entry(app.clone()).or_default();
            *nth += 1;
            *nth
        };
        let deployed = self.node.deploy(deploy, stages).await;
        if let Some(cut) = self.cut.as_ref().filter(|_| nth == 2 && app.as_str().contains("-process-")) {
            cut.store(true, Ordering::SeqCst);
        }
        deployed
    }
    async fn promote_canary(&self, release: Release, stages: Arc<dyn Stages>) -> Result<DeployRecord, Error> {
        self.node.promote_canary(release, stages).await
    }
    async fn rollback(&self, rollback: Rollback, stages: Arc<dyn Stages>) -> Result<DeployRecord, Error> {
        self.node.rollback(rollback, stages).await
    }
    async fn fleet_deploy(&self, fleet: FleetDeploy, stages: Arc<dyn Stages>) -> Result<FleetResult, Error> {
        self.node.fleet_deploy(fleet, stages).await
    }
    async fn history(&self, options: ListDeploys) -> Result<DeployPage, Error> {
        self.node.history(options).await
    }
}

/// Shows the last secret that was set in the configuration.
#[derive(Debug)]
pub(super) struct Leaky(pub(super) Node, pub(super) Mutex<String>);

#[async_trait]
impl Secrets for Leaky {
    async fn list_secrets(&self, of: &SecretsOf, options: ListSecrets) -> Result<SecretPage, Error> {
        self.0.list_secrets(of, options).await
    }
    async fn set_secret(&self, of: &SecretsOf, name: &SecretName, value: SecretValue) -> Result<(), Error> {
        value.expose().clone_into(&mut self.1.lock().unwrap());
        self.0.set_secret(of, name, value).await
    }
    async fn delete_secret(&self, of: &SecretsOf, name: &SecretName) -> Result<bool, Error> {
        self.0.delete_secret(of, name).await
    }
}

#[async_trait]
impl Configs for Leaky {
    async fn read_config(&self, instance: &InstanceId) -> Result<ConfigText, Error> {
        let mut text = self.0.read_config(instance).await?;
        text.toml.push_str(&format!("# {}\n", self.1.lock().unwrap()));
        Ok(text)
    }
    async fn reload_config(&self, instance: &InstanceId) -> Result<ConfigChange, Error> {
        self.0.reload_config(instance).await
    }
}

/// Lists all keys, whatever they should begin with.
#[derive(Debug)]
pub(super) struct Talkative(pub(super) Node);

#[async_trait]
impl KeyValue for Talkative {
    async fn get(&self, app: &AppRef, key: &Key) -> Result<Option<Entry>, Error> {
        self.0.get(app, key).await
    }
    async fn set(&self, app: &AppRef, key: &Key, options: SetKey) -> Result<Written, Error> {
        self.0.set(app, key, options).await
    }
    async fn delete(&self, app: &AppRef, key: &Key) -> Result<Deleted, Error> {
        self.0.delete(app, key).await
    }
    async fn list(&self, app: &AppRef, mut options: ListKeys) -> Result<KeyPage, Error> {
        options.prefix = Default::default();
        KeyValue::list(&self.0, app, options).await
    }
}
