//! A node that was closed and is opened again: what ran runs, what was known is known.

use std::sync::Arc;

use toolpack_ops::ErrorKind;
use toolpack_ops::bext::engine::{AppStatus, Apps, DeployStatus, Deploys, NewApp};
use toolpack_ops::bext::node::{Node, NodeConfig};

use super::deploys::is_alive;
use super::{Bench, Heard, app, local, newest, refused, until};

#[tokio::test(flavor = "multi_thread")]
async fn apps_come_back_where_they_were() {
    let mut bench = Bench::new().await;
    let new = NewApp::new(app("shop"), bench.site("shop", "1.0.0"))
        .with_domains(vec!["www.example.com".parse().unwrap()]);
    bench.node.add_app(&local(), new).await.unwrap();
    bench.add("api", bench.process("api", "2.0.0", "")).await;
    bench.deploy("shop").await.unwrap();
    bench.deploy("api").await.unwrap();
    bench.process("api", "2.1.0", "");
    bench.canary("api", 50).await.unwrap();
    let (gateway, history) = (bench.gateway().await, bench.history("api").await);
    let pid: u32 = bench.get("api", "/pid").await.body.parse().unwrap();

    bench.reopen().await;
    assert!(!is_alive(pid), "a node that was closed leaves no process");
    assert_eq!(bench.gateway().await, gateway, "the port stays");
    assert_eq!(bench.history("api").await, history);
    // What is a process is being started, and requests wait for it.
    assert_eq!(bench.get("api", "/").await.status, 200);
    assert_eq!(bench.get("shop", "/").await.body, "1.0.0");
    assert_eq!(bench.get_of(&local(), "www.example.com", "/").await.body, "1.0.0");
    let shown = async || bench.app("api").await;
    until("both run", async || shown().await.status == AppStatus::Running && shown().await.error.is_none())
        .await;
    let shown = shown().await;
    assert_eq!(shown.canary.unwrap().version.as_str(), "2.1.0");
    assert_eq!(bench.promote("api").await.unwrap().version.as_str(), "2.1.0");
    assert_eq!(bench.rollback("api", None).await.unwrap().version.as_str(), "2.0.0");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_come_back_says_so_and_is_tried_again() {
    let mut bench = Bench::new().await;
    let needed = bench.directory.path().join("database");
    std::fs::write(&needed, "").unwrap();
    let behaviour = format!("needs {}", needed.display());
    bench.add("api", bench.process("api", "1.0.0", &behaviour)).await;
    bench.deploy("api").await.unwrap();
    std::fs::remove_file(&needed).unwrap();
    bench.reopen().await;
    until("it is said", async || bench.app("api").await.status == AppStatus::Failed).await;
    let error = bench.app("api").await.error.unwrap();
    assert!(error.contains("status 4"), "{error}");
    std::fs::write(&needed, "").unwrap();
    until("it runs", async || bench.app("api").await.status == AppStatus::Running).await;
    assert_eq!(bench.get("api", "/").await.body, "1.0.0");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deploy_takes_the_place_of_what_does_not_come_back() {
    let mut bench = Bench::new().await;
    let needed = bench.directory.path().join("database");
    std::fs::write(&needed, "").unwrap();
    bench.add("api", bench.process("api", "1.0.0", &format!("needs {}", needed.display()))).await;
    bench.deploy("api").await.unwrap();
    std::fs::remove_file(&needed).unwrap();
    bench.reopen().await;
    bench.process("api", "1.1.0", "");
    bench.deploy("api").await.unwrap();
    assert_eq!(bench.get("api", "/").await.body, "1.1.0");
    let shown = bench.app("api").await;
    assert_eq!((shown.status, shown.error), (AppStatus::Running, None));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_closed_gives_up_what_is_under_way() {
    let mut bench = Bench::new().await;
    bench.add("api", bench.process("api", "1.0.0", "")).await;
    bench.deploy("api").await.unwrap();
    bench.process("api", "1.1.0", "sick");
    let heard = Arc::new(Heard::default());
    let deploying = {
        let (node, heard) = (bench.node.clone(), heard.clone());
        tokio::spawn(async move { node.deploy(newest("api"), heard).await })
    };
    until("it waits for the health check", async || heard.all().iter().any(|stage| stage.0 == 2)).await;
    bench.node.close().await;
    refused(deploying.await.unwrap(), ErrorKind::Unavailable, "node_stopping");
    bench.node = Node::open(bench.data(), NodeConfig::default()).await.unwrap();
    assert_eq!(bench.get("api", "/").await.body, "1.0.0");
    let record = &bench.history("api").await[0];
    assert_eq!((record.status, record.version.as_str()), (DeployStatus::Failed, "1.1.0"));
    assert_eq!(bench.artifacts(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_has_one_node() {
    let mut bench = Bench::new().await;
    let second = Node::open(bench.data(), NodeConfig::default()).await;
    refused(second, ErrorKind::Unavailable, "node_running");
    let clone = bench.node.clone();
    bench.reopen().await;
    let stopped = clone.list_apps(&local(), Default::default()).await;
    refused(stopped, ErrorKind::Unavailable, "node_stopping");
    let others = NodeConfig::default().with_instances(vec!["other".parse().unwrap()]);
    bench.node.close().await;
    refused(Node::open(bench.data(), others).await, ErrorKind::Conflict, "instances_differ");
    // Whatever failed to open holds no lock.
    bench.node = Node::open(bench.data(), NodeConfig::default()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_nobody_has_any_more_is_gone() {
    let mut bench = Bench::new().await;
    bench.add("api", bench.process("api", "1.0.0", "")).await;
    bench.deploy("api").await.unwrap();
    let pid: u32 = bench.get("api", "/pid").await.body.parse().unwrap();
    let (other, data) = (Bench::new().await, bench.data());
    bench.node = other.node.clone();
    until("its process has ended", async || !is_alive(pid)).await;
    until("another may open", async || match Node::open(&data, NodeConfig::default()).await {
        Ok(node) => {
            node.close().await;
            true
        }
        Err(error) => {
            assert_eq!(error.code(), "node_running");
            false
        }
    })
    .await;
}
