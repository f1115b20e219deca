//! Where the checks are made: an instance, and scratch apps on it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

use super::client::{self, Answer, Ask};
use super::scratch::Sources;
use super::trial::{Suite, Trouble};
use crate::bext::engine::{
    AppName, AppRef, AppSource, Apps, Clock, Deploy, DeployRecord, Deploys, Engines, InstanceId, ListApps,
    NewApp, Percent, Release, Rollback, SystemClock, Unheard, Version,
};
use crate::error::{Error, ErrorKind};

/// What the names of scratch apps begin with.
const PREFIX: &str = "conformance-";

/// A run of the checks: where it is, and the apps that it works on.
#[derive(Debug)]
pub(super) struct Bench {
    pub(super) engines: Engines,
    apps: Arc<dyn Apps>,
    pub(super) deploys: Arc<dyn Deploys>,
    pub(super) instance: InstanceId,
    pub(super) gateway: SocketAddr,
    /// A static site.
    pub(super) site: AppRef,
    /// One with a process; it is there only with a command for it.
    pub(super) process: AppRef,
    pub(super) sources: Sources,
    pub(super) command: Option<Vec<String>>,
    by: String,
    releases: AtomicU32,
    // What has to be removed; empty once it is.
    made: Mutex<Vec<AppRef>>,
}

impl Bench {
    /// Makes the scratch apps and deploys them.
    pub(super) async fn make(
        engines: &Engines,
        instance: InstanceId,
        command: Option<&[String]>,
        by: &str,
    ) -> Result<Self, Error> {
        let (Some(apps), Some(deploys)) = (engines.apps.clone(), engines.deploys.clone()) else {
            return Err(Error::new(
                ErrorKind::Unsupported,
                "no_engine",
                "the checks need an engine that deploys apps",
            ));
        };
        let gateway = gateway_of(engines, &instance).await?;
        let sources =
            tokio::task::spawn_blocking(Sources::make).await.map_err(unexpected)?.map_err(unexpected)?;
        let run = random_word()?;
        let app = |kind: &str| -> Result<AppRef, Error> {
            Ok(AppRef::new(instance.clone(), format!("{PREFIX}{kind}-{run}").parse()?))
        };
        let bench = Self {
            apps,
            deploys,
            gateway,
            site: app("site")?,
            process: app("process")?,
            sources,
            command: command.map(<[String]>::to_vec),
            by: by.to_owned(),
            releases: AtomicU32::new(1),
            made: Mutex::default(),
            engines: engines.clone(),
            instance,
        };
        bench.remove_older().await?;
        bench.add(&bench.site, bench.sources.site()).await?;
        bench.release(&bench.site, None, None).await?;
        if let Some(command) = &bench.command {
            bench.sources.write_process(command, "1.0.0", false).map_err(unexpected)?;
            bench.add(&bench.process, bench.sources.process()).await?;
            bench.release(&bench.process, None, None).await?;
        }
        Ok(bench)
    }

    /// Why a suite cannot be run in full; none if it can.
    pub(super) fn cannot(&self, suite: &Suite) -> Option<String> {
        (suite.asks_process && self.command.is_none()).then(|| {
            "the host application gave no command for the scratch app, so no process can be asked".to_owned()
        })
    }

    async fn add(&self, app: &AppRef, source: std::path::PathBuf) -> Result<(), Error> {
        let source: AppSource = source.to_string_lossy().into_owned().parse()?;
        self.apps.add_app(&app.instance, NewApp::new(app.app.clone(), source)).await?;
        self.made.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(app.clone());
        Ok(())
    }

    /// The apps of the engine.
    pub(super) fn apps(&self) -> &dyn Apps {
        &*self.apps
    }

    /// Deploys a version of what its source holds.
    pub(super) async fn release(
        &self,
        app: &AppRef,
        version: Option<&Version>,
        canary: Option<Percent>,
    ) -> Result<DeployRecord, Error> {
        let deploy = Deploy { release: self.of(app), version: version.cloned(), canary };
        self.deploys.deploy(deploy, Arc::new(Unheard)).await
    }

    pub(super) async fn roll_back(&self, app: &AppRef, version: Option<&str>) -> Result<DeployRecord, Error> {
        let version = version.map(str::parse).transpose()?;
        self.deploys.rollback(Rollback { release: self.of(app), version }, Arc::new(Unheard)).await
    }

    pub(super) async fn promote(&self, app: &AppRef) -> Result<DeployRecord, Error> {
        self.deploys.promote_canary(self.of(app), Arc::new(Unheard)).await
    }

