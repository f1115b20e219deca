//! Single messages with headers: which era they are of, and which mistake is found first.

use mcp_core::{
    Annotations,
    AnswerStatus::{self, Refused, Served, UnknownMethod},
    Call, Contents, DynTool, Endpoint, MirroredHeaders, RequestError, Resource, ToolReply,
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::harness::{bare, headers_for, meta, modern, post, post_bytes, server};

/// A page.
#[derive(Deserialize, JsonSchema)]
struct Page {
    #[allow(dead_code)]
    name: String,
}

impl Resource for Page {
    const URI: &'static str = "pages://{name}";
    const NAME: &'static str = "page";

    async fn read(self, (): &(), _: &Call) -> Result<Contents, RequestError> {
        Ok(Contents::text(""))
    }
}

fn endpoint() -> Endpoint {
    let tool = DynTool::new("place", Annotations::write(), |_, _| async { Ok(ToolReply::default()) }).input_schema(json!({
        "type": "object",
        "properties": {
            "region": {"type": "string", "x-mcp-header": "Region"},
            "count": {"type": "integer", "x-mcp-header": "Count"},
            "flag": {"type": "boolean", "x-mcp-header": "Flag"},
            "deep": {"type": "object", "properties": {"zone": {"type": "string", "x-mcp-header": "Zone"}}},
        },
    }));
    server().add(tool).resource::<Page>().build().unwrap()
}

const VERSION: &str = "MCP-Protocol-Version";
const METHOD: &str = "Mcp-Method";
const NAME: &str = "Mcp-Name";

/// The headers that fit a message, with some of them changed; `None` takes one out.
fn changed(message: &Value, changes: &[(&str, Option<&str>)]) -> MirroredHeaders<'static> {
    let mut headers = headers_for(message);
    for (name, value) in changes {
        let value = value.map(|value| value.as_bytes().to_vec().into());
        match *name {
            VERSION => headers.protocol_version = value,
            METHOD => headers.method = value,
            NAME => headers.name = value,
            other => panic!("{other}"),
        }
    }
    headers
}

/// A message whose `_meta` is just this.
fn with_meta(method: &str, meta: Value) -> Value {
    bare(1, method, json!({"name": "place", "_meta": meta}))
}

const BODY_VERSION: &str = "io.modelcontextprotocol/protocolVersion";
const CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";

