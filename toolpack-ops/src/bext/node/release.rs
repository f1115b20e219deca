//! What a release does, step by step: a deploy, a canary, its promotion, a rollback.
//!
//! | step | what | undone by |
//! |---|---|---|
//! | `resolve` | finds out which version is meant | nothing to undo |
//! | `artifact` | makes its artifact | removing it, unless it is needed otherwise |
//! | `start` | starts it beside what is live, and waits until it is well | stopping it |
//! | `switch` | the one transaction after which it is finished, no longer undone | — |
//! | `retire` | drains and ends what was live before, and removes artifacts that are not kept | — |

use std::sync::Arc;

use serde_json::{Value, json};

use super::attempt::{Attempt, Draft};
use super::claims::{Claim, Doing};
use super::hosted::{Hosted, listed};
use super::running::{Condition, Running};
use super::runs::RunKind;
use super::source::{Artifact, is_same};
use super::store::{AppRow, AppsTable, ReleaseRow, ReleasesTable, RouteRow, RoutesTable};
use super::tasks::{Turn, Wanted};
use super::traffic::Change;
use crate::bext::engine::{
    AppName, DeployRecord, DeployStatus, Percent, ReleaseAction, Runtime, Stages, Strategy, Version,
};
use crate::error::{Error, ErrorKind};

/// Who asked for a release of which app, and who waits for it.
#[derive(Debug)]
pub(crate) struct Order {
    pub(crate) hosted: Arc<Hosted>,
    pub(crate) app: Option<AppName>,
    pub(crate) by: String,
    pub(crate) parent: Option<String>,
    pub(crate) stages: Arc<dyn Stages>,
}

/// An app that nobody else changes meanwhile, and where its requests go.
struct Subject {
    claim: Claim,
    app: AppRow,
    route: Option<RouteRow>,
}

impl Order {
    async fn subject(&self) -> Result<Subject, Error> {
        let name = self.hosted.app(self.app.as_ref()).await?.name;
        let claim = self.hosted.claims.take(&name, Doing::Releasing)?;
        // Looked up once more: it may have been changed before it was claimed.
        let app = self.hosted.app(Some(&name)).await?;
        let route = self.hosted.store.read(move |connection| RoutesTable(connection).get(&name)).await?;
        Ok(Subject { claim, app, route })
    }

