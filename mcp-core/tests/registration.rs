//! What a server refuses to start with, and in which words.

use mcp_core::{
    Annotations, Call, Contents, DynTool, IntoEntry, Messages, Prompt, RequestError, Resource, Server, Text,
    ToolReply, testing::Client, tool_fn,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::harness::server;

#[derive(Deserialize, JsonSchema)]
struct Nothing {}

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind")]
enum Choice {
    A { x: i32 },
    B,
}

#[derive(Deserialize, JsonSchema)]
enum Untagged {
    A {
        #[allow(dead_code)]
        x: i32,
    },
}

#[derive(Deserialize, JsonSchema)]
struct FlattenedUntagged {
    #[serde(flatten)]
    _choice: Untagged,
}

#[derive(Deserialize, JsonSchema)]
struct Tuple(#[allow(dead_code)] i32, #[allow(dead_code)] i32);

/// The problems of a server, a line each.
fn problems<S: Send + Sync + 'static>(server: Server<S>) -> Vec<String> {
    match server.build() {
        Ok(_) => Vec::new(),
        Err(error) => error.problems().iter().map(ToString::to_string).collect(),
    }
}

/// The one problem of a server with this entry alone.
fn problem(entry: impl IntoEntry) -> String {
    let problems = problems(server().add(entry));
    assert_eq!(problems.len(), 1, "{problems:?}");
    problems.into_iter().next().unwrap()
}

#[test]
fn answers_that_are_no_objects_are_refused_with_what_to_write_instead() {
    fn refused<O: mcp_core::Output + Default>() -> String {
        problem(tool_fn("t", Annotations::read_only(), async |_: Nothing, _| Ok(O::default())))
    }
    for refused in [
        refused::<Vec<i32>>(),
        refused::<Option<i32>>(),
        refused::<String>(),
        refused::<i64>(),
        refused::<bool>(),
        refused::<()>(),
        refused::<(i32, i32)>(),
        refused::<Value>(),
    ] {
        assert_eq!(
            refused,
            "tool `t`: the answer cannot be structured: its schema is not one of an object; answer with `Text` \
             or `Reply`, or put it in a struct of one field"
        );
    }
    let choice = problem(tool_fn("t", Annotations::read_only(), async |_: Nothing, _| Ok(Choice::B)));
    assert!(choice.contains("answer with `Text`"), "{choice}");
}

#[test]
fn arguments_that_are_no_struct_are_refused() {
    let text = |entry: String| assert!(entry.contains("arguments are a struct with named fields"), "{entry}");
    text(problem(tool_fn("t", Annotations::write(), async |_: Untagged, _| Ok(Text::new("")))));
    text(problem(tool_fn("t", Annotations::write(), async |_: FlattenedUntagged, _| Ok(Text::new("")))));
    text(problem(tool_fn("t", Annotations::write(), async |_: Tuple, _| Ok(Text::new("")))));
    text(problem(tool_fn("t", Annotations::write(), async |_: Vec<i32>, _| Ok(Text::new("")))));
    text(problem(tool_fn("t", Annotations::write(), async |(): (), _| Ok(Text::new("")))));
    text(problem(tool_fn("t", Annotations::write(), async |_: Value, _| Ok(Text::new("")))));
    // A choice that a tag tells apart is one of actions.
    assert!(
        problems(server().add(tool_fn("t", Annotations::write(), async |_: Choice, _| Ok(Text::new("")))))
            .is_empty()
    );
}

#[test]
fn names_that_some_client_would_not_take_are_refused() {
    for name in ["", "a b", "ä", "a/b", "a\n", &"x".repeat(65)] {
        let tool = tool_fn(name, Annotations::write(), async |_: Nothing, _| Ok(Text::new("")));
        let refused = problem(tool);
        assert_eq!(refused, format!("tool `{name}`: a name is 1 to 64 of the characters A-Z a-z 0-9 _ - ."));
    }
    let longest = tool_fn("x".repeat(64), Annotations::write(), async |_: Nothing, _| Ok(Text::new("")));
    assert!(problems(server().add(longest)).is_empty());
}

#[test]
fn annotations_that_contradict_each_other_are_refused() {
    let mut destructive = Annotations::read_only();
    destructive.destructive = true;
    let mut unrepeatable = Annotations::read_only();
    unrepeatable.idempotent = false;
    for (annotations, why) in [(destructive, "cannot be destructive"), (unrepeatable, "so it is idempotent")]
    {
        let tool = tool_fn("t", annotations, async |_: Nothing, _| Ok(Text::new("")));
        assert!(problem(tool).contains(why));
    }
}

/// Greets.
#[derive(Deserialize, JsonSchema)]
struct Greet {}

impl Prompt for Greet {
    const NAME: &'static str = "same";

    async fn get(self, (): &(), _: &Call) -> Result<Messages, RequestError> {
        Ok(Messages::user("hello"))
    }
}

macro_rules! resource {
    ($name:ident { $($field:ident),* }, $uri:literal) => {
        #[derive(Deserialize, JsonSchema)]
        struct $name { $(#[allow(dead_code)] $field: String),* }

        impl Resource for $name {
            const URI: &'static str = $uri;
            const NAME: &'static str = stringify!($name);

            async fn read(self, (): &(), _: &Call) -> Result<Contents, RequestError> {
                Ok(Contents::text(""))
            }
        }
    };
}

resource!(Fixed {}, "notes://fixed");
resource!(ById { id }, "notes://note/{id}");
resource!(ByName { name }, "notes://note/{name}");
resource!(NoSuchField { other }, "notes://{id}");
resource!(NoSuchVariable { id, other }, "notes://{id}");
resource!(NoScheme { id }, "{id}");
resource!(Level4 { id }, "notes://a{?id*}");
resource!(Adjacent { id, path }, "notes://{+path}{?id}");
resource!(Dashed { id }, "notes://note/a-{id}");
resource!(Ending { id }, "notes://note/{id}-z");
resource!(Anything { path }, "notes://{+path}");

#[test]
fn two_of_one_name_are_refused_and_both_are_named() {
    let tool = |about: &'static str| {
        tool_fn("same", Annotations::write(), async |_: Nothing, _| Ok(Text::new("")))
            .about(move |a| a.description(about))
    };
    // A prompt may have the name of a tool.
    let server = server()
        .add(tool("The first."))
        .prompt::<Greet>()
        .add(tool("The second."))
        .prompt::<Greet>()
        .resource::<Fixed>()
        .resource::<Fixed>()
        .resource::<ById>()
        .resource::<ByName>();
    insta::assert_snapshot!(problems(server).join("\n"));
}

#[test]
fn templates_that_cannot_be_served_are_refused() {
    let server = server()
        .resource::<NoSuchField>()
        .resource::<NoSuchVariable>()
        .resource::<NoScheme>()
        .resource::<Level4>()
        .resource::<Adjacent>();
    insta::assert_snapshot!(problems(server).join("\n"));
}

#[test]
fn templates_of_which_neither_is_narrower_are_refused() {
    let refused = problems(server().resource::<Dashed>().resource::<Ending>());
    assert_eq!(
        refused,
        [
            "resource `notes://note/{id}-z`: `notes://note/a-z` would match `notes://note/a-{id}` as well, and neither of \
          the two is a special case of the other; leave one of them out, as with `PackOptions::without`"
        ]
    );
    // Whatever the order, narrower ones may stand beside wider ones, and a fixed one beside any.
    let server = server().resource::<Anything>().resource::<Dashed>().resource::<ById>().resource::<Fixed>();
    assert!(problems(server).is_empty());
}

/// Fields that text cannot say.
#[derive(Deserialize, JsonSchema)]
struct Listing {
    #[allow(dead_code)]
    names: Vec<String>,
}

impl Prompt for Listing {
    const NAME: &'static str = "listing";

    async fn get(self, (): &(), _: &Call) -> Result<Messages, RequestError> {
        Ok(Messages::user("hello"))
    }
}

#[test]
fn a_prompt_that_nobody_could_fill_in_is_refused() {
    let problems = problems(server().prompt::<Listing>());
    assert_eq!(problems, ["prompt `listing`: field `names` is an array, which cannot be written as text"]);
}

/// The problem of a raw tool with this input schema.
fn raw(schema: Value) -> Option<String> {
    let tool = DynTool::new("raw", Annotations::write(), |_, _| async { Ok(ToolReply::default()) });
    problems(server().add(tool.input_schema(schema))).into_iter().next()
}

/// An input schema with this property.
fn with_property(property: Value) -> Option<String> {
    raw(json!({"type": "object", "properties": {"a": property}}))
}

#[test]
fn raw_schemas_are_objects_that_need_nothing_from_elsewhere() {
    for schema in [json!(true), json!([]), json!({}), json!({"type": "array"}), json!({"type": ["object"]})] {
        let refused = raw(schema.clone());
        assert!(refused.is_some(), "{schema}");
    }
    for reference in ["https://example.com/schema.json", "file:///etc/passwd", "other.json", "#/$defs/none"] {
        let refused = with_property(json!({ "$ref": reference })).unwrap_or_default();
        assert!(refused.starts_with("tool `raw`: its schema cannot be used"), "{reference}: {refused}");
    }
    let internal = json!({"type": "object", "$defs": {"n": {"type": "integer"}}, "properties": {"a": {"$ref": "#/$defs/n"}}});
    assert_eq!(raw(internal), None);
}

#[test]
fn raw_schemas_that_would_be_a_burden_are_refused() {
    let deep = (0..80).fold(json!({}), |inner, _| json!({ "not": inner }));
    assert!(with_property(deep).unwrap_or_default().contains("deeper than 64 levels"));
    let large: Vec<_> = (0..20_000).collect();
    assert!(with_property(json!({ "enum": large })).unwrap_or_default().contains("larger than 10000 values"));
    for pattern in ["(a{1,1000}){1,1000}", "(", r"(a)\1", "(?=a)b"] {
        let refused = with_property(json!({"type": "string", "pattern": pattern}));
        assert!(refused.is_some(), "{pattern}");
    }
}

#[tokio::test]
async fn patterns_take_linear_time() {
    let tool = DynTool::new("t", Annotations::write(), |_, _| async { Ok(ToolReply::default()) })
        .input_schema(
            json!({"type": "object", "properties": {"a": {"type": "string", "pattern": "^(a+)+$"}}}),
        );
    let client = mcp_core::testing::Client::new(server().add(tool)).await;
    // A backtracking engine would take longer than the world stands.
    let reply = client.call("t", json!({"a": "a".repeat(50_000) + "!"})).await;
    assert_eq!(reply.error_code(), "invalid_arguments");
}

#[test]
fn headers_stand_on_plain_parameters_that_a_chain_of_properties_leads_to() {
    let header = |kind: &str, name: Value| json!({"type": kind, "x-mcp-header": name});
    for (property, why) in [
        (header("string", json!("")), "must be the name of a header"),
        (header("string", json!("a b")), "must be the name of a header"),
        (header("string", json!("a\r\nb")), "must be the name of a header"),
        (header("string", json!(5)), "must be the name of a header"),
        (header("number", json!("A")), "only strings, integers and booleans"),
        (header("array", json!("A")), "only strings, integers and booleans"),
        (json!({"type": "array", "items": header("string", json!("A"))}), "only a chain of `properties`"),
        (json!({"anyOf": [header("string", json!("A"))]}), "only a chain of `properties`"),
        (json!({"type": "array", "items": header("string", json!(5))}), "only a chain of `properties`"),
    ] {
        let refused = with_property(property.clone()).unwrap_or_default();
        assert!(refused.contains(why), "{property}: {refused}");
    }
    let twice = json!({"type": "object", "properties": {
        "a": header("string", json!("Region")),
        "b": {"type": "object", "properties": {"c": header("integer", json!("REGION"))}},
    }});
    assert!(raw(twice).unwrap_or_default().contains("stands there twice"));
    let nested = json!({"type": "object", "properties": {
        "a": header("string", json!("Region")),
        "b": {"type": "object", "properties": {"c": header("integer", json!("Zone"))}},
        "x-mcp-header": {"type": "string", "description": "only a name"},
    }});
    assert_eq!(raw(nested), None);
}

#[test]
fn all_that_is_wrong_is_said_at_once() {
    let bad = |name: &str| tool_fn(name, Annotations::write(), async |_: Nothing, _| Ok(Text::new("")));
    let error = server().add(bad("a b")).add(bad("c d")).add(bad("fine")).build().unwrap_err();
    assert_eq!(error.problems().len(), 2);
    assert_eq!(error.problems()[0].subject(), "tool `a b`");
    assert!(error.to_string().starts_with("the server cannot start; tool `a b`: "), "{error}");
}

#[derive(Serialize, JsonSchema)]
struct Row {
    name: Option<String>,
}

#[derive(Serialize, JsonSchema)]
struct Rows {
    rows: Vec<Row>,
}

#[test]
fn an_answer_with_a_field_that_may_be_null_is_told_to_leave_it_out() {
    let tool = tool_fn("rows", Annotations::read_only(), async |_: Nothing, _| Ok(Rows { rows: Vec::new() }));
    let refused = server().add(tool).build().unwrap_err().to_string();
    assert!(
        refused.contains("field `name` may be null") && refused.contains("skip_serializing_if"),
        "{refused}"
    );
}

#[test]
fn a_server_has_a_name_and_a_version() {
    assert!(Server::new("", "1").build().unwrap_err().to_string().contains("must not be empty"));
    assert!(Server::new("name", "").build().is_err());
}

#[tokio::test]
async fn a_read_only_server_has_no_tool_that_changes_anything() {
    let named =
        |name: &str, annotations| DynTool::new(name, annotations, |_, _| async { Ok(ToolReply::default()) });
    let endpoint = server()
        .add(named("write_before", Annotations::write()))
        .read_only()
        .add(named("read", Annotations::read_only()))
        .add(named("destroy_after", Annotations::destructive()))
        .build()
        .unwrap();
    endpoint.edit(|edit| edit.add(named("write_later", Annotations::write()))).unwrap();
    let client = Client::new(&endpoint).await;
    let names: Vec<_> = client.list_tools().await.iter().map(|tool| tool["name"].clone()).collect();
    assert_eq!(names, ["read"]);
    for name in ["write_before", "destroy_after", "write_later"] {
        let refused = client.request("tools/call", json!({ "name": name })).await;
        assert_eq!(refused.error()["code"], -32602);
        assert!(refused.error()["message"].as_str().unwrap().starts_with("Unknown tool"));
    }
}
