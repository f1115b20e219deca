//! Dependency arrows: who may depend on whom, and what `mcp-core` may never know.

use std::collections::BTreeSet;

use crate::Problem;
use crate::step::{Log, Outcome};
use crate::workspace::{self, Member};

/// Every member, and the members it may depend on. Packs know `mcp-core` and nothing else: not each other, not a
/// transport. What only tests, examples and benches need is free.
const MAY_NEED: &[(&str, &[&str])] = &[
    ("mcp-audit", &["mcp-core"]),
    ("mcp-core", &[]),
    ("mcp-transport-http", &["mcp-core"]),
    ("mcp-transport-stdio", &["mcp-core"]),
    // An author from outside has the facade and nothing else.
    ("own-pack", &["toolpack"]),
    (
        "toolpack",
        &[
            "mcp-audit",
            "mcp-core",
            "mcp-transport-http",
            "mcp-transport-stdio",
            "toolpack-backend",
            "toolpack-data",
            "toolpack-ops",
        ],
    ),
    ("toolpack-backend", &["mcp-core"]),
    ("toolpack-data", &["mcp-core"]),
    ("toolpack-ops", &["mcp-core"]),
    ("xtask", &[]),
];

/// No transport, no web framework, no database: what may appear nowhere below `mcp-core`, however deep.
const FOREIGN_TO_CORE: &[&str] = &[
    "axum",
    "http",
    "http-body",
    "hyper",
    "hyper-util",
    "libsqlite3-sys",
    "reqwest",
    "rusqlite",
    "rustls",
    "sqlx",
    "sqlx-core",
    "tower-http",
];

/// The step `arrows`: fails with every arrow that is not allowed.
pub(crate) fn check(log: &mut Log) -> Result<Outcome, Problem> {
    let members = workspace::members()?;
    let below_core = crates_below("mcp-core")?;
    log.say(format_args!("{} crates below mcp-core", below_core.len()));

    let mut wrong: Vec<String> = members.iter().flat_map(wrong_arrows).collect();
    wrong.extend(FOREIGN_TO_CORE.iter().filter(|name| below_core.contains(**name)).map(|name| {
        format!("mcp-core depends on {name} (`cargo tree -p mcp-core -e normal -i {name}` shows how)")
    }));
    if wrong.is_empty() { Ok(Outcome::Passed(String::new())) } else { Err(wrong.join("\n")) }
}

fn wrong_arrows(member: &Member) -> Vec<String> {
    let Some((_, allowed)) = MAY_NEED.iter().find(|(name, _)| *name == member.name) else {
        return vec![format!("{} is new: say in {} what it may depend on", member.name, file!())];
    };
    let beyond = member.needs.iter().filter(|needed| !allowed.contains(&needed.as_str()));
    beyond.map(|needed| format!("{} depends on {needed}, which it must not know", member.name)).collect()
}

/// The names of all crates that a package is built from, on any platform and with all its features.
fn crates_below(package: &str) -> Result<BTreeSet<String>, Problem> {
    let tree = workspace::output(&mut workspace::cargo(&[
        "tree",
        "--package",
        package,
        "--edges",
        "normal",
        "--all-features",
        "--target",
        "all",
        "--prefix",
        "none",
        "--format",
        "{p}",
    ]))?;
    Ok(tree.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arrow_beyond_the_table_is_named() {
        let pack = |needs: &[&str]| Member {
            name: "toolpack-ops".into(),
            features: Vec::new(),
            needs: needs.iter().map(|name| (*name).to_owned()).collect(),
        };
        assert!(wrong_arrows(&pack(&["mcp-core"])).is_empty());
        let wrong = wrong_arrows(&pack(&["mcp-core", "toolpack-data"]));
        assert_eq!(wrong, ["toolpack-ops depends on toolpack-data, which it must not know"]);
    }
}