    async fn begin(
        self,
        (kind, step): (RunKind, &'static str),
        subject: Subject,
        (version, strategy): (Option<Version>, Strategy),
        (wanted, turn): (Wanted, Turn),
    ) -> Result<(Attempt, AppRow), Error> {
        let draft = Draft {
            app: subject.app.name.clone(),
            action: match kind {
                RunKind::Promotion => ReleaseAction::Promote,
                RunKind::Rollback => ReleaseAction::Rollback,
                _ => ReleaseAction::Deploy,
            },
            version,
            previous_version: subject.route.map(|route| route.live.version),
            strategy,
            by: self.by,
            parent: self.parent,
        };
        let claimed = (self.hosted, subject.claim);
        let attempt = Attempt::begin(claimed, (kind, step), draft, (wanted, turn), self.stages).await?;
        Ok((attempt, subject.app))
    }
}

/// Deploys a version, or the newest; to all requests, or to a part of them as a canary.
pub(crate) async fn deploy(
    order: Order,
    (version, canary): (Option<Version>, Option<Percent>),
    work: (Wanted, Turn),
) -> Result<DeployRecord, Error> {
    let subject = order.subject().await?;
    let name = &subject.app.name;
    match &subject.route {
        Some(RouteRow { canary: Some((_, running)), .. }) => {
            let message = format!(
                "a canary of \"{name}\" runs, {}: promote_canary gives it all requests, rollback ends it",
                running.version
            );
            return Err(Error::new(ErrorKind::Conflict, "canary_running", message));
        }
        None if canary.is_some() => {
            let message = format!(
                "nothing of \"{name}\" is live that a canary could run beside; deploy without one first"
            );
            return Err(Error::new(ErrorKind::Conflict, "nothing_live", message));
        }
        _ => {}
    }
    let live = subject.route.as_ref().map(|route| route.live.clone());
    let previous = subject.route.as_ref().and_then(|route| route.previous.clone());
    let strategy = if canary.is_some() { Strategy::Canary } else { Strategy::Full };
    let what = (version.clone(), strategy);
    let (mut attempt, app) = order.begin((RunKind::Deploy, "resolve"), subject, what, work).await?;
    let deployed = async {
        let (artifact, runtime) = artifact(&mut attempt, &app, version.as_ref()).await?;
        let version = attempt.draft.version.clone().unwrap_or_else(|| unreachable!("it was resolved"));
        let made = (version, artifact.id.clone());
        // By their versions visitors are told apart, so a canary has another one, whatever its content is.
        if canary.is_some() && live.as_ref().is_some_and(|live| live.version == made.0) {
            let message = format!("{} is live already; a canary has another version", made.0);
            return Err(Error::new(ErrorKind::Conflict, "already_live", message));
        }
        let running = start(&mut attempt, json!({"artifact": made.1.0}), artifact).await?;
        let change = match canary {
            Some(percent) => Change::Canary(percent, running),
            None => Change::Live(running),
        };
        let route = move |transaction: &rusqlite::Transaction<'_>, now| {
            let release = ReleasesTable(transaction).put(&app.name, &made.0, &made.1, runtime, now)?;
            // What is live says how the app answers, not what is on trial.
            AppsTable(transaction).touch(&app.name, canary.is_none().then_some(runtime), now)?;
            let before = previous.as_ref().map(|previous| previous.id);
            let routes = RoutesTable(transaction);
            match (canary, &live) {
                (Some(percent), Some(live)) => {
                    routes.set(&app.name, live.id, before, Some((percent, release)))
                }
                // Deployed anew, it is not its own predecessor.
                (_, Some(live)) if live.id == release => routes.set(&app.name, release, before, None),
                (_, live) => routes.set(&app.name, release, live.as_ref().map(|live| live.id), None),
            }
        };
        attempt.switch(DeployStatus::Success, route, change).await
    };
    let deployed = deployed.await;
    ended(attempt, deployed).await
}

/// Finds out which version is meant, and makes its artifact.
async fn artifact(
    attempt: &mut Attempt,
    app: &AppRow,
    version: Option<&Version>,
) -> Result<(Artifact, Runtime), Error> {
    attempt.reached(0, "looking at the source");
    let hosted = attempt.hosted.clone();
    let resolved = async {
        let source = hosted.source(&app.source).await?;
        let resolved = source.resolve(version).await?;
        Ok::<_, Error>((source, resolved))
    };
    let (source, resolved) = attempt.wanted.until(resolved).await??;
    attempt.draft.version = Some(resolved.version.clone());
    attempt.next(json!({"version": resolved.version}), "artifact", Value::Null).await?;
    attempt.reached(1, &format!("making the artifact of {}", resolved.version));
    let artifact = attempt.wanted.until(hosted.kept.make(&source, &resolved)).await??;
    let runtime = artifact.manifest.runtime();
    if app.runtime_chosen && app.runtime != runtime {
        return Err(runtime_mismatch(app.runtime));
    }
    Ok((artifact, runtime))
}

/// Starts what is to get requests, and waits until it is well.
async fn start(attempt: &mut Attempt, came_of_it: Value, artifact: Artifact) -> Result<Running, Error> {
    let version = attempt.draft.version.clone().unwrap_or_else(|| unreachable!("it was resolved"));
    attempt.next(came_of_it, "start", json!({"version": version})).await?;
    attempt.reached(2, &format!("starting {version}, and waiting until it is healthy"));
    let hosted = attempt.hosted.clone();
    let running = attempt.wanted.until(hosted.start_new(&attempt.draft.app, &version, artifact)).await??;
    if let Err(unwanted) = attempt.wanted.check() {
        running.stop(hosted.config().stop_time).await;
        return Err(unwanted);
    }
    Ok(running)
}

