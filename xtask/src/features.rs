//! Each feature alone: every package must build with any one of its features, and with none.
//!
//! The list is read from the manifests, so a new feature is checked from its first day. A package is built by itself:
//! in the whole workspace, what another package turned on would hide what this one forgot.

use crate::Problem;
use crate::step::Step;
use crate::workspace::{self, Member};

/// One step a combination: `features/PACKAGE` for none, `features/PACKAGE+FEATURE` for one.
pub(crate) fn steps() -> Result<Vec<Step>, Problem> {
    let members = workspace::members()?;
    Ok(members.iter().filter(|member| member.name != "xtask").flat_map(combinations).collect())
}

fn combinations(member: &Member) -> Vec<Step> {
    let none = step(&member.name, None);
    let each = member.features.iter().map(|feature| step(&member.name, Some(feature)));
    std::iter::once(none).chain(each).collect()
}

fn step(package: &str, feature: Option<&str>) -> Step {
    // Clippy is `cargo check` with warnings that can be denied for our code alone: RUSTFLAGS would rebuild all others.
    let mut command = workspace::cargo(&["clippy", "--package", package, "--no-default-features"]);
    let mut name = format!("features/{package}");
    if let Some(feature) = feature {
        command.args(["--features", feature]);
        name = format!("{name}+{feature}");
    }
    command.args(["--", "-D", "warnings"]);
    Step::command(name, command)
}
