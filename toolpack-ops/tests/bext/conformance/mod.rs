//! The checks of instances, on a real node: what they pass, what they leave, and that they can fail.

mod breaks;
mod leftovers;
mod proxy;
mod runs;
mod wrapped;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tempfile::TempDir;
use toolpack_ops::bext::conformance::Checks;
use toolpack_ops::bext::engine::{
    Apps, Check, Conformance, Deploys, Engines, InstanceId, Instances, ListApps, ListDeploys, Outcome,
    PageSize, Report, RunChecks, Stages, Unheard,
};
use toolpack_ops::bext::node::{Node, NodeConfig, sample_app};

/// A node with two instances, and nothing on them.
struct Bench {
    directory: TempDir,
    node: Node,
}

impl Bench {
    async fn new() -> Self {
        Self::with("", NodeConfig::default()).await
    }

    /// A node whose instance `local` has this configuration.
    async fn with(config_text: &str, config: NodeConfig) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let instance = directory.path().join("data/instances/local");
        std::fs::create_dir_all(&instance).unwrap();
        std::fs::write(instance.join("bext.config.toml"), config_text).unwrap();
        let config = config.with_instances(["local", "other"].map(|id| id.parse().unwrap()).to_vec());
        let node = Node::open(directory.path().join("data"), config).await.unwrap();
        Self { directory, node }
    }

    fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    fn engines(&self) -> Engines {
        Engines::of_all(self.node.clone())
    }

    fn checks(&self) -> Checks {
        Checks::new(self.engines()).with_command(command())
    }

    /// What there is of apps, as far as it can be seen from outside: files, processes, records and runs.
    async fn traces(&self) -> BTreeSet<String> {
        let mut traces = BTreeSet::new();
        for instance in ["local", "other"] {
            let id: InstanceId = instance.parse().unwrap();
            let apps = self.node.list_apps(&id, ListApps::default()).await.unwrap().apps;
            traces.extend(apps.into_iter().map(|app| format!("app {} of {instance}", app.name)));
            let runs = self.node.runs(&id, None, PageSize::default()).await.unwrap();
            traces.extend(runs.into_iter().map(|run| format!("run {} of {}", run.id, run.subject)));
        }
        let records = self.node.history(ListDeploys::default()).await.unwrap().deploys;
        traces.extend(records.into_iter().map(|record| format!("record {} of {}", record.id, record.app)));
        files(&self.data(), &mut traces);
        let processes = processes_in(&self.data());
        traces.extend(processes.into_iter().map(|process| format!("process {process}")));
        traces
    }

    /// Waits until there is this and nothing else: what has ended is put away in the background.
    async fn has_again(&self, before: &BTreeSet<String>) {
        let mut now = BTreeSet::new();
        let waited = async {
            loop {
                now = self.traces().await;
                if now == *before {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        if tokio::time::timeout(Duration::from_secs(60), waited).await.is_err() {
            let new: Vec<_> = now.symmetric_difference(before).collect();
            panic!("there is more or less than before: {new:#?}");
        }
    }
}

/// All files below a directory. Journals of SQLite come and go with connections.
fn files(directory: &Path, found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            files(&path, found);
        }
        let name = path.to_str().unwrap();
        if !name.ends_with("-wal") && !name.ends_with("-shm") && !name.ends_with("/apps") {
            found.insert(format!("file {name}"));
        }
    }
}

/// The processes that work in a directory, or below it.
fn processes_in(directory: &Path) -> Vec<String> {
    let ids = std::fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path());
    let works_there = |process: &PathBuf| {
        std::fs::read_link(process.join("cwd")).is_ok_and(|cwd| cwd.starts_with(directory))
    };
    ids.filter(works_there).map(|process| process.display().to_string()).collect()
}

/// What starts the application that is asked.
fn command() -> Vec<String> {
    let me = std::env::current_exe().unwrap().to_str().unwrap().to_owned();
    let of = ["--exact", "bext::conformance::is_asked", "--ignored", "--nocapture"];
    std::iter::once(me).chain(of.map(str::to_owned)).collect()
}

/// The application that the checks ask.
#[test]
#[ignore = "run by the other tests as an application"]
fn is_asked() {
    assert_eq!(sample_app::run_from_environment(), std::process::ExitCode::SUCCESS);
}

fn on(instance: &str, suite: Option<&str>) -> RunChecks {
    RunChecks {
        instance: Some(instance.parse().unwrap()),
        suite: suite.map(|suite| suite.parse().unwrap()),
        by: "test".to_owned(),
    }
}

async fn run(checks: &Checks, run: RunChecks) -> Report {
    checks.run(run, Arc::new(Unheard)).await.unwrap()
}

fn with(report: &Report, outcome: Outcome) -> Vec<&Check> {
    report.checks.iter().filter(|check| check.outcome == outcome).collect()
}

/// Remembers the stages that it heard of.
#[derive(Debug, Default)]
struct Heard(Mutex<Vec<(u64, u64, String)>>);

impl Stages for Heard {
    fn reached(&self, done: u64, total: u64, doing: &str) {
        self.0.lock().unwrap().push((done, total, doing.to_owned()));
    }
}
