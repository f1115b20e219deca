//! The node as its users have it: real sources, real processes, real requests through its gateways.

mod adversity;
mod apps;
mod canaries;
mod deploys;
mod fleet;
mod http;
mod instances;
mod kills;
mod load;
mod restarts;
mod sample;
mod settings;
mod storm;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use tempfile::TempDir;
use toolpack_ops::bext::engine::{
    App, AppName, AppRef, AppSource, Apps, Deploy, DeployRecord, Deploys, InstanceId, Instances, ListApps,
    ListDeploys, NewApp, Percent, Release, Rollback, Stages, Unheard,
};
use toolpack_ops::bext::node::{Node, NodeConfig};
use toolpack_ops::{Error, ErrorKind};

/// A node over a directory of its own, with sources beside it.
struct Bench {
    directory: TempDir,
    node: Node,
}

impl Bench {
    async fn new() -> Self {
        Self::with_instances(&["local"]).await
    }

    async fn with_instances(ids: &[&str]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let ids = ids.iter().map(|id| id.parse().unwrap()).collect();
        let config = NodeConfig::default().with_instances(ids);
        let node = Node::open(data(&directory), config).await.unwrap();
        Self { directory, node }
    }

    /// Ends the node in good order, and opens another.
    async fn reopen(&mut self) {
        self.node.close().await;
        self.node = Node::open(data(&self.directory), NodeConfig::default()).await.unwrap();
    }

    fn data(&self) -> PathBuf {
        data(&self.directory)
    }

    /// The directory of a source, made of these files; files of before stay.
    fn source(&self, name: &str, files: &[(&str, &str)]) -> AppSource {
        let directory = self.directory.path().join("sources").join(name);
        write_source(&directory, files);
        directory.to_str().unwrap().parse().unwrap()
    }

    /// A static site of this version.
    fn site(&self, name: &str, version: &str) -> AppSource {
        let manifest = format!("version = \"{version}\"\n");
        self.source(name, &[("bext.app.toml", &manifest), ("public/index.html", version)])
    }

    /// A process of this version that behaves so.
    fn process(&self, name: &str, version: &str, behaviour: &str) -> AppSource {
        let mut manifest = format!("version = \"{version}\"\n[process]\ncommand = [");
        for word in sample::command() {
            write!(manifest, "{word:?}, ").unwrap();
        }
        manifest.push_str("]\n[health]\ntimeout = \"10s\"\n");
        self.source(name, &[("bext.app.toml", &manifest), ("version", version), ("behaviour", behaviour)])
    }

    async fn add(&self, name: &str, source: AppSource) -> App {
        self.node.add_app(&local(), NewApp::new(app(name), source)).await.unwrap()
    }

    async fn deploy(&self, name: &str) -> Result<DeployRecord, Error> {
        self.node.deploy(newest(name), Arc::new(Unheard)).await
    }

    async fn canary(&self, name: &str, percent: u64) -> Result<DeployRecord, Error> {
        let percent = Some(Percent::try_from(percent).unwrap());
        self.node.deploy(Deploy { canary: percent, ..newest(name) }, Arc::new(Unheard)).await
    }

    async fn promote(&self, name: &str) -> Result<DeployRecord, Error> {
        self.node.promote_canary(release(name), Arc::new(Unheard)).await
    }

    async fn rollback(&self, name: &str, version: Option<&str>) -> Result<DeployRecord, Error> {
        let version = version.map(|version| version.parse().unwrap());
        self.node.rollback(Rollback { release: release(name), version }, Arc::new(Unheard)).await
    }

    /// What the app answers at its own name, on the instance `local`.
    async fn get(&self, name: &str, path: &str) -> http::Answer {
        self.get_of(&local(), &format!("{name}.localhost"), path).await
    }

    async fn get_of(&self, instance: &InstanceId, host: &str, path: &str) -> http::Answer {
        http::get(&self.gateway_of(instance).await, host, path).await
    }

    async fn gateway(&self) -> String {
        self.gateway_of(&local()).await
    }

    async fn gateway_of(&self, instance: &InstanceId) -> String {
        let url = self.node.resolve(instance).await.unwrap().url.unwrap();
        url.as_str().strip_prefix("http://").unwrap().to_owned()
    }

    async fn app(&self, name: &str) -> App {
        let page = self.node.list_apps(&local(), ListApps::default()).await.unwrap();
        page.apps.into_iter().find(|app| app.name.as_str() == name).unwrap()
    }

    async fn history(&self, name: &str) -> Vec<DeployRecord> {
        let options = ListDeploys::default().with_instance(Some(local())).with_app(Some(app(name)));
        self.node.history(options).await.unwrap().deploys
    }

    /// The artifacts that lie there.
    fn artifacts(&self) -> usize {
        let artifacts = self.data().join("instances/local/artifacts");
        let entries = std::fs::read_dir(artifacts).unwrap();
        entries
            .filter(|entry| !entry.as_ref().unwrap().file_name().to_str().unwrap().starts_with('.'))
            .count()
    }
}

fn data(directory: &TempDir) -> PathBuf {
    directory.path().join("data")
}

fn write_source(directory: &Path, files: &[(&str, &str)]) {
    for (path, text) in files {
        let path = directory.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
}

fn local() -> InstanceId {
    "local".parse().unwrap()
}

fn app(name: &str) -> AppName {
    name.parse().unwrap()
}

fn app_ref(name: &str) -> AppRef {
    AppRef::new(local(), app(name))
}

fn release(name: &str) -> Release {
    Release { instance: local(), app: Some(app(name)), by: "test".to_owned() }
}

fn newest(name: &str) -> Deploy {
    Deploy { release: release(name), version: None, canary: None }
}

#[track_caller]
fn refused<T: std::fmt::Debug>(result: Result<T, Error>, kind: ErrorKind, code: &str) -> Error {
    let error = result.unwrap_err();
    assert_eq!((error.kind(), error.code()), (kind, code), "{error:?}");
    error
}

/// Waits until something is so.
async fn until<F: Future<Output = bool>>(what: &str, mut is_so: impl FnMut() -> F) {
    let waited = async {
        while !is_so().await {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(20), waited).await.expect(what);
}

/// Remembers the stages that it heard of.
#[derive(Debug, Default)]
struct Heard(Mutex<Vec<(u64, u64, String)>>);

impl Heard {
    fn all(&self) -> Vec<(u64, u64, String)> {
        self.0.lock().unwrap().clone()
    }
}

impl Stages for Heard {
    fn reached(&self, done: u64, total: u64, doing: &str) {
        self.0.lock().unwrap().push((done, total, doing.to_owned()));
    }
}
