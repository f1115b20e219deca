//! The engine behind the tools: here it is decided which.

use std::{
    fs::{DirBuilder, File, OpenOptions, TryLockError},
    io,
    os::unix::fs::DirBuilderExt,
    path::Path,
    sync::Arc,
};

use toolpack::bext::{
    conformance::Checks,
    engine::Engines,
    node::{Node, NodeConfig},
};

use crate::{Failure, args::StartArgs, causes::with_causes};

/// The file that whoever has the engine of a data directory holds a lock on.
pub(crate) const LOCK: &str = "node.lock";

/// The engine of a data directory, which is ours alone as long as this lives.
#[derive(Debug)]
pub(crate) struct Engine {
    pub(crate) engines: Engines,
    node: Node,
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
        let config = NodeConfig::default().with_instances(start.instances.clone());
        let node = Node::open(&start.data, config).await.map_err(|error| match error.code() {
            "node_running" => OpenError::Held,
            _ => failed(with_causes(&error)),
        })?;
        let engines = Engines::of_all(node.clone());
        // The checks run this very program as their application.
        let program = std::env::current_exe().map_err(|error| failed(error.to_string()))?;
        let command = vec![program.to_string_lossy().into_owned(), "demo-app".to_owned()];
        let checks = Checks::new(engines.clone()).with_command(command);
        Ok(Self { engines: engines.with_conformance(Arc::new(checks)), node })
    }

    /// Ends what runs of it. The directory is free afterwards.
    pub(crate) async fn close(&self) {
        self.node.close().await;
    }
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
