//! One start of an app: from its process, over its health, to the end of the last of its group.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use rustix::process::Signal;
use tokio::process::{ChildStderr, ChildStdout};
use tokio::signal::unix::{self, SignalKind};
use tokio::time::{Instant, sleep};

use super::group::{Exit, Group, Started};
use super::health;
use super::log::Log;
use super::output::Output;
use super::redact::Redactor;
use super::{HealthCheck, Launch, StartError, system};

/// A longer time to end is this time: the clock does not reach everywhere.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// A group of processes with its output. Dropping it kills it at once.
#[derive(Debug)]
pub(super) struct Running {
    group: Group,
    output: Output,
    /// Tells that some child of this process has ended.
    child_ended: unix::Signal,
    health: HealthCheck,
    started: Instant,
}

impl Running {
    /// Starts it; whether it is well is asked of [`ready`](Self::ready).
    pub(super) async fn start(launch: &Launch) -> Result<Self, StartError> {
        let without_runtime = |_| StartError::new("it could not be watched".to_owned());
        let child_ended = unix::signal(SignalKind::child()).map_err(without_runtime)?;
        let work = launch.clone();
        // Cancelled here, the group is dropped as soon as it is there.
        let started = tokio::task::spawn_blocking(move || Group::start(&work)).await;
        let Started { group, stdout, stderr } =
            started.map_err(|_| StartError::new("the node is going down".to_owned()))??;
        let pipes = ChildStdout::from_std(stdout).and_then(|out| Ok((out, ChildStderr::from_std(stderr)?)));
        let (stdout, stderr) =
            pipes.map_err(|_| StartError::new("its output could not be read".to_owned()))?;
        let output =
            Output::read(stdout, stderr, Redactor::new(&launch.secrets), Log::new(launch.log.clone()));
        let version = launch.version.as_str();
        let remark = format!("version {version} started: process {}, port {}", group.pid(), group.port);
        output.remark(remark).await;
        Ok(Self { group, output, child_ended, health: launch.health.clone(), started: Instant::now() })
    }

    pub(super) fn pid(&self) -> u32 {
        self.group.pid()
    }

    pub(super) fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.group.port).into()
    }

    /// Waits until it is well; or says why it is not.
    pub(super) async fn ready(&mut self) -> Result<(), String> {
        let (health, port, started) = (self.health.clone(), self.group.port, self.started);
        let outcome = tokio::select! {
            exit = self.ended() => Err(exit),
            outcome = health::ready(&health, port, started) => Ok(outcome),
        };
        match (outcome, self.group.exit()) {
            // If it has ended nevertheless, another has answered in its place.
            (Err(exit), _) | (Ok(_), Some(exit)) => Err(format!("{exit} before it was healthy")),
            (Ok(outcome), None) => {
                outcome.map_err(|unwell| unwell.describe_over(&health.path, port, health.timeout))
            }
        }
    }

    /// Asks once whether it is well.
    pub(super) async fn probe(health: &HealthCheck, port: u16) -> Result<(), String> {
        const LIMIT: Duration = Duration::from_secs(10);
        let limit = health.timeout.min(LIMIT);
        health::probe(health, port, limit).await.map_err(|unwell| unwell.describe(&health.path, port))
    }

    /// Waits until its first process has ended, and says how. May be cancelled and asked again.
    pub(super) async fn ended(&mut self) -> Exit {
        loop {
            if let Some(exit) = self.group.exit() {
                return exit;
            }
            if self.child_ended.recv().await.is_none() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// Has all of the group end: asked to first, and killed after `grace`. Returns the last output when no process is left.
    pub(super) async fn end(self, grace: Duration) -> String {
        let Self { mut group, mut output, mut child_ended, .. } = self;
        let exit = group.exit();
        group.signal(Signal::TERM);
        (group, _) = blocking(group, |group| group.signal_strays(Signal::TERM)).await;
        (group, _) = wait_for_end(group, &mut child_ended, None, grace.min(LONGEST)).await;
        // Killed also if nothing was seen to live: a process that just began may not have been seen.
        let (group, has_ended) =
            wait_for_end(group, &mut child_ended, Some(Signal::KILL), system::KILL_TIME).await;
        if has_ended {
            // Fails only when the runtime ends.
            let _ = tokio::task::spawn_blocking(move || group.bury()).await;
        } else {
            tracing::warn!(pid = group.pid(), "processes are left after they were killed");
        }
        let last = output.finish().await;
        output.remark(exit.map_or_else(|| "stopped".to_owned(), |exit| exit.to_string())).await;
        last
    }
}

/// Waits until a group has ended, or until `limit`; sending it a signal each time that it has not.
async fn wait_for_end(
    mut group: Group,
    child_ended: &mut unix::Signal,
    signal: Option<Signal>,
    limit: Duration,
) -> (Group, bool) {
    let mut limit = std::pin::pin!(sleep(limit));
    let mut pause = Duration::from_millis(2);
    loop {
        if let Some(signal) = signal {
            group.signal(signal);
        }
        // The list of processes is not gone through before the first of them has ended.
        if group.exit().is_some() {
            let has_ended;
            (group, has_ended) = blocking(group, move |group| {
                let Some(signal) = signal else { return group.has_ended() };
                group.signal_strays(signal);
                // Twice: while the processes are listed, one may start another and end.
                group.has_ended() && group.has_ended()
            })
            .await;
            if has_ended {
                return (group, true);
            }
        }
        tokio::select! {
            () = sleep(pause) => {}
            Some(()) = child_ended.recv() => {}
            () = &mut limit => return (group, false),
        }
        pause = (pause * 2).min(Duration::from_millis(50));
    }
}

/// Does with a group what blocks.
async fn blocking<T: Send + 'static>(
    group: Group,
    work: impl FnOnce(&Group) -> T + Send + 'static,
) -> (Group, T) {
    let work = tokio::task::spawn_blocking(move || {
        let done = work(&group);
        (group, done)
    });
    match work.await {
        Ok(done) => done,
        // The runtime ends, and the group was dropped.
        Err(_) => std::future::pending().await,
    }
}
