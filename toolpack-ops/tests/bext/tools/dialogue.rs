//! The tools one after another on a node, as an assistant calls them: what they say is what is served.

use mcp_core::testing::Client;
use mcp_core::{PackOptions, Server};
use serde_json::{Value, json};
use toolpack_ops::bext;
use toolpack_ops::bext::engine::suite::{Harness, NodeHarness};

use crate::bext::on_node::OnNode;

/// A client of the tools over a node, and the node's sources.
struct Dialogue {
    harness: Box<OnNode>,
    client: Client,
}

impl Dialogue {
    async fn new() -> Self {
        let harness = Box::new(OnNode::for_group("tools"));
        let pack = bext::pack(harness.open().await);
        let client = Client::new(Server::new("test", "1.0.0").pack(pack, PackOptions::new())).await;
        Self { harness, client }
    }

    /// Calls a tool on the instance `local`; what it says first, and its data.
    async fn call(&self, tool: &str, mut arguments: Value) -> (String, Value) {
        arguments["instance_id"] = json!("local");
        let reply = self.client.call(tool, arguments).await;
        (reply.sentence().to_owned(), reply.structured().clone())
    }

    /// What a call that fails is refused with.
    async fn refused(&self, tool: &str, mut arguments: Value) -> (String, String) {
        arguments["instance_id"] = json!("local");
        let reply = self.client.call(tool, arguments).await;
        (reply.error_code(), reply.error_pointer())
    }

    /// The body that visitors of the app get.
    async fn page(&self, host: &str) -> String {
        let (_, overview) = self.call("instance_overview", json!({})).await;
        let gateway = overview["url"].as_str().unwrap().parse().unwrap();
        self.harness.get(&gateway, host, "/").await.body.trim().to_owned()
    }

    async fn end(self) {
        drop(self.client);
        self.harness.clean_up().await;
    }
}

/// A sentence without its time.
fn without_time(sentence: &str) -> &str {
    sentence.rsplit_once(" in ").map_or(sentence, |(words, _)| words)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_release_is_told_from_its_source_to_its_rollback() {
    let dialogue = Dialogue::new().await;
    let source = dialogue.harness.site("shop", "1.0.0").await;
    let new = json!({ "name": "shop", "source": source.as_str(), "domains": ["shop.example.com"] });
    let (_, app) = dialogue.call("add_app", new.clone()).await;
    assert_eq!((&app["status"], &app["runtime"]), (&json!("stopped"), &json!("static")));
    let refused = |code: &str, pointer: &str| (code.to_owned(), pointer.to_owned());
    assert_eq!(dialogue.refused("add_app", new).await, refused("app_exists", "/name"));
    assert_eq!(dialogue.refused("rollback", json!({})).await, refused("no_previous_version", ""));

    let (said, record) = dialogue.call("deploy", json!({})).await;
    assert_eq!(without_time(&said), "Deployed v1.0.0");
    assert_eq!((&record["status"], &record["deployed_by"]), (&json!("success"), &json!("local")));
    assert_eq!(dialogue.page("shop.example.com").await, "shop 1.0.0");

    dialogue.harness.site("shop", "1.1.0").await;
    let (said, _) = dialogue.call("deploy", json!({ "version": "1.1.0", "canary_percent": 1 })).await;
    assert!(
        said.starts_with("Deployed v1.1.0 in ") && said.ends_with(" as a canary for 1% of new visitors"),
        "{said}"
    );
    let (_, apps) = dialogue.call("list_apps", json!({})).await;
    assert_eq!(apps["apps"][0]["canary"], json!({ "version": "1.1.0", "percent": 1 }));
    let (said, _) = dialogue.call("promote_canary", json!({ "app": "shop" })).await;
    assert_eq!(without_time(&said), "Promoted v1.1.0");
    assert_eq!(dialogue.page("shop.localhost").await, "shop 1.1.0");

    let (said, record) = dialogue.call("rollback", json!({})).await;
    assert_eq!(without_time(&said), "Rolled back to v1.0.0");
    assert_eq!(record["status"], "rolled_back");
    assert_eq!(dialogue.page("shop.localhost").await, "shop 1.0.0");

    let (_, history) = dialogue.call("deploy_history", json!({})).await;
    let versions: Vec<&Value> =
        history["deploys"].as_array().unwrap().iter().map(|record| &record["version"]).collect();
    assert_eq!(versions, ["1.0.0", "1.1.0", "1.1.0", "1.0.0"]);
    let (_, overview) = dialogue.call("instance_overview", json!({})).await;
    assert_eq!(overview["recent_deploys"], history["deploys"]);
    assert_eq!(overview.get("incomplete"), None);
    let (_, config) = dialogue.call("read_config", json!({})).await;
    assert_eq!(overview["config"], config);
    dialogue.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_registered_is_told_until_it_is_removed() {
    let dialogue = Dialogue::new().await;
    let source = dialogue.harness.site("shop", "1.0.0").await;
    dialogue.call("add_app", json!({ "name": "shop", "source": source.as_str() })).await;
    let secret = json!({ "app": "shop", "name": "TOKEN", "value": "hunter2" });
    let (_, set) = dialogue.call("set_secret", secret.clone()).await;
    assert_eq!(set, json!({ "name": "TOKEN", "set": true }));
    dialogue.call("deploy", json!({})).await;
    let (_, set) = dialogue.call("set_secret", secret).await;
    assert!(set["takes_effect"].is_string(), "{set}");
    let (_, secrets) = dialogue.call("list_secrets", json!({ "app": "shop" })).await;
    assert_eq!((&secrets["count"], &secrets["secrets"][0]["name"]), (&json!(1), &json!("TOKEN")));

    dialogue.call("add_domain", json!({ "app": "shop", "domain": "WWW.example.com" })).await;
    let (_, domains) = dialogue.call("list_domains", json!({})).await;
    let domain = json!({ "domain": "www.example.com", "app": "shop", "is_wildcard": false, "tls": false });
    assert_eq!(domains, json!({ "domains": [domain], "count": 1 }));
    assert_eq!(dialogue.page("www.example.com").await, "shop 1.0.0");
    let (_, change) = dialogue.call("reload_config", json!({})).await;
    assert_eq!(change["reloaded"], true);
    let (_, health) = dialogue.call("instance_health", json!({})).await;
    assert_eq!(health["status"], "healthy");

    let (_, removed) = dialogue.call("remove_app", json!({ "app": "shop" })).await;
    assert_eq!(removed, json!({ "removed": true, "app": "shop" }));
    let refused = dialogue.refused("remove_app", json!({ "app": "shop" })).await;
    assert_eq!(refused, ("app_not_found".to_owned(), "/app".to_owned()));
    assert_ne!(dialogue.page("www.example.com").await, "shop 1.0.0");
    let shown = dialogue
        .client
        .transcript()
        .iter()
        .filter(|(sent, _)| !sent)
        .any(|(_, message)| message.to_string().contains("hunter2"));
    assert!(!shown, "a secret came out");
    dialogue.end().await;
}
