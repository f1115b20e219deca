//! The names, effects and scopes of the whole pack, as one table to review.
//!
//! It has a row for every tool that there is to be, also for those that are not written yet: which ones are served,
//! only [`tools`](mod@super::tools) says. A tool states its name, annotations and scopes itself, where its reader looks
//! for them; a test holds every tool that is served to its row here.
//!
//! What the columns follow:
//!
//! - *Read-only* is what changes nothing. A tool that works on an app of its own making and takes it away again
//!   (`run_conformance`) changes something.
//! - *Destructive* is what deletes, restores over, or takes back what is live; or what may do so (`db_execute`), or may
//!   open a hole (`waf_toggle_rule`). A deploy or a promotion keeps what it replaces and can be rolled back, and
//!   overwriting a value by its name is a write: neither is destructive.
//! - *Idempotent* is what may be repeated without further effect. That holds for every removal: a second one finds
//!   nothing, and says so in its result (data by key) or as an error that names near ones (an app, a domain, a task, a
//!   plugin). A restore is none, for it also takes back what came between.
//! - *Open-world* is what fetches from elsewhere: a deploy takes the source from where it lies.

use mcp_core::Annotations;

use super::scopes;

/// A tool of the pack: what it is called, what it may do, and what a caller needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ToolRow {
    /// Its name, without a prefix that a server may put before it.
    pub name: &'static str,
    /// The tools that it stands with.
    pub group: Group,
    /// Its effect, as every list shows it.
    pub annotations: Annotations,
    /// What a caller needs, all of them.
    pub scopes: &'static [&'static str],
}

/// Tools that belong together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Group {
    /// Releases of apps, on one instance or on many.
    DeployFleet,
    /// The instances and how they are.
    Instances,
    /// Apps and the domains that lead to them.
    Apps,
    /// Secrets by name, and the configuration of an instance.
    SecretsConfig,
    /// The SQL database and the keys of an app.
    Data,
    /// Jobs that wait, are leased and acknowledged.
    Queues,
    /// Pages kept for the next reader.
    Cache,
    /// Messages to whoever is connected.
    Realtime,
    /// The firewall before the apps.
    Waf,
    /// What runs by the clock.
    Tasks,
    /// Copies of everything, and the way back to them.
    Backup,
    /// Logs, metrics and the conformance suite.
    Observability,
    /// Plugins, and workflows that outlive a process.
    PluginsFlows,
}

const READ: &[&str] = &[scopes::READ];
const WRITE: &[&str] = &[scopes::WRITE];
const ADMIN: &[&str] = &[scopes::ADMIN];

/// All tools of the pack, group by group.
pub const TABLE: [ToolRow; 49] = [
    row("deploy", Group::DeployFleet, Annotations::write().open_world(), WRITE),
    row("rollback", Group::DeployFleet, Annotations::destructive(), WRITE),
    row("promote_canary", Group::DeployFleet, Annotations::write(), WRITE),
    row("fleet_deploy", Group::DeployFleet, Annotations::write().open_world(), WRITE),
    row("deploy_history", Group::DeployFleet, Annotations::read_only(), READ),
    row("list_instances", Group::Instances, Annotations::read_only(), READ),
    row("instance_overview", Group::Instances, Annotations::read_only(), READ),
    row("instance_health", Group::Instances, Annotations::read_only(), READ),
    row("list_apps", Group::Apps, Annotations::read_only(), READ),
    row("add_app", Group::Apps, Annotations::write(), WRITE),
    row("remove_app", Group::Apps, Annotations::destructive().idempotent(), ADMIN),
    row("list_domains", Group::Apps, Annotations::read_only(), READ),
    row("add_domain", Group::Apps, Annotations::write().idempotent(), WRITE),
    row("remove_domain", Group::Apps, Annotations::destructive().idempotent(), WRITE),
    row("list_secrets", Group::SecretsConfig, Annotations::read_only(), ADMIN),
    row("set_secret", Group::SecretsConfig, Annotations::write().idempotent(), ADMIN),
    row("delete_secret", Group::SecretsConfig, Annotations::destructive().idempotent(), ADMIN),
    row("read_config", Group::SecretsConfig, Annotations::read_only(), READ),
    row("reload_config", Group::SecretsConfig, Annotations::write().idempotent(), ADMIN),
    row("db_query", Group::Data, Annotations::read_only(), READ),
    row("db_execute", Group::Data, Annotations::destructive(), WRITE),
    row("kv_get", Group::Data, Annotations::read_only(), READ),
    row("kv_set", Group::Data, Annotations::write().idempotent(), WRITE),
    row("kv_delete", Group::Data, Annotations::destructive().idempotent(), WRITE),
    row("kv_list", Group::Data, Annotations::read_only(), READ),
    row("queue_push", Group::Queues, Annotations::write(), WRITE),
    row("queue_pull", Group::Queues, Annotations::write(), WRITE),
    row("queue_ack", Group::Queues, Annotations::write().idempotent(), WRITE),
    row("cache_stats", Group::Cache, Annotations::read_only(), READ),
    row("cache_invalidate", Group::Cache, Annotations::destructive().idempotent(), WRITE),
    row("realtime_publish", Group::Realtime, Annotations::write(), WRITE),
    row("realtime_stats", Group::Realtime, Annotations::read_only(), READ),
    row("waf_stats", Group::Waf, Annotations::read_only(), READ),
    row("waf_rules", Group::Waf, Annotations::read_only(), READ),
    row("waf_toggle_rule", Group::Waf, Annotations::destructive().idempotent(), WRITE),
    row("list_tasks", Group::Tasks, Annotations::read_only(), READ),
    row("create_task", Group::Tasks, Annotations::write(), WRITE),
    row("cancel_task", Group::Tasks, Annotations::destructive().idempotent(), WRITE),
    row("backup_create", Group::Backup, Annotations::write(), WRITE),
    row("backup_list", Group::Backup, Annotations::read_only(), READ),
    row("backup_restore", Group::Backup, Annotations::destructive(), ADMIN),
    row("fetch_logs", Group::Observability, Annotations::read_only(), READ),
    row("metrics_overview", Group::Observability, Annotations::read_only(), READ),
    row("run_conformance", Group::Observability, Annotations::write().idempotent(), WRITE),
    row("list_plugins", Group::PluginsFlows, Annotations::read_only(), READ),
    row("install_plugin", Group::PluginsFlows, Annotations::write(), ADMIN),
    row("remove_plugin", Group::PluginsFlows, Annotations::destructive().idempotent(), ADMIN),
    row("list_flows", Group::PluginsFlows, Annotations::read_only(), READ),
    row("flow_stats", Group::PluginsFlows, Annotations::read_only(), READ),
];

const fn row(
    name: &'static str,
    group: Group,
    annotations: Annotations,
    scopes: &'static [&'static str],
) -> ToolRow {
    ToolRow { name, group, annotations, scopes }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_tool_has_one_row_beside_its_group() {
        let names: BTreeSet<&str> = TABLE.iter().map(|row| row.name).collect();
        assert_eq!(names.len(), TABLE.len());
        assert!(TABLE.is_sorted_by_key(|row| row.group));
    }

    #[test]
    fn what_only_looks_needs_no_right_to_write() {
        for row in TABLE {
            let refused = if row.annotations.read_only { scopes::WRITE } else { scopes::READ };
            assert!(!row.scopes.is_empty() && !row.scopes.contains(&refused), "{}", row.name);
        }
    }
}
