//! What `add_item` asks, in either era.

use serde_json::json;
use tempfile::tempdir;
use toolpack::{
    Revision,
    testing::{Client, Options},
};

use crate::support::{add, server};

#[tokio::test]
async fn the_length_is_asked_for_where_it_is_not_told() {
    for revision in [Revision::V2025_11_25, Revision::V2026_07_28] {
        let folder = tempdir().unwrap();
        let reader = Options::new().revision(revision).answering(|asked| {
            assert_eq!(asked.message(), "How long is “Emma”?");
            asked.accept(json!({"words": 160_000}))
        });
        let client = Client::with(server(&folder), reader).await;
        let reply = client.call("add_item", json!({"title": "Emma", "topic": "novels"})).await;
        assert_eq!(reply.structured()["words"], 160_000);
        // It was asked before anything was done, so it was done once.
        let listed = client.call("list_items", json!({})).await;
        assert_eq!(listed.structured()["items"].as_array().map(Vec::len), Some(1));
    }
}

#[tokio::test]
async fn an_answer_that_does_not_fit_is_asked_for_again() {
    for revision in [Revision::V2025_11_25, Revision::V2026_07_28] {
        let folder = tempdir().unwrap();
        let corrected = Options::new().revision(revision).answering(|asked| {
            let words = if asked.message().contains("Please look again: ") { 160_000 } else { 0 };
            asked.accept(json!({"words": words}))
        });
        let emma = json!({"title": "Emma", "topic": "novels"});
        let client = Client::with(server(&folder), corrected).await;
        assert_eq!(client.call("add_item", emma.clone()).await.structured()["words"], 160_000);

        let folder = tempdir().unwrap();
        let stubborn = Options::new().revision(revision).answering(|asked| asked.accept(json!({"words": 0})));
        let client = Client::with(server(&folder), stubborn).await;
        assert_eq!(client.call("add_item", emma).await.error_code(), "invalid_answer");
    }
}

#[tokio::test]
async fn who_will_not_say_or_cannot_be_asked_adds_it_without() {
    let folder = tempdir().unwrap();
    let shrugging = Options::new().answering(|asked| asked.decline());
    for options in [shrugging, Options::new()] {
        let client = Client::with(server(&folder), options).await;
        let title = format!("Emma {}", folder.path().join("drawer.json").exists());
        let reply = client.call("add_item", json!({"title": title, "topic": "novels"})).await;
        assert_eq!(reply.structured().get("words"), None);
    }
}

#[tokio::test]
async fn a_second_copy_needs_consent() {
    for revision in [Revision::V2025_11_25, Revision::V2026_07_28] {
        let folder = tempdir().unwrap();
        add(&Client::new(server(&folder)).await, "Emma", "novels").await;
        let emma = json!({"title": "Emma", "topic": "novels", "words": 160_000});

        let wary = Options::new().revision(revision).answering(|asked| {
            assert_eq!(asked.message(), "“Emma” is on the list already, as item 1. Add it again?");
            asked.decline()
        });
        let refused = Client::with(server(&folder), wary).await.call("add_item", emma.clone()).await;
        assert_eq!(refused.error_code(), "declined");

        let mute = Options::new().revision(revision);
        let unasked = Client::with(server(&folder), mute).await.call("add_item", emma.clone()).await;
        match revision {
            Revision::V2025_11_25 => assert_eq!(unasked.error_code(), "client_cannot_answer"),
            _ => assert_eq!(unasked.reply().error()["code"], -32021),
        }

        let agreeing = Options::new().revision(revision).answering(|asked| asked.accept(json!({})));
        let added = Client::with(server(&folder), agreeing).await.call("add_item", emma).await;
        assert_eq!(added.structured()["id"], 2);
    }
}
