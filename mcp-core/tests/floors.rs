//! The three floors of tools, every form of answer, in both eras.

use mcp_core::{
    Annotations, Block, Call, Content, ContentAnnotations, Contents, DynTool, Empty, Messages, Reply,
    ResourceContents, ResourceDefinition, Revision, Role, Server, Text, Tool, ToolError, ToolReply,
    prompt_fn, resource_fn, testing::Client, tool_fn,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::harness::{modern, post, server};

/// Adds two numbers.
#[derive(Deserialize, JsonSchema)]
struct Add {
    /// The first number.
    a: i64,
    /// The second number; 1 when absent.
    b: Option<i64>,
}

/// A sum.
#[derive(Serialize, JsonSchema)]
struct Sum {
    /// What both come to.
    sum: i64,
}

impl Tool<i64> for Add {
    const NAME: &'static str = "add";
    const ANNOTATIONS: Annotations = Annotations::read_only();
    type Output = Sum;

    async fn call(self, start: &i64, _: &Call) -> Result<Sum, ToolError> {
        Ok(Sum { sum: start + self.a + self.b.unwrap_or(1) })
    }
}

/// Nothing to say.
#[derive(Deserialize, JsonSchema)]
struct Nothing {}

fn three_floors() -> Server<i64> {
    let closure = tool_fn("add_fn", Annotations::write().idempotent(), async |q: Add, _| {
        Ok(Sum { sum: q.a + q.b.unwrap_or(1) })
    });
    let raw = DynTool::new("add_raw", Annotations::destructive().open_world(), |arguments, _| async move {
        let number = |name: &str| arguments.get(name).and_then(Value::as_i64);
        let sum = number("a").unwrap_or(0) + number("b").unwrap_or(1);
        ToolReply::structured(&json!({ "sum": sum })).map_err(|_| ToolError::new("internal", "no JSON"))
    })
    .input_schema(json!({
        "type": "object",
        "properties": {"a": {"type": "integer"}, "b": {"type": ["integer", "null"]}},
        "required": ["a"],
    }))
    .output_schema(json!({"type": "object", "properties": {"sum": {"type": "integer"}}}))
    .about(|about| about.title("Raw").description("Adds two numbers."));
    server().add(closure).add(raw).over(100).tool::<Add>()
}

#[tokio::test]
async fn each_floor_is_listed_with_its_schemas_and_annotations() {
    for revision in Revision::NEWEST {
        let client = Client::with_revision(three_floors(), revision).await;
        let tools = client.list_tools().await;
        insta::allow_duplicates! { insta::assert_json_snapshot!("listed_floors", tools); }
    }
}

#[tokio::test]
async fn each_floor_answers_with_structured_content_and_its_mirror() {
    for revision in Revision::NEWEST {
        let client = Client::with_revision(three_floors(), revision).await;
        for (tool, sum) in [("add", 103), ("add_fn", 3), ("add_raw", 3)] {
            let reply = client.call(tool, json!({"a": 2})).await;
            assert_eq!(reply.structured(), &json!({ "sum": sum }), "{tool}");
            assert_eq!(reply.text(), format!("{{\"sum\":{sum}}}"), "{tool}");
            assert_eq!(reply.reply().result().get("isError"), None);
        }
    }
}

#[tokio::test]
async fn each_floor_refuses_arguments_that_break_its_schema() {
    for revision in Revision::ALL {
        let client = Client::with_revision(three_floors(), revision).await;
        for tool in ["add", "add_fn", "add_raw"] {
            let reply = client.call(tool, json!({"a": "two"})).await;
            assert_eq!(reply.error_code(), "invalid_arguments", "{tool}");
            assert_eq!(reply.text(), "Invalid arguments. /a: must be of type integer. [invalid_arguments]");
            let result = reply.reply().result();
            let error = json!({"code": "invalid_arguments", "retry": "never", "pointer": "/a"});
            assert_eq!(result["_meta"]["toolpack/error"], error);
            assert_eq!(result.get("structuredContent"), None);
        }
    }
}

/// One tool for each form of an answer.
fn answering() -> Server {
    let read_only = Annotations::read_only();
    server()
        .add(tool_fn("text", read_only, async |_: Nothing, _| Ok(Text::new("a \"b\"\nc"))))
        .add(tool_fn("reply", read_only, async |_: Nothing, _| Ok(Reply::new("Three.", Sum { sum: 3 }))))
        .add(tool_fn("empty", read_only, async |_: Nothing, _| Ok(Content::default())))
        .add(tool_fn("content", read_only, async |_: Nothing, _| {
            let annotations = ContentAnnotations {
                audience: vec![Role::User, Role::Assistant],
                priority: Some(0.5),
                last_modified: Some("2026-01-01T00:00:00Z".into()),
            };
            Ok(Content(vec![
                Block::text("words"),
                Block::image([1, 2, 3], "image/png"),
                Block::audio([4, 5], "audio/wav").annotated(annotations.clone()),
                Block::link(ResourceDefinition::new("a://b", "b")).annotated(annotations),
                Block::resource(ResourceContents::text("a://c", "text/plain", "c")),
                Block::resource(ResourceContents::blob("a://d", "image/gif", [6])),
            ]))
        }))
        .add(tool_fn("fail", read_only, async |_: Nothing, _| {
            Err::<Sum, _>(ToolError::new("busy", "The engine is busy").later().caused_by("host db-7 is down"))
        }))
}

#[tokio::test]
async fn every_form_of_answer_is_written_alike_in_both_eras() {
    let mut seen = Vec::new();
    for revision in Revision::NEWEST {
        let client = Client::with_revision(answering(), revision).await;
        let mut replies = Vec::new();
        for tool in ["text", "reply", "empty", "content", "fail"] {
            let mut result = client.call(tool, json!({})).await.reply().result().clone();
            let members = result.as_object_mut().unwrap();
            assert_eq!(members.remove("resultType").is_some(), revision.is_modern());
            if let Some(meta) = members.get_mut("_meta").and_then(Value::as_object_mut) {
                assert_eq!(meta.remove("io.modelcontextprotocol/serverInfo").is_some(), revision.is_modern());
                if meta.is_empty() {
                    members.remove("_meta");
                }
            }
            replies.push(result);
        }
        seen.push(replies);
    }
    assert_eq!(seen[0], seen[1]);
    insta::assert_json_snapshot!(seen[0]);
}

#[tokio::test]
async fn a_cause_stays_out_of_the_answer() {
    let client = Client::new(answering()).await;
    let reply = client.call("fail", json!({})).await;
    assert!(!reply.reply().message().to_string().contains("db-7"), "{reply:?}");
    assert_eq!(reply.reply().result()["_meta"]["toolpack/error"]["retry"], "later");
}

#[tokio::test]
async fn structured_content_that_is_no_object_and_its_schema_stay_out_of_the_older_era() {
    let list = || {
        DynTool::new("list", Annotations::read_only(), |_, _| async {
            ToolReply::structured(&[1, 2]).map_err(|_| ToolError::new("internal", "no JSON"))
        })
        .output_schema(json!({"type": "array", "items": {"type": "integer"}}))
    };
    let modern = Client::new(server().add(list())).await;
    assert_eq!(modern.list_tools().await[0]["outputSchema"]["type"], "array");
    assert_eq!(modern.call("list", json!({})).await.structured(), &json!([1, 2]));
    let older = Client::with_revision(server().add(list()), Revision::V2025_11_25).await;
    assert_eq!(older.list_tools().await[0].get("outputSchema"), None);
    let reply = older.call("list", json!({})).await;
    assert_eq!(reply.reply().result().get("structuredContent"), None);
    assert_eq!(reply.text(), "[1,2]");
}

#[tokio::test]
async fn boolean_schemas_of_properties_are_written_as_objects_in_the_older_era() {
    let schema = json!({"type": "object", "properties": {"any": true, "none": false}});
    for (revision, properties) in [
        (Revision::V2026_07_28, json!({"any": true, "none": false})),
        (Revision::V2025_11_25, json!({"any": {}, "none": {"not": {}}})),
    ] {
        let tool = DynTool::new("t", Annotations::write(), |_, _| async { Ok(ToolReply::default()) })
            .input_schema(schema.clone());
        let client = Client::with_revision(server().add(tool), revision).await;
        assert_eq!(client.list_tools().await[0]["inputSchema"]["properties"], properties);
    }
}

#[tokio::test]
async fn a_failure_of_a_raw_tool_has_no_structured_content() {
    let tool = DynTool::new("t", Annotations::write(), |_, _| async {
        let mut reply = ToolReply::structured(&json!({"why": "full"})).unwrap();
        reply.is_error = true;
        Ok(reply)
    });
    let client = Client::new(server().add(tool)).await;
    let reply = client.call("t", json!({})).await;
    assert!(reply.is_error());
    assert_eq!(reply.reply().result().get("structuredContent"), None);
    assert_eq!(reply.text(), r#"{"why":"full"}"#);
}

#[tokio::test]
async fn raw_json_with_line_breaks_keeps_to_one_line() {
    let tool = DynTool::new("t", Annotations::write(), |_, call: Call| async move {
        let pretty = serde_json::value::RawValue::from_string("{\n \"a\":\r\n \"x\\ny\"\n}".into()).unwrap();
        call.log(mcp_core::LogLevel::Error, "", &pretty);
        Ok(ToolReply { structured: Some(pretty), ..ToolReply::default() })
    });
    let endpoint = server().add(tool).build().unwrap();
    let request =
        modern(1, "tools/call", json!({"name": "t", "_meta": {"io.modelcontextprotocol/logLevel": "debug"}}));
    let mut wire = crate::harness::Wire::new(&endpoint);
    let said = wire.send(&request);
    assert_eq!(said[0]["params"]["data"], json!({"a": "x\ny"}));
    assert_eq!(said[1]["result"]["structuredContent"], json!({"a": "x\ny"}));
    let mirror = said[1]["result"]["content"][0]["text"].as_str().unwrap();
    assert_eq!(serde_json::from_str::<Value>(mirror).unwrap(), json!({"a": "x\ny"}));
}

#[tokio::test]
async fn an_answer_over_the_limit_fails_by_name_of_the_limit() {
    let big = tool_fn("big", Annotations::read_only(), async |_: Nothing, _| Ok(Text::new("x".repeat(2000))));
    let client = Client::new(server().add(big).limits(|limits| limits.result_bytes = 1000)).await;
    let reply = client.call("big", json!({})).await;
    assert_eq!(reply.error_code(), "result_too_large");
    assert!(reply.text().contains("1000"), "{}", reply.text());
}

#[tokio::test]
async fn resources_and_prompts_have_the_same_limit() {
    let long = "x".repeat(2000);
    let text = long.clone();
    let resource = resource_fn("big://one", "one", move |_: Empty, _| {
        let text = text.clone();
        async { Ok(Contents::text(text)) }
    });
    let prompt = prompt_fn("big", move |_: Empty, _| {
        let text = long.clone();
        async { Ok(Messages::user(text)) }
    });
    let server = server().add(resource).add(prompt).limits(|limits| limits.result_bytes = 1000);
    let client = Client::new(server).await;
    for reply in [client.read("big://one").await, client.prompt("big", json!({})).await] {
        let message = reply.error()["message"].to_string();
        assert!(message.contains("over the limit of 1000"), "{message}");
    }
}

#[tokio::test]
async fn a_tools_error_in_a_resource_is_the_callers_only_where_it_is_about_arguments() {
    let failing = resource_fn("down://one", "one", async |_: Empty, _| {
        Err::<Contents, _>(ToolError::new("store_down", "the store is down").into())
    });
    let wrong = resource_fn("wrong://one", "one", async |_: Empty, _| {
        Err::<Contents, _>(ToolError::invalid_argument("/id", "there is no such id").into())
    });
    let client = Client::new(server().add(failing).add(wrong)).await;
    assert_eq!(client.read("down://one").await.error()["code"], -32603);
    assert_eq!(client.read("wrong://one").await.error()["code"], -32602);
}

#[tokio::test]
async fn an_unknown_tool_is_an_error_of_the_protocol_with_a_suggestion() {
    for revision in Revision::ALL {
        let client = Client::with_revision(three_floors(), revision).await;
        let reply = client.request("tools/call", json!({"name": "ad_fn"})).await;
        assert_eq!(reply.error()["code"], -32602);
        assert_eq!(reply.error()["message"], "Unknown tool: ad_fn; did you mean add_fn?");
    }
}

#[tokio::test]
async fn answers_that_break_their_own_schema_show_in_tests() {
    let breaking = |name: &str, reply: fn() -> ToolReply| {
        DynTool::new(name, Annotations::read_only(), move |_, _| async move { Ok(reply()) })
            .output_schema(json!({"type": "object", "required": ["a"]}))
    };
    let endpoint = server()
        .add(breaking("wrong", || ToolReply::structured(&json!({"b": 1})).unwrap()))
        .add(breaking("none", ToolReply::default))
        .build()
        .unwrap();
    for tool in ["wrong", "none"] {
        let request = modern(1, "tools/call", json!({ "name": tool }));
        let posted = post(&endpoint, &request, crate::harness::headers_for(&request)).await;
        assert_eq!(posted.answer["result"]["isError"], true, "{posted:?}");
    }
}
