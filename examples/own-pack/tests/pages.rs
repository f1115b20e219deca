//! The resource and the prompt.

use serde_json::{Value, json};
use tempfile::tempdir;
use toolpack::{Revision, testing::Client};

use crate::support::{add, server};

#[tokio::test]
async fn items_are_read_listed_and_completed() {
    let folder = tempdir().unwrap();
    for revision in [Revision::V2025_11_25, Revision::V2026_07_28] {
        let client = Client::with_revision(server(&folder), revision).await;
        let id = add(&client, &format!("Emma, {}", revision.as_str()), "novels").await;

        let uri = format!("reading://item/{id}");
        let read = client.read(&uri).await;
        let contents = &read.result()["contents"][0];
        assert_eq!(contents["mimeType"], "application/json");
        let item: Value = serde_json::from_str(contents["text"].as_str().unwrap()).unwrap();
        assert_eq!(item["id"], id);

        let listed = client.list_resources().await;
        assert!(listed.iter().any(|resource| resource["uri"] == uri), "{listed:?}");
        let ids = client.complete_resource("reading://item/{id}", "id", "").await;
        assert!(ids.contains(&id.to_string()), "{ids:?}");

        let missing = client.read("reading://item/99").await;
        let code = if revision == Revision::V2025_11_25 { -32002 } else { -32602 };
        assert_eq!(missing.error()["code"], code);
    }
}

#[tokio::test]
async fn who_subscribed_to_an_item_hears_of_its_change() {
    let folder = tempdir().unwrap();
    let client = Client::with_revision(server(&folder), Revision::V2025_11_25).await;
    add(&client, "Emma", "novels").await;
    client.request("resources/subscribe", json!({"uri": "reading://item/1"})).await.result();
    client.call("mark_items", json!({"action": "read", "ids": [1]})).await.structured();
    let change = client.notification().await;
    assert_eq!(change["method"], "notifications/resources/updated");
    assert_eq!(change["params"]["uri"], "reading://item/1");
}

#[tokio::test]
async fn the_prompt_has_what_fits_the_topic() {
    let folder = tempdir().unwrap();
    let client = Client::new(server(&folder)).await;
    add(&client, "Emma", "novels").await;
    add(&client, "The Book", "rust").await;

    let prompt = client.prompt("pick_reading", json!({"minutes": "30", "topic": "rust"})).await;
    let text = prompt.result()["messages"][0]["content"]["text"].as_str().unwrap();
    assert!(
        text.starts_with("I have 30 minutes.") && text.ends_with("\n- The Book (1000 words)\n"),
        "{text}"
    );
    client.call("mark_items", json!({"action": "read", "ids": [2]})).await.structured();
    let prompt = client.prompt("pick_reading", json!({"minutes": "30"})).await;
    let text = prompt.result()["messages"][0]["content"]["text"].as_str().unwrap();
    assert!(text.contains("Emma") && !text.contains("The Book"), "{text}");
    assert_eq!(client.complete_prompt("pick_reading", "topic", "n").await, ["novels"]);
}
