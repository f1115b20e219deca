//! Resources, templates, prompts and completions, in both eras.

use std::time::Duration;

use mcp_core::{
    About, Block, Call, Completing, Completion, Contents, Empty, Icon, IntoEntry, Messages, Prompt,
    RequestError, Resource, ResourceContents, ResourceDefinition, Revision, Role, Server, resource_fn,
    testing::Client,
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::harness::server;

/// The message of the day.
#[derive(Deserialize, JsonSchema)]
struct Motd {}

impl Resource for Motd {
    const URI: &'static str = "notes://motd";
    const NAME: &'static str = "motd";

    fn about(about: About) -> About {
        about
            .title("Message of the day")
            .mime_type("text/plain")
            .size(5)
            .icon(Icon::new("https://a.example/i.png"))
    }

    async fn read(self, (): &(), _: &Call) -> Result<Contents, RequestError> {
        Ok(Contents::text("hello").fresh_for(Duration::from_secs(5)).public())
    }
}

/// A note by its number.
#[derive(Deserialize, JsonSchema)]
struct Note {
    /// The number.
    id: u32,
}

impl Resource for Note {
    const URI: &'static str = "notes://note/{id}";
    const NAME: &'static str = "note";

    async fn read(self, (): &(), _: &Call) -> Result<Contents, RequestError> {
        match self.id {
            0 => Err(RequestError::failed("the notes cannot be read").caused_by("disk sda1 is gone")),
            1 => Ok(Contents::text("one")),
            2 => Ok(Contents::bytes([1, 2, 3]).mime_type("image/png")),
            3 => Contents::json(&json!({"three": 3})),
            4 => Ok(Contents::parts([
                ResourceContents::text("notes://note/4/a", "text/plain", "a"),
                ResourceContents::blob("notes://note/4/b", "image/gif", [7]),
            ])),
            _ => Err(RequestError::not_found()),
        }
    }

    async fn list((): &(), _: &Call) -> Result<Vec<ResourceDefinition>, RequestError> {
        // Out of order, and with one that is there already.
        let uris = ["notes://note/2", "notes://motd", "notes://note/1"];
        Ok(uris.map(|uri| ResourceDefinition::new(uri, "listed")).into())
    }

    async fn complete((): &(), completing: Completing, _: &Call) -> Result<Option<Completion>, RequestError> {
        Ok(Some(Completion::matching(&completing, (1..=150).map(|id| id.to_string()))))
    }
}

/// A word to say.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Tone {
    Kind,
    Keen,
    Stern,
}

/// Greets somebody.
#[derive(Deserialize, JsonSchema)]
struct Greet {
    /// Whom to greet.
    who: String,
    /// How often.
    times: Option<u8>,
    tone: Option<Tone>,
    loud: Option<bool>,
}

impl Prompt for Greet {
    const NAME: &'static str = "greet";

    async fn get(self, (): &(), _: &Call) -> Result<Messages, RequestError> {
        if self.who.is_empty() {
            return Err(RequestError::invalid("nobody to greet"));
        }
        let tone = match self.tone {
            None | Some(Tone::Kind) => "Hello",
            Some(Tone::Keen) => "Hey",
            Some(Tone::Stern) => "Good day",
        };
        let end = if self.loud == Some(true) { "!" } else { "." };
        let text = format!("{tone}, {}{end} ", self.who).repeat(self.times.unwrap_or(1).into());
        Ok(Messages::user(text.trim_end())
            .message(Role::Assistant, Block::image([1], "image/png"))
            .description("A greeting"))
    }
}

fn notes() -> Server {
    server().resource::<Motd>().resource::<Note>().prompt::<Greet>()
}

#[tokio::test]
async fn definitions_show_all_that_is_said_of_them() {
    for revision in Revision::NEWEST {
        let client = Client::with_revision(notes(), revision).await;
        let lists = json!({
            "resources": client.list_resources().await,
            "templates": client.list_templates().await,
            "prompts": client.list_prompts().await,
        });
        insta::allow_duplicates! { insta::assert_json_snapshot!("definitions", lists); }
    }
}

#[tokio::test]
async fn contents_of_every_kind_are_read() {
    for revision in Revision::ALL {
        let client = Client::with_revision(notes(), revision).await;
        let mut read = Vec::new();
        for uri in ["notes://motd", "notes://note/1", "notes://note/2", "notes://note/3", "notes://note/4"] {
            read.push(client.read(uri).await.result()["contents"].clone());
        }
        insta::allow_duplicates! { insta::assert_json_snapshot!("contents", read); }
    }
}