#[tokio::test]
async fn mistakes_are_found_in_the_order_of_the_specification() {
    let endpoint = endpoint();
    let call = modern(1, "tools/call", json!({"name": "place"}));
    let list = modern(1, "tools/list", json!({}));
    let read = modern(1, "resources/read", json!({"uri": "pages://a"}));
    let of = |method: &str| modern(1, method, json!({"uri": "pages://a", "level": "info"}));
    let old_body = with_meta("tools/call", json!({BODY_VERSION: "2025-11-25", CAPABILITIES: {}}));
    let new_body = with_meta("tools/call", json!({BODY_VERSION: "2099-01-01", CAPABILITIES: {}}));
    let no_version = with_meta("tools/call", json!({CAPABILITIES: {}}));
    let no_capabilities = with_meta("tools/call", json!({BODY_VERSION: "2026-07-28"}));
    let neither = bare(1, "tools/call", json!({"name": "place"}));
    let nameless = modern(1, "tools/call", json!({}));
    let nobody = modern(1, "tools/call", json!({"name": "nobody"}));
    let odd_version = with_meta("tools/call", json!({BODY_VERSION: 7, CAPABILITIES: {}}));

    let ok = 0;
    type Case<'a> = (Value, &'a [(&'a str, Option<&'a str>)], i64, AnswerStatus);
    let cases: Vec<Case<'_>> = vec![
        (call.clone(), &[], ok, Served),
        (list.clone(), &[], ok, Served),
        (read.clone(), &[], ok, Served),
        // Superfluous headers say nothing.
        (list.clone(), &[(NAME, Some("whatever"))], ok, Served),
        (read.clone(), &[(NAME, Some("=?base64?cGFnZXM6Ly9h?="))], ok, Served),
        (call.clone(), &[(NAME, Some("=?base64?cGxhY2U=?="))], ok, Served),
        // A required key is missing: before any header.
        (no_capabilities.clone(), &[(VERSION, None)], -32602, Refused),
        (no_capabilities.clone(), &[(METHOD, None)], -32602, Refused),
        (no_version.clone(), &[(VERSION, Some("2026-07-28")), (METHOD, None)], -32602, Refused),
        (neither.clone(), &[(VERSION, Some("2026-07-28"))], -32602, Refused),
        (neither.clone(), &[(VERSION, Some("2099-01-01"))], -32602, Refused),
        (neither.clone(), &[(VERSION, Some("garbage"))], -32602, Refused),
        (odd_version.clone(), &[(VERSION, None)], -32602, Refused),
        // The version header: before the version is looked at.
        (call.clone(), &[(VERSION, None), (METHOD, None)], -32020, Refused),
        (call.clone(), &[(VERSION, Some("2025-11-25"))], -32020, Refused),
        (call.clone(), &[(VERSION, Some("2026-07-28, 2026-07-28"))], -32020, Refused),
        (call.clone(), &[(VERSION, Some(""))], -32020, Refused),
        (new_body.clone(), &[(VERSION, None)], -32020, Refused),
        (new_body.clone(), &[(VERSION, Some("2026-07-28"))], -32020, Refused),
        // A version that is not served: before the other headers.
        (new_body.clone(), &[(METHOD, None), (NAME, None)], -32022, Refused),
        (old_body.clone(), &[(METHOD, None)], -32022, Refused),
        // The other headers.
        (call.clone(), &[(METHOD, None)], -32020, Refused),
        (call.clone(), &[(METHOD, Some("tools/list"))], -32020, Refused),
        (call.clone(), &[(METHOD, Some("Tools/Call"))], -32020, Refused),
        (call.clone(), &[(NAME, None)], -32020, Refused),
        (call.clone(), &[(NAME, Some("plac"))], -32020, Refused),
        (call.clone(), &[(NAME, Some("=?base64?!?="))], -32020, Refused),
        (call.clone(), &[(NAME, Some("=?BASE64?cGxhY2U=?="))], -32020, Refused),
        (call.clone(), &[(NAME, Some("plac\u{e9}"))], -32020, Refused),
        (read.clone(), &[(NAME, None)], -32020, Refused),
        (read.clone(), &[(NAME, Some("pages://b"))], -32020, Refused),
        (of("no/such"), &[(METHOD, Some("tools/list"))], -32020, Refused),
        // Methods of the other era, and of none.
        (of("initialize"), &[], -32601, UnknownMethod),
        (of("ping"), &[], -32601, UnknownMethod),
        (of("logging/setLevel"), &[], -32601, UnknownMethod),
        (of("resources/subscribe"), &[], -32601, UnknownMethod),
        (of("resources/unsubscribe"), &[], -32601, UnknownMethod),
        (of("no/such"), &[], -32601, UnknownMethod),
        (of(""), &[], -32601, UnknownMethod),
        (of("prompts/list"), &[], -32601, UnknownMethod),
        // What the method itself finds.
        (nameless.clone(), &[], -32602, Refused),
        (nobody.clone(), &[], -32602, Served),
        // Another era altogether.
        (neither.clone(), &[(VERSION, None)], -32020, Refused),
        (neither.clone(), &[(VERSION, Some("2025-11-25"))], -32020, Refused),
        (neither.clone(), &[(VERSION, Some("2024-11-05"))], -32020, Refused),
        (no_version.clone(), &[(VERSION, None)], -32020, Refused),
        (no_version.clone(), &[(VERSION, Some("2025-03-26"))], -32020, Refused),
    ];
    for (message, changes, code, status) in cases {
        let posted = post(&endpoint, &message, changed(&message, changes)).await;
        let found = (posted.code().unwrap_or(0), posted.status);
        assert_eq!(found, (code, Some(status)), "{message} with {changes:?}: {}", posted.answer);
        assert_eq!(posted.answer["id"], 1, "{message}");
    }
}

#[tokio::test]
async fn a_version_that_is_not_served_is_told_which_are() {
    let message = with_meta("tools/list", json!({BODY_VERSION: "2099-01-01", CAPABILITIES: {}}));
    let posted = post(&endpoint(), &message, headers_for(&message)).await;
    let discover = modern(1, "server/discover", json!({}));
    let discovered = post(&endpoint(), &discover, headers_for(&discover)).await;
    let supported = &discovered.answer["result"]["supportedVersions"];
    assert_eq!(posted.answer["error"]["data"], json!({"requested": "2099-01-01", "supported": supported}));
}

#[tokio::test]
async fn the_missing_keys_are_named() {
    let headers =
        || MirroredHeaders { protocol_version: Some(b"2026-07-28".into()), ..MirroredHeaders::default() };
    for (meta, missing) in [
        (json!({}), &[BODY_VERSION, CAPABILITIES][..]),
        (json!({CAPABILITIES: {}}), &[BODY_VERSION]),
        (json!({BODY_VERSION: "2026-07-28"}), &[CAPABILITIES]),
        (json!({BODY_VERSION: "2026-07-28", CAPABILITIES: null}), &[CAPABILITIES]),
    ] {
        let posted = post(&endpoint(), &with_meta("tools/list", meta), headers()).await;
        let message = posted.answer["error"]["message"].as_str().unwrap();
        for key in [BODY_VERSION, CAPABILITIES] {
            assert_eq!(message.contains(key), missing.contains(&key), "{message}");
        }
    }
}

