//! The engine that needs nothing else: SQLite in this process, on a local disk.
//!
//! ```text
//! instances.toml                      the instances; made on first start, with one that is called `local`
//! instances/ID/apps/APP/data.sqlite   the app's database
//! instances/ID/apps/APP/kv.sqlite     the app's keys
//! ```
//!
//! An app's files are made by its first write. Several processes may use one directory at once, on a file system with
//! working locks and hard links. Each write is on the disk when it returns.
//!
//! A statement passes several walls: the guard (its text), the authorizer (what SQLite understood), for queries a
//! read-only connection, and SQLite's own limits of sizes, depths and memory. A look at the clock every thousand steps
//! ends it when its time is over or its caller is gone.

mod authorizer;
mod config;
mod connection;
mod database;
mod error;
mod files;
mod gates;
mod guard;
mod instances;
mod job;
mod key_value;
mod lexer;
mod place;
pub(in crate::bext) mod registry;
mod stores;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

pub use config::EmbeddedConfig;

use self::connection::Store;
use self::gates::{Gates, Turn};
use self::job::{CancelOnDrop, Job};
use self::place::{Access, StoreFile};
use self::registry::Registry;
use self::stores::Stores;
use super::{AppRef, Clock, SystemClock};
use crate::error::{Error, ErrorKind};

/// The embedded engine: [`Instances`](super::Instances), [`Database`](super::Database) and
/// [`KeyValue`](super::KeyValue) over one directory.
///
/// Cloning it is cheap, and all clones are one engine. Its methods need a tokio runtime with time enabled.
#[derive(Clone, Debug)]
pub struct Embedded {
    shared: Arc<Shared>,
    gates: Arc<Gates>,
}

/// What a job on a blocking thread has at hand.
#[derive(Debug)]
struct Shared {
    registry: Registry,
    stores: Stores,
    clock: Arc<dyn Clock>,
}

impl Embedded {
    /// Opens the data directory, and makes it on first start.
    ///
    /// # Errors
    ///
    /// `InvalidInput` for limits out of range (`invalid_config`); `Unavailable` if the directory cannot be made, or its
    /// `instances.toml` not read (`registry_invalid` if it is not understood).
    pub async fn open(root: impl Into<PathBuf>, config: EmbeddedConfig) -> Result<Self, Error> {
        Self::open_with_clock(root, config, Arc::new(SystemClock)).await
    }

    /// As [`Embedded::open`], with a clock that tells when keys expire. Time limits do not go by it.
    ///
    /// # Errors
    ///
    /// As [`Embedded::open`].
    pub async fn open_with_clock(
        root: impl Into<PathBuf>,
        config: EmbeddedConfig,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, Error> {
        let root = root.into();
        config.check()?;
        let gates = Arc::new(Gates::new(&config));
        let opened = tokio::task::spawn_blocking(move || {
            make_root(&root).map_err(|error| {
                Error::new(ErrorKind::Unavailable, "store_unavailable", "the data directory cannot be made")
                    .with_source(error)
            })?;
            if config.process_heap_bytes > 0 {
                Store::empty(Access::Write, &config)?.limit_process_heap(config.process_heap_bytes)?;
            }
            let registry = Registry::open(&root)?;
            Ok(Shared { registry, stores: Stores::new(&root, config), clock })
        });
        let shared = opened.await.unwrap_or_else(|panic| Err(panicked(panic)));
        Ok(Self { shared: Arc::new(shared.map_err(|error| error.at("open", ""))?), gates })
    }

    fn config(&self) -> &EmbeddedConfig {
        self.shared.stores.config()
    }

    /// Deletes the database and the keys of an app, once who writes in them is done.
    ///
    /// # Errors
    ///
    /// `Unavailable` if the files cannot be removed (`store_unavailable`).
    #[cfg_attr(not(feature = "bext-node"), allow(dead_code, reason = "only a node removes apps"))]
    pub(in crate::bext) async fn forget(&self, app: &AppRef) -> Result<(), Error> {
        for file in [StoreFile::Data, StoreFile::Keys] {
            loop {
                let removed = self
                    .on_store("remove_app", app, (file, Access::Write), move |shared, app, _| {
                        shared.stores.remove(app, file)
                    })
                    .await;
                match removed {
                    // Whoever writes has a limit of time, and nobody could go on from here in another way.
                    Err(error) if error.code() == "store_busy" => {}
                    removed => break removed?,
                }
            }
        }
        Ok(())
    }

    /// Does blocking work on a store of an app, in turn, until it is done, its time is over or this future is dropped.
    async fn on_store<T: Send + 'static>(
        &self,
        operation: &'static str,
        app: &AppRef,
        (file, access): (StoreFile, Access),
        work: impl FnOnce(&Shared, &AppRef, &Arc<Job>) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let result = async {
            let turn = self.gates.enter(app, file, access).await?;
            let app = app.clone();
            let limit = self.config().statement_timeout();
            self.blocking(limit, Some(turn), move |shared, job| work(shared, &app, job)).await
        };
        result.await.map_err(|error| error.at(operation, app))
    }

    /// Does blocking work that is not on the store of one app.
    async fn blocking<T: Send + 'static>(
        &self,
        limit: Duration,
        turn: Option<Turn>,
        work: impl FnOnce(&Shared, &Arc<Job>) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let job = Job::new(limit);
        let _cancel = CancelOnDrop(job.clone());
        let shared = self.shared.clone();
        let running = job.clone();
        let mut task = tokio::task::spawn_blocking(move || {
            let result = work(&shared, &running);
            // Held to the end of the work, which may be later than the end of the call.
            drop(turn);
            result
        });
        let done = match tokio::time::timeout(limit, &mut task).await {
            Ok(done) => done,
            // SQLite looks at the clock between its steps, and one step may be long: the call ends in time all the
            // same, and what it leaves behind cannot commit.
            Err(_) if job.time_out() => return Err(job.ended()),
            Err(_) => task.await,
        };
        done.unwrap_or_else(|panic| Err(panicked(panic)))
    }
}

fn make_root(root: &Path) -> std::io::Result<()> {
    if root.is_dir() {
        return Ok(());
    }
    if let Some(parent) = root.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        make_root(parent)?;
        files::make_dir(root)?;
        return files::sync_dir(parent);
    }
    files::make_dir(root)
}

fn panicked(panic: tokio::task::JoinError) -> Error {
    Error::new(ErrorKind::Unexpected, "internal", "the engine failed").with_source(panic)
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
