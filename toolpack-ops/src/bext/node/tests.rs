//! Runs that an earlier node left at a place where no kill hits it for sure.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says why")]

use serde_json::{Value, json};
use tempfile::TempDir;

use super::runs::Journal;
use super::*;
use crate::bext::engine::{
    AppName, AppRef, Apps, DeployStatus, Deploys, ListApps, ListDeploys, ListSecrets, NewApp, Removal,
    SecretValue, Secrets, SecretsOf, Strategy,
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
