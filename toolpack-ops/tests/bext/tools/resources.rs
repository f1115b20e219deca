//! The resources, and what the pack serves where there is no engine for a group.

use mcp_core::testing::Client;
use mcp_core::{PackOptions, Revision, Server};
use serde_json::{Value, json};
use toolpack_ops::bext;
use toolpack_ops::bext::engine::Engines;
use toolpack_ops::bext::engine::embedded::{Embedded, EmbeddedConfig};

use super::Bench;
use super::stand_in::{StandIn, app, record};

async fn read(client: &Client, uri: &str) -> Value {
    let reply = client.read(uri).await;
    let contents = &reply.result()["contents"][0];
    assert_eq!((&contents["uri"], &contents["mimeType"]), (&json!(uri), &json!("application/json")));
    serde_json::from_str(contents["text"].as_str().unwrap()).unwrap()
}

#[tokio::test]
async fn an_instance_is_the_same_as_a_tool_and_as_a_resource() {
    for revision in Revision::NEWEST {
        let bench = Bench::new(revision).await;
        let mut by_tool = bench.get("instance_overview", json!({})).await;
        let mut by_uri = read(&bench.client, "bext://instance/local").await;
        for overview in [&mut by_tool, &mut by_uri] {
            assert!(overview["health"]["latency_ms"].take().is_u64());
        }
        assert_eq!(by_tool, by_uri);
        assert_eq!((&by_tool["id"], &by_tool["url"]), (&json!("local"), &json!("")));
        assert_eq!(by_tool["health"]["status"], "healthy");
        assert_eq!(by_tool["metrics"]["requests"], 0);
        assert_eq!(by_tool["config"], json!({ "path": "bext.config.toml", "toml": "[gateway]\n" }));
        assert_eq!((&by_tool["apps"], &by_tool["has_more_apps"]), (&json!([app("shop")]), &json!(false)));
        assert_eq!(by_tool["recent_deploys"], json!([record()]));
        assert_eq!(by_tool.get("incomplete"), None);
    }
}

#[tokio::test]
async fn instances_are_listed_and_completed() {
    let bench = Bench::new(Revision::V2026_07_28).await;
    let rows = ["prod-2", "local", "prod-1"].map(|id| format!("[[instance]]\nid = \"{id}\"\n"));
    std::fs::write(bench.directory.path().join("instances.toml"), rows.concat()).unwrap();
    let listed = bench.client.list_resources().await;
    let uris: Vec<&str> = listed.iter().map(|resource| resource["uri"].as_str().unwrap()).collect();
    for uri in ["bext://deploy-history", "bext://instance/local", "bext://instance/prod-1"] {
        assert!(uris.contains(&uri), "{uris:?}");
    }
    assert_eq!(uris.len(), 4);
    let templates = bench.client.list_templates().await;
    assert_eq!(templates[0]["uriTemplate"], "bext://instance/{id}");
    let completed = bench.client.complete_resource("bext://instance/{id}", "id", "prod").await;
    assert_eq!(completed, ["prod-1", "prod-2"]);
}

#[tokio::test]
async fn what_is_not_there_is_not_found() {
    for (revision, code) in
        Revision::NEWEST.map(|revision| (revision, if revision.is_modern() { -32602 } else { -32002 }))
    {
        let bench = Bench::new(revision).await;
        for uri in ["bext://instance/nowhere", "bext://instance/NO%20id"] {
            let reply = bench.client.read(uri).await;
            assert_eq!(reply.error()["code"], code, "{uri}: {}", reply.error());
        }
    }
}

/// A part that cannot be read takes nothing else with it.
#[tokio::test]
async fn an_overview_says_what_it_lacks() {
    let directory = tempfile::tempdir().unwrap();
    let engine = Embedded::open(directory.path(), EmbeddedConfig::default()).await.unwrap();
    let error = Some((toolpack_ops::ErrorKind::Unavailable, "config_unavailable"));
    let broken = StandIn { error, ..StandIn::default() };
    let engines = broken.beside(Engines::of(engine));
    let server = Server::new("test", "1.0.0").pack(bext::pack(engines), PackOptions::new());
    let client = Client::new(server).await;
    let overview = read(&client, "bext://instance/local").await;
    assert_eq!((&overview["config"], &overview["apps"]), (&json!({}), &json!([])));
    assert_eq!(overview["health"]["status"], "healthy");
    let lacks = ["config", "apps", "recent_deploys"]
        .map(|part| format!("{part}: it does not work [config_unavailable]"));
    assert_eq!(overview["incomplete"], json!(lacks));
    assert!(!overview.to_string().contains("/secret/path"));
    let history = client.read("bext://deploy-history").await;
    assert_eq!(history.error()["message"], "it does not work");
}

#[tokio::test]
async fn a_group_without_an_engine_has_no_tools() {
    let directory = tempfile::tempdir().unwrap();
    let engine = Embedded::open(directory.path(), EmbeddedConfig::default()).await.unwrap();
    let engines = Engines::of(engine);
    let server = Server::new("test", "1.0.0").pack(bext::pack(engines.clone()), PackOptions::new());
    let client = Client::new(server).await;
    let tools = client.list_tools().await;
    let names: Vec<&str> = tools.iter().map(|tool| tool["name"].as_str().unwrap()).collect();
    let want = [
        "db_execute",
        "db_query",
        "instance_health",
        "instance_overview",
        "kv_delete",
        "kv_get",
        "kv_list",
        "kv_set",
        "list_instances",
    ];
    assert_eq!(names, want);
    let resources = client.list_resources().await;
    assert_eq!(resources.len(), 1, "{resources:?}");
    let overview = read(&client, "bext://instance/local").await;
    let empty = json!([]);
    assert_eq!(
        (&overview["config"], &overview["apps"], &overview["recent_deploys"]),
        (&json!({}), &empty, &empty)
    );

    // Whoever registers one by hand is told.
    let server = Server::new("test", "1.0.0").over(engines).tool::<bext::tools::ListApps>();
    let reply = Client::new(server).await.call("list_apps", json!({ "instance_id": "local" })).await;
    assert_eq!(reply.text(), "this server has no engine for apps, so it cannot do this [no_engine]");
}