/// Gives a canary all requests.
pub(crate) async fn promote(order: Order, work: (Wanted, Turn)) -> Result<DeployRecord, Error> {
    let subject = order.subject().await?;
    let name = subject.app.name.clone();
    let Some((live, canary)) = subject.route.clone().and_then(|route| Some((route.live, route.canary?.1)))
    else {
        let message = format!("no canary of \"{name}\" runs; deploy with canary_percent starts one");
        return Err(Error::new(ErrorKind::Conflict, "no_canary", message));
    };
    match order.hosted.traffic.condition(&name).and_then(|condition| condition.canary) {
        Some(Condition::Starting) => {
            let message =
                format!("the canary {} is being started, as the node was; try again", canary.version);
            return Err(Error::new(ErrorKind::Unavailable, "app_busy", message));
        }
        Some(Condition::Troubled(why)) => {
            let message = format!("the canary {} does not run: {why}; rollback ends it", canary.version);
            return Err(Error::new(ErrorKind::Conflict, "deploy_failed", message));
        }
        Some(Condition::Well) | None => {}
    }
    let what = (Some(canary.version.clone()), Strategy::Canary);
    let (attempt, _) = order.begin((RunKind::Promotion, "promote"), subject, what, work).await?;
    let route = move |transaction: &rusqlite::Transaction<'_>, now| {
        AppsTable(transaction).touch(&name, Some(canary.runtime), now)?;
        let before = (live.id != canary.id).then_some(live.id);
        RoutesTable(transaction).set(&name, canary.id, before, None)
    };
    let promoted = attempt.switch(DeployStatus::Success, route, Change::Promote).await;
    ended(attempt, promoted).await
}

/// Ends a canary, and goes back to an earlier version, whose artifact was kept.
pub(crate) async fn rollback(
    order: Order,
    version: Option<Version>,
    work: (Wanted, Turn),
) -> Result<DeployRecord, Error> {
    let subject = order.subject().await?;
    let name = subject.app.name.clone();
    let Some(route) = subject.route.clone() else {
        let message = format!("nothing of \"{name}\" was ever live; deploy it first");
        return Err(Error::new(ErrorKind::Conflict, "no_previous_version", message));
    };
    let releases = {
        let name = name.clone();
        order.hosted.store.read(move |connection| ReleasesTable(connection).of(&name)).await?
    };
    match target(&route, version.as_ref(), &releases)? {
        Target::EndCanary(canary) => {
            let live = route.live.clone();
            let what = (Some(live.version.clone()), Strategy::Canary);
            let run = (RunKind::Rollback, "end_canary");
            let (mut attempt, _) = order.begin(run, subject, what, work).await?;
            attempt.draft.previous_version = Some(canary.version);
            let before = route.previous.as_ref().map(|previous| previous.id);
            let set = move |transaction: &rusqlite::Transaction<'_>, now| {
                AppsTable(transaction).touch(&name, None, now)?;
                RoutesTable(transaction).set(&name, live.id, before, None)
            };
            let ended_canary = attempt.switch(DeployStatus::RolledBack, set, Change::EndCanary).await;
            ended(attempt, ended_canary).await
        }
        Target::Release(release) => {
            let Some(artifact) = order.hosted.kept.get(&release.artifact).await? else {
                let others = releases.iter().filter(|other| other.artifact != release.artifact);
                return Err(not_kept(&release.version, others));
            };
            let what = (Some(release.version.clone()), Strategy::Full);
            let run = (RunKind::Rollback, "prepare");
            let (mut attempt, _) = order.begin(run, subject, what, work).await?;
            let rolled_back = async {
                let running = start(&mut attempt, json!({"artifact": release.artifact.0}), artifact).await?;
                let set = move |transaction: &rusqlite::Transaction<'_>, now| {
                    let runtime = release.runtime;
                    let put = ReleasesTable(transaction).put(
                        &name,
                        &release.version,
                        &release.artifact,
                        runtime,
                        now,
                    )?;
                    AppsTable(transaction).touch(&name, Some(runtime), now)?;
                    RoutesTable(transaction).set(&name, put, Some(route.live.id), None)
                };
                attempt.switch(DeployStatus::RolledBack, set, Change::Live(running)).await
            };
            let rolled_back = rolled_back.await;
            ended(attempt, rolled_back).await
        }
    }
}