#[tokio::test]
async fn freshness_is_said_to_modern_clients_alone() {
    let modern = Client::new(notes()).await;
    let result = modern.read("notes://motd").await.result().clone();
    assert_eq!((&result["ttlMs"], &result["cacheScope"]), (&json!(5000), &json!("public")));
    let result = modern.read("notes://note/1").await.result().clone();
    assert_eq!((&result["ttlMs"], &result["cacheScope"]), (&json!(0), &json!("private")));
    let older = Client::with_revision(notes(), Revision::V2025_11_25).await;
    let result = older.read("notes://motd").await.result().clone();
    assert_eq!(result.as_object().unwrap().len(), 1, "{result}");
}

#[tokio::test]
async fn what_is_not_there_has_the_code_of_the_revision_and_names_the_uri() {
    for (revision, code) in [(Revision::V2026_07_28, -32602), (Revision::V2025_11_25, -32002)] {
        let client = Client::with_revision(notes(), revision).await;
        for uri in ["notes://note/99", "notes://none", "notes://note/1/2", "", "notes://note/"] {
            let reply = client.read(uri).await;
            assert_eq!(reply.error()["code"], code, "{uri}");
            assert_eq!(reply.error()["data"], json!({ "uri": uri }));
        }
    }
}

#[tokio::test]
async fn a_failure_tells_the_client_no_cause() {
    let client = Client::new(notes()).await;
    let reply = client.read("notes://note/0").await;
    assert_eq!(reply.error(), &json!({"code": -32603, "message": "the notes cannot be read"}));
    let reply = client.prompt("greet", json!({"who": ""})).await;
    assert_eq!(reply.error(), &json!({"code": -32602, "message": "nobody to greet"}));
}

#[tokio::test]
async fn a_variable_that_is_no_value_of_its_type_is_refused() {
    let client = Client::new(notes()).await;
    let reply = client.read("notes://note/x").await;
    assert_eq!(reply.error()["code"], -32602);
    assert_eq!(reply.error()["message"], "Invalid arguments. /id: must be of type integer.");
}

/// Rows that hold a text.
#[derive(Deserialize, JsonSchema)]
struct Rows {
    table: String,
    text: String,
    limit: Option<u32>,
}

impl Resource for Rows {
    const URI: &'static str = "rows://{table}{?text,limit}";
    const NAME: &'static str = "rows";

    async fn read(self, (): &(), _: &Call) -> Result<Contents, RequestError> {
        Ok(Contents::text(format!("{} {} {:?}", self.table, self.text, self.limit)))
    }
}

#[tokio::test]
async fn what_a_uri_leaves_out_is_no_value() {
    for revision in Revision::ALL {
        let client = Client::with_revision(server().resource::<Rows>(), revision).await;
        for (uri, text) in [
            ("rows://t?text=a%26b&limit=5", "t a&b Some(5)"),
            ("rows://t?limit=5&text=a/b", "t a/b Some(5)"),
            ("rows://t?text=", "t  None"),
        ] {
            let reply = client.read(uri).await;
            assert_eq!(reply.result()["contents"][0]["text"], text, "{uri}");
            assert_eq!(reply.result()["contents"][0]["uri"], uri);
        }
        for (uri, why) in [
            ("rows://t", "Invalid arguments. /text: is required and missing."),
            ("rows://t?limit=5", "Invalid arguments. /text: is required and missing."),
            ("rows://t?text=a&limit=many", "Invalid arguments. /limit: must be of type integer."),
        ] {
            assert_eq!(client.read(uri).await.error()["message"], why, "{uri}");
        }
        for uri in ["rows://t?text=a&text=b", "rows://t?text=a&other=b", "rows://t?", "rows://?text=a"] {
            assert_eq!(client.read(uri).await.error()["data"], json!({ "uri": uri }));
        }
    }
}

/// A resource that says which variable of which template it was read by.
fn echo(uri: &'static str) -> impl IntoEntry {
    resource_fn(
        uri,
        uri,
        move |Path { path }: Path, _| async move { Ok(Contents::text(format!("{uri} {path}"))) },
    )
}

/// What stands behind the scheme, or a part of it.
#[derive(Deserialize, JsonSchema)]
struct Path {
    path: String,
}

#[tokio::test]
async fn the_narrowest_template_is_read_whatever_the_order_of_registration() {
    let uris = ["files:///{+path}", "files:///logs/{path}", "files:///{path}", "files:///logs/{path}.gz"];
    let mut servers = vec![uris.iter().fold(server(), |server, uri| server.add(echo(uri)))];
    servers.push(uris.iter().rev().fold(server(), |server, uri| server.add(echo(uri))));
    for server in servers {
        let fixed =
            resource_fn("files:///logs/fixed.gz", "fixed", async |_: Empty, _| Ok(Contents::text("fixed")));
        let client = Client::new(server.add(fixed)).await;
        for (uri, text) in [
            ("files:///logs/fixed.gz", "fixed"),
            ("files:///logs/a.gz", "files:///logs/{path}.gz a"),
            ("files:///logs/a.txt", "files:///logs/{path} a.txt"),
            ("files:///logs", "files:///{path} logs"),
            ("files:///logs/b/c.gz", "files:///{+path} logs/b/c.gz"),
            ("files:///../c", "files:///{+path} ../c"),
        ] {
            assert_eq!(client.read(uri).await.result()["contents"][0]["text"], text, "{uri}");
        }
        // A list is in the order of its text all the same.
        let listed = client.list_templates().await;
        let listed: Vec<_> =
            listed.iter().map(|template| template["uriTemplate"].as_str().unwrap()).collect();
        assert!(listed.is_sorted(), "{listed:?}");
    }
}

