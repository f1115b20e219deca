//! Runs that an earlier node left at a place where no kill hits it for sure.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says why")]

use serde_json::{Value, json};
use tempfile::TempDir;

use super::runs::Journal;
use super::*;
use crate::bext::engine::{
    AppName, AppRef, AppStatus, Apps, Deploy, DeployStatus, Deploys, FleetDeploy, ListApps, ListDeploys,
    ListSecrets, NewApp, Release, Removal, SecretValue, Secrets, SecretsOf, Strategy, Unheard,
};

fn local() -> InstanceId {
    "local".parse().unwrap()
}

fn shop() -> AppName {
    "shop".parse().unwrap()
}

/// A node with an app that has a secret.
async fn prepared(root: &TempDir) -> (Node, Arc<Hosted>) {
    let site = root.path().join("shop");
    std::fs::create_dir_all(&site).unwrap();
    std::fs::write(site.join("index.html"), "hello").unwrap();
    let node = open(root).await;
    let source = site.to_str().unwrap().parse().unwrap();
    node.add_app(&local(), NewApp::new(shop(), source)).await.unwrap();
    let value = SecretValue::try_from("value".to_owned()).unwrap();
    node.set_secret(&secrets(), &"TOKEN".parse().unwrap(), value).await.unwrap();
    let hosted = node.hosted(&local()).await.unwrap();
    (node, hosted)
}

async fn open(root: &TempDir) -> Node {
    Node::open(root.path().join("data"), NodeConfig::default()).await.unwrap()
}

fn secrets() -> SecretsOf {
    SecretsOf { instance: local(), app: Some(shop()) }
}

