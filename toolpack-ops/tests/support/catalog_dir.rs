//! Where the catalog of bext is: one rule for the build script, which decides what is ignored, and for the tests.

use std::path::{Path, PathBuf};

/// Names a folder that holds `bext.json`; set, it is the only place looked at.
pub(crate) const VARIABLE: &str = "TOOLPACK_CATALOG";

/// The catalog of bext, for the package at `package`; else why there is none.
///
/// Without the variable it is in `../shared/catalog` beside the workspace, or beside the folder that the workspace is
/// in.
pub(crate) fn find(package: &Path) -> Result<PathBuf, String> {
    if let Some(named) = std::env::var_os(VARIABLE) {
        let file = Path::new(&named).join("bext.json");
        return match file.is_file() {
            true => Ok(file),
            false => Err(format!("{VARIABLE} names {}, which holds no bext.json", named.display())),
        };
    }
    ["../../shared/catalog/bext.json", "../../../shared/catalog/bext.json"]
        .map(|beside| package.join(beside))
        .into_iter()
        .find(|file| file.is_file())
        .ok_or_else(|| {
            format!("{VARIABLE} is not set and there is no ../shared/catalog beside the workspace")
        })
}
