//! How the instances of a node are, and what they count.

use std::fmt::Write as _;

use toolpack_ops::ErrorKind;
use toolpack_ops::bext::engine::{InstanceHealth, Instances, ListInstances, PageSize};
use toolpack_ops::bext::node::{Node, NodeConfig};

use super::{Bench, data, local, refused, until};

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_says_where_it_answers_and_how_it_is() {
    let bench = Bench::with_instances(&["b", "a"]).await;
    let first = ListInstances::default().with_limit(PageSize::try_from(1).unwrap());
    let page = bench.node.list(first).await.unwrap();
    assert_eq!(page.instances[0].id.as_str(), "a");
    assert_eq!(page.instances[0].status, InstanceHealth::Healthy);
    assert!(page.instances[0].url.as_ref().unwrap().as_str().starts_with("http://127.0.0.1:"));
    let rest = ListInstances::default().with_cursor(page.next_cursor);
    let rest = bench.node.list(rest).await.unwrap();
    assert_eq!((rest.instances[0].id.as_str(), rest.next_cursor), ("b", None));
    let report = bench.node.health(&"a".parse().unwrap()).await.unwrap();
    assert_eq!((report.status, report.error), (InstanceHealth::Healthy, None));
    assert!(report.details.iter().any(|detail| detail.contains("gateway answers")), "{:?}", report.details);
    assert!(report.uptime_s.is_some() && report.version.is_some());
    refused(bench.node.health(&"c".parse().unwrap()).await, ErrorKind::NotFound, "instance_not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_in_trouble_is_seen_and_counted() {
    let bench = Bench::new().await;
    bench.add("api", bench.process("api", "1.0.0", "")).await;
    bench.deploy("api").await.unwrap();
    let before = bench.node.metrics(&local()).await.unwrap();
    assert_eq!((before.apps, before.processes, before.restarts), (1, 1, 0));
    bench.get("api", "/").await;
    let after = bench.node.metrics(&local()).await.unwrap();
    assert!(after.requests > before.requests && after.response_bytes > before.response_bytes, "{after:?}");
    // It ends in the midst of an answer, again and again, until it has to wait to be started.
    let troubled = async || {
        bench.get("api", "/crash").await;
        bench.node.health(&local()).await.unwrap().status == InstanceHealth::Degraded
    };
    until("it is seen", troubled).await;
    until("it runs again", async || bench.node.metrics(&local()).await.unwrap().processes == 1).await;
    let metrics = bench.node.metrics(&local()).await.unwrap();
    assert!(metrics.restarts >= 1 && metrics.gateway_errors >= 1, "{metrics:?}");
    assert_eq!(bench.get("api", "/").await.body, "1.0.0");
    // Counted also when the process itself is gone.
    bench.process("api", "1.1.0", "");
    bench.deploy("api").await.unwrap();
    assert!(bench.node.metrics(&local()).await.unwrap().restarts >= metrics.restarts);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_cannot_listen_stops_nothing_and_is_tried_again() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let directory = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(data(&directory)).unwrap();
    let mut text = String::from("[[instance]]\nid = \"local\"\n");
    write!(text, "listen = \"{address}\"\n[[instance]]\nid = \"other\"\n").unwrap();
    std::fs::write(data(&directory).join("instances.toml"), text).unwrap();
    let node = Node::open(data(&directory), NodeConfig::default()).await.unwrap();
    let report = node.health(&local()).await.unwrap();
    assert_eq!((report.status, report.uptime_s), (InstanceHealth::Unreachable, None));
    assert!(report.error.as_ref().unwrap().contains("in use"), "{report:?}");
    let url = node.resolve(&local()).await.unwrap().url.unwrap();
    assert_eq!(url.as_str(), format!("http://{address}"));
    let page = node.list(ListInstances::default()).await.unwrap();
    let statuses: Vec<_> = page.instances.iter().map(|instance| instance.status).collect();
    assert_eq!(statuses, [InstanceHealth::Unreachable, InstanceHealth::Healthy]);
    // What is deployed meanwhile is there when it listens.
    let bench = Bench { directory, node };
    bench.add("shop", bench.site("shop", "1.0.0")).await;
    bench.deploy("shop").await.unwrap();
    drop(taken);
    until("it listens", async || {
        bench.node.health(&local()).await.unwrap().status == InstanceHealth::Healthy
    })
    .await;
    assert_eq!(bench.get("shop", "/").await.body, "1.0.0");
}
