//! Arguments on their way into a tool: what is forgiven, what is refused, and in which words.

use std::collections::HashMap;

use mcp_core::{
    Annotations, AnswerStatus, DynTool, Server, Text, ToolReply,
    testing::{CallReply, Client},
    tool_fn,
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::harness::{headers_for, meta, modern, post, post_bytes, server};

#[derive(Debug, Deserialize, JsonSchema)]
struct Password(
    #[schemars(length(min = 12), regex(pattern = "^[!-~]+$"))]
    #[allow(dead_code)]
    String,
);

/// Everything that can go wrong.
#[allow(dead_code, reason = "read through `Debug`")]
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Search {
    query: String,
    /// 10 when absent.
    #[schemars(range(min = 1, max = 100))]
    limit: Option<u8>,
    password: Option<Password>,
    order: Option<Order>,
    filter: Option<Filter>,
    #[serde(default)]
    labels: HashMap<String, i64>,
    #[serde(rename = "a/b~c", default)]
    #[allow(dead_code)]
    odd: Option<i32>,
    free: Option<Value>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Order {
    Up,
    Down,
}

#[derive(Debug, Deserialize, JsonSchema)]
struct Filter {
    #[allow(dead_code)]
    above: i64,
    #[allow(dead_code)]
    below: Option<i64>,
}

fn search() -> Server {
    server().add(tool_fn("search", Annotations::read_only(), async |q: Search, _| {
        Ok(Text::new(format!("{q:?}")))
    }))
}

async fn call(arguments: Value) -> CallReply {
    Client::new(search()).await.call("search", arguments).await
}

/// The text of a refusal, and where it points.
async fn refusal(arguments: Value) -> (String, Value) {
    let reply = call(arguments).await;
    assert_eq!(reply.error_code(), "invalid_arguments");
    let text = reply.text();
    let why = text.strip_prefix("Invalid arguments. ").unwrap().strip_suffix(" [invalid_arguments]").unwrap();
    (why.to_owned(), reply.reply().result()["_meta"]["toolpack/error"]["pointer"].clone())
}

#[tokio::test]
async fn null_for_what_is_optional_means_absent_and_whole_floats_are_integers() {
    let plain = call(json!({"query": "x", "limit": 3, "filter": {"above": 1}, "labels": {"l": 2}})).await;
    let odd = call(json!({
        "query": "x", "limit": 3.0, "password": null, "order": null, "filter": {"above": 1.0, "below": null},
        "labels": {"l": 2.0}, "a/b~c": null,
    }))
    .await;
    assert_eq!(odd.text(), plain.text());
    assert!(plain.text().contains("limit: Some(3)"), "{}", plain.text());
    // Where any JSON may stand, null stays null only as far as the type says.
    assert!(call(json!({"query": "x", "free": null})).await.text().contains("free: None"));
}

#[tokio::test]
async fn null_for_what_is_required_is_refused() {
    assert_eq!(refusal(json!({"query": null})).await.0, "/query: must be of type string.");
    let (why, pointer) = refusal(json!({"query": "x", "filter": {"above": null}})).await;
    assert_eq!((why.as_str(), pointer), ("/filter/above: must be of type integer.", json!("/filter/above")));
}

#[tokio::test]
async fn names_that_clients_inject_are_ignored_and_other_unknown_names_are_not() {
    let injected =
        json!({"query": "x", "sessionId": "s", "action": 1, "chatInput": {}, "toolCallId": null, "tool": []});
    assert!(!call(injected).await.is_error());
    let (why, pointer) = refusal(json!({"query": "x", "limt": 5})).await;
    assert_eq!((why.as_str(), pointer), ("/limt: is not known; did you mean `limit`?", json!("/limt")));
    let (why, _) = refusal(json!({"query": "x", "elephant": 5})).await;
    assert_eq!(
        why,
        "/elephant: is not known; known are a/b~c, filter, free, labels, limit, order, password, query."
    );
    let (why, _) = refusal(json!({"query": "x", "filter": {"above": 1, "abov": 2}})).await;
    assert_eq!(why, "/filter/abov: is not known.");
}

#[tokio::test]
async fn which_names_are_ignored_is_the_servers_to_say() {
    let client = Client::new(search().injected_arguments(["trace"])).await;
    assert!(!client.call("search", json!({"query": "x", "trace": 1})).await.is_error());
    assert!(client.call("search", json!({"query": "x", "sessionId": 1})).await.is_error());
}

#[tokio::test]
async fn an_injected_name_that_the_tool_knows_reaches_it() {
    #[derive(Debug, Deserialize, JsonSchema)]
    struct Act {
        action: String,
    }
    let tool = tool_fn("act", Annotations::write(), async |q: Act, _| Ok(Text::new(q.action)));
    let client = Client::new(server().add(tool)).await;
    assert_eq!(client.call("act", json!({"action": "go", "sessionId": 1})).await.text(), "go");
}

#[tokio::test]
async fn every_rule_says_what_is_allowed_and_where() {
    for (arguments, expected, at) in [
        (json!({}), "/query: is required and missing.", "/query"),
        (json!({"query": 1}), "/query: must be of type string.", "/query"),
        (json!({"query": "x", "limit": 0}), "/limit: must be at least 1.", "/limit"),
        (json!({"query": "x", "limit": 101}), "/limit: must be at most 100.", "/limit"),
        (json!({"query": "x", "limit": 1.5}), "/limit: must be of type integer.", "/limit"),
        (json!({"query": "x", "order": "UP"}), r#"/order: must be one of ["up","down"]."#, "/order"),
        (
            json!({"query": "x", "password": "short"}),
            "/password: must have at least 12 characters.",
            "/password",
        ),
        (
            json!({"query": "x", "password": "long enough but"}),
            "/password: must match ^[!-~]+$.",
            "/password",
        ),
        (json!({"query": "x", "filter": 3}), "/filter: must be of type object.", "/filter"),
        (json!({"query": "x", "filter": {}}), "/filter/above: is required and missing.", "/filter/above"),
        (
            json!({"query": "x", "labels": {"a/b~c": "x"}}),
            "/labels/a~1b~0c: must be of type integer.",
            "/labels/a~1b~0c",
        ),
        (json!({"query": "x", "a/b~c": "x"}), "/a~1b~0c: must be of type integer.", "/a~1b~0c"),
        (
            json!({"query": "x", "x/y~z": 1}),
            "/x~1y~0z: is not known; known are a/b~c, filter, free, labels, limit, order, password, query.",
            "/x~1y~0z",
        ),
    ] {
        let (why, pointer) = refusal(arguments.clone()).await;
        assert_eq!((why.as_str(), pointer), (expected, json!(at)), "{arguments}");
    }
}

#[tokio::test]
async fn several_mistakes_are_said_at_once_up_to_a_bound() {
    let (why, _) = refusal(json!({"limit": 0, "order": "x"})).await;
    assert_eq!(why.split("; ").count(), 3, "{why}");
    let labels: HashMap<_, _> = (0..10_000).map(|index| (index.to_string(), "x")).collect();
    let (why, _) = refusal(json!({"query": "x", "labels": labels})).await;
    assert!(why.len() < 500, "{why}");
}

const SECRET: &str = "hunter2hunter2";

#[tokio::test]
async fn no_value_of_the_callers_is_repeated_in_an_error() {
    #[derive(Deserialize, JsonSchema)]
    #[allow(dead_code)]
    struct Lax {
        #[schemars(schema_with = "anything")]
        choice: Order,
        #[schemars(schema_with = "anything")]
        number: i64,
    }
    fn anything(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({})
    }
    let rules = json!({"type": "object", "properties": {
        "not": {"not": {"type": "string"}},
        "const": {"const": "other"},
        "any": {"anyOf": [{"type": "integer"}, {"const": "other"}]},
        "one": {"oneOf": [{"type": "string"}, {"minLength": 1}]},
        "contains": {"type": "array", "contains": {"type": "integer"}},
        "names": {"propertyNames": {"maxLength": 3}},
        "never": false,
        "format": {"type": "string", "format": "uuid", "pattern": "^[0-9]+$"},
        "unique": {"uniqueItems": true},
        "closed": {"unevaluatedProperties": false},
        "items": {"prefixItems": [true], "items": false},
        "dependent": {"dependentRequired": {"a": ["b"]}},
    }});
    let raw = DynTool::new("raw", Annotations::write(), |_, _| async { Ok(ToolReply::default()) })
        .input_schema(rules);
    let lax = tool_fn("lax", Annotations::write(), async |_: Lax, _| Ok(Text::new("")));
    let client = Client::new(search().add(raw).add(lax)).await;
    for (tool, arguments) in [
        ("search", json!({"query": "x", "password": SECRET.to_owned() + " with blanks"})),
        ("search", json!({"query": "x", "order": SECRET})),
        ("search", json!({"query": "x", "limit": SECRET})),
        ("search", json!({"query": [SECRET]})),
        ("search", json!({"query": "x", "filter": {"above": SECRET}})),
        ("lax", json!({"choice": SECRET, "number": 1})),
        ("lax", json!({"choice": "up", "number": SECRET})),
        ("lax", json!({"choice": [SECRET], "number": 1})),
        ("raw", json!({"not": SECRET})),
        ("raw", json!({"const": SECRET})),
        ("raw", json!({"any": SECRET})),
        ("raw", json!({"one": SECRET})),
        ("raw", json!({"contains": [SECRET]})),
        ("raw", json!({"names": {"long": SECRET}})),
        ("raw", json!({"never": SECRET})),
        ("raw", json!({"format": SECRET})),
        ("raw", json!({"unique": [SECRET, SECRET]})),
        ("raw", json!({"closed": {"a": SECRET}})),
        ("raw", json!({"items": [1, SECRET]})),
        ("raw", json!({"dependent": {"a": SECRET}})),
    ] {
        let reply = client.call(tool, arguments.clone()).await;
        assert_eq!(reply.error_code(), "invalid_arguments", "{arguments}");
        assert!(!reply.reply().message().to_string().contains("hunter2"), "{}", reply.text());
    }
}

#[tokio::test]
async fn parameters_of_the_wrong_form_are_refused_without_repeating_them() {
    let client = Client::new(search()).await;
    for params in [
        json!({"name": "search", "arguments": SECRET}),
        json!({"name": "search", "arguments": [SECRET]}),
        json!({"name": {"a": SECRET}}),
        json!({"name": "search", "cursor": [SECRET]}),
    ] {
        let reply = client.request("tools/call", params).await;
        assert_eq!(reply.error()["code"], -32602);
        assert!(!reply.message().to_string().contains("hunter2"), "{}", reply.message());
    }
    for arguments in [Value::Null, json!({})] {
        let reply = client.request("tools/call", json!({"name": "search", "arguments": arguments})).await;
        assert_eq!(reply.result()["isError"], true);
    }
}

#[tokio::test]
async fn lists_are_no_objects() {
    let endpoint = search().build().unwrap();
    let key = "io.modelcontextprotocol/clientCapabilities";
    for (method, params) in [
        ("tools/list", json!({"_meta": {key: []}})),
        ("tools/list", json!({"_meta": {"io.modelcontextprotocol/clientInfo": ["n", null, "1"]}})),
        ("subscriptions/listen", json!({"notifications": []})),
        ("completion/complete", json!({"ref": {"type": "ref/prompt", "name": "p"}, "argument": ["a", "b"]})),
        ("completion/complete", json!({"ref": ["ref/prompt", "p"], "argument": {"name": "a", "value": ""}})),
    ] {
        let request = modern(1, method, params);
        let posted = post(&endpoint, &request, headers_for(&request)).await;
        assert_eq!(posted.code(), Some(-32602), "{request} {posted:?}");
    }
}

#[tokio::test]
async fn what_nests_too_deep_is_refused_and_the_next_request_served() {
    let endpoint = search().build().unwrap();
    let meta = meta(json!({}));
    let nested = |depth: usize| {
        let free = "[".repeat(depth) + &"]".repeat(depth);
        format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"search","_meta":{meta},"arguments":{{"query":"x","free":{free}}}}}}}"#
        )
    };
    let headers = || headers_for(&modern(1, "tools/call", json!({"name": "search"})));
    for depth in [128, 10_000, 500_000] {
        let posted = post_bytes(&endpoint, nested(depth).as_bytes(), headers()).await;
        assert_eq!((posted.code(), posted.status), (Some(-32602), Some(AnswerStatus::Refused)), "{depth}");
        assert_eq!(posted.answer["id"], 1);
    }
    let posted = post_bytes(&endpoint, nested(100).as_bytes(), headers()).await;
    assert_eq!(posted.answer["result"].get("isError"), None, "{posted:?}");
}

