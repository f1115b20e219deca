//! Engines that answer what they are told to, for how tools say things. What engines do is tested on real ones.

use std::sync::Arc;

use async_trait::async_trait;
use toolpack_ops::bext::engine::{
    App, AppPage, AppRef, AppStatus, Apps, Canary, Check, ConfigChange, ConfigText, Configs, Conformance,
    Deploy, DeployPage, DeployRecord, DeployStatus, Deploys, Domain, DomainName, DomainPage, Engines,
    FleetDeploy, FleetResult, InstanceId, ListApps, ListDeploys, ListDomains, ListSecrets, NewApp, Outcome,
    Percent, Release, Removal, Report, Rollback, RunChecks, Runtime, SecretInfo, SecretName, SecretPage,
    SecretValue, Secrets, SecretsOf, Stages, Strategy, Timestamp, Version,
};
use toolpack_ops::{Error, ErrorKind};

/// What the engines answer.
#[derive(Clone, Debug)]
pub(super) struct StandIn {
    /// The apps of every instance.
    pub(super) apps: Vec<App>,
    /// The names of the secrets of every instance and app.
    pub(super) secrets: Vec<&'static str>,
    /// How deploys end, the newest first.
    pub(super) records: Vec<DeployRecord>,
    /// The instances on which a deploy fails.
    pub(super) failing: Vec<&'static str>,
    /// What everything fails with.
    pub(super) error: Option<(ErrorKind, &'static str)>,
    /// How the checks of the suite `routing` end.
    pub(super) outcomes: Vec<Outcome>,
}

impl Default for StandIn {
    fn default() -> Self {
        Self {
            apps: vec![app("shop")],
            secrets: vec!["DATABASE_URL"],
            records: vec![record()],
            failing: Vec::new(),
            error: None,
            outcomes: vec![Outcome::Passed, Outcome::Passed, Outcome::Partial],
        }
    }
}

pub(super) fn at() -> Timestamp {
    Timestamp::from_unix_millis(1_767_225_600_000)
}

pub(super) fn version(text: &str) -> Version {
    text.parse().unwrap()
}

/// A running app with a version before the live one.
pub(super) fn app(name: &str) -> App {
    App {
        name: name.parse().unwrap(),
        domains: vec![format!("{name}.example.com").parse().unwrap()],
        source: "/srv/shop".to_owned(),
        runtime: Runtime::Process,
        current_version: Some(version("1.2.4")),
        previous_version: Some(version("1.2.3")),
        canary: None,
        status: AppStatus::Running,
        error: None,
        created_at: at(),
        updated_at: at(),
    }
}

pub(super) fn canary(text: &str, percent: u64) -> Option<Canary> {
    Some(Canary { version: version(text), percent: Percent::try_from(percent).unwrap() })
}

pub(super) fn record() -> DeployRecord {
    DeployRecord {
        id: "d-1".to_owned(),
        instance_id: "local".parse().unwrap(),
        app: "shop".parse().unwrap(),
        version: version("1.2.4"),
        previous_version: Some(version("1.2.3")),
        status: DeployStatus::Success,
        strategy: Strategy::Full,
        duration_ms: 3_240,
        started_at: at(),
        finished_at: at(),
        deployed_by: "local".to_owned(),
        error: None,
    }
}

impl StandIn {
    /// These engines, for every group but the instances and their data.
    pub(super) fn beside(self, engines: Engines) -> Engines {
        let stand_in = Arc::new(self);
        engines
            .with_apps(stand_in.clone())
            .with_deploys(stand_in.clone())
            .with_secrets(stand_in.clone())
            .with_configs(stand_in.clone())
            .with_conformance(stand_in)
    }

    fn works(&self) -> Result<(), Error> {
        match self.error {
            Some((kind, code)) => Err(Error::new(kind, code, "it does not work").with_source("/secret/path")),
            None => Ok(()),
        }
    }

    fn released(&self, release: &Release, version: Option<Version>) -> Result<DeployRecord, Error> {
        self.works()?;
        let mut record = self.records[0].clone();
        record.instance_id = release.instance.clone();
        record.deployed_by = release.by.clone();
        if let Some(version) = version {
            record.version = version;
        }
        Ok(record)
    }
}

#[async_trait]
impl Apps for StandIn {
    async fn list_apps(&self, _: &InstanceId, _: ListApps) -> Result<AppPage, Error> {
        self.works()?;
        Ok(AppPage { apps: self.apps.clone(), next_cursor: None })
    }

    async fn add_app(&self, _: &InstanceId, new: NewApp) -> Result<App, Error> {
        self.works()?;
        Ok(App {
            name: new.name,
            domains: new.domains,
            source: new.source.into(),
            runtime: new.runtime.unwrap_or(Runtime::Static),
            current_version: None,
            previous_version: None,
            status: AppStatus::Stopped,
            ..app("shop")
        })
    }

    async fn remove_app(&self, _: &AppRef, _: Removal) -> Result<(), Error> {
        self.works()
    }

