//! What goes wrong around a node while it works: files taken from under it, a disk that refuses, listeners that panic.

use std::sync::Arc;

use toolpack_ops::ErrorKind;
use toolpack_ops::bext::engine::{
    AppStatus, Apps, Database, DeployStatus, Deploys, InstanceHealth, Instances, Key, KeyValue, ListApps,
    ListDeploys, ListInstances, PageSize, Removal, Runtime, Stages, Statement,
};
use toolpack_ops::bext::node::{Node, NodeConfig, RunKind, RunState};

use super::deploys::in_flight;
use super::{Bench, app_ref, local, newest, refused, until};

/// Somebody who listens to the stages of a release, badly.
#[derive(Debug)]
struct Panics;

impl Stages for Panics {
    fn reached(&self, done: u64, _: u64, _: &str) {
        panic!("at stage {done}");
    }
}

impl Bench {
    /// Takes all artifacts away, as somebody does who tidies up in the wrong place.
    fn lose_artifacts(&self) {
        let lost = tempfile::tempdir_in(self.directory.path()).unwrap().keep();
        for entry in std::fs::read_dir(self.data().join("instances/local/artifacts")).unwrap() {
            let entry = entry.unwrap();
            std::fs::rename(entry.path(), lost.join(entry.file_name())).unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removal_that_cannot_be_finished_is_tried_until_it_is_and_never_hits_another_app() {
    let mut bench = Bench::new().await;
    bench.add("shop", bench.site("shop", "1.0.0")).await;
    bench.deploy("shop").await.unwrap();
    let logs = bench.data().join("instances/local/logs");
    std::fs::remove_dir_all(&logs).unwrap();
    std::fs::write(&logs, "in the way").unwrap();
    let removed = bench.node.remove_app(&app_ref("shop"), Removal::KeepData).await;
    refused(removed, ErrorKind::Unavailable, "store_unavailable");
    let shown = bench.app("shop").await;
    assert!(shown.error.unwrap().contains("being removed"));
    let error = refused(bench.deploy("shop").await, ErrorKind::Unavailable, "app_busy");
    assert!(error.message().contains("removed"), "{error}");

    std::fs::remove_file(&logs).unwrap();
    std::fs::create_dir(&logs).unwrap();
    let apps = async || bench.node.list_apps(&local(), ListApps::default()).await.unwrap().apps;
    until("it is gone", async || apps().await.is_empty()).await;
    until("another may have its name", async || {
        let source = bench.site("shop", "2.0.0");
        let new = toolpack_ops::bext::engine::NewApp::new(super::app("shop"), source);
        bench.node.add_app(&local(), new).await.is_ok()
    })
    .await;
    bench.deploy("shop").await.unwrap();
    bench.reopen().await;
    assert_eq!(bench.get("shop", "/").await.body, "2.0.0");
    let runs = bench.node.runs(&local(), None, PageSize::default()).await.unwrap();
    let removals: Vec<_> = runs.iter().filter(|run| run.kind == RunKind::Removal).collect();
    assert!(removals.len() == 1 && removals[0].state == RunState::Done, "{removals:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_whose_logs_are_gone_can_be_removed() {
    let bench = Bench::new().await;
    bench.add("shop", bench.site("shop", "1.0.0")).await;
    std::fs::remove_dir_all(bench.data().join("instances/local/logs")).unwrap();
    bench.node.remove_app(&app_ref("shop"), Removal::KeepData).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_closes_a_node_waits_until_it_is_closed_however_many_they_are() {
    let mut bench = Bench::new().await;
    bench.add("api", bench.process("api", "1.0.0", "")).await;
    bench.deploy("api").await.unwrap();
    let (gateway, go) = (bench.gateway().await, bench.directory.path().join("go"));
    let path = format!("/wait?{}", go.display());
    let waiting = tokio::spawn(async move { super::http::get(&gateway, "api.localhost", &path).await });
    until("the request is under way", async || in_flight(&bench).await == 1).await;
    let close = || {
        let node = bench.node.clone();
        tokio::spawn(async move { node.close().await })
    };
    let first = close();
    let metrics = async || bench.node.metrics(&local()).await;
    until("it is being closed", async || metrics().await.is_err()).await;
    let mut second = close();
    let early = tokio::time::timeout(std::time::Duration::from_millis(300), &mut second).await;
    assert!(early.is_err(), "a request is under way still");
    refused(Node::open(bench.data(), NodeConfig::default()).await, ErrorKind::Unavailable, "node_running");
    std::fs::write(go, "").unwrap();
    assert_eq!(waiting.await.unwrap().body, "1.0.0");
    first.await.unwrap();
    second.await.unwrap();
    bench.node = Node::open(bench.data(), NodeConfig::default()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn all_calls_fail_once_a_node_is_closed() {
    let bench = Bench::new().await;
    bench.add("shop", bench.site("shop", "1.0.0")).await;
    bench.node.close().await;
    let (node, shop) = (&bench.node, app_ref("shop"));
    let key: Key = "k".parse().unwrap();
    let outcomes = [
        node.query(&shop, Statement::new("SELECT 1")).await.map(drop),
        node.execute(&shop, Statement::new("CREATE TABLE t (x)")).await.map(drop),
        node.get(&shop, &key).await.map(drop),
        node.delete(&shop, &key).await.map(drop),
        Instances::list(node, ListInstances::default()).await.map(drop),
        node.history(ListDeploys::default()).await.map(drop),
        node.reload_config_of_local().await,
    ];
    for outcome in outcomes {
        refused(outcome, ErrorKind::Unavailable, "node_stopping");
    }
}

/// So that it fits among the others.
trait Reload {
    async fn reload_config_of_local(&self) -> Result<(), toolpack_ops::Error>;
}

impl Reload for Node {
    async fn reload_config_of_local(&self) -> Result<(), toolpack_ops::Error> {
        use toolpack_ops::bext::engine::Configs;
        self.reload_config(&local()).await.map(drop)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listener_that_panics_harms_no_release() {
    let bench = Bench::new().await;
    bench.add("shop", bench.site("shop", "1.0.0")).await;
    let record = bench.node.deploy(newest("shop"), Arc::new(Panics)).await.unwrap();
    assert_eq!(record.status, DeployStatus::Success);
    assert_eq!(bench.get("shop", "/").await.body, "1.0.0");
    let runs = async || bench.node.runs(&local(), None, PageSize::default()).await.unwrap();
    until("its run has ended", async || runs().await[0].state == RunState::Done).await;
    bench.site("shop", "1.1.0");
    bench.deploy("shop").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_wait_for_what_does_not_come_back_are_answered_by_what_takes_its_place() {
    let mut bench = Bench::new().await;
    let needed = bench.directory.path().join("database");
    std::fs::write(&needed, "").unwrap();
    bench.add("api", bench.process("api", "1.0.0", &format!("needs {}", needed.display()))).await;
    bench.deploy("api").await.unwrap();
    std::fs::remove_file(&needed).unwrap();
    bench.reopen().await;
    let gateway = bench.gateway().await;
    let waiting = tokio::spawn(async move { super::http::get(&gateway, "api.localhost", "/").await });
    until("the request is under way", async || in_flight(&bench).await == 1).await;
    bench.process("api", "1.1.0", "");
    bench.deploy("api").await.unwrap();
    let answer = waiting.await.unwrap();
    assert_eq!((answer.status, answer.body.as_str()), (200, "1.1.0"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_canary_of_another_runtime_leaves_no_trace_when_it_ends() {
    let bench = Bench::new().await;
    bench.add("shop", bench.site("shop", "1.0.0")).await;
    bench.deploy("shop").await.unwrap();
    bench.process("shop", "1.1.0", "");
    bench.canary("shop", 10).await.unwrap();
    assert_eq!(bench.app("shop").await.runtime, Runtime::Static);
    bench.rollback("shop", None).await.unwrap();
    assert_eq!(bench.app("shop").await.runtime, Runtime::Static);
    bench.canary("shop", 10).await.unwrap();
    bench.promote("shop").await.unwrap();
    assert_eq!(bench.app("shop").await.runtime, Runtime::Process);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_site_whose_files_are_gone_says_so_and_a_deploy_brings_them_back() {
    let mut bench = Bench::new().await;
    bench.add("shop", bench.site("shop", "1.0.0")).await;
    bench.deploy("shop").await.unwrap();
    bench.site("shop", "1.1.0");
    bench.deploy("shop").await.unwrap();
    bench.lose_artifacts();
    let health = bench.node.health(&local()).await.unwrap();
    assert_eq!(health.status, InstanceHealth::Degraded, "{health:?}");
    let shown = bench.app("shop").await;
    assert_eq!(shown.status, AppStatus::Failed);
    assert!(shown.error.unwrap().contains("deploy it again"));
    // What cannot be gone back to is not named among what can.
    let error = refused(bench.rollback("shop", None).await, ErrorKind::NotFound, "version_not_kept");
    assert!(!error.message().contains("kept are 1.1.0, 1.0.0"), "{error}");
    bench.deploy("shop").await.unwrap();
    assert_eq!(bench.get("shop", "/").await.body, "1.1.0");
    assert_eq!(bench.app("shop").await.status, AppStatus::Running);

    // The same over a restart.
    bench.node.close().await;
    bench.lose_artifacts();
    bench.node = Node::open(bench.data(), NodeConfig::default()).await.unwrap();
    until("it is said", async || bench.app("shop").await.status == AppStatus::Failed).await;
    bench.deploy("shop").await.unwrap();
    assert_eq!(bench.get("shop", "/").await.body, "1.1.0");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_canary_that_has_crashed_is_not_promoted_and_can_be_ended() {
    let bench = Bench::new().await;
    let needed = bench.directory.path().join("database");
    std::fs::write(&needed, "").unwrap();
    bench.add("api", bench.process("api", "1.0.0", "")).await;
    bench.deploy("api").await.unwrap();
    bench.process("api", "1.1.0", &format!("needs {}", needed.display()));
    bench.canary("api", 99).await.unwrap();
    let mut answer = bench.get("api", "/").await;
    while answer.body != "1.1.0" {
        answer = bench.get("api", "/").await;
    }
    let (gateway, cookie) = (bench.gateway().await, format!("Cookie: {}\r\n", answer.cookie().unwrap()));
    std::fs::remove_file(&needed).unwrap();
    super::http::get_with(&gateway, "api.localhost", "/crash", &cookie).await;
    let is_said = async || bench.app("api").await.error.is_some_and(|error| error.contains("canary 1.1.0"));
    until("it is said", is_said).await;
    assert_eq!(bench.app("api").await.status, AppStatus::Running);
    let health = bench.node.health(&local()).await.unwrap();
    assert_eq!(health.status, InstanceHealth::Degraded, "{health:?}");
    let error = refused(bench.promote("api").await, ErrorKind::Conflict, "deploy_failed");
    assert!(error.message().contains("rollback ends it"), "{error}");
    bench.rollback("api", None).await.unwrap();
    let shown = bench.app("api").await;
    assert_eq!((shown.canary, shown.error), (None, None));
    assert_eq!(bench.get("api", "/").await.body, "1.0.0");
}
