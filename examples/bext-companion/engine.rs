//! The engine behind the tools: here it is decided which.

use std::{
    env,
    fs::{self, DirBuilder},
    io,
    os::unix::fs::{DirBuilderExt, PermissionsExt},
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

/// The engine of a data directory, which nobody else has.
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
    /// Opens the data directory, and makes it on first start. It is served by the runtime that this runs on.
    pub(crate) async fn open(start: &StartArgs) -> Result<Self, OpenError> {
        let failed = |cause: String| OpenError::Failed(format!("{}: {cause}", start.data.display()).into());
        // The scratch app of the checks is this program, too.
        let program = env::current_exe().map_err(|error| failed(error.to_string()))?;
        let config = NodeConfig::default().with_instances(start.instances.clone());
        let node = Node::open(&start.data, config).await.map_err(|error| {
            if error.code() == "node_running" { OpenError::Held } else { failed(with_causes(&error)) }
        })?;
        let engines = Engines::of_all(node.clone());
        let mut checks = Checks::new(engines.clone());
        // What is no text cannot be written down as the command of an app.
        if let Ok(program) = program.into_os_string().into_string() {
            checks = checks.with_command(vec![program, "demo-app".to_owned()]);
        }
        let checks = Arc::new(checks);
        tokio::spawn(clear_away(Arc::clone(&checks)));
        Ok(Self { engines: engines.with_conformance(checks), node })
    }

    /// Ends what runs of it.
    pub(crate) async fn close(&self) {
        self.node.close().await;
    }
}

/// Removes what runs of the checks have left whose process was killed.
async fn clear_away(checks: Arc<Checks>) {
    match checks.sweep().await {
        Ok(0) => {}
        Ok(removed) => tracing::info!(removed, "scratch apps of a run that was killed were removed"),
        // A later start does it.
        Err(error) if error.code() == "node_stopping" => {}
        Err(error) => {
            tracing::warn!(error = with_causes(&error), "scratch apps of a run that was killed are left")
        }
    }
}

/// What is to be said of a data directory that others may write to; nothing of one that is well.
///
/// Whoever may write there can have the node run what they like.
pub(crate) fn too_open(data: &Path) -> Option<String> {
    let mode = fs::metadata(data).ok()?.permissions().mode() & 0o777;
    let shown = data.display();
    (mode & 0o022 != 0).then(|| {
        format!("others may write to {shown} (mode {mode:03o}), and so run what they like as you; `chmod go-w {shown}` ends that")
    })
}

/// Makes a data directory for its owner only; one that is there is left as it is.
pub(crate) fn make_directory(data: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(data)
}
