//! Where the MCP specification is: one rule for the build script, which decides what is ignored, and for the tests.

use std::path::{Path, PathBuf};

/// Names a folder that holds `<revision>/schema.json`; set, it is the only place looked at.
pub(crate) const VARIABLE: &str = "TOOLPACK_SPEC";

/// The folder of the specification, for a package at `package`; else why there is none.
///
/// Without the variable it is `../shared/spec` beside the workspace, which is one level further up for a member.
pub(crate) fn find(package: &Path) -> Result<PathBuf, String> {
    if let Some(named) = std::env::var_os(VARIABLE) {
        let named = PathBuf::from(named);
        return match revisions(&named).is_empty() {
            true => {
                Err(format!("{VARIABLE} names {}, which holds no <revision>/schema.json", named.display()))
            }
            false => Ok(named),
        };
    }
    ["../shared/spec", "../../shared/spec"]
        .map(|beside| package.join(beside))
        .into_iter()
        .find(|folder| !revisions(folder).is_empty())
        .ok_or_else(|| format!("{VARIABLE} is not set and there is no ../shared/spec beside the workspace"))
}

/// The revisions with a schema in `folder`, oldest first: their names are dates.
pub(crate) fn revisions(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| entry.path().join("schema.json").is_file())
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    names.sort();
    names
}
