//! Who is told of changes: `subscriptions/listen`, and the subscriptions of a session.

use std::sync::Arc;

use mcp_core::{
    Annotations, AnswerStatus, Call, Contents, DynTool, Endpoint, Exchange, RequestError, Resource, Server,
    Signal, Step, ToolReply, prompt,
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::harness::{Ask, Wire, bare, exchange, headers_for, initialize, lines, modern, post, server};

/// A file.
#[derive(Deserialize, JsonSchema)]
struct File {
    #[allow(dead_code)]
    name: String,
}

impl Resource for File {
    const URI: &'static str = "files://{name}";
    const NAME: &'static str = "file";

    async fn read(self, (): &(), _: &Call) -> Result<Contents, RequestError> {
        Ok(Contents::text(""))
    }
}

fn tool(name: &str) -> DynTool {
    DynTool::new(name, Annotations::read_only(), |_, _| async { Ok(ToolReply::default()) })
}

fn full() -> Server {
    server().add(tool("a")).resource::<File>().prompt::<Ask>()
}

fn add_tool(endpoint: &Endpoint, name: &str) {
    endpoint.edit(|edit| edit.add(tool(name))).unwrap();
}

fn listen(id: impl Into<Value>, filter: Value) -> Value {
    modern(id, "subscriptions/listen", json!({ "notifications": filter }))
}

fn all_of(uris: &[&str]) -> Value {
    json!({"toolsListChanged": true, "promptsListChanged": true, "resourcesListChanged": true,
        "resourceSubscriptions": uris})
}

/// Method and subscription of notifications.
fn told(said: &[Value]) -> Vec<(String, Value)> {
    let id = |note: &Value| note["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"].clone();
    said.iter().map(|note| (note["method"].as_str().unwrap_or("answer").to_owned(), id(note))).collect()
}

#[tokio::test]
async fn the_acknowledgement_comes_first_and_says_what_will_be_told() {
    let endpoint = full().build().unwrap();
    for id in [json!(7), json!("seven")] {
        let mut wire = Wire::new(&endpoint);
        assert_eq!(wire.send(&listen(id.clone(), all_of(&["files://a", "files://b"]))), [Value::Null; 0]);
        let said = wire.later().await;
        assert_eq!(
            said,
            [json!({"jsonrpc": "2.0", "method": "notifications/subscriptions/acknowledged", "params": {
                "_meta": {"io.modelcontextprotocol/subscriptionId": id},
                "notifications": all_of(&["files://a", "files://b"]),
            }})]
        );
    }
    let mut wire = Wire::new(&endpoint);
    wire.send(&listen(1, json!({})));
    assert_eq!(wire.later().await[0]["params"]["notifications"], json!({}));
}

#[tokio::test]
async fn what_the_server_does_not_have_is_left_out_of_the_acknowledgement() {
    let endpoint = server().build().unwrap();
    let mut wire = Wire::new(&endpoint);
    wire.send(&listen(1, all_of(&["files://a"])));
    assert_eq!(wire.later().await[0]["params"]["notifications"], json!({"toolsListChanged": true}));
    // Nor is it told when it comes.
    endpoint.edit(|edit| edit.add(prompt::<Ask, ()>(Arc::new(())))).unwrap();
    add_tool(&endpoint, "b");
    assert_eq!(told(&wire.settled().await), [("notifications/tools/list_changed".to_owned(), json!(1))]);
}

#[tokio::test]
async fn each_subscription_hears_what_it_asked_for_and_no_more() {
    let endpoint = full().build().unwrap();
    let mut wire = Wire::new(&endpoint);
    wire.send(&listen("tools", json!({"toolsListChanged": true})));
    wire.send(&listen("a", json!({"resourceSubscriptions": ["files://a"]})));
    wire.send(&listen(
        "ab",
        json!({"resourceSubscriptions": ["files://a", "files://b"], "promptsListChanged": true}),
    ));
    assert_eq!(wire.settled().await.len(), 3);

    add_tool(&endpoint, "b");
    let said = wire.settled().await;
    assert_eq!(told(&said), [("notifications/tools/list_changed".to_owned(), json!("tools"))]);
    for uri in ["files://b", "files://c", "files://"] {
        endpoint.resource_updated(uri);
    }
    let said = wire.settled().await;
    assert_eq!(told(&said), [("notifications/resources/updated".to_owned(), json!("ab"))]);
    assert_eq!(said[0]["params"]["uri"], "files://b");
    endpoint.resource_updated("files://a");
    assert_eq!(wire.settled().await.len(), 2);
}

#[tokio::test]
async fn changes_that_nobody_has_been_told_of_yet_are_told_once() {
    let endpoint = full().limits(|limits| limits.queued_notifications = 1).build().unwrap();
    let mut wire = Wire::new(&endpoint);
    wire.send(&listen(1, all_of(&["files://a", "files://b"])));
    wire.later().await;
    for index in 0..1000 {
        endpoint.resource_updated("files://a");
        endpoint.resource_updated("files://b");
        if index % 100 == 0 {
            add_tool(&endpoint, &format!("tool{index}"));
        }
    }
    let mut said = told(&wire.settled().await);
    said.sort_by(|a, b| a.0.cmp(&b.0));
    let names: Vec<_> = said.iter().map(|(method, _)| method.as_str()).collect();
    assert_eq!(
        names,
        [
            "notifications/resources/updated",
            "notifications/resources/updated",
            "notifications/tools/list_changed"
        ]
    );
}

#[tokio::test]
async fn a_slow_reader_misses_no_change() {
    let endpoint = full().limits(|limits| limits.queued_notifications = 0).build().unwrap();
    let mut wire = Wire::new(&endpoint);
    for id in 0..20 {
        wire.send(&listen(id, json!({"toolsListChanged": true})));
    }
    assert_eq!(wire.settled().await.len(), 20);
    add_tool(&endpoint, "b");
    assert_eq!(wire.settled().await.len(), 20);
}

#[tokio::test]
async fn the_client_ends_a_subscription_by_cancelling_it() {
    let endpoint = full().limits(|limits| limits.subscriptions = 1).build().unwrap();
    let mut wire = Wire::new(&endpoint);
    wire.send(&listen("s", all_of(&[])));
    wire.settled().await;
    wire.send(&json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": "s"}}));
    add_tool(&endpoint, "b");
    assert_eq!(wire.settled().await, [Value::Null; 0]);
    // Its place is free again.
    wire.send(&listen("t", all_of(&[])));
    assert_eq!(wire.settled().await.len(), 1);
}

#[tokio::test]
async fn the_server_ends_a_subscription_with_its_result_and_then_cancels_it() {
    let endpoint = full().build().unwrap();
    for id in [json!(3), json!("three")] {
        let mut wire = Wire::new(&endpoint);
        wire.send(&listen(id.clone(), all_of(&[])));
        wire.later().await;
        wire.connection.close();
        let said = wire.later().await;
        let subscription = json!({"io.modelcontextprotocol/subscriptionId": id});
        let mut meta = said[0]["result"]["_meta"].clone();
        assert!(meta.as_object_mut().unwrap().remove("io.modelcontextprotocol/serverInfo").is_some());
        assert_eq!(
            (&said[0]["id"], &said[0]["result"]["resultType"], meta),
            (&id, &json!("complete"), subscription)
        );
        assert_eq!(
            said[1],
            json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": id}})
        );
        assert!(!wire.connection.is_busy());
        let mut out = Vec::new();
        wire.connection.abandon(&mut out);
        assert_eq!(lines(&out), [Value::Null; 0]);
    }
}

#[tokio::test]
async fn over_http_a_subscription_ends_with_its_result() {
    let endpoint = full().build().unwrap();
    let (request, closing) = (listen(3, all_of(&["files://a"])), Signal::new());
    let exchange = exchange(&endpoint, &request, &closing);
    let Exchange::Running(mut running) = exchange else { panic!("{exchange:?}") };
    let mut step = async || std::future::poll_fn(|cx| running.poll_step(cx)).await;
    let Step::Notification(first) = step().await else { panic!("no acknowledgement") };
    let first: Value = serde_json::from_slice(&first).unwrap();
    assert_eq!(first["method"], "notifications/subscriptions/acknowledged");
    endpoint.resource_updated("files://a");
    assert!(matches!(step().await, Step::Notification(_)));
    closing.raise();
    let Step::Answer(answer) = step().await else { panic!("no answer") };
    assert_eq!(answer.status, AnswerStatus::Served);
    let answer: Value = serde_json::from_slice(&answer.bytes).unwrap();
    assert_eq!(answer["result"]["_meta"]["io.modelcontextprotocol/subscriptionId"], 3);
}

#[tokio::test]
async fn subscriptions_are_bounded_in_number_and_size() {
    let bounded = full().limits(|limits| {
        limits.subscriptions = 1;
        limits.subscribed_resources = 2;
        limits.concurrent_calls = 1;
    });
    let endpoint = bounded.build().unwrap();
    let request = listen(1, all_of(&["a:1", "a:2", "a:3"]));
    let posted = post(&endpoint, &request, headers_for(&request)).await;
    assert_eq!((posted.code(), posted.notifications.len()), (Some(-32602), 0));
    assert!(posted.answer["error"]["message"].as_str().unwrap().contains("at most 2"));

    let mut wire = Wire::new(&endpoint);
    wire.send(&listen(1, all_of(&["a:1", "a:2"])));
    let request = listen(2, json!({}));
    let posted = post(&endpoint, &request, headers_for(&request)).await;
    assert_eq!((posted.code(), posted.status), (Some(503), Some(AnswerStatus::Status(503))));
    // An open subscription takes no place of a call.
    let call = modern(3, "tools/call", json!({"name": "a"}));
    assert!(post(&endpoint, &call, headers_for(&call)).await.answer["result"].is_object());
}

#[tokio::test(start_paused = true)]
async fn a_subscription_is_open_for_as_long_as_the_client_likes() {
    let endpoint =
        full().limits(|limits| limits.call_time = std::time::Duration::from_secs(1)).build().unwrap();
    let mut wire = Wire::new(&endpoint);
    wire.send(&listen(1, all_of(&[])));
    wire.later().await;
    tokio::time::advance(std::time::Duration::from_secs(3600)).await;
    add_tool(&endpoint, "b");
    assert_eq!(told(&wire.later().await)[0].0, "notifications/tools/list_changed");
}

#[tokio::test]
async fn a_session_hears_of_the_resources_it_subscribes_to() {
    let endpoint = full().limits(|limits| limits.subscribed_resources = 2).build().unwrap();
    let mut wire = Wire::new(&endpoint);
    wire.ask(&initialize(0, "2025-11-25"));
    let subscribe =
        |wire: &mut Wire, method: &str, uri: &str| wire.ask(&bare(1, method, json!({ "uri": uri })));
    for uri in ["files://a", "files://a", "files://b"] {
        assert_eq!(subscribe(&mut wire, "resources/subscribe", uri)["result"], json!({}));
    }
    assert_eq!(subscribe(&mut wire, "resources/subscribe", "files://c")["error"]["code"], -32602);
    assert_eq!(subscribe(&mut wire, "resources/subscribe", "other://c")["error"]["code"], -32002);
    assert_eq!(wire.ask(&bare(1, "resources/subscribe", json!({})))["error"]["code"], -32602);
    endpoint.resource_updated("files://a");
    endpoint.resource_updated("files://c");
    assert_eq!(
        wire.settled().await,
        [
            json!({"jsonrpc": "2.0", "method": "notifications/resources/updated", "params": {"uri": "files://a"}})
        ]
    );
    // What is pending when the client takes its wish back is not told, and what is gone can be let go of.
    endpoint.resource_updated("files://a");
    endpoint.edit(|edit| Ok::<_, mcp_core::Problem>(edit.remove_resource("files://{name}"))).unwrap();
    endpoint.edit(|edit| edit.add(mcp_core::resource::<Motd, ()>(Arc::new(())))).unwrap();
    assert_eq!(subscribe(&mut wire, "resources/unsubscribe", "files://a")["result"], json!({}));
    endpoint.resource_updated("files://a");
    let said: Vec<_> = told(&wire.settled().await).into_iter().map(|(method, _)| method).collect();
    assert_eq!(said, ["notifications/resources/list_changed"]);
}

/// Another.
#[derive(Deserialize, JsonSchema)]
struct Motd {}

impl Resource for Motd {
    const URI: &'static str = "notes://motd";
    const NAME: &'static str = "motd";

    async fn read(self, (): &(), _: &Call) -> Result<Contents, RequestError> {
        Ok(Contents::text(""))
    }
}

#[tokio::test]
async fn a_session_and_subscriptions_of_the_other_era_live_on_one_connection() {
    let endpoint = full().build().unwrap();
    let mut wire = Wire::new(&endpoint);
    wire.ask(&initialize(0, "2025-11-25"));
    wire.send(&listen(1, json!({"toolsListChanged": true})));
    wire.settled().await;
    add_tool(&endpoint, "b");
    let mut said = told(&wire.settled().await);
    said.sort_by_key(|(_, id)| id.to_string());
    let changed = "notifications/tools/list_changed".to_owned();
    assert_eq!(said, [(changed.clone(), json!(1)), (changed, Value::Null)]);
}
