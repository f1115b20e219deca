//! What is on the list: parsed, paged, still there after a restart.

use serde_json::json;
use tempfile::tempdir;
use toolpack::{Revision, testing::Client};

use crate::support::{add, server};

#[tokio::test]
async fn a_topic_is_held_to_its_rule_before_the_tool_runs() {
    let folder = tempdir().unwrap();
    let client = Client::new(server(&folder)).await;
    let refused = client.call("add_item", json!({"title": "Emma", "topic": "Old Novels"})).await;
    assert_eq!(refused.error_code(), "invalid_arguments");
    assert_eq!(refused.error_pointer(), "/topic");
    assert_eq!(
        refused.text(),
        "Invalid arguments. /topic: must match ^[a-z0-9-]{1,32}$. [invalid_arguments]"
    );
}

#[tokio::test]
async fn items_are_listed_by_pages_in_either_era() {
    let folder = tempdir().unwrap();
    let client = Client::new(server(&folder)).await;
    for title in ["Emma", "Persuasion", "Sanditon"] {
        add(&client, title, "novels").await;
    }
    for revision in [Revision::V2025_11_25, Revision::V2026_07_28] {
        let client = Client::with_revision(server(&folder), revision).await;
        let first = client.call("list_items", json!({"topic": "novels", "limit": 2})).await;
        assert_eq!(first.sentence(), "2 of 3 items.");
        assert_eq!(first.structured()["items"][1]["title"], "Persuasion");
        let after = &first.structured()["next"];
        let last = client.call("list_items", json!({"topic": "novels", "after": after})).await;
        assert_eq!(last.structured()["items"][0]["title"], "Sanditon");
        assert_eq!(last.structured().get("next"), None);
    }
}

#[tokio::test]
async fn items_are_marked_by_one_tool_of_several_actions() {
    let folder = tempdir().unwrap();
    let client = Client::new(server(&folder)).await;
    add(&client, "Emma", "novels").await;
    let tools = client.list_tools().await;
    let tool = tools.iter().find(|tool| tool["name"] == "mark_items").unwrap();
    let schema = &tool["inputSchema"];
    assert_eq!(schema["required"], json!(["ids", "action"]));
    assert_eq!(schema["properties"]["action"]["enum"], json!(["read", "unread", "move"]));
    let topic = schema["properties"]["topic"]["description"].as_str().unwrap();
    assert!(topic.ends_with("Only for `move`, and required there."), "{topic}");

    let read = client.call("mark_items", json!({"action": "read", "ids": [1]})).await;
    assert_eq!(read.structured()["items"][0]["is_read"], true);
    let unread = client.call("mark_items", json!({"action": "unread", "ids": [1]})).await;
    assert_eq!(unread.structured()["items"][0]["is_read"], false);
    let moved = client.call("mark_items", json!({"action": "move", "ids": [1], "topic": "classics"})).await;
    assert_eq!(moved.structured()["items"][0]["topic"], "classics");

    let nowhere = client.call("mark_items", json!({"action": "move", "ids": [1]})).await;
    assert_eq!(
        nowhere.text(),
        "Invalid arguments. /topic: is required when `action` is `move`, and missing. [invalid_arguments]"
    );
    let foreign = client.call("mark_items", json!({"action": "read", "ids": [1], "topic": "rust"})).await;
    assert_eq!(foreign.error_pointer(), "/topic");
    let missing = client.call("mark_items", json!({"action": "read", "ids": [1, 2]})).await;
    assert_eq!((missing.error_code(), missing.error_pointer()), ("item_not_found".into(), "/ids/1".into()));
}

#[tokio::test]
async fn numbers_are_never_given_twice_not_even_after_a_restart() {
    let folder = tempdir().unwrap();
    let client = Client::new(server(&folder)).await;
    let id = add(&client, "Emma", "novels").await;
    client.call("discard_items", json!({"ids": [id]})).await.structured();

    let client = Client::new(server(&folder)).await;
    assert_eq!(add(&client, "Persuasion", "novels").await, 2);
    let listed = client.call("list_items", json!({})).await;
    assert_eq!(listed.structured()["items"][0]["title"], "Persuasion");
}

#[tokio::test]
async fn items_that_are_added_at_once_all_arrive() {
    let folder = tempdir().unwrap();
    // Two servers over one folder, as two processes have it.
    let clients = [Client::new(server(&folder)).await, Client::new(server(&folder)).await];
    let mut adding = tokio::task::JoinSet::new();
    for n in 0..20 {
        let client = clients[n % 2].clone();
        adding.spawn(async move { add(&client, &format!("Volume {n}"), "novels").await.as_u64() });
    }
    let mut ids = adding.join_all().await;
    ids.sort();
    assert_eq!(ids, (1..=20).map(Some).collect::<Vec<_>>());
}

#[tokio::test]
async fn what_is_no_list_keeps_the_server_from_starting() {
    let folder = tempdir().unwrap();
    std::fs::write(folder.path().join("drawer.json"), "not JSON").unwrap();
    assert!(own_pack::Reading::open(folder.path()).is_err());
}