#[tokio::test]
async fn huge_arguments_reach_the_tool_and_huge_names_do_not_reach_the_error() {
    let huge = "x".repeat(1 << 20);
    assert!(call(json!({"query": huge})).await.text().len() > 1 << 20);
    let (why, _) = refusal(json!({"query": "x", huge.clone(): 1})).await;
    assert!(why.len() < 1000, "{}", why.len());
    let reply = Client::new(search()).await.request("tools/call", json!({ "name": huge })).await;
    assert!(reply.message().to_string().len() < 1000);
    let reply = Client::new(search()).await.request(&huge, json!({})).await;
    assert!(reply.message().to_string().len() < 1000);
}

#[tokio::test]
async fn a_key_that_stands_twice_is_refused_where_peers_would_disagree() {
    let endpoint = search().build().unwrap();
    let meta = meta(json!({}));
    let headers = || headers_for(&modern(1, "tools/call", json!({"name": "search"})));
    let twice = format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"search","name":"other","_meta":{meta}}}}}"#
    );
    let posted = post_bytes(&endpoint, twice.as_bytes(), headers()).await;
    assert_eq!((posted.code(), &posted.answer["id"]), (Some(-32602), &json!(1)));
    let twice = format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","method":"tools/list","params":{{"_meta":{meta}}}}}"#
    );
    assert_eq!(post_bytes(&endpoint, twice.as_bytes(), headers()).await.code(), Some(-32600));
}

