//! Where the checks are made: an instance, and scratch apps on it.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::time::{sleep, timeout};

use super::client::{self, Answer, Ask};
use super::finding::Trouble;
use super::made::{Made, remove_left};
use super::names::{self, Kind};
use super::scratch::Sources;
use crate::bext::engine::{
    App, AppRef, AppSource, AppStatus, Apps, Deploy, DeployRecord, Deploys, Engines, InstanceId, ListApps,
    NewApp, Percent, Release, Rollback, Unheard, Version,
};
use crate::error::{Error, ErrorKind};

/// How long the app with a process may take to come to rest after a check that went wrong.
const SETTLE_TIME: Duration = Duration::from_secs(15);

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
    /// Another, small one.
    pub(super) other: AppRef,
    /// An app with a process, released and crashed by the checks that run one after the other. It and the next are there
    /// only with a command.
    pub(super) process: AppRef,
    /// An app with a process that stays as it is, for the checks that wait.
    pub(super) slow: AppRef,
    sources: Arc<Sources>,
    command: Option<Vec<String>>,
    by: String,
    releases: AtomicU32,
    made: Made,
}

impl Bench {
    /// Finds what is needed. There are no apps before [`set_up`](Self::set_up).
    pub(super) async fn new(
        engines: &Engines,
        instance: InstanceId,
        command: Option<&[String]>,
        by: &str,
    ) -> Result<Self, Error> {
        let (apps, deploys) = (engines.apps()?.clone(), engines.deploys()?.clone());
        let gateway = gateway_of(engines, &instance).await?;
        let sources = blocking(Sources::make).await?;
        let sources = Arc::new(sources);
        let run = names::new_run()?;
        let app = |kind| Ok::<_, Error>(AppRef::new(instance.clone(), names::of(kind, &run)?));
        Ok(Self {
            made: Made::new(apps.clone(), sources.clone()),
            site: app(Kind::Site)?,
            other: app(Kind::Other)?,
            process: app(Kind::Process)?,
            slow: app(Kind::Slow)?,
            apps,
            deploys,
            gateway,
            sources,
            command: command.map(<[String]>::to_vec),
            by: by.to_owned(),
            releases: AtomicU32::new(1),
            engines: engines.clone(),
            instance,
        })
    }

    /// Makes the scratch apps and deploys them.
    pub(super) async fn set_up(&self) -> Result<(), Error> {
        tokio::try_join!(
            self.start(&self.site, Kind::Site),
            self.start(&self.other, Kind::Other),
            self.start_process(&self.process, Kind::Process),
            self.start_process(&self.slow, Kind::Slow),
        )?;
        // What others have left is no reason not to check.
        if let Err(error) = remove_left(&*self.apps, &self.instance).await {
            tracing::warn!(code = error.code(), %error, "scratch apps of an earlier run are left");
        }
        Ok(())
    }

    async fn start(&self, app: &AppRef, kind: Kind) -> Result<(), Error> {
        let source: AppSource = self.sources.of(kind).to_string_lossy().into_owned().parse()?;
        self.made.note(app.clone());
        self.apps.add_app(&app.instance, NewApp::new(app.app.clone(), source)).await?;
        self.release(app, None, None).await?;
        Ok(())
    }

    async fn start_process(&self, app: &AppRef, kind: Kind) -> Result<(), Error> {
        let (Some(command), sources) = (self.command.clone(), self.sources.clone()) else { return Ok(()) };
        blocking(move || sources.write_well(kind, &command, "1.0.0")).await?;
        self.start(app, kind).await
    }

    /// Why no process can be asked; none if one can.
    pub(super) fn without_process(&self) -> Option<String> {
        self.command.is_none().then(|| {
            "the host application gave no command for the scratch app, so no process can be asked".to_owned()
        })
    }

    /// The apps of the engine.
    pub(super) fn apps(&self) -> &dyn Apps {
        &*self.apps
    }