/// What a rollback does.
#[derive(Debug)]
enum Target {
    /// What is live stays; this canary ends.
    EndCanary(ReleaseRow),
    /// This is live again.
    Release(ReleaseRow),
}

fn target(route: &RouteRow, version: Option<&Version>, releases: &[ReleaseRow]) -> Result<Target, Error> {
    let canary = route.canary.as_ref().map(|(_, canary)| canary);
    let Some(version) = version else {
        return match (canary, &route.previous) {
            (Some(canary), _) => Ok(Target::EndCanary(canary.clone())),
            (None, Some(previous)) => Ok(Target::Release(previous.clone())),
            (None, None) => {
                let message = format!("there is no version before {}", route.live.version);
                Err(Error::new(ErrorKind::Conflict, "no_previous_version", message))
            }
        };
    };
    // Of two that differ in their `v` alone, the one that was named is meant.
    let is_named = releases.iter().any(|release| release.version == *version);
    let is = |other: &Version| match is_named {
        true => other == version,
        false => is_same(other.as_str(), version.as_str()),
    };
    let of_version = |release: &&ReleaseRow| is(&release.version);
    let other = |release: &&ReleaseRow| {
        release.id != route.live.id && canary.is_none_or(|canary| canary.id != release.id)
    };
    if let Some(release) = releases.iter().filter(of_version).find(other) {
        return Ok(Target::Release(release.clone()));
    }
    match canary {
        Some(canary) if is(&route.live.version) => Ok(Target::EndCanary(canary.clone())),
        Some(canary) if is(&canary.version) => {
            let message = format!("{} is the canary: promote_canary gives it all requests", canary.version);
            Err(Error::new(ErrorKind::Conflict, "canary_running", message))
        }
        _ if is(&route.live.version) => {
            let message = format!("{} is live already; deploy starts it anew", route.live.version);
            Err(Error::new(ErrorKind::Conflict, "already_live", message))
        }
        _ => Err(not_kept(version, releases.iter())),
    }
}

fn not_kept<'r>(version: &Version, releases: impl Iterator<Item = &'r ReleaseRow>) -> Error {
    let mut kept: Vec<&str> = Vec::new();
    for release in releases {
        if !kept.contains(&release.version.as_str()) {
            kept.push(release.version.as_str());
        }
    }
    let kept = if kept.is_empty() { "no other".to_owned() } else { listed(&kept) };
    let message = format!("the artifact of {version} is not kept; kept are {kept}; deploy makes it again");
    Error::new(ErrorKind::NotFound, "version_not_kept", message)
}

/// The error for a source that is not of the runtime that was chosen for its app.
pub(crate) fn runtime_mismatch(chosen: Runtime) -> Error {
    let message = match chosen {
        Runtime::Process => {
            "the app is to be a process, but its source has no bext.app.toml with a [process] command"
        }
        Runtime::Static => {
            "the app is to be static, but its bext.app.toml has a [process] command; remove that, or choose process"
        }
    };
    Error::new(ErrorKind::InvalidInput, "runtime_mismatch", message)
}

/// Hands on what came of an attempt; undone is what failed.
async fn ended(attempt: Attempt, result: Result<DeployRecord, Error>) -> Result<DeployRecord, Error> {
    if let Err(error) = &result {
        attempt.undo(error).await;
    }
    result
}

#[cfg(test)]
#[path = "release_tests.rs"]
mod tests;
