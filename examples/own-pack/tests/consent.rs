//! What a person sees before something is thrown away.

use serde_json::json;
use tempfile::tempdir;
use toolpack::{
    ConfirmDestructive, Revision,
    testing::{Client, Options},
};

use crate::support::{add, server};

#[tokio::test]
async fn the_person_sees_exactly_what_will_go() {
    for revision in [Revision::V2025_11_25, Revision::V2026_07_28] {
        let folder = tempdir().unwrap();
        let reader = Options::new().revision(revision).answering(|asked| {
            assert_eq!(
                asked.message(),
                "This throws away for good:\n- Emma (item 1)\n- Sanditon (item 3)\n\nAllow `discard_items`?"
            );
            asked.accept(json!({}))
        });
        let server = server(&folder).confirm(ConfirmDestructive::new());
        let client = Client::with(server, reader).await;
        for title in ["Emma", "Persuasion", "Sanditon"] {
            add(&client, title, "novels").await;
        }
        let gone = client.call("discard_items", json!({"ids": [1, 3]})).await;
        assert_eq!(gone.structured()["items"][1]["title"], "Sanditon");
        let left = client.call("list_items", json!({})).await;
        assert_eq!(left.structured()["items"][0]["title"], "Persuasion");
    }
}

#[tokio::test]
async fn nobody_is_asked_in_vain_and_no_is_no() {
    let folder = tempdir().unwrap();
    let server = server(&folder).confirm(ConfirmDestructive::new()).build().unwrap();
    let asked_in_vain = Options::new().answering(|asked| panic!("{}", asked.message()));
    let client = Client::with(&server, asked_in_vain).await;
    add(&client, "Emma", "novels").await;
    let missing = client.call("discard_items", json!({"ids": [1, 2]})).await;
    assert_eq!(missing.text(), "there is no item 2; the list shows which there are [item_not_found]");
    assert_eq!(missing.error_pointer(), "/ids/1");

    let declining = Client::with(&server, Options::new().answering(|asked| asked.decline())).await;
    assert_eq!(declining.call("discard_items", json!({"ids": [1]})).await.error_code(), "declined");
    assert_eq!(client.list_resources().await.len(), 1);
}
