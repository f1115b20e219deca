//! What each revision knows of everything that can be said, and what stands in for what it does not.

use mcp_core::{
    Ability, About, Annotations, Block, Call, Content, ContentAnnotations, Contents, Empty, Form, Icon,
    Messages, Reply, ResourceContents, ResourceDefinition, Revision, Role, Sample, SampleBlock,
    SampleMessage, Server, Text, ToolError, prompt_fn, resource_fn,
    testing::{Client, Options},
    tool_fn,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

fn all(about: About) -> About {
    about
        .title("A title")
        .description("A description")
        .icon(Icon::new("https://example.com/icon.png"))
        .meta("com.example/kind", json!("full"))
}

fn marks() -> ContentAnnotations {
    ContentAnnotations {
        audience: vec![Role::User],
        priority: Some(0.5),
        last_modified: Some("2026-01-01T00:00:00Z".to_owned()),
    }
}

fn link() -> Block {
    let link = ResourceDefinition {
        title: Some("A page".to_owned()),
        description: Some("About it.".to_owned()),
        icons: vec![Icon::new("https://example.com/page.png")],
        annotations: Some(marks()),
        ..ResourceDefinition::new("a://page", "page")
    };
    Block::link(link)
}

fn with_meta(mut contents: ResourceContents) -> ResourceContents {
    contents.meta = json!({"com.example/kind": "part"}).as_object().cloned();
    contents
}

#[derive(Serialize, JsonSchema)]
struct Sum {
    sum: u32,
}

#[derive(Deserialize, JsonSchema)]
#[allow(dead_code, reason = "only asked for")]
struct Order {
    #[serde(default = "table")]
    table: String,
    #[serde(default)]
    outside: bool,
    size: Size,
}

fn table() -> String {
    "by the door".to_owned()
}

#[derive(Deserialize, JsonSchema)]
enum Size {
    #[schemars(title = "A small one")]
    Small,
    #[schemars(title = "A large one")]
    Large,
}

#[derive(Deserialize, JsonSchema)]
#[allow(dead_code, reason = "only asked for")]
struct Several {
    sizes: Vec<Size>,
}

fn everything() -> Server {
    Server::new("test", "1.0.0")
        .title("Test")
        .description("A test.")
        .website_url("https://example.com")
        .icon(Icon::new("https://example.com/icon.png"))
        .add(
            tool_fn("sum", Annotations::read_only(), async |_: Empty, _| {
                Ok(Reply::new("Three.", Sum { sum: 3 }))
            })
            .about(all),
        )
        .add(tool_fn("content", Annotations::read_only(), async |_: Empty, _| {
            Ok(Content(vec![
                Block::text("words").annotated(marks()),
                Block::audio([1], "audio/wav").annotated(marks()),
                link(),
                Block::resource(with_meta(ResourceContents::text("a://c", "text/plain", "c"))),
                Block::audio([2], "audio/wav"),
            ]))
        }))
        .add(tool_fn("report", Annotations::read_only(), async |_: Empty, call: Call| {
            call.progress(1.0, Some(2.0), "half");
            Ok(Text::new("done"))
        }))
        .add(tool_fn("order", Annotations::write(), async |_: Empty, call: Call| {
            call.ask("order", Form::<Order>::new("What will it be?")).await.accepted()?;
            Ok(Text::new("ordered"))
        }))
        .add(tool_fn("several", Annotations::write(), async |_: Empty, call: Call| {
            if !call.can_ask(Ability::Form) {
                return Err(ToolError::new("no_forms", "Forms cannot be shown"));
            }
            call.ask("sizes", Form::<Several>::new("Which?")).await.accepted()?;
            Ok(Text::new("chosen"))
        }))
        .add(tool_fn("sample", Annotations::write(), async |_: Empty, call: Call| {
            let sound = SampleBlock::Audio { data: "AQ==".to_owned(), mime_type: "audio/wav".to_owned() };
            let message =
                SampleMessage { role: Role::User, content: vec![SampleBlock::text("What is this?"), sound] };
            Ok(Text::new(call.ask("what", Sample::messages([message], 9)).await.text()))
        }))
        .add(
            resource_fn("a://{name}", "letters", async |_: Letter, _| {
                Ok(Contents::parts([with_meta(ResourceContents::text("a://c", "text/plain", "c"))]))
            })
            .about(|about| all(about).annotations(marks())),
        )
        .add(
            resource_fn("a://fixed", "fixed", async |_: Empty, _| Ok(Contents::text("fixed")))
                .about(|about| all(about).annotations(marks()).size(5)),
        )
        .add(
            prompt_fn("play", async |_: Empty, _| {
                Ok(Messages::user("Listen.")
                    .message(Role::User, Block::audio([1], "audio/wav"))
                    .message(Role::User, link())
                    .description("A sound"))
            })
            .about(all),
        )
}

#[derive(Deserialize, JsonSchema)]
#[allow(dead_code, reason = "any will do")]
struct Letter {
    name: String,
}

/// A client of this revision that can be asked whatever the revision has.
fn options(revision: Revision) -> Options {
    let capabilities = if revision >= Revision::V2025_11_25 {
        json!({"elicitation": {"form": {}}, "sampling": {}})
    } else {
        // Of no meaning before 2025-06-18, where a client may say it all the same.
        json!({"elicitation": {}, "sampling": {}})
    };
    Options::new().revision(revision).capabilities(capabilities).answering(|question| {
        if question.method == "sampling/createMessage" {
            question.say("A bell.")
        } else {
            question.accept(json!({"table": "any", "size": "Small", "sizes": ["Small"]}))
        }
    })
}

/// What the server says in answer to all of it, in the order in which it is asked.
async fn said(revision: Revision) -> Vec<Value> {
    let client = Client::with(everything(), options(revision)).await;
    if revision.is_modern() {
        client.request("server/discover", json!({})).await;
    }
    for list in ["tools/list", "resources/list", "resources/templates/list", "prompts/list"] {
        client.request(list, json!({})).await;
    }
    for tool in ["sum", "content", "report", "order", "several", "sample"] {
        client.call(tool, json!({})).await;
    }
    client.read("a://c").await;
    client.read("a://none/such").await;
    client.prompt("play", json!({})).await;
    let transcript = client.transcript().into_iter().filter(|(is_clients, _)| !is_clients);
    let mut said: Vec<_> = transcript.map(|(_, message)| message).collect();
    // Sealed anew each time.
    let states = said.iter_mut().filter_map(|message| message.pointer_mut("/result/requestState"));
    states.for_each(|state| *state = json!("sealed"));
    said
}

#[tokio::test]
async fn each_revision_is_told_what_it_knows() {
    for revision in Revision::ALL {
        insta::assert_json_snapshot!(format!("{revision}"), said(revision).await);
    }
}

#[tokio::test]
async fn what_a_revision_has_no_form_for_is_an_error_that_says_so() {
    for (revision, order, several) in [
        (Revision::V2024_11_05, "client_cannot_answer", "no_forms"),
        (Revision::V2025_03_26, "client_cannot_answer", "no_forms"),
        (Revision::V2025_06_18, "", "client_cannot_answer"),
        (Revision::V2025_11_25, "", ""),
        (Revision::V2026_07_28, "", ""),
    ] {
        let client = Client::with(everything(), options(revision)).await;
        for (tool, code) in [("order", order), ("several", several)] {
            let reply = client.call(tool, json!({})).await;
            assert_eq!(reply.is_error(), !code.is_empty(), "{revision} {tool}");
            if reply.is_error() {
                assert_eq!(reply.error_code(), code, "{revision} {tool}");
            }
        }
    }
}

#[tokio::test]
async fn an_error_to_a_message_without_a_readable_id_has_the_form_of_the_revision() {
    use crate::harness::{Wire, initialize};

    let endpoint = everything().build().unwrap();
    for (revision, id) in [
        (None, None),
        (Some("2024-11-05"), Some(Value::Null)),
        (Some("2025-03-26"), Some(Value::Null)),
        (Some("2025-06-18"), Some(Value::Null)),
        (Some("2025-11-25"), None),
    ] {
        let mut wire = Wire::new(&endpoint);
        if let Some(revision) = revision {
            wire.send(&initialize(1, revision));
        }
        let [answer] = wire.send_bytes(b"nonsense").try_into().unwrap();
        assert_eq!(answer["error"]["code"], -32700);
        assert_eq!(answer.get("id"), id.as_ref(), "{revision:?}");
    }
}