#[tokio::test]
async fn text_is_read_as_what_the_field_is() {
    for revision in Revision::ALL {
        let client = Client::with_revision(notes(), revision).await;
        let text = |result: &Value| result["messages"][0]["content"]["text"].clone();
        let reply =
            client.prompt("greet", json!({"who": "7", "times": "2.0", "tone": "keen", "loud": "true"})).await;
        assert_eq!(text(reply.result()), "Hey, 7! Hey, 7!");
        assert_eq!(reply.result()["description"], "A greeting");
        assert_eq!(reply.result()["messages"][1]["role"], "assistant");
        for (arguments, why) in [
            (json!({}), "/who: is required and missing."),
            (json!({"who": "x", "times": "many"}), "/times: must be of type integer."),
            (json!({"who": "x", "times": "256"}), "/times: must be at most 255."),
            (json!({"who": "x", "tone": "Kind"}), r#"/tone: must be one of ["kind","keen","stern"]."#),
            (json!({"who": "x", "lod": "true"}), "/lod: is not known; did you mean `loud`?"),
        ] {
            let reply = client.prompt("greet", arguments).await;
            assert_eq!(reply.error()["code"], -32602);
            assert_eq!(reply.error()["message"], format!("Invalid arguments. {why}"));
        }
        let reply = client.prompt("greet", json!({"who": 7})).await;
        assert_eq!(reply.error()["message"], "params.arguments.who must be a string");
        assert_eq!(client.prompt("gret", json!({})).await.error()["code"], -32602);
    }
}

#[tokio::test]
async fn arguments_are_completed_by_the_author_or_from_their_choices() {
    for revision in Revision::ALL {
        let client = Client::with_revision(notes(), revision).await;
        assert_eq!(client.complete_prompt("greet", "tone", "K").await, ["kind", "keen"]);
        assert_eq!(client.complete_prompt("greet", "who", "").await, [""; 0]);
        let completing = json!({
            "ref": {"type": "ref/resource", "uri": "notes://note/{id}"},
            "argument": {"name": "id", "value": ""},
            "context": {"arguments": {"other": "1"}},
        });
        let reply = client.request("completion/complete", completing).await;
        let completion = &reply.result()["completion"];
        assert_eq!(completion["values"].as_array().unwrap().len(), 100);
        assert_eq!((&completion["total"], &completion["hasMore"]), (&json!(150), &json!(true)));
        assert_eq!(client.complete_resource("notes://note/{id}", "id", "14").await.len(), 11);
    }
}

#[tokio::test]
async fn what_cannot_be_completed_is_refused() {
    let client = Client::new(notes()).await;
    let prompt = json!({"type": "ref/prompt", "name": "greet"});
    for (params, why) in [
        (
            json!({"ref": prompt, "argument": {"name": "wo", "value": ""}}),
            "known are: loud, times, tone, who",
        ),
        (
            json!({"ref": {"type": "ref/prompt", "name": "x"}, "argument": {"name": "a", "value": ""}}),
            "Unknown prompt: x",
        ),
        (
            json!({"ref": {"type": "ref/resource", "uri": "x:y"}, "argument": {"name": "a", "value": ""}}),
            "not found",
        ),
        (json!({"ref": {"type": "ref/other"}, "argument": {"name": "a", "value": ""}}), "unknown variant"),
        (json!({"argument": {"name": "a", "value": ""}}), "params.ref is required"),
        (json!({ "ref": prompt }), "params.argument is required"),
    ] {
        let reply = client.request("completion/complete", params.clone()).await;
        assert_eq!(reply.error()["code"], -32602, "{params}");
        let message = reply.error()["message"].as_str().unwrap();
        assert!(message.contains(why), "{message}");
    }
}

#[tokio::test]
async fn what_a_server_does_not_have_is_no_method_of_it() {
    for revision in Revision::ALL {
        let client = Client::with_revision(server(), revision).await;
        for method in
            ["prompts/list", "prompts/get", "resources/list", "resources/templates/list", "resources/read"]
        {
            let reply = client.request(method, json!({"name": "x", "uri": "x:y"})).await;
            assert_eq!(reply.error()["code"], -32601, "{method}");
        }
        assert_eq!(client.list_tools().await, [json!(null); 0]);
    }
}
