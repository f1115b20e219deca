//! The processes of apps: started, watched, started again when they end by themselves, stopped; their output kept.
//!
//! A process that leaves its group (`setsid`, a daemon) is ended with it where there is `/proc`: it is known by the variable
//! `BEXT_RUN` in its environment. One that is started without that variable as well is on its own.

mod backoff;
mod command;
mod encoding;
mod group;
mod health;
mod ledger;
mod log;
mod output;
mod port;
mod redact;
mod run;
mod running;
mod supervisor;
mod system;

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;

pub(crate) use ledger::sweep;
use supervisor::{Supervisor, View};

use crate::bext::engine::{AppName, SecretName, SecretValue, Version};

/// What to start.
#[derive(Clone, Debug)]
pub(crate) struct Launch {
    pub(crate) app: AppName,
    pub(crate) version: Version,
    /// The command and its arguments; at least one word. A first word with a slash in it is a file of the app, another is
    /// looked for in `PATH`.
    pub(crate) command: Vec<String>,
    /// Where it is started: the folder of its artifact.
    pub(crate) directory: PathBuf,
    pub(crate) secrets: Vec<(SecretName, SecretValue)>,
    pub(crate) health: HealthCheck,
    /// The file that its output is appended to: lines like `2026-01-01T00:00:00.000Z out text`, where `out` may be `err`,
    /// or `node` for what the node does with it. Put aside as `NAME.1` at 10 MiB.
    pub(crate) log: PathBuf,
    /// The directory in which is noted which groups of processes run.
    pub(crate) ledger: PathBuf,
}

/// When a process counts as well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HealthCheck {
    /// The path that has to be answered with 2xx or 3xx.
    pub(crate) path: String,
    /// How long that may take, from the start of the process on.
    pub(crate) timeout: Duration,
}

/// A process that runs, and is started again when it ends by itself. Dropping it kills it.
#[derive(Debug)]
pub(crate) struct Process {
    view: Arc<View>,
    stop: watch::Sender<Option<Duration>>,
    supervisor: JoinHandle<()>,
}

impl Process {
    /// Starts one and waits until it is well. What fails, or is cancelled, leaves no process behind.
    pub(crate) async fn start(launch: Launch) -> Result<Self, StartError> {
        let running = supervisor::start(&launch).await?;
        let view = Arc::new(View::new());
        view.is_up(&running);
        let (stop, asked_to_stop) = watch::channel(None);
        let supervisor = {
            let view = view.clone();
            tokio::spawn(async move {
                Supervisor { launch, view: &view, stop: asked_to_stop }.run(running).await;
            })
        };
        Ok(Self { view, stop, supervisor })
    }

    /// Where it listens; none while it is being started again.
    pub(crate) fn address(&self) -> watch::Receiver<Option<SocketAddr>> {
        self.view.address()
    }

    pub(crate) fn status(&self) -> ProcessStatus {
        self.view.status().clone()
    }

    /// Has its whole group end: asked to first, killed after `grace`. Returns when no process of it is left; or, with a
    /// warning in the log, if the system has not ended what was killed for 30 seconds.
    pub(crate) async fn stop(mut self, grace: Duration) {
        self.stop.send_replace(Some(grace));
        // It fails only if the runtime ends, or the supervisor panicked: then the group was killed as it was dropped.
        let _ = (&mut self.supervisor).await;
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // With the task goes the group that it owns.
        self.supervisor.abort();
        self.view.is_down(None);
    }
}

/// How a process is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ProcessStatus {
    /// Its id; none while it waits to be started again.
    pub(crate) pid: Option<u32>,
    /// How often it was started again after it had ended by itself.
    pub(crate) restarts: u64,
    /// Why it does not run, or that it has not been healthy for half a minute; none if all is well.
    pub(crate) trouble: Option<String>,
}

/// Why a process did not start, or was not well in time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StartError {
    /// A sentence for the caller: what happened, and the last that it printed, without secrets: at most 20 lines and 2
    /// KiB of that, each line after a line break.
    pub(crate) message: String,
}

impl StartError {
    fn new(message: String) -> Self {
        Self { message }
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for StartError {}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on says why")]
mod fixture;
#[cfg(test)]
mod sweep_tests;
#[cfg(test)]
mod tests;
