//! Valgrind: whether it is there, and running a program under it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::step::Log;
use crate::{Problem, workspace};

/// The installed valgrind.
pub(super) struct Valgrind {
    /// Such as `valgrind-3.19.0`.
    pub(super) version: String,
}

impl Valgrind {
    /// Asks for its version.
    ///
    /// Without it nothing can be counted, and a budget that is not held is no budget: a failure, not something left out.
    pub(super) fn find() -> Result<Self, Problem> {
        let asked = Command::new("valgrind").arg("--version").stdin(Stdio::null()).output();
        match asked {
            Ok(output) if output.status.success() => {
                Ok(Self { version: String::from_utf8_lossy(&output.stdout).trim().to_owned() })
            }
            _ => Err("valgrind counts the instructions and allocations, and is not there. It runs on Linux \
                      (and some others): `apt-get install valgrind`, `dnf install valgrind`"
                .into()),
        }
    }

    /// Has a tool of valgrind's watch so many calls of a case; answers the file that the tool leaves, as text.
    pub(super) fn watch(
        &self,
        tool: &str,
        options: &[&str],
        program: &Path,
        (case, calls): (&str, u64),
        log: &mut Log,
    ) -> Result<String, Problem> {
        let file = results_file(&format!("{tool}-{case}-{calls}"))?;
        let mut command = Command::new("valgrind");
        command
            .args(["--quiet", &format!("--tool={tool}"), &format!("--{tool}-out-file={}", file.display())])
            .args(options)
            .arg(program)
            .args([case, &calls.to_string()]);
        log.run(&mut command)?;
        std::fs::read_to_string(&file).map_err(|error| format!("cannot read {}: {error}", file.display()))
    }
}

/// A file that valgrind is to write; an older one of the same name is gone, lest it be taken for the new one.
fn results_file(name: &str) -> Result<PathBuf, Problem> {
    let folder = workspace::tools_folder().join("budget");
    std::fs::create_dir_all(&folder).map_err(|error| format!("cannot make {}: {error}", folder.display()))?;
    let file = folder.join(name);
    match std::fs::remove_file(&file) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(format!("cannot remove {}: {error}", file.display()))
        }
        _ => Ok(file),
    }
}
