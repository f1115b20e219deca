//! How it is served: what `--mcp` and `--http` take, and what of it a front tells the node.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use toolpack::bext::engine::InstanceId;

/// What both ways of serving take.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Args {
    pub(crate) flags: Flags,
    pub(crate) start: StartArgs,
    /// Whether the engine is in this very process, and not in the node.
    pub(crate) in_process: bool,
}

/// What a node is started with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StartArgs {
    pub(crate) data: PathBuf,
    /// The instances that a first start makes; what the engine makes by itself, if there are none.
    pub(crate) instances: Vec<InstanceId>,
    pub(crate) verbose: bool,
}

/// What a client is served; those who are served the same share a server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Flags {
    /// Whether the person is asked before something destructive is done.
    #[serde(default)]
    pub(crate) confirm: bool,
    /// Whether the tools are left out that change something.
    #[serde(default)]
    pub(crate) read_only: bool,
    #[serde(default)]
    pub(crate) audit: AuditArg,
}

/// What serving HTTP takes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct HttpArgs {
    pub(crate) address: String,
    /// Whether whoever reaches it may call every tool.
    #[serde(default)]
    pub(crate) no_auth: bool,
    /// Where figures for Prometheus are served, beside `/metrics` for keys that may read them.
    #[serde(default)]
    pub(crate) metrics: Option<String>,
    /// Proxies that say where requests come from.
    #[serde(default)]
    pub(crate) trusted_proxies: Vec<String>,
    /// Names by which it is asked for, beside those of this machine.
    #[serde(default)]
    pub(crate) hosts: Vec<String>,
}

/// How a record is kept of what is done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum AuditArg {
    /// Nothing is changed that is not on record.
    #[default]
    Required,
    /// As well as it goes.
    BestEffort,
    Off,
}

/// Reads the value of `--audit`.
pub(super) fn read_mode(mode: &str) -> Result<AuditArg, String> {
    match mode {
        "required" => Ok(AuditArg::Required),
        "best-effort" => Ok(AuditArg::BestEffort),
        "off" => Ok(AuditArg::Off),
        _ => Err(format!("--audit {mode}: it is required, best-effort or off")),
    }
}

/// Reads the value of `--instances`: ids with commas between them.
pub(super) fn read_instances(text: &str) -> Result<Vec<InstanceId>, String> {
    let mut ids: Vec<InstanceId> = Vec::new();
    for word in text.split(',').map(str::trim) {
        let id = word.parse().map_err(|error| format!("--instances: `{word}` is no id: {error}"))?;
        if ids.contains(&id) {
            return Err(format!("--instances: {id} is there twice"));
        }
        ids.push(id);
    }
    Ok(ids)
}
