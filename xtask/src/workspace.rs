//! The workspace as the chores see it: where it lies, how cargo is called in it, which packages it has.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::Problem;

/// A package of the workspace, as far as the checks ask.
#[derive(Debug)]
pub(crate) struct Member {
    /// The name in its manifest, which is also its folder's.
    pub(crate) name: String,
    /// Its features, `default` among them if it has one, in order.
    pub(crate) features: Vec<String>,
    /// The members that its library or its build needs. What only its tests and examples need is not an arrow.
    pub(crate) needs: Vec<String>,
}

/// The folder of the workspace.
pub(crate) fn root() -> &'static Path {
    // The manifest of this package lies one folder below; the path is known when it is compiled.
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("."))
}

/// The ignored folder for everything that is installed or written down here.
pub(crate) fn tools_folder() -> PathBuf {
    root().join(".tools")
}

/// A cargo command in the workspace: the very cargo that runs this, so that the toolchain is the same.
pub(crate) fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments).current_dir(root());
    // What the cargo that runs this program says of its package is nothing to another, and has build scripts run again.
    for (name, _) in std::env::vars_os() {
        let is_of_package =
            |name: &str| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_");
        if name.to_str().is_some_and(is_of_package) {
            command.env_remove(name);
        }
    }
    command
}

/// All members, in the order of their names.
pub(crate) fn members() -> Result<Vec<Member>, Problem> {
    let text = output(&mut cargo(&["metadata", "--format-version", "1", "--no-deps"]))?;
    let metadata: Value =
        serde_json::from_str(&text).map_err(|error| format!("cargo metadata answered no JSON: {error}"))?;
    let mut members: Vec<Member> = array(&metadata["packages"]).iter().map(member).collect();
    members.sort_by(|a, b| a.name.cmp(&b.name));
    if members.is_empty() { Err("cargo metadata names no package".into()) } else { Ok(members) }
}

fn member(package: &Value) -> Member {
    let needs = array(&package["dependencies"])
        .iter()
        // Within the workspace dependencies are paths; `kind` is null, "build" or "dev".
        .filter(|dependency| dependency["path"].is_string() && dependency["kind"] != "dev")
        .map(|dependency| text(&dependency["name"]))
        .collect();
    let features =
        package["features"].as_object().map(|map| map.keys().cloned().collect()).unwrap_or_default();
    Member { name: text(&package["name"]), features, needs }
}

/// What a command writes to standard output; what it complains about, if it fails.
pub(crate) fn output(command: &mut Command) -> Result<String, Problem> {
    let line = describe(command);
    let output = command.output().map_err(|error| format!("cannot run `{line}`: {error}"))?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        Err(format!("`{line}` failed:\n{}", String::from_utf8_lossy(&output.stderr)))
    }
}

/// A command as one would type it, with the program's name instead of its path.
pub(crate) fn describe(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_stem().unwrap_or(command.get_program());
    let words = std::iter::once(program).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

/// A JSON array, or nothing.
pub(crate) fn array(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// A JSON string, or an empty one.
pub(crate) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