#[tokio::test]
async fn a_rule_that_only_the_type_knows_speaks_for_itself() {
    #[derive(Deserialize, JsonSchema)]
    #[serde(try_from = "i64")]
    struct Even(#[allow(dead_code)] i64);
    impl TryFrom<i64> for Even {
        type Error = &'static str;
        fn try_from(number: i64) -> Result<Self, &'static str> {
            if number % 2 == 0 { Ok(Self(number)) } else { Err("the number has to be even") }
        }
    }
    #[derive(Deserialize, JsonSchema)]
    struct Halve {
        #[allow(dead_code)]
        number: Even,
    }
    let tool = tool_fn("halve", Annotations::read_only(), async |_: Halve, _| Ok(Text::new("done")));
    let client = Client::new(server().add(tool)).await;
    let reply = client.call("halve", json!({"number": 3})).await;
    assert_eq!(reply.text(), "Invalid arguments. the number has to be even. [invalid_arguments]");
}

/// A condition, of conditions.
#[allow(dead_code, reason = "read through `Debug`")]
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(tag = "op", rename_all = "snake_case")]
enum Condition {
    And { left: Box<Condition>, right: Box<Condition> },
    Or { left: Box<Condition>, right: Box<Condition> },
    Not { left: Box<Condition> },
    Above { limit: i64 },
}