#[tokio::test]
async fn what_is_no_request_is_accepted_or_refused() {
    let endpoint = endpoint();
    let headers =
        || MirroredHeaders { protocol_version: Some(b"2026-07-28".into()), ..MirroredHeaders::default() };
    let note = json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1, "_meta": meta(json!({}))}});
    assert_eq!(post(&endpoint, &note, headers()).await.status, None);
    let unserved =
        MirroredHeaders { protocol_version: Some(b"2099-01-01".into()), ..MirroredHeaders::default() };
    let bare = json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}});
    assert_eq!(post(&endpoint, &bare, unserved).await.code(), Some(-32022));
    // A method that is not served has no parameters that could be wrong.
    let unknown = json!({"jsonrpc": "2.0", "id": 1, "method": "no/such", "params": {"name": 7}});
    let posted = post(&endpoint, &unknown, headers()).await;
    assert_eq!((posted.code(), posted.status), (Some(-32601), Some(UnknownMethod)));
    for (message, code, id) in [
        (r#"{"jsonrpc":"2.0","id":1,"result":{}}"#, -32600, None),
        (r#"{"jsonrpc":"2.0","id":1}"#, -32600, Some(json!(1))),
        (r#"{"jsonrpc":"1.0","id":"a","method":"x"}"#, -32600, Some(json!("a"))),
        (r#"{"jsonrpc":"2.0","id":null,"method":"x"}"#, -32600, None),
        (r#"{"jsonrpc":"2.0","id":1.5,"method":"x"}"#, -32600, None),
        (r#"{"jsonrpc":"2.0","id":[1],"method":"x"}"#, -32600, None),
        (r#"{"jsonrpc":"2.0","id":2,"method":7}"#, -32600, Some(json!(2))),
        (r#"{"jsonrpc":"2.0","id":3,"method":"ping","params":[1]}"#, -32602, Some(json!(3))),
        (r#"{"jsonrpc":"2.0","id":3,"method":"ping","params":null}"#, -32602, Some(json!(3))),
        ("[]", -32600, None),
        (r#"[{"jsonrpc":"2.0","id":1,"method":"ping"}]"#, -32600, None),
        ("7", -32600, None),
        ("", -32700, None),
        ("{", -32700, None),
        (r#"{"jsonrpc":"2.0","id":1,"method":"x"} {}"#, -32700, None),
    ] {
        let posted = post_bytes(&endpoint, message.as_bytes(), headers()).await;
        assert_eq!(
            (posted.code(), posted.status),
            (Some(code), Some(Refused)),
            "{message}: {}",
            posted.answer
        );
        assert_eq!(posted.answer.get("id"), id.as_ref(), "{message}");
    }
    let posted = post_bytes(&endpoint, b"{\"jsonrpc\":\"2.0\",\"id\":\"\xff\"}", headers()).await;
    assert_eq!(posted.code(), Some(-32700));
}

#[tokio::test]
async fn mirrored_parameters_say_what_the_body_says() {
    let endpoint = endpoint();
    type Headers<'a> = &'a [(&'a str, &'a str)];
    let cases: Vec<(Value, Headers<'_>, bool)> = vec![
        (json!({}), &[], true),
        (json!({}), &[("other", "x")], true),
        (json!({"region": "eu"}), &[("region", "eu")], true),
        (json!({"region": "eu"}), &[("region", "=?base64?ZXU=?=")], true),
        (json!({"region": "Ä"}), &[("region", "=?base64?w4Q=?=")], true),
        (json!({"region": "=?base64?x?="}), &[("region", "=?base64?PT9iYXNlNjQ/eD89?=")], true),
        (json!({"region": null}), &[], true),
        (json!({"count": 42}), &[("count", "42")], true),
        (json!({"count": 42.0}), &[("count", "42")], true),
        (json!({"count": 42}), &[("count", "42.0")], true),
        (json!({"flag": true}), &[("flag", "true")], true),
        (json!({"deep": {"zone": "z"}}), &[("zone", "z")], true),
        (json!({"region": "eu"}), &[], false),
        (json!({"region": null}), &[("region", "null")], false),
        (json!({}), &[("region", "eu")], false),
        (json!({"region": "eu"}), &[("region", "us")], false),
        (json!({"region": "eu"}), &[("region", "EU")], false),
        (json!({"region": "eu"}), &[("region", "eu"), ("count", "1")], false),
        (json!({"region": "eu"}), &[("region", "=?base64?ZX?=")], false),
        (json!({"region": "é"}), &[("region", "é")], false),
        (json!({"count": 42}), &[("count", "43")], false),
        (json!({"count": 42}), &[("count", "x")], false),
        (json!({"flag": true}), &[("flag", "True")], false),
        (json!({"flag": true}), &[("flag", "1")], false),
        (json!({"deep": "z"}), &[("zone", "z")], false),
        (json!({"region": ["eu"]}), &[("region", "eu")], false),
    ];
    for (arguments, params, fits) in cases {
        let message = modern(1, "tools/call", json!({"name": "place", "arguments": arguments}));
        let mut headers = headers_for(&message);
        headers.params =
            params.iter().map(|(name, value)| ((*name).to_owned(), value.as_bytes().into())).collect();
        let posted = post(&endpoint, &message, headers).await;
        let expected = if fits { (None, Served) } else { (Some(-32020), Refused) };
        assert_eq!(
            (posted.code(), posted.status.unwrap()),
            expected,
            "{arguments} {params:?}: {}",
            posted.answer
        );
    }
}
