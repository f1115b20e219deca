//! The processes of apps: started, watched, started again when they end by themselves, stopped; their output kept.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::sync::watch;

use crate::bext::engine::{AppName, SecretName, SecretValue, Version};

/// What to start.
#[derive(Clone, Debug)]
pub(crate) struct Launch {
    pub(crate) app: AppName,
    pub(crate) version: Version,
    /// The command and its arguments; at least one word.
    pub(crate) command: Vec<String>,
    /// Where it is started: the folder of its artifact.
    pub(crate) directory: PathBuf,
    pub(crate) secrets: Vec<(SecretName, SecretValue)>,
    pub(crate) health: HealthCheck,
    /// The file that its output is appended to.
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
pub(crate) struct Process {}

impl Process {
    /// Starts one and waits until it is well. What fails leaves no process behind.
    pub(crate) async fn start(_launch: Launch) -> Result<Self, StartError> {
        unimplemented!()
    }

    /// Where it listens; none while it is being started again.
    pub(crate) fn address(&self) -> watch::Receiver<Option<SocketAddr>> {
        unimplemented!()
    }

    pub(crate) fn status(&self) -> ProcessStatus {
        unimplemented!()
    }

    /// Has its whole group end: asked to first, killed after `grace`. Returns when no process of it is left.
    pub(crate) async fn stop(self, _grace: Duration) {
        unimplemented!()
    }
}

/// How a process is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ProcessStatus {
    /// Its id; none while it waits to be started again.
    pub(crate) pid: Option<u32>,
    pub(crate) restarts: u64,
    /// Why it does not run; none if it does.
    pub(crate) trouble: Option<String>,
}

/// Why a process did not start, or was not well in time.
#[derive(Debug)]
pub(crate) struct StartError {
    /// A sentence for the caller: what happened, and the last that it printed, without secrets.
    pub(crate) message: String,
}

/// Kills the groups of processes that an earlier node left behind, as the ledger has them. Returns when none is left, and
/// says how many there were.
pub(crate) async fn sweep(_ledger: &Path) -> std::io::Result<usize> {
    unimplemented!()
}
