//! Who may do what.

use own_pack::reading::{KEEPER, WRITE};
use serde_json::json;
use tempfile::tempdir;
use toolpack::{
    Endpoint, Principal, PrincipalKind,
    testing::{Client, Options},
};

use crate::support::{add, server};

async fn client(server: &Endpoint, name: &str, scopes: &[&str]) -> Client {
    let principal = Principal::new(PrincipalKind::User, name).with_scopes(scopes.iter().copied());
    Client::with(server, Options::new().principal(principal)).await
}

#[tokio::test]
async fn reading_is_free_and_writing_needs_its_scope() {
    let folder = tempdir().unwrap();
    let server = server(&folder).build().unwrap();
    let guest = client(&server, "guest", &[]).await;
    assert!(!guest.call("list_items", json!({})).await.is_error());

    let refused = guest.call("add_item", json!({"title": "Emma", "topic": "novels"})).await;
    let error = refused.reply().error();
    assert_eq!(error["code"], 403);
    assert_eq!(error["data"], json!({"requiredScopes": ["reading:write"]}));
}

#[tokio::test]
async fn what_others_added_is_the_keepers_alone() {
    let folder = tempdir().unwrap();
    let server = server(&folder).build().unwrap();
    let ada = client(&server, "ada", &[WRITE]).await;
    let grace = client(&server, "grace", &[WRITE]).await;
    let keeper = client(&server, "keeper", &[WRITE, KEEPER]).await;
    for title in ["Emma", "Persuasion"] {
        add(&ada, title, "novels").await;
    }
    let refused = grace.call("discard_items", json!({"ids": [1]})).await;
    assert_eq!(refused.reply().error()["data"], json!({"requiredScopes": ["reading:keeper"]}));
    assert!(!ada.call("discard_items", json!({"ids": [1]})).await.is_error());
    assert!(!keeper.call("discard_items", json!({"ids": [2]})).await.is_error());
}