    async fn list_domains(&self, _: &InstanceId, options: ListDomains) -> Result<DomainPage, Error> {
        self.works()?;
        let apps = self.apps.iter().filter(|app| options.app.as_ref().is_none_or(|name| app.name == *name));
        let domains = apps.flat_map(|app| {
            let domain = |domain: &DomainName| Domain {
                domain: domain.clone(),
                app: app.name.clone(),
                is_wildcard: domain.wildcard_of().is_some(),
            };
            app.domains.iter().map(domain).collect::<Vec<_>>()
        });
        Ok(DomainPage { domains: domains.collect(), next_cursor: None })
    }

    async fn add_domain(&self, _: &AppRef, _: &DomainName) -> Result<(), Error> {
        self.works()
    }

    async fn remove_domain(
        &self,
        _: &InstanceId,
        _: Option<&toolpack_ops::bext::engine::AppName>,
        _: &DomainName,
    ) -> Result<(), Error> {
        self.works()
    }
}

#[async_trait]
impl Deploys for StandIn {
    async fn deploy(&self, deploy: Deploy, stages: Arc<dyn Stages>) -> Result<DeployRecord, Error> {
        stages.reached(0, 2, "building");
        // A stage that lasts; no test waits for it, since time stands still where it matters.
        tokio::time::sleep(std::time::Duration::from_millis(2_500)).await;
        stages.reached(1, 2, "waiting for the health check");
        let mut record = self.released(&deploy.release, deploy.version)?;
        if deploy.canary.is_some() {
            record.strategy = Strategy::Canary;
        }
        Ok(record)
    }

    async fn promote_canary(&self, release: Release, _: Arc<dyn Stages>) -> Result<DeployRecord, Error> {
        self.released(&release, None)
    }

    async fn rollback(&self, rollback: Rollback, _: Arc<dyn Stages>) -> Result<DeployRecord, Error> {
        let mut record = self.released(&rollback.release, rollback.version)?;
        record.status = DeployStatus::RolledBack;
        Ok(record)
    }

    async fn fleet_deploy(&self, fleet: FleetDeploy, _: Arc<dyn Stages>) -> Result<FleetResult, Error> {
        self.works()?;
        let result = |instance: InstanceId| {
            let result = match self.failing.contains(&instance.as_str()) {
                true => Err("it stays unhealthy".to_owned()),
                false => {
                    let release = Release { instance: instance.clone(), app: None, by: fleet.by.clone() };
                    Ok(self.released(&release, fleet.version.clone()).unwrap())
                }
            };
            (instance, result)
        };
        Ok(FleetResult { results: fleet.instances.into_iter().map(result).collect() })
    }

    async fn history(&self, options: ListDeploys) -> Result<DeployPage, Error> {
        self.works()?;
        let mut deploys = self.records.clone();
        deploys.truncate(options.limit.get());
        Ok(DeployPage { deploys, next_cursor: None })
    }
}

#[async_trait]
impl Secrets for StandIn {
    async fn list_secrets(&self, _: &SecretsOf, _: ListSecrets) -> Result<SecretPage, Error> {
        self.works()?;
        let info = |name: &&str| SecretInfo { name: name.parse().unwrap(), updated_at: at() };
        Ok(SecretPage { secrets: self.secrets.iter().map(info).collect(), next_cursor: None })
    }

    async fn set_secret(&self, _: &SecretsOf, _: &SecretName, _: SecretValue) -> Result<(), Error> {
        self.works()
    }

    async fn delete_secret(&self, _: &SecretsOf, name: &SecretName) -> Result<bool, Error> {
        self.works()?;
        Ok(self.secrets.contains(&name.as_str()))
    }
}

#[async_trait]
impl Configs for StandIn {
    async fn read_config(&self, _: &InstanceId) -> Result<ConfigText, Error> {
        self.works()?;
        Ok(ConfigText { path: "bext.config.toml".to_owned(), toml: "[gateway]\n".to_owned() })
    }

    async fn reload_config(&self, _: &InstanceId) -> Result<ConfigChange, Error> {
        self.works()?;
        Ok(ConfigChange { changed: vec!["gateway.request_timeout".to_owned()], ..ConfigChange::default() })
    }
}

#[async_trait]
impl Conformance for StandIn {
    async fn run(&self, run: RunChecks, stages: Arc<dyn Stages>) -> Result<Report, Error> {
        self.works()?;
        stages.reached(0, 1, "routing");
        let check = |outcome: &Outcome| Check {
            suite: "routing".to_owned(),
            name: "an unknown host is answered with 404".to_owned(),
            outcome: *outcome,
            expected: "404".to_owned(),
            seen: "200".to_owned(),
        };
        Ok(Report {
            instance: run.instance.unwrap_or_else(|| "local".parse().unwrap()),
            checks: self.outcomes.iter().map(check).collect(),
            duration_ms: 12,
        })
    }
}
