//! Every tool that the pack serves, held to the table and to what is fixed.

use mcp_core::{Revision, Tool};
use serde_json::{Value, json};
use toolpack_ops::bext::engine::Engines;
use toolpack_ops::bext::table::{TABLE, ToolRow};
use toolpack_ops::bext::tools::{
    AddApp, AddDomain, DbExecute, DbQuery, DeleteSecret, Deploy, DeployHistory, FleetDeploy, InstanceHealth,
    InstanceOverview, KvDelete, KvGet, KvList, KvSet, ListApps, ListDomains, ListInstances, ListSecrets,
    PromoteCanary, ReadConfig, ReloadConfig, RemoveApp, RemoveDomain, Rollback, RunConformance, SetSecret,
};

use super::fixed::Fixed;
use crate::bext::tools::Bench;

async fn listed(revision: Revision) -> Vec<Value> {
    Bench::new(revision).await.client.list_tools().await
}

fn row_of(name: &str) -> &'static ToolRow {
    TABLE.iter().find(|row| row.name == name).unwrap_or_else(|| panic!("{name} is not in the table"))
}

#[tokio::test]
async fn effects_are_those_of_the_table() {
    for revision in Revision::NEWEST {
        for tool in listed(revision).await {
            let row = row_of(tool["name"].as_str().unwrap());
            assert_eq!(tool["annotations"], json!(row.annotations), "{}", row.name);
        }
    }
}

// Lists do not show scopes, so they are asked of the types.
#[tokio::test]
async fn scopes_are_those_of_the_table() {
    fn scopes<T: Tool<Engines>>() -> (&'static str, &'static [&'static str]) {
        (T::NAME, T::SCOPES)
    }
    let mut stated = vec![
        scopes::<AddApp>(),
        scopes::<AddDomain>(),
        scopes::<DbExecute>(),
        scopes::<DbQuery>(),
        scopes::<DeleteSecret>(),
        scopes::<Deploy>(),
        scopes::<DeployHistory>(),
        scopes::<FleetDeploy>(),
        scopes::<InstanceHealth>(),
        scopes::<InstanceOverview>(),
        scopes::<KvDelete>(),
        scopes::<KvGet>(),
        scopes::<KvList>(),
        scopes::<KvSet>(),
        scopes::<ListApps>(),
        scopes::<ListDomains>(),
        scopes::<ListInstances>(),
        scopes::<ListSecrets>(),
        scopes::<PromoteCanary>(),
        scopes::<ReadConfig>(),
        scopes::<ReloadConfig>(),
        scopes::<RemoveApp>(),
        scopes::<RemoveDomain>(),
        scopes::<Rollback>(),
        scopes::<RunConformance>(),
        scopes::<SetSecret>(),
    ];
    stated.sort_unstable();
    for (name, scopes) in &stated {
        assert_eq!(*scopes, row_of(name).scopes, "{name}");
    }
    let listed = listed(Revision::V2026_07_28).await;
    let served: Vec<&str> = listed.iter().map(|tool| tool["name"].as_str().unwrap()).collect();
    assert_eq!(stated.iter().map(|(name, _)| *name).collect::<Vec<_>>(), served, "a tool is missing above");
}

#[tokio::test]
async fn what_is_fixed_is_kept() {
    let fixed = Fixed::read();
    for revision in Revision::NEWEST {
        let deviations: Vec<String> =
            listed(revision).await.iter().flat_map(|tool| fixed.deviations(tool)).collect();
        assert!(deviations.is_empty(), "{}", deviations.join("\n"));
    }
}