    fn of(&self, app: &AppRef) -> Release {
        Release { instance: app.instance.clone(), app: Some(app.app.clone()), by: self.by.clone() }
    }

    /// Writes a new version of the app with a process; says which.
    pub(super) fn next_version(&self, ails: bool) -> Result<String, Trouble> {
        let version = format!("1.{}.0", self.releases.fetch_add(1, Ordering::Relaxed));
        let command = self.command.as_deref().unwrap_or_default();
        self.sources.write_process(command, &version, ails)?;
        Ok(version)
    }

    /// Writes and deploys a new version of the app with a process.
    pub(super) async fn release_next(&self, canary: Option<Percent>) -> Result<String, Trouble> {
        let version = self.next_version(false)?;
        self.release(&self.process, None, canary).await?;
        Ok(version)
    }

    /// The host that an app is always reached by.
    pub(super) fn host(app: &AppRef) -> String {
        format!("{}.localhost", app.app.as_str())
    }

    /// A GET to the static site.
    pub(super) fn to_site(&self, path: &str) -> Ask {
        Ask::get(Self::host(&self.site), path)
    }

    /// A GET to the app with a process.
    pub(super) fn to_process(&self, path: &str) -> Ask {
        Ask::get(Self::host(&self.process), path)
    }

    pub(super) async fn ask(&self, ask: &Ask) -> Result<Answer, Trouble> {
        client::ask(self.gateway, ask).await
    }

    /// Removes the scratch apps, with all that is theirs.
    pub(super) async fn remove(self) -> Result<(), Error> {
        let made = std::mem::take(&mut *self.made.lock().unwrap_or_else(std::sync::PoisonError::into_inner));
        for app in made {
            remove_all_of(&self.apps, &app).await?;
        }
        Ok(())
    }

    /// Removes scratch apps of runs that never came to their end.
    async fn remove_older(&self) -> Result<(), Error> {
        let mut options = ListApps::default();
        loop {
            let page = self.apps.list_apps(&self.instance, options).await?;
            for app in page.apps.iter().filter(|app| is_forgotten(&app.name, app.updated_at.unix_millis())) {
                remove_all_of(&self.apps, &AppRef::new(self.instance.clone(), app.name.clone())).await?;
            }
            match page.next_cursor {
                Some(cursor) => options = ListApps::default().with_cursor(Some(cursor)),
                None => return Ok(()),
            }
        }
    }
}

impl Drop for Bench {
    // A run that is cancelled leaves nothing either.
    fn drop(&mut self) {
        let made = std::mem::take(&mut *self.made.lock().unwrap_or_else(std::sync::PoisonError::into_inner));
        if let Ok(runtime) = tokio::runtime::Handle::try_current()
            && !made.is_empty()
        {
            let apps = self.apps.clone();
            runtime.spawn(async move {
                for app in made {
                    if let Err(error) = remove_all_of(&apps, &app).await {
                        tracing::warn!(code = error.code(), "{error}");
                    }
                }
            });
        }
    }
}

async fn remove_all_of(apps: &Arc<dyn Apps>, app: &AppRef) -> Result<(), Error> {
    apps.remove_app(app).await
}

/// Whether an app is one of ours that nobody works on any more.
fn is_forgotten(name: &AppName, updated_ms: i64) -> bool {
    const LONG_AGO_MS: i64 = 30 * 60 * 1000;
    let now = SystemClock.now().unix_millis();
    name.as_str().starts_with(PREFIX) && now.saturating_sub(updated_ms) > LONG_AGO_MS
}

/// Where the gateway of an instance answers.
async fn gateway_of(engines: &Engines, instance: &InstanceId) -> Result<SocketAddr, Error> {
    let found = engines.instances.resolve(instance).await?;
    let url = found.url.map(String::from).unwrap_or_default();
    let authority = url.strip_prefix("http://").unwrap_or_default().trim_end_matches('/').to_owned();
    let mut addresses = tokio::net::lookup_host(&authority).await.ok().into_iter().flatten();
    addresses.next().ok_or_else(|| {
        let message = format!("the instance \"{instance}\" has no gateway that could be asked over http");
        Error::new(ErrorKind::Conflict, "no_gateway", message)
    })
}

fn random_word() -> Result<String, Error> {
    let mut bytes = [0; 4];
    getrandom::fill(&mut bytes).map_err(unexpected)?;
    Ok(format!("{:08x}", u32::from_be_bytes(bytes)))
}

fn unexpected(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::new(ErrorKind::Unexpected, "internal", "the checks cannot be made ready").with_source(error)
}
