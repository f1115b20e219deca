//! Who may do what.

use own_pack::reading::{KEEPER, WRITE};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;
use tempfile::tempdir;
use toolpack::{
    Access, Annotations, Call, Endpoint, Principal, PrincipalKind, Server, Text, Tool, ToolError,
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

/// Says who is in a club.
#[derive(Deserialize, JsonSchema)]
struct ListMembers {
    /// The club, such as `austen`.
    club: String,
}

impl Tool for ListMembers {
    const NAME: &'static str = "list_members";
    const ANNOTATIONS: Annotations = Annotations::read_only();
    type Output = Text;

    fn access(&self) -> Access {
        Access::tenant(&self.club).and(Access::scope("club:read"))
    }

    async fn call(self, _: &(), _: &Call) -> Result<Text, ToolError> {
        Ok(Text::new("Ada and Grace."))
    }
}

#[tokio::test]
async fn a_club_is_open_to_its_members_alone() {
    let ada = Principal::new(PrincipalKind::User, "ada").with_scopes(["club:read"]).with_tenants(["austen"]);
    let server = Server::new("clubs", "1").tool::<ListMembers>();
    let client = Client::with(server, Options::new().principal(ada)).await;
    let own = client.call("list_members", json!({"club": "austen"})).await;
    assert_eq!(own.text(), "Ada and Grace.");
    let other = client.call("list_members", json!({"club": "shelley"})).await;
    assert_eq!(other.reply().error()["code"], 403);
}
