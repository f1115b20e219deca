//! Both eras on one connection, without headers.

use mcp_core::{Annotations, Call, DynTool, Endpoint, Revision, ToolReply, testing::Client};
use serde_json::{Value, json};

use crate::harness::{Wire, bare, initialize, modern, server};

fn endpoint() -> Endpoint {
    let about = DynTool::new("about", Annotations::read_only(), |_, call: Call| async move {
        let client = call.client().map(|client| client.name.clone());
        ToolReply::structured(&json!({
            "revision": call.revision().as_str(), "client": client, "id": call.id().to_string(),
            "sampling": call.client_capabilities().sampling.is_some(),
            "trace": call.trace_context().and_then(|trace| trace.traceparent.clone()),
            "subject": call.principal().subject(),
        }))
        .map_err(|_| mcp_core::ToolError::new("internal", "no JSON"))
    });
    server().description("A test.").instructions("Be kind.").add(about).build().unwrap()
}

fn about(answer: &Value) -> Value {
    answer["result"]["structuredContent"].clone()
}

#[tokio::test]
async fn a_session_fills_in_what_a_modern_request_says_itself() {
    let endpoint = endpoint();
    let mut wire = Wire::new(&endpoint);
    let open = json!({"protocolVersion": "2025-11-25", "capabilities": {"sampling": {}},
        "clientInfo": {"name": "older", "version": "1", "further": 1}});
    wire.ask(&bare(0, "initialize", open));
    assert_eq!(
        wire.send(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"})),
        [Value::Null; 0]
    );
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let answer =
        wire.ask(&bare("a", "tools/call", json!({"name": "about", "_meta": {"traceparent": trace}})));
    let older = json!({"revision": "2025-11-25", "client": "older", "id": "a", "sampling": true, "trace": trace,
        "subject": "local"});
    assert_eq!(about(&answer), older);
    // A modern request beside it has nothing of the session.
    let answer = wire.ask(&modern(5, "tools/call", json!({"name": "about"})));
    let newer = json!({"revision": "2026-07-28", "client": null, "id": "5", "sampling": false, "trace": null,
        "subject": "local"});
    assert_eq!(about(&answer), newer);
    assert_eq!(answer["result"]["resultType"], "complete");
    // And the session goes on.
    assert_eq!(wire.ask(&bare(6, "ping", json!({})))["result"], json!({}));
}

#[tokio::test]
async fn initialize_settles_on_a_revision_that_has_sessions() {
    let endpoint = endpoint();
    let whole = json!({"name": "test", "version": "1.0.0", "description": "A test."});
    let brief = json!({"name": "test", "version": "1.0.0"});
    for (requested, agreed, server) in [
        ("2025-11-25", "2025-11-25", &whole),
        ("2025-06-18", "2025-06-18", &brief),
        ("2025-03-26", "2025-03-26", &brief),
        ("2024-11-05", "2024-11-05", &brief),
        ("2026-07-28", "2025-11-25", &whole),
        ("2099-01-01", "2025-11-25", &whole),
        ("", "2025-11-25", &whole),
    ] {
        let mut wire = Wire::new(&endpoint);
        let answer = wire.ask(&initialize("first", requested));
        assert_eq!(
            answer,
            json!({"jsonrpc": "2.0", "id": "first", "result": {
                "protocolVersion": agreed,
                "capabilities": {"logging": {}, "tools": {"listChanged": true}},
                "serverInfo": server,
                "instructions": "Be kind.",
            }})
        );
    }
}

#[tokio::test]
async fn a_session_is_opened_once_and_by_a_whole_initialize() {
    let endpoint = endpoint();
    let mut wire = Wire::new(&endpoint);
    for (name, refused) in [
        ("protocolVersion", json!({"capabilities": {}, "clientInfo": {"name": "n", "version": "1"}})),
        (
            "capabilities",
            json!({"protocolVersion": "2025-11-25", "clientInfo": {"name": "n", "version": "1"}}),
        ),
        ("clientInfo", json!({"protocolVersion": "2025-11-25", "capabilities": {}})),
    ] {
        let answer = wire.ask(&bare(1, "initialize", refused));
        assert_eq!(answer["error"]["message"], format!("params.{name} is required"));
        assert_eq!(answer["error"]["code"], -32602);
    }
    assert!(wire.ask(&initialize(2, "2025-11-25"))["result"].is_object());
    let again = wire.ask(&initialize(3, "2025-11-25"));
    assert_eq!((&again["id"], &again["error"]["code"]), (&json!(3), &json!(-32600)));
    assert_eq!(wire.ask(&bare(4, "ping", json!({})))["result"], json!({}));
}

#[tokio::test]
async fn a_request_of_no_era_is_told_both_ways_in() {
    let endpoint = endpoint();
    let mut wire = Wire::new(&endpoint);
    let capabilities = json!({"_meta": {"io.modelcontextprotocol/clientCapabilities": {}}});
    for (method, params, lacks_both) in [
        ("tools/list", json!({}), true),
        ("ping", json!({}), true),
        ("no/such", json!({}), true),
        ("server/discover", capabilities, false),
    ] {
        let answer = wire.ask(&bare("x", method, params));
        assert_eq!((&answer["id"], &answer["error"]["code"]), (&json!("x"), &json!(-32602)), "{method}");
        let message = answer["error"]["message"].as_str().unwrap();
        for word in ["io.modelcontextprotocol/protocolVersion", "initialize"] {
            assert!(message.contains(word), "{message}");
        }
        assert_eq!(message.contains("io.modelcontextprotocol/clientCapabilities"), lacks_both, "{message}");
    }
    let half =
        bare(1, "tools/list", json!({"_meta": {"io.modelcontextprotocol/protocolVersion": "2026-07-28"}}));
    let message = wire.ask(&half)["error"]["message"].clone();
    assert_eq!(message, "Invalid params: `_meta` lacks `io.modelcontextprotocol/clientCapabilities`");
}

#[tokio::test]
async fn methods_of_the_other_era_are_not_found() {
    let endpoint = endpoint();
    let mut wire = Wire::new(&endpoint);
    wire.ask(&initialize(0, "2025-11-25"));
    let filter = json!({"notifications": {}});
    for method in ["server/discover", "subscriptions/listen", "no/such"] {
        assert_eq!(wire.ask(&bare(1, method, filter.clone()))["error"]["code"], -32601, "{method}");
    }
    for method in
        ["initialize", "ping", "logging/setLevel", "resources/subscribe", "resources/unsubscribe", "no/such"]
    {
        let answer = wire.ask(&modern(1, method, json!({"level": "info", "uri": "a:b"})));
        assert_eq!(answer["error"]["code"], -32601, "{method}");
    }
}

#[tokio::test]
async fn a_version_that_is_not_served_is_told_which_are() {
    let endpoint = endpoint();
    for version in ["2025-11-25", "2099-01-01", ""] {
        let mut request = modern(1, "tools/list", json!({}));
        request["params"]["_meta"]["io.modelcontextprotocol/protocolVersion"] = json!(version);
        let answer = Wire::new(&endpoint).ask(&request);
        assert_eq!(answer["error"]["code"], -32022);
        assert_eq!(answer["error"]["data"], json!({"requested": version, "supported": ["2026-07-28"]}));
    }
}

#[tokio::test]
async fn answers_and_strange_notifications_are_ignored() {
    let endpoint = endpoint();
    let mut wire = Wire::new(&endpoint);
    for message in [
        json!({"jsonrpc": "2.0", "id": 1, "result": {}}),
        json!({"jsonrpc": "2.0", "id": 1, "error": {"code": 1, "message": ""}}),
        json!({"jsonrpc": "2.0", "method": "notifications/no_such", "params": 7}),
        json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": [1]}),
        json!({"jsonrpc": "2.0", "method": "notifications/cancelled"}),
        json!({"jsonrpc": "2.0", "method": "tools/call", "params": {"name": "about"}}),
    ] {
        assert_eq!(wire.send(&message), [Value::Null; 0], "{message}");
    }
}

#[tokio::test]
async fn an_error_whose_id_could_not_be_read_has_none() {
    let endpoint = endpoint();
    let mut wire = Wire::new(&endpoint);
    for _ in 0..2 {
        for message in [&b"{"[..], b"[]", b"\xff", b"null", br#"{"jsonrpc":"2.0","id":{},"method":"ping"}"#] {
            let said = wire.send_bytes(message);
            assert_eq!(said.len(), 1);
            assert!(said[0].get("id").is_none(), "{}", said[0]);
        }
        let mut out = Vec::new();
        wire.connection.reject_oversized(2048, &mut out);
        let said = crate::harness::lines(&out);
        assert_eq!(said[0]["error"]["code"], 413);
        assert_eq!(said[0]["error"]["data"], json!({"limitBytes": 2048}));
        assert!(said[0].get("id").is_none());
        wire.send(&initialize(0, "2025-11-25"));
    }
}

#[tokio::test]
async fn the_client_for_tests_keeps_a_transcript_of_either_era() {
    for revision in Revision::ALL {
        let client = Client::with_revision(endpoint(), revision).await;
        client.call("about", json!({})).await;
        let transcript = client.transcript();
        let sent = transcript.iter().filter(|(is_clients, _)| *is_clients).count();
        assert_eq!(sent, if revision.is_modern() { 1 } else { 3 });
        assert_eq!(
            transcript.iter().filter(|(_, message)| message.get("result").is_some()).count(),
            if revision.is_modern() { 1 } else { 2 }
        );
    }
}
