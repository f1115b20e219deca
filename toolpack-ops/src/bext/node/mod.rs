//! The node: an engine that runs applications on this machine, and leads requests to them.
//!
//! One node holds a data directory, with a lock. For each instance in it there is a gateway that listens, applications
//! behind it, and a store of what is registered and what is live.
//!
//! ```text
//! node.lock                               held by the node
//! instances.toml                          the instances, and where their gateways listen
//! fleet.sqlite                            runs over several instances
//! secret.key                              what secrets are encrypted with
//! instances/ID/bext.config.toml           the configuration of the instance
//! instances/ID/state.sqlite               apps, domains, releases, routes, records and runs
//! instances/ID/secrets.sqlite             secrets, in encrypted form
//! instances/ID/gateway.port               the port of the gateway, where a free one was chosen
//! instances/ID/artifacts/HASH/            what was built from a source; never changed
//! instances/ID/processes/                 which groups of processes run
//! instances/ID/logs/APP.log               what an app prints
//! instances/ID/sources/                   copies of remote repositories
//! instances/ID/apps/APP/                  the database and the keys of an app
//! ```
//!
//! What a caller was told is in `state.sqlite` durably, and all else is derived from it: at its start, a node ends processes
//! that an earlier one left behind, finishes or undoes each [`Run`] that was under way, starts what the routes say, and only
//! then leads requests there.
//!
//! ```no_run
//! use toolpack_ops::bext::engine::{Apps, Deploy, Deploys, NewApp, Release, Unheard};
//! use toolpack_ops::bext::node::{Node, NodeConfig};
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let node = Node::open("/var/lib/bext", NodeConfig::default()).await?;
//! let (local, shop) = ("local".parse()?, "shop".parse()?);
//! node.add_app(&local, NewApp::new(shop, "/srv/shop".parse()?)).await?;
//! let release = Release { instance: local, app: None, by: "me".to_owned() };
//! let newest = Deploy { release, version: None, canary: None };
//! let record = node.deploy(newest, std::sync::Arc::new(Unheard)).await?;
//! node.close().await;
//! # Ok(())
//! # }
//! ```

mod apps;
mod attempt;
mod body;
mod claims;
mod config;
mod deploys;
mod ending;
mod engines;
mod fleet;
mod gateway;
mod hosted;
mod ids;
mod instances;
mod keeper;
mod kept;
mod last_probe;
mod layout;
mod lock;
mod options;
mod percent;
mod private_file;
mod probe;
mod process;
mod recovery;
mod release;
mod removal;
mod running;
mod runs;
pub mod sample_app;
mod secrets;
mod site;
mod source;
mod store;
mod tasks;
mod traffic;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OnceCell;

pub use self::options::NodeConfig;
pub use self::runs::{Run, RunKind, RunState, Step, StepState};

use self::hosted::{Common, Hosted};
use self::ids::Ids;
use self::layout::Layout;
use self::lock::NodeLock;
use self::runs::Journal;
use self::secrets::SecretKey;
use self::store::{RecordsTable, Store, blocking};
use self::tasks::Tasks;
use super::engine::embedded::Embedded;
use super::engine::embedded::registry::Registry;
use super::engine::{Clock, InstanceId, Instances, PageSize};
use crate::error::{Error, ErrorKind};

/// The engine that runs applications on this machine: [`Instances`], [`Apps`](super::engine::Apps),
/// [`Deploys`](super::engine::Deploys), [`Secrets`](super::engine::Secrets), [`Configs`](super::engine::Configs),
/// [`Database`](super::engine::Database) and [`KeyValue`](super::engine::KeyValue) over one directory.
///
/// Cloning it is cheap, and all clones are one node. It needs a tokio runtime with I/O and time enabled.
///
/// End it with [`close`](Self::close). When all clones are dropped without that, connections are cut and processes killed, and
/// the next start puts right what was under way.
#[derive(Clone, Debug)]
pub struct Node {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    instances: BTreeMap<InstanceId, Arc<Hosted>>,
    data: Embedded,
    /// Where runs over several instances are recorded.
    fleet: Store,
    tasks: Tasks,
    /// So that whoever closes the node waits for it, however many they are.
    closed: OnceCell<()>,
    lock: HeldLock,
}

