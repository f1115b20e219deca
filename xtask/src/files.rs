//! Rules for source files: each opens with a sentence on its job, none grows past the limit.

use std::path::{Path, PathBuf};

use crate::Problem;
use crate::step::{Log, Outcome};
use crate::workspace;

/// The most lines that a source file may have.
const MAX_LINES: usize = 800;

/// The step `files`: fails with every file that breaks a rule.
pub(crate) fn check(log: &mut Log) -> Result<Outcome, Problem> {
    let mut files = Vec::new();
    collect(workspace::root(), &mut files)?;
    files.sort();
    log.say(format_args!("{} source files", files.len()));

    let mut broken = Vec::new();
    for file in &files {
        let text = std::fs::read_to_string(file)
            .map_err(|error| format!("cannot read {}: {error}", file.display()))?;
        let name = file.strip_prefix(workspace::root()).unwrap_or(file).display().to_string();
        broken.extend(rules_broken(&text).into_iter().map(|rule| format!("{name} {rule}")));
    }
    if broken.is_empty() {
        Ok(Outcome::Passed(format!("{} files", files.len())))
    } else {
        Err(broken.join("\n"))
    }
}

fn rules_broken(text: &str) -> Vec<String> {
    let mut broken = Vec::new();
    if !text.starts_with("//!") {
        broken.push("does not open with `//!` and a sentence on its job".to_owned());
    }
    let lines = text.lines().count();
    if lines > MAX_LINES {
        broken.push(format!("has {lines} lines; {MAX_LINES} is the most"));
    }
    broken
}

/// All `.rs` files below a folder, but for what is built, installed or hidden.
fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), Problem> {
    let problem = |error| format!("cannot read {}: {error}", folder.display());
    for entry in std::fs::read_dir(folder).map_err(problem)? {
        let entry = entry.map_err(problem)?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let kind = entry.file_type().map_err(problem)?;
        if kind.is_dir() && !name.starts_with('.') && name != "target" {
            collect(&entry.path(), files)?;
        } else if kind.is_file() && name.ends_with(".rs") {
            files.push(entry.path());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_rule_is_told() {
        assert!(rules_broken("//! A job.\n").is_empty());
        assert_eq!(rules_broken("use std;\n").len(), 1);
        assert_eq!(rules_broken(&format!("//! A job.\n{}", "\n".repeat(MAX_LINES))).len(), 1);
    }
}
