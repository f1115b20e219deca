//! One instance at work: all its rooms, and how a release of it is started and cleared away.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::HeldLock;
use super::claims::Claims;
use super::config::{ConfigFile, InstanceConfig};
use super::gateway::Gateway;
use super::ids::Ids;
use super::kept::Kept;
use super::last_probe::LastProbe;
use super::layout::Layout;
use super::process::{HealthCheck, Launch, Process};
use super::running::{Place, Running};
use super::secrets::{SecretKey, SecretStore};
use super::site::Site;
use super::source::{Artifact, Artifacts, Manifest, Source, SourceLimits};
use super::store::{
    AppRow, AppsTable, DomainsTable, Fault, ReleaseRow, RouteRow, RoutesTable, Store, blocking,
};
use super::tasks::{Tasks, Turn};
use super::traffic::{Change, Traffic};
use crate::bext::engine::embedded::Embedded;
use crate::bext::engine::embedded::registry::{Registry, url_of};
use crate::bext::engine::{
    AppName, AppSource, Clock, Instance, InstanceId, InstanceUrl, Runtime, Timestamp, Version,
};
use crate::error::{Error, ErrorKind};

/// How long it takes until a release that did not start is tried again, at first and at most.
const RETRY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// An instance at work.
#[derive(Debug)]
pub(crate) struct Hosted {
    pub(crate) id: InstanceId,
    pub(crate) name: String,
    registry: Arc<Registry>,
    /// The databases and keys of apps, of all instances.
    pub(crate) data: Embedded,
    pub(crate) layout: Layout,
    pub(crate) store: Store,
    pub(crate) config: Arc<ConfigFile>,
    pub(crate) secrets: Arc<SecretStore>,
    pub(crate) kept: Kept,
    pub(crate) traffic: Traffic,
    pub(crate) claims: Claims,
    pub(crate) tasks: Tasks,
    pub(crate) ids: Arc<Ids>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) last_probe: LastProbe,
    /// Restarts of processes that are gone.
    past_restarts: AtomicU64,
    // Held so that no other node begins while anything of this one is at work.
    _lock: HeldLock,
}

/// What all instances of a node share.
#[derive(Clone, Debug)]
pub(crate) struct Common {
    pub(crate) key: SecretKey,
    pub(crate) tasks: Tasks,
    pub(crate) ids: Arc<Ids>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) registry: Arc<Registry>,
    pub(crate) data: Embedded,
    pub(crate) lock: HeldLock,
}

