//! Pages and cursors, and lists that change while clients look at them.

use mcp_core::{
    Annotations, Call, Contents, DynTool, Edit, Endpoint, Problem, RequestError, Resource,
    ResourceDefinition, Revision, ToolReply, prompt, resource, testing::Client,
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;

use crate::harness::{Ask, headers_for, modern, post, server};

fn tool(name: &str) -> DynTool {
    DynTool::new(name, Annotations::read_only(), |_, _| async { Ok(ToolReply::default()) })
}

fn abcde(page_size: usize) -> Endpoint {
    let server = server().limits(|limits| limits.page_size = page_size);
    ["c", "a", "e", "b", "d"].into_iter().fold(server, |server, name| server.add(tool(name))).build().unwrap()
}

fn names(page: &Value) -> Vec<&str> {
    page["tools"].as_array().unwrap().iter().map(|tool| tool["name"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn pages_of_any_size_hold_everything_once_and_in_order() {
    for revision in Revision::ALL {
        for size in [0, 1, 2, 4, 5, 6] {
            let client = Client::with_revision(abcde(size), revision).await;
            let tools = json!({ "tools": client.list_tools().await });
            assert_eq!(names(&tools), ["a", "b", "c", "d", "e"], "pages of {size}");
        }
        let client = Client::with_revision(abcde(5), revision).await;
        assert_eq!(client.request("tools/list", json!({})).await.result().get("nextCursor"), None);
    }
}

#[tokio::test]
async fn a_cursor_stays_good_while_the_list_changes() {
    for revision in Revision::ALL {
        let endpoint = abcde(2);
        let client = Client::with_revision(&endpoint, revision).await;
        let first = client.request("tools/list", json!({})).await.result().clone();
        assert_eq!(names(&first), ["a", "b"]);
        // The very item that the cursor names goes, one before it and one after it come.
        endpoint
            .edit(|edit| {
                edit.remove_tool("b");
                edit.add(tool("aa"))?;
                edit.add(tool("cc"))
            })
            .unwrap();
        let second =
            client.request("tools/list", json!({"cursor": first["nextCursor"]})).await.result().clone();
        assert_eq!(names(&second), ["c", "cc"]);
        endpoint.edit(|edit| Ok::<_, Problem>(["d", "e"].map(|name| edit.remove_tool(name)))).unwrap();
        let last =
            client.request("tools/list", json!({"cursor": second["nextCursor"]})).await.result().clone();
        assert_eq!((names(&last).len(), last.get("nextCursor")), (0, None));
    }
}

#[tokio::test]
async fn a_cursor_that_is_none_of_ours_is_refused() {
    let with_template = server().resource::<Row>();
    for client in [Client::new(abcde(2)).await, Client::new(with_template).await] {
        for cursor in ["!", "a", "=", "%00", "_w", "ä"] {
            let reply = client.request("tools/list", json!({ "cursor": cursor })).await;
            assert_eq!(reply.error()["code"], -32602, "{cursor}");
        }
    }
    let client = Client::new(server().resource::<Row>()).await;
    assert_eq!(client.request("resources/list", json!({"cursor": "!"})).await.error()["code"], -32602);
    assert_eq!(client.request("tools/list", json!({"cursor": 5})).await.error()["code"], -32602);
    assert!(client.request("tools/list", json!({"cursor": null})).await.result()["tools"].is_array());
}

/// One of ten rows.
#[derive(Deserialize, JsonSchema)]
struct Row {
    #[allow(dead_code)]
    id: u8,
}

impl Resource for Row {
    const URI: &'static str = "rows://{id}";
    const NAME: &'static str = "row";

    async fn read(self, (): &(), _: &Call) -> Result<Contents, RequestError> {
        Ok(Contents::text(""))
    }

    async fn list((): &(), _: &Call) -> Result<Vec<ResourceDefinition>, RequestError> {
        Ok((0..10).rev().map(|id| ResourceDefinition::new(format!("rows://{id}"), "row")).collect())
    }
}

/// A row of its own.
#[derive(Deserialize, JsonSchema)]
struct FirstRow {}

impl Resource for FirstRow {
    const URI: &'static str = "rows://0";
    const NAME: &'static str = "first";

    async fn read(self, (): &(), _: &Call) -> Result<Contents, RequestError> {
        Ok(Contents::text("first"))
    }
}

#[tokio::test]
async fn resources_that_a_template_lists_are_paged_with_the_fixed_ones() {
    for size in [1, 3, 100] {
        let server =
            server().resource::<Row>().resource::<FirstRow>().limits(|limits| limits.page_size = size);
        let client = Client::new(server).await;
        let listed = client.list_resources().await;
        let uris: Vec<_> = listed.iter().map(|resource| resource["uri"].as_str().unwrap()).collect();
        let expected: Vec<_> = (0..10).map(|id| format!("rows://{id}")).collect();
        assert_eq!(uris, expected, "pages of {size}");
        assert_eq!(listed[0]["name"], "first");
        // A fixed resource comes before a template that matches it too.
        assert_eq!(client.read("rows://0").await.result()["contents"][0]["text"], "first");
    }
}

#[tokio::test]
async fn a_list_is_public_only_where_every_caller_sees_the_same() {
    let client = Client::new(server().resource::<Row>().prompt::<Ask>()).await;
    for (method, scope, ttl_ms) in [
        ("tools/list", "public", 60_000),
        ("prompts/list", "public", 60_000),
        ("resources/templates/list", "public", 60_000),
        // Made by the author's code, which sees who asks and tells nobody of changes.
        ("resources/list", "private", 0),
        ("server/discover", "public", 60_000),
    ] {
        let reply = client.request(method, json!({})).await;
        assert_eq!(reply.result()["cacheScope"], scope, "{method}");
        assert_eq!(reply.result()["ttlMs"], ttl_ms, "{method}");
    }
    let client = Client::new(server().resource::<FirstRow>()).await;
    assert_eq!(client.request("resources/list", json!({})).await.result()["cacheScope"], "public");
}

type AnEdit = fn(&mut Edit) -> Result<(), Problem>;

#[track_caller]
fn removed(was_there: bool) -> Result<(), Problem> {
    assert!(was_there);
    Ok(())
}

#[tokio::test]
async fn every_kind_of_edit_is_told_to_a_session_once() {
    let endpoint = abcde(10);
    let client = Client::with_revision(&endpoint, Revision::V2025_11_25).await;
    let edits: [(&str, AnEdit); 6] = [
        ("tools", |edit| edit.add(tool("x"))),
        ("tools", |edit| removed(edit.remove_tool("x"))),
        ("prompts", |edit| edit.add(prompt::<Ask, ()>(Arc::new(())))),
        ("prompts", |edit| removed(edit.remove_prompt("ask"))),
        ("resources", |edit| edit.add(resource::<Row, ()>(Arc::new(())))),
        ("resources", |edit| removed(edit.remove_resource("rows://{id}"))),
    ];
    for (list, edit) in edits {
        endpoint.edit(edit).unwrap();
        let told = client.notification().await;
        assert_eq!(told["method"], format!("notifications/{list}/list_changed"));
        assert_eq!(told["params"], json!({}));
    }
}

#[tokio::test]
async fn an_edit_that_fails_or_changes_nothing_is_not_told() {
    let endpoint = abcde(10);
    let client = Client::with_revision(&endpoint, Revision::V2025_11_25).await;
    let failed = endpoint.edit(|edit| {
        edit.remove_tool("a");
        edit.add(tool("b"))
    });
    assert!(failed.unwrap_err().to_string().contains("two of this name"));
    endpoint
        .edit(|edit| {
            assert!(!edit.remove_tool("none"));
            assert!(edit.remove_tool("a"));
            edit.add(tool("a"))
        })
        .unwrap();
    assert!(!client.call("a", json!({})).await.is_error());
    // Only what comes next is heard of.
    endpoint.edit(|edit| edit.add(prompt::<Ask, ()>(Arc::new(())))).unwrap();
    assert_eq!(client.notification().await["method"], "notifications/prompts/list_changed");
}

#[tokio::test]
async fn a_panic_in_an_edit_changes_nothing_and_blocks_nothing() {
    let endpoint = abcde(10);
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        endpoint.edit(|edit| -> Result<(), Problem> {
            edit.remove_tool("a");
            panic!("on purpose")
        })
    }));
    assert!(panicked.is_err());
    endpoint.edit(|edit| edit.add(tool("f"))).unwrap();
    assert_eq!(Client::new(&endpoint).await.list_tools().await.len(), 6);
}

#[tokio::test]
async fn a_tool_can_change_the_list_that_it_is_on() {
    let grow = DynTool::new("grow", Annotations::write(), |_, call: Call| async move {
        call.server().edit(|edit| edit.add(tool("grown"))).unwrap();
        Ok(ToolReply::default())
    });
    let client = Client::new(server().add(grow)).await;
    client.call("grow", json!({})).await;
    assert!(!client.call("grown", json!({})).await.is_error());
}

#[tokio::test]
async fn the_capabilities_follow_what_is_registered() {
    let endpoint = server().title("T").instructions("Read this.").build().unwrap();
    let discover = modern(1, "server/discover", json!({}));
    let posted = post(&endpoint, &discover, headers_for(&discover)).await;
    let result = &posted.answer["result"];
    assert_eq!(result["supportedVersions"], json!(["2026-07-28"]));
    assert_eq!(result["capabilities"], json!({"logging": {}, "tools": {"listChanged": true}}));
    assert_eq!(result["instructions"], "Read this.");
    let info = json!({"name": "test", "title": "T", "version": "1.0.0"});
    assert_eq!(result["_meta"], json!({"io.modelcontextprotocol/serverInfo": info}));
    endpoint.edit(|edit| edit.add(resource::<Row, ()>(Arc::new(())))).unwrap();
    let posted = post(&endpoint, &discover, headers_for(&discover)).await;
    assert_eq!(
        posted.answer["result"]["capabilities"]["resources"],
        json!({"listChanged": true, "subscribe": true})
    );
    assert_eq!(posted.answer["result"]["capabilities"]["completions"], json!({}));
}

#[test]
fn a_server_that_is_no_longer_served_is_freed_with_its_state() {
    struct Flag(Arc<()>);
    let alive = Arc::new(());
    let flag = Arc::new(Flag(Arc::clone(&alive)));
    let tool = DynTool::new("t", Annotations::write(), move |_, _| {
        let flag = Arc::clone(&flag);
        async move { Ok(ToolReply { is_error: Arc::strong_count(&flag.0) == 0, ..ToolReply::default() }) }
    });
    let endpoint = server().add(tool).build().unwrap();
    assert_eq!(Arc::strong_count(&alive), 2);
    drop(endpoint);
    assert_eq!(Arc::strong_count(&alive), 1);
}