#[derive(Debug, Deserialize, JsonSchema)]
#[allow(dead_code, reason = "read through `Debug`")]
struct Where {
    condition: Condition,
}

#[tokio::test]
async fn mistakes_are_found_inside_the_variant_that_is_meant() {
    let tool =
        tool_fn("where", Annotations::read_only(), async |q: Where, _| Ok(Text::new(format!("{q:?}"))));
    let client = Client::new(server().add(tool)).await;
    for (condition, expected) in [
        (json!({"op": "above", "limit": "x"}), "/condition/limit: must be of type integer."),
        (json!({"op": "above"}), "/condition/limit: is required and missing."),
        (json!({"op": "above", "limit": 1, "x": 1}), "/condition/x: is not known."),
        (json!({"op": "below"}), r#"/condition/op: must be one of ["and","or","not","above"]."#),
        (json!({"limit": 1}), "/condition/op: is required and missing."),
        (json!("above"), "/condition: must be of type object."),
        (
            json!({"op": "not", "left": {"op": "above", "limit": 0.5}}),
            "/condition/left/limit: must be of type integer.",
        ),
    ] {
        let reply = client.call("where", json!({ "condition": condition })).await;
        assert_eq!(reply.text(), format!("Invalid arguments. {expected} [invalid_arguments]"));
    }
}

#[tokio::test]
async fn the_time_for_a_recursive_choice_grows_with_its_depth_and_no_faster() {
    let tool =
        tool_fn("where", Annotations::read_only(), async |q: Where, _| Ok(Text::new(format!("{q:?}"))));
    let client = Client::new(server().add(tool)).await;
    // Were every variant looked at on every level, neither would ever end.
    for limit in [json!(1.0), json!("x")] {
        let leaf = json!({"op": "above", "limit": limit});
        let deep = (0..100).fold(leaf, |inner, depth| match depth % 3 {
            0 => json!({"op": "and", "left": inner, "right": {"op": "above", "limit": 1}}),
            1 => json!({"op": "or", "left": inner, "right": {"op": "above", "limit": 1}}),
            _ => json!({"op": "not", "left": inner}),
        });
        let reply = client.call("where", json!({ "condition": deep })).await;
        assert_eq!(reply.is_error(), limit.is_string());
    }
}

#[tokio::test]
async fn a_choice_without_a_tag_that_refers_to_itself_is_taken_only_so_deep() {
    let node = json!({"anyOf": [
        {"type": "object", "properties": {"a": {"$ref": "#/$defs/node"}, "b": {"type": "integer"}}, "required": ["a"]},
        {"type": "object", "properties": {"a": {"$ref": "#/$defs/node"}, "c": {"type": "integer"}}, "required": ["a"]},
        {"type": "string"},
    ]});
    let schema =
        json!({"type": "object", "properties": {"node": {"$ref": "#/$defs/node"}}, "$defs": {"node": node}});
    let tool =
        DynTool::new("walk", Annotations::read_only(), async |_, _| Ok(ToolReply::content(Vec::new())))
            .input_schema(schema);
    let client = Client::new(server().add(tool)).await;
    for (depth, leaf, expected) in [
        (11, json!("leaf"), None),
        (11, json!(1), Some("has none of the allowed forms")),
        (12, json!("leaf"), Some("They nest deeper than the 12 levels that are taken here.")),
        (100, json!(1), Some("They nest deeper than the 12 levels that are taken here.")),
    ] {
        let node = (0..depth).fold(leaf, |inner, _| json!({ "a": inner }));
        let reply = client.call("walk", json!({ "node": node })).await;
        assert_eq!(reply.is_error(), expected.is_some(), "{}", reply.text());
        assert!(reply.text().contains(expected.unwrap_or_default()), "{}", reply.text());
    }
}