/// The lock of the directory: released when the node is closed, or else when nothing of any instance is at work any more.
type HeldLock = Arc<Mutex<Option<NodeLock>>>;

impl Drop for Shared {
    fn drop(&mut self) {
        // What goes on by itself hears that nobody has the node any more.
        self.tasks.close();
    }
}

impl Node {
    /// Opens the data directory, which is made on first start, puts right what an earlier node left in the middle, and begins
    /// to serve. Processes of apps are being started when it returns; requests for them wait.
    ///
    /// # Errors
    ///
    /// `Unavailable` if another node runs on the directory (`node_running`), or it cannot be used (`store_unavailable`);
    /// `InvalidInput` for limits out of range (`invalid_config`); `Conflict` for other instances than are there
    /// (`instances_differ`); `Unsupported` if a newer version has written in it
    /// (`store_version`). That a gateway cannot listen is no error: its instance is `unreachable`, and it is tried again.
    pub async fn open(root: impl Into<PathBuf>, config: NodeConfig) -> Result<Self, Error> {
        Self::start(root.into(), config).await.map_err(|error| error.at("open", ""))
    }

    async fn start(root: PathBuf, config: NodeConfig) -> Result<Self, Error> {
        let made = root.clone();
        let lock = blocking(move || {
            make_root(&made)?;
            Ok(NodeLock::take(&made)?)
        })
        .await?;
        let (place, first) = (root.clone(), config.instances);
        let registry = Arc::new(blocking(move || Ok(Registry::open_with(&place, &first)?)).await?);
        let data = Embedded::open_with_clock(&root, config.embedded, config.clock.clone()).await?;
        let fleet = Store::open(root.join("fleet.sqlite")).await?;
        let key = root.clone();
        let common = Common {
            key: blocking(move || Ok(SecretKey::of(&key)?)).await?,
            tasks: Tasks::default(),
            ids: Arc::new(Ids::default()),
            clock: config.clock,
            registry: registry.clone(),
            data: data.clone(),
            lock: Arc::new(Mutex::new(Some(lock))),
        };
        let mut instances = BTreeMap::new();
        for instance in blocking(move || Ok(registry.all()?)).await?.iter() {
            let hosted =
                Hosted::open(instance.clone(), Layout::of(&root, &instance.id), common.clone()).await;
            let hosted = hosted.map_err(|error| error.at("open", &instance.id))?;
            instances.insert(instance.id.clone(), Arc::new(hosted));
        }
        let tasks = common.tasks.clone();
        let (closed, lock) = (OnceCell::new(), common.lock.clone());
        let shared = Shared { instances, data, fleet, tasks, closed, lock };
        shared.go_on_after(&common.ids).await?;
        let started = shared.instances.values().map(|hosted| async move {
            recovery::recover(hosted).await?;
            hosted.start_routes().await?;
            hosted.listen().await;
            Ok::<_, Error>(())
        });
        futures_util::future::try_join_all(started).await?;
        shared.settle_fleet(&*common.clock).await?;
        let node = Self { shared: Arc::new(shared) };
        tokio::spawn(keeper::keep(Arc::downgrade(&node.shared), common.tasks));
        Ok(node)
    }

    /// Ends the processes that a node left behind which was killed, of all instances that are or were in the directory, without
    /// starting another; says how many groups of them there were. Nothing is made in a directory that has none.
    ///
    /// # Errors
    ///
    /// `Unavailable` if a node runs on the directory (`node_running`), or processes cannot be ended (`sweep_failed`).
    pub async fn sweep(root: impl Into<PathBuf>) -> Result<usize, Error> {
        recovery::sweep_all(root.into()).await.map_err(|error| error.at("sweep", ""))
    }

