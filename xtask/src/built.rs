//! Programs of the workspace, built and ready to be run.

use std::path::PathBuf;

use serde_json::Value;

use crate::step::Log;
use crate::{Problem, workspace};

/// Builds an example or a bench with these options of `cargo build`, and says where it is.
pub(crate) fn program(name: &str, options: &[&str], log: &mut Log) -> Result<PathBuf, Problem> {
    let arguments = [&["build"], options].concat();
    log.run(&mut workspace::cargo(&arguments))?;
    // Built already: this only asks where.
    let mut ask = workspace::cargo(&arguments);
    let messages = workspace::output(ask.args(["--quiet", "--message-format", "json"]))?;
    messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|message| message["target"]["name"] == name)
        .find_map(|message| message["executable"].as_str().map(PathBuf::from))
        .ok_or_else(|| format!("cargo does not say where it built `{name}`"))
}
