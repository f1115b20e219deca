//! The secrets of a data directory: encrypted under a new key from the command line, while no node runs.

use std::{io::Write, path::Path};

use toolpack::bext::node::Node;

use crate::{Failure, NAME, args::SecretsTask};

/// Does what the command line says.
pub(crate) async fn run(task: &SecretsTask, out: &mut impl Write) -> Result<(), Failure> {
    match task {
        SecretsTask::Rotate { data } => rotate(data, out).await,
    }
}

async fn rotate(data: &Path, out: &mut impl Write) -> Result<(), Failure> {
    let shown = data.display();
    // A key is not made only to be changed.
    if !data.join("node.lock").exists() {
        return Err(format!("no node has run in {shown} so far, so no secret is there").into());
    }
    let unopened = Node::rotate_secret_key(data).await.map_err(|error| -> Failure {
        match error.code() {
            "node_running" => format!(
                "a node runs in {shown}, and would go on with the old key; `{NAME} node stop --data {shown}` ends it \
                 and the apps that it runs, and its next start starts them again"
            )
            .into(),
            _ => error.into(),
        }
    })?;
    let file = data.join("secret.key");
    writeln!(
        out,
        "the secrets of {shown} are encrypted under a new key, and the old one opens none any more; if a copy of {} is \
         kept elsewhere, replace it",
        file.display()
    )?;
    if !unopened.is_empty() {
        writeln!(out, "these were lost before, for no key opens them, and have to be set anew:")?;
        for secret in unopened {
            writeln!(out, "  {secret}")?;
        }
    }
    Ok(())
}