    /// Ends the node in good order: releases that are under way are undone or finished, requests answered, processes stopped.
    /// When it returns, nothing of it runs, and another node may open the directory. Calls fail from now on
    /// (`node_stopping`).
    ///
    /// Requests that are under way may take as long as the configuration of their instance has it (`drain_time`).
    pub async fn close(&self) {
        self.shared.tasks.close();
        let close = async || {
            let all = self.shared.instances.values();
            futures_util::future::join_all(all.map(|hosted| hosted.close())).await;
            // Nobody is in the midst of anything; a poisoned lock holds the lock of the directory all the same.
            drop(self.shared.lock.lock().unwrap_or_else(PoisonError::into_inner).take());
        };
        self.shared.closed.get_or_init(close).await;
    }

    /// The runs of an instance, the newest first: at most so many, with ids before this one.
    ///
    /// The last 1,000 are kept, and those that are under way.
    ///
    /// # Errors
    ///
    /// `NotFound` for an unknown instance (`instance_not_found`).
    pub async fn runs(
        &self,
        instance: &InstanceId,
        before: Option<String>,
        limit: PageSize<200>,
    ) -> Result<Vec<Run>, Error> {
        let hosted = self.hosted(instance).await?;
        let page =
            move |connection: &rusqlite::Connection| Journal(connection).page(before.as_deref(), limit.get());
        hosted.store.read(page).await
    }

    /// The runs over several instances, the newest first: at most so many, with ids before this one. Each of their instances has
    /// a run of its own, whose `parent` is theirs. As many are kept as of an instance.
    ///
    /// # Errors
    ///
    /// `Unavailable` if they cannot be read.
    pub async fn fleet_runs(&self, before: Option<String>, limit: PageSize<200>) -> Result<Vec<Run>, Error> {
        self.shared.tasks.open()?;
        let page =
            move |connection: &rusqlite::Connection| Journal(connection).page(before.as_deref(), limit.get());
        self.shared.fleet.read(page).await
    }

    /// The instance of that id.
    async fn hosted(&self, id: &InstanceId) -> Result<Arc<Hosted>, Error> {
        let Some(hosted) = self.shared.instances.get(id) else {
            // The error says which there are.
            self.shared.data.resolve(id).await?;
            let message =
                format!("the instance \"{id}\" was added after the node was started; start it anew");
            return Err(Error::new(ErrorKind::Unavailable, "instance_not_started", message));
        };
        self.shared.tasks.open()?;
        Ok(hosted.clone())
    }

    /// All instances, ordered by id.
    fn all_hosted(&self) -> Result<Vec<Arc<Hosted>>, Error> {
        self.shared.tasks.open()?;
        Ok(self.shared.instances.values().cloned().collect())
    }
}

impl Shared {
    /// Has ids be later than all that are there, whatever the clock says.
    async fn go_on_after(&self, ids: &Ids) -> Result<(), Error> {
        let stores = self.instances.iter().map(|(id, hosted)| (Some(id.clone()), hosted.store.clone()));
        for (id, store) in stores.chain(std::iter::once((None, self.fleet.clone()))) {
            let last = store.read(move |connection| {
                let run = Journal(connection).page(None, 1)?.pop().map(|run| run.id);
                let record = match id {
                    Some(id) => {
                        RecordsTable(connection).page(&id, None, None, 1)?.pop().map(|record| record.id)
                    }
                    None => None,
                };
                Ok(run.max(record))
            });
            if let Some(last) = last.await? {
                ids.go_on_after(&last);
            }
        }
        Ok(())
    }

    /// Decides runs over several instances, when each of those has decided its part.
    async fn settle_fleet(&self, clock: &dyn Clock) -> Result<(), Error> {
        let all: Vec<Arc<Hosted>> = self.instances.values().cloned().collect();
        for run in self.fleet.read(|connection| Journal(connection).unfinished()).await? {
            fleet::settle(&self.fleet, run, &all, clock.now()).await?;
        }
        Ok(())
    }
}

fn make_root(root: &Path) -> std::io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(root)
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