impl Hosted {
    /// Opens the rooms of an instance. Nothing of it runs yet.
    pub(crate) async fn open(
        Instance { id, name, .. }: Instance,
        layout: Layout,
        common: Common,
    ) -> Result<Self, Error> {
        let (rooms, key) = (layout.clone(), common.key);
        let (config, secrets) = blocking(move || {
            rooms.make()?;
            Ok((ConfigFile::open(rooms.root())?, SecretStore::open(rooms.root(), key)?))
        })
        .await?;
        let store = Store::open(layout.state()).await?;
        let artifacts = Artifacts::open(layout.artifacts()).await?;
        Ok(Self {
            id,
            name,
            registry: common.registry,
            data: common.data,
            layout,
            store,
            config: Arc::new(config),
            secrets: Arc::new(secrets),
            kept: Kept::new(artifacts),
            traffic: Traffic::default(),
            claims: Claims::default(),
            tasks: common.tasks,
            ids: common.ids,
            clock: common.clock,
            last_probe: LastProbe::default(),
            past_restarts: AtomicU64::new(0),
            _lock: common.lock,
        })
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(crate) fn config(&self) -> InstanceConfig {
        self.config.current()
    }

    /// Has the gateway listen, if it does not. What keeps it from it is noted, and logged when it is new.
    pub(crate) async fn listen(&self) {
        let Err(before) = self.traffic.gateway() else { return };
        match self.bind().await {
            Ok(gateway) => {
                tracing::info!(instance = %self.id, address = %gateway.local_addr(), "the gateway listens");
                self.traffic.open(gateway);
            }
            Err(error) => {
                if error.message() != before {
                    let cause =
                        std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
                    tracing::warn!(instance = %self.id, cause, "{error}");
                }
                self.traffic.fail(error.message().to_owned());
            }
        }
    }

    /// The gateway at its address. Where any port will do, the one that was found is kept before anybody hears of it.
    async fn bind(&self) -> Result<Gateway, Error> {
        let (registry, id) = (self.registry.clone(), self.id.clone());
        let address = blocking(move || Ok(registry.listen(&id)?)).await?;
        let gateway = Gateway::bind(address, self.config().gateway).await.map_err(|error| {
            let why = match error.kind() {
                std::io::ErrorKind::AddrInUse => {
                    format!("port {} is in use by another program", address.port())
                }
                kind => kind.to_string(),
            };
            let message = format!("the gateway cannot listen: {why}");
            Error::new(ErrorKind::Unavailable, "gateway_unavailable", message).with_source(error)
        })?;
        let (registry, id, port) = (self.registry.clone(), self.id.clone(), gateway.local_addr().port());
        if address.port() == 0 {
            blocking(move || Ok(registry.keep_port(&id, port)?)).await?;
        }
        Ok(gateway)
    }

    /// Where the gateway answers, or is to answer when it can.
    pub(crate) async fn url(&self) -> Option<InstanceUrl> {
        if let Ok((address, _)) = self.traffic.gateway() {
            return url_of(address);
        }
        let (registry, id) = (self.registry.clone(), self.id.clone());
        let address = blocking(move || Ok(registry.listen(&id)?)).await.ok()?;
        url_of(address).filter(|_| address.port() != 0)
    }

    /// Where the gateway is to listen from its next start on, and where it does, if that is another place.
    pub(crate) async fn listens_elsewhere(&self) -> Result<Option<(SocketAddr, SocketAddr)>, Error> {
        // One that does not listen is tried again at the address that is wanted by then.
        let Ok((bound, _)) = self.traffic.gateway() else { return Ok(None) };
        let (registry, id) = (self.registry.clone(), self.id.clone());
        let wanted = blocking(move || Ok(registry.listen(&id)?)).await?;
        // Port 0 is left only where none was kept: then another one is chosen.
        let is_same = (wanted.ip(), wanted.port()) == (bound.ip(), bound.port());
        Ok((!is_same).then_some((wanted, bound)))
    }

    /// Looks at a source, within the limits of the configuration.
    pub(crate) async fn source(&self, source: &AppSource) -> Result<Source, Error> {
        let limits = SourceLimits { bytes: self.config().max_source_bytes, ..SourceLimits::default() };
        Source::open_with(source, &self.layout.sources(), limits).await
    }

    /// The app of that name, or the only one.
    pub(crate) async fn app(&self, name: Option<&AppName>) -> Result<AppRow, Error> {
        let name = name.cloned();
        self.store
            .read(move |connection| {
                let apps = AppsTable(connection);
                let wanted = match &name {
                    Some(name) => name.clone(),
                    None => only(apps.names()?)?,
                };
                match apps.get(&wanted)? {
                    Some(app) => Ok(app),
                    None => Err(app_not_found(&wanted, &apps.names()?).into()),
                }
            })
            .await
    }

    /// Starts a release beside whatever runs, and waits until it is well.
    pub(crate) async fn start(
        &self,
        app: &AppName,
        version: &Version,
        artifact: Artifact,
    ) -> Result<Running, Error> {
        let manifest = &artifact.manifest;
        let Some(command) = manifest.command.clone() else {
            let files = artifact.clone();
            let site = blocking(move || Ok(Site::open(files.site_directory())?)).await.map_err(|error| {
                Error::new(
                    ErrorKind::Unavailable,
                    "artifact_unavailable",
                    "the files of the release cannot be read",
                )
                .with_source(error)
            })?;
            return Ok(Running::of_site(version.clone(), site, artifact));
        };
        let (secrets, name) = (self.secrets.clone(), app.clone());
        let secrets = blocking(move || Ok(secrets.for_app(&name)?)).await?;
        let launch = Launch {
            app: app.clone(),
            version: version.clone(),
            command,
            directory: artifact.directory.clone(),
            secrets,
            health: HealthCheck {
                path: manifest.health_path.clone().unwrap_or_else(|| "/".to_owned()),
                timeout: manifest.health_timeout,
            },
            log: self.layout.log(app),
            ledger: self.layout.processes(),
        };
        match Process::start(launch).await {
            Ok(process) => Ok(Running::of_process(version.clone(), process, artifact)),
            Err(error) => Err(did_not_start(version, &error.message)),
        }
    }

    /// As [`start`](Self::start), of a release that is to become live: a site has to answer the path that its manifest
    /// names, too. One that was live comes back with the node whatever it answers.
    pub(crate) async fn start_new(
        &self,
        app: &AppName,
        version: &Version,
        artifact: Artifact,
    ) -> Result<Running, Error> {
        let Manifest { health_path, health_timeout, .. } = artifact.manifest.clone();
        let running = self.start(app, version, artifact).await?;
        if let (Some(site), Some(path)) = (running.site(), health_path) {
            site.check(&path, health_timeout).await.map_err(|unwell| did_not_start(version, &unwell))?;
        }
        Ok(running)
    }

    /// Starts again what the routes lead to, as a node that was just started does.
    ///
    /// Files are served at once. Processes are started side by side, while requests for them wait.
    pub(crate) async fn start_routes(self: &Arc<Self>) -> Result<(), Error> {
        let routes = self
            .store
            .read(|connection| {
                let with_domains = |route: RouteRow| Ok((DomainsTable(connection).of(&route.app)?, route));
                RoutesTable(connection)
                    .all()?
                    .into_iter()
                    .map(with_domains)
                    .collect::<Result<Vec<_>, Fault>>()
            })
            .await?;
        for (domains, route) in routes {
            let app = route.app.clone();
            let stable = self.start_again(&route.live).await;
            let mut waiting = Vec::from_iter(waits_for(route.live, &stable));
            self.traffic.change(&app, domains.clone(), Change::Live(stable));
            if let Some((percent, release)) = route.canary {
                let canary = self.start_again(&release).await;
                waiting.extend(waits_for(release, &canary));
                self.traffic.change(&app, domains, Change::Canary(percent, canary));
            }
            // Begun when it has its place in the route.
            for (release, place, given_up) in waiting {
                tokio::spawn(self.clone().revive(release, place, given_up, self.tasks.enter()?));
            }
        }
        Ok(())
    }

    /// A release of files at work, or one that is to be started while requests wait.
    async fn start_again(&self, release: &ReleaseRow) -> Running {
        if release.runtime == Runtime::Static
            && let Ok(running) = self.start_kept(release).await
        {
            return running;
        }
        Running::down(release.version.clone())
    }

    /// Starts a release whose artifact was made earlier.
    pub(crate) async fn start_kept(&self, release: &ReleaseRow) -> Result<Running, Error> {
        let Some(artifact) = self.kept.get(&release.artifact).await? else {
            let message = format!("the artifact of {} is gone; deploy the app again", release.version);
            return Err(Error::new(ErrorKind::NotFound, "version_not_kept", message));
        };
        self.start(&release.app, &release.version, artifact).await
    }

    /// Starts what should run until it does, or should not any more.
    async fn revive(
        self: Arc<Self>,
        release: ReleaseRow,
        place: Place,
        given_up: impl Future<Output = ()>,
        turn: Turn,
    ) {
        let _turn = turn;
        tokio::select! {
            () = self.tasks.closing() => return,
            // Whatever was being started is ended by that.
            () = given_up => {}
            unwanted = self.start_until_it_runs(&release, place) => {
                let Some(unwanted) = unwanted else { return };
                unwanted.stop(self.config().stop_time).await;
            }
        }
        // Its artifact was in use until now.
        self.clear_away().await;
    }

    /// Gives back what was started and has no place any more.
    async fn start_until_it_runs(&self, release: &ReleaseRow, place: Place) -> Option<Running> {
        let app = &release.app;
        let mut pause = RETRY.0;
        loop {
            match self.start_kept(release).await {
                Ok(running) => return self.traffic.revive(app, place, running),
                Err(error) => {
                    if self.traffic.still_down(app, place, error.message()) {
                        tracing::warn!(instance = %self.id, %app, %error, "an app does not start");
                    }
                }
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(RETRY.1);
        }
    }

    /// Ends releases that get no requests any more, in good order.
    pub(crate) async fn retire(&self, out: Vec<Running>, drain: Duration) {
        let grace = self.config().stop_time;
        for running in &out {
            if let Some(process) = running.process() {
                self.past_restarts.fetch_add(process.restarts, Ordering::Relaxed);
            }
        }
        futures_util::future::join_all(out.into_iter().map(|running| running.retire(drain, grace))).await;
    }

    /// Removes what nobody needs. That it cannot be removed harms nobody: it is tried again with the next release.
    pub(crate) async fn clear_away(&self) {
        if let Err(error) =
            self.kept.clear_away(&self.store, &self.layout.sources(), self.config().keep_artifacts).await
        {
            let cause = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
            tracing::warn!(instance = %self.id, cause, "{error}");
        }
    }

    /// How often processes that had ended by themselves were started again.
    pub(crate) fn restarts(&self) -> u64 {
        self.past_restarts.load(Ordering::Relaxed) + self.traffic.counted().restarts
    }

    /// Closes the gateway and ends all that runs, when nothing else is under way.
    pub(crate) async fn close(&self) {
        let InstanceConfig { drain_time, stop_time, .. } = self.config();
        let close_gateway = async || {
            if let Some(gateway) = self.traffic.close("the node is stopping") {
                gateway.close(drain_time).await;
            }
        };
        close_gateway().await;
        self.tasks.ended().await;
        // One that was tried again just then.
        close_gateway().await;
        let all = self.traffic.remove_all();
        futures_util::future::join_all(all.into_iter().map(|running| running.stop(stop_time))).await;
    }
}

fn did_not_start(version: &Version, why: &impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::Conflict, "deploy_failed", format!("{version} did not start: {why}"))
}

/// A release that is to be started, if it is not at work, with its place, and when that is gone.
fn waits_for(
    release: ReleaseRow,
    running: &Running,
) -> Option<(ReleaseRow, Place, impl Future<Output = ()> + Send + use<>)> {
    running.is_down().then(|| (release, running.place(), running.given_up()))
}

fn only(names: Vec<AppName>) -> Result<AppName, Error> {
    let known = listed(&names);
    let mut names = names.into_iter();
    match (names.next(), names.next()) {
        (Some(only), None) => Ok(only),
        (None, _) => Err(Error::new(
            ErrorKind::NotFound,
            "app_not_found",
            "the instance has no app; add_app registers one",
        )),
        (Some(_), Some(_)) => {
            let message = format!("the instance has several apps, so say which one: {known}");
            Err(Error::new(ErrorKind::InvalidInput, "app_required", message))
        }
    }
}

/// The error for an app that is not there, with names that are like it, or those that there are.
pub(crate) fn app_not_found(app: &AppName, known: &[AppName]) -> Error {
    let names: Vec<&str> = known.iter().map(AppName::as_str).collect();
    let message = match near(app.as_str(), &names) {
        near if !near.is_empty() => format!("there is no app \"{app}\"; did you mean {}?", near.join(" or ")),
        _ if known.is_empty() => format!("there is no app \"{app}\", nor any other; add_app registers one"),
        _ => format!("there is no app \"{app}\"; known: {}", listed(known)),
    };
    Error::new(ErrorKind::NotFound, "app_not_found", message)
}

/// At most three of the names that are like this one, the nearest first.
pub(crate) fn near<'n>(name: &str, known: &[&'n str]) -> Vec<&'n str> {
    const LIKE: f64 = 0.75;
    let mut alike: Vec<(f64, &str)> = known
        .iter()
        .map(|other| (strsim::jaro_winkler(name, other), *other))
        .filter(|(likeness, _)| *likeness >= LIKE)
        .collect();
    alike.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(b.1)));
    alike.into_iter().take(3).map(|(_, name)| name).collect()
}

/// At most ten names.
pub(crate) fn listed<T: std::fmt::Display>(names: &[T]) -> String {
    const SHOWN: usize = 10;
    let mut text = names.iter().take(SHOWN).map(ToString::to_string).collect::<Vec<_>>().join(", ");
    if names.len() > SHOWN {
        text.push_str(" and more");
    }
    text
}
