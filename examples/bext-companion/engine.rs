//! The engine behind the tools: here it is decided which, and that nobody else has it.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, TryLockError},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::Path,
};

use tempfile::NamedTempFile;
use tokio::task::spawn_blocking;
use toolpack::bext::engine::{
    Engines, InstanceId,
    embedded::{Embedded, EmbeddedConfig},
};

use crate::{Failure, args::StartArgs, causes::with_causes};

/// The file that whoever has the engine of a data directory holds a lock on.
pub(crate) const LOCK: &str = "node.lock";

/// The engine of a data directory, which is ours alone as long as this lives.
#[derive(Debug)]
pub(crate) struct Engine {
    pub(crate) engines: Engines,
    /// Let go when the process ends, at the latest.
    _lock: File,
}

/// Why there is no engine.
#[derive(Debug)]
pub(crate) enum OpenError {
    /// Another process has it.
    Held,
    Failed(Failure),
}

impl Engine {
    /// Opens the data directory, and makes it on first start.
    pub(crate) async fn open(start: &StartArgs) -> Result<Self, OpenError> {
        let failed = |cause: String| OpenError::Failed(format!("{}: {cause}", start.data.display()).into());
        let (data, instances) = (start.data.clone(), start.instances.clone());
        let prepared = spawn_blocking(move || {
            make_directory(&data)?;
            let lock = lock(&data, OpenOptions::new().write(true).create(true).mode(0o600))?;
            if lock.is_some() {
                list_first(&data, &instances)?;
            }
            Ok::<_, io::Error>(lock)
        });
        let prepared = prepared.await.unwrap_or_else(|panic| Err(io::Error::other(panic)));
        let lock = prepared.map_err(|error| failed(error.to_string()))?.ok_or(OpenError::Held)?;
        let opened = Embedded::open(&start.data, EmbeddedConfig::default()).await;
        let engine = opened.map_err(|error| failed(with_causes(&error)))?;
        Ok(Self { engines: Engines::of(engine), _lock: lock })
    }

    /// Ends what runs of it. The directory stays ours until this is dropped.
    pub(crate) async fn close(&self) {}
}

/// Makes a data directory for its owner only; one that is there is left as it is.
pub(crate) fn make_directory(data: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(data)
}

/// Whether somebody has the engine of this directory. Whoever asks keeps others from starting meanwhile.
pub(crate) fn is_held(data: &Path) -> io::Result<bool> {
    match lock(data, OpenOptions::new().write(true)) {
        Ok(lock) => Ok(lock.is_none()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// The lock of a directory, unless somebody else has it.
fn lock(data: &Path, options: &OpenOptions) -> io::Result<Option<File>> {
    let file = options.open(data.join(LOCK))?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Writes down the instances that a first start was asked for; a list that is there is left as it is.
fn list_first(data: &Path, instances: &[InstanceId]) -> io::Result<()> {
    let path = data.join("instances.toml");
    if instances.is_empty() || fs::exists(&path)? {
        return Ok(());
    }
    let mut file = NamedTempFile::new_in(data)?;
    writeln!(file, "# The instances of this directory; the data of one lies in instances/ID/.")?;
    for id in instances {
        // Nothing in an id would have to be escaped.
        write!(file, "\n[[instance]]\nid = \"{id}\"\n")?;
    }
    file.as_file().sync_all()?;
    match file.persist_noclobber(&path) {
        Err(error) if error.error.kind() != io::ErrorKind::AlreadyExists => Err(error.error),
        _ => Ok(()),
    }
}