    /// An app as the engine lists it; none if it does not.
    pub(super) async fn listed(&self, app: &AppRef) -> Result<Option<App>, Error> {
        let mut options = ListApps::default();
        loop {
            let page = self.apps.list_apps(&app.instance, options).await?;
            if let Some(found) = page.apps.into_iter().find(|found| found.name == app.app) {
                return Ok(Some(found));
            }
            match page.next_cursor {
                Some(cursor) => options = ListApps::default().with_cursor(Some(cursor)),
                None => return Ok(None),
            }
        }
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

    /// A version that no app had.
    fn new_version(&self) -> String {
        format!("1.{}.0", self.releases.fetch_add(1, Ordering::Relaxed))
    }

    /// Writes a new version of the app with a process; says which.
    pub(super) async fn write_next(&self) -> Result<String, Trouble> {
        let (version, command) = (self.new_version(), self.command.clone().unwrap_or_default());
        let (sources, written) = (self.sources.clone(), version.clone());
        blocking(move || sources.write_well(Kind::Process, &command, &written)).await?;
        Ok(version)
    }

    /// Writes and deploys a new version of the app with a process; says which.
    pub(super) async fn release_next(&self, canary: Option<Percent>) -> Result<String, Trouble> {
        let version = self.write_next().await?;
        self.release(&self.process, None, canary).await?;
        Ok(version)
    }

    /// Writes a version of the app with a process that stays unhealthy, and deploys it; says what came of that.
    pub(super) async fn release_ailing(&self) -> Result<Result<DeployRecord, Error>, Trouble> {
        let (version, command) = (self.new_version(), self.command.clone().unwrap_or_default());
        let sources = self.sources.clone();
        blocking(move || sources.write_ailing(Kind::Process, &command, &version)).await?;
        Ok(self.release(&self.process, None, None).await)
    }

    /// Writes a new version of a static site; says which.
    pub(super) async fn write_site(&self, app: &AppRef) -> Result<String, Trouble> {
        let kind = if *app == self.other { Kind::Other } else { Kind::Site };
        let version = self.new_version();
        let (sources, written) = (self.sources.clone(), version.clone());
        blocking(move || sources.write_version(kind, &written)).await?;
        Ok(version)
    }

    /// Has the app with a process come to rest after a check that went wrong: nothing is being released, and no canary
    /// runs. What cannot be put right here, the next check says.
    pub(super) async fn settle(&self) {
        let settling = async {
            while let Ok(Some(app)) = self.listed(&self.process).await {
                if app.status == AppStatus::Deploying {
                    sleep(Duration::from_millis(50)).await;
                } else if app.canary.is_none() || self.roll_back(&self.process, None).await.is_err() {
                    break;
                }
            }
        };
        // Then the next check finds it so.
        let _ = timeout(SETTLE_TIME, settling).await;
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

    /// A GET to the app with a process that nobody disturbs.
    pub(super) fn to_slow(&self, path: &str) -> Ask {
        Ask::get(Self::host(&self.slow), path)
    }

    pub(super) async fn ask(&self, ask: &Ask) -> Result<Answer, Trouble> {
        client::ask(self.gateway, ask).await
    }

    /// The version that an app says it has.
    pub(super) async fn live(&self, app: &AppRef) -> Result<String, Trouble> {
        let answer = self.ask(&Ask::get(Self::host(app), "/version")).await?;
        Ok(answer.text().trim().to_owned())
    }

    /// Removes the scratch apps, with all that is theirs.
    pub(super) async fn remove(&self) -> Result<(), Error> {
        self.made.remove().await
    }
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

/// Works with files.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, Error> {
    let done = tokio::task::spawn_blocking(work).await.map_err(io::Error::other).flatten();
    done.map_err(|error| {
        let message = "the sources of the scratch apps cannot be written; the log of the server says why";
        Error::new(ErrorKind::Unavailable, "scratch_unavailable", message).with_source(error)
    })
}
