//! A data directory of the companion, whose node does not outlive its test.

use std::{
    ffi::OsStr,
    fs::{self, File, TryLockError},
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use super::process::{PATIENCE, Server, example};

/// A temporary directory. The nodes of the directories in it are killed when it is dropped.
pub(crate) struct Data(TempDir);

impl Data {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// Starts a companion over it.
    pub(crate) fn companion(&self, args: &[&str]) -> Server {
        Server::start("bext-companion", &[args, &["--data", self.0.path().to_str().unwrap()]].concat())
    }

    /// Runs a companion over it to its end.
    pub(crate) fn run(&self, args: &[&str]) -> Output {
        companion_in(self.path(), args)
    }

    /// Has its node end in good order.
    pub(crate) fn stop_node(&self) {
        let output = self.run(&["node", "stop"]);
        assert!(output.status.success(), "{output:?}");
    }

    /// What the node has written about itself.
    pub(crate) fn node(&self) -> Value {
        read_record(self.path()).expect("a node")
    }

    pub(crate) fn node_pid(&self) -> Pid {
        pid_in(&self.node()).unwrap()
    }

    /// Kills the node, with SIGKILL, and waits until it is no more.
    pub(crate) fn kill_node(&self) {
        kill_process(self.node_pid(), Signal::KILL).unwrap();
        wait_until("the node ends", || !is_locked(self.path()));
    }
}

impl Drop for Data {
    fn drop(&mut self) {
        for directory in nodes_in(self.path(), 5) {
            let began = Instant::now();
            // One that is only beginning has not said yet which process it is.
            while is_locked(&directory) && began.elapsed() < PATIENCE {
                if let Some(pid) = read_record(&directory).as_ref().and_then(pid_in) {
                    let _ = kill_process(pid, Signal::KILL);
                }
                thread::sleep(Duration::from_millis(1));
            }
        }
    }
}

/// Runs a companion over a directory to its end.
pub(crate) fn companion_in(data: &Path, args: &[impl AsRef<OsStr>]) -> Output {
    let mut command = Command::new(example("bext-companion"));
    command.args(args).arg("--data").arg(data).stdin(Stdio::null()).output().unwrap()
}

/// Whether a process has the engine of this directory.
pub(crate) fn is_locked(data: &Path) -> bool {
    let Ok(file) = File::open(data.join("node.lock")) else { return false };
    matches!(file.try_lock(), Err(TryLockError::WouldBlock))
}

/// Waits for what comes about by itself.
pub(crate) fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < PATIENCE, "it never happens that {what}");
        thread::sleep(Duration::from_millis(2));
    }
}

fn read_record(data: &Path) -> Option<Value> {
    serde_json::from_slice(&fs::read(data.join("node.json")).ok()?).ok()
}

fn pid_in(record: &Value) -> Option<Pid> {
    Pid::from_raw(i32::try_from(record["pid"].as_i64()?).ok()?)
}

/// The directories that a node is in, or was, down to this depth.
fn nodes_in(directory: &Path, depth: usize) -> Vec<PathBuf> {
    let mut found = Vec::new();
    if directory.join("node.lock").exists() {
        found.push(directory.to_owned());
    }
    let inner = fs::read_dir(directory).into_iter().flatten().flatten().map(|entry| entry.path());
    for inner in inner.filter(|path| depth > 0 && path.is_dir() && !path.is_symlink()) {
        found.extend(nodes_in(&inner, depth - 1));
    }
    found
}