/// Writes down a run as one that is under way.
async fn begun(store: &Store, hosted: &Hosted, kind: RunKind, data: Value) -> String {
    let now = hosted.now();
    let id = hosted.ids.next(now).unwrap();
    let run = id.clone();
    let subject = if kind == RunKind::Fleet { "local,other" } else { "shop" };
    let begin = move |transaction: &rusqlite::Transaction<'_>| {
        Journal(transaction).begin((&run, kind, subject), None, &data, "first", now)
    };
    store.write(begin).await.unwrap();
    id
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removal_that_had_only_begun_is_finished() {
    let root = tempfile::tempdir().unwrap();
    let (node, hosted) = prepared(&root).await;
    let id = begun(&hosted.store, &hosted, RunKind::Removal, Value::Null).await;
    node.close().await;
    let node = open(&root).await;
    let apps = node.list_apps(&local(), ListApps::default()).await.unwrap().apps;
    assert!(apps.is_empty(), "{apps:?}");
    let run = &node.runs(&local(), None, PageSize::default()).await.unwrap()[0];
    assert_eq!((&run.id, run.state), (&id, RunState::Done));
    // Of the same name and another app: it has nothing of the one before.
    let source = root.path().join("shop").to_str().unwrap().parse().unwrap();
    node.add_app(&local(), NewApp::new(shop(), source)).await.unwrap();
    assert!(node.list_secrets(&secrets(), ListSecrets::default()).await.unwrap().secrets.is_empty());
    node.remove_app(&AppRef::new(local(), shop()), Removal::KeepData).await.unwrap();
    node.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_that_had_only_begun_failed() {
    let root = tempfile::tempdir().unwrap();
    let (node, hosted) = prepared(&root).await;
    let draft = attempt::Draft {
        app: shop(),
        version: None,
        previous_version: None,
        strategy: Strategy::Full,
        by: "me".to_owned(),
        parent: None,
    };
    let id = begun(&hosted.store, &hosted, RunKind::Deploy, json!(draft)).await;
    let fleet = begun(&node.shared.fleet, &hosted, RunKind::Fleet, Value::Null).await;
    node.close().await;
    let node = open(&root).await;
    let record = node.history(ListDeploys::default()).await.unwrap().deploys.remove(0);
    assert_eq!((record.id, record.status, record.deployed_by.as_str()), (id, DeployStatus::Failed, "me"));
    assert_eq!(record.version.as_str(), "newest");
    assert_eq!(record.error.as_deref(), Some("the node was stopped in the middle"));
    let runs = node.shared.fleet.read(|connection| Journal(connection).page(None, 1)).await.unwrap();
    assert_eq!((&runs[0].id, runs[0].state), (&fleet, RunState::Failed));
    assert!(runs[0].error.as_ref().unwrap().contains("0 of 2 were deployed"));
    // A third start finds nothing to do.
    node.close().await;
    let node = open(&root).await;
    assert_eq!(node.history(ListDeploys::default()).await.unwrap().deploys.len(), 1);
    node.close().await;
}

/// Waits until something is so.
async fn until<F: Future<Output = bool>>(what: &str, mut is_so: impl FnMut() -> F) {
    let waited = async {
        while !is_so().await {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(20), waited).await.expect(what);
}

fn newest() -> Deploy {
    Deploy {
        release: Release { instance: local(), app: Some(shop()), by: "me".to_owned() },
        version: None,
        canary: None,
    }
}

/// Has a store fail, or not any more, as a full disk would.
async fn sql(store: &Store, sql: &'static str) {
    store.write(move |transaction| Ok(transaction.execute_batch(sql)?)).await.unwrap();
}

const REFUSE_RECORDS: &str =
    "CREATE TRIGGER full BEFORE INSERT ON records BEGIN SELECT RAISE(ABORT, 'full'); END";
const REFUSE_ENDS: &str = "CREATE TRIGGER full BEFORE UPDATE ON runs BEGIN SELECT RAISE(ABORT, 'full'); END";
const ALLOW: &str = "DROP TRIGGER full";

#[tokio::test(flavor = "multi_thread")]
async fn a_release_that_cannot_be_written_down_changes_nothing_and_its_failure_is_written_later() {
    let root = tempfile::tempdir().unwrap();
    let (node, hosted) = prepared(&root).await;
    sql(&hosted.store, REFUSE_RECORDS).await;
    let error = node.deploy(newest(), Arc::new(Unheard)).await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Unavailable, "store_unavailable"));
    let app = node.list_apps(&local(), ListApps::default()).await.unwrap().apps.remove(0);
    assert_eq!((app.current_version, app.status), (None, AppStatus::Stopped));
    sql(&hosted.store, ALLOW).await;
    let history = async || node.history(ListDeploys::default()).await.unwrap().deploys;
    until("its failure is written down", async || history().await.len() == 1).await;
    assert_eq!(history().await[0].status, DeployStatus::Failed);
    let run = &node.runs(&local(), None, PageSize::default()).await.unwrap()[0];
    assert_eq!(run.state, RunState::Undone);
    node.deploy(newest(), Arc::new(Unheard)).await.unwrap();
    node.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_fleet_deploy_did_is_said_even_if_its_end_cannot_be_written() {
    let root = tempfile::tempdir().unwrap();
    let (node, _) = prepared(&root).await;
    sql(&node.shared.fleet, REFUSE_ENDS).await;
    let order = FleetDeploy { instances: vec![local()], app: None, version: None, by: "me".to_owned() };
    let result = node.fleet_deploy(order, Arc::new(Unheard)).await.unwrap();
    assert!(result.results[0].1.is_ok(), "{result:?}");
    sql(&node.shared.fleet, ALLOW).await;
    node.close().await;
    let node = open(&root).await;
    let runs = node.fleet_runs(None, PageSize::default()).await.unwrap();
    assert_eq!((runs[0].state, runs[0].error.as_deref()), (RunState::Done, None));
    node.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_could_not_be_cleared_away_at_once_is_later() {
    let root = tempfile::tempdir().unwrap();
    let (node, hosted) = prepared(&root).await;
    node.deploy(newest(), Arc::new(Unheard)).await.unwrap();
    let artifacts = || std::fs::read_dir(hosted.layout.artifacts()).unwrap().count();
    until("its release has ended", async || {
        node.runs(&local(), None, PageSize::default()).await.unwrap()[0].state == RunState::Done
    })
    .await;
    // Another app is being added, which may take long.
    let maker = hosted.kept.maker().await.unwrap();
    node.remove_app(&AppRef::new(local(), shop()), Removal::KeepData).await.unwrap();
    assert_eq!(artifacts(), 1);
    drop(maker);
    until("its artifact is gone", async || artifacts() == 0).await;
    node.close().await;
}
