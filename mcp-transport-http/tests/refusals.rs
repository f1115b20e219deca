//! What is refused, with which status and which code.

use mcp_transport_http::{Http, ServeError};
use serde_json::json;

use crate::client::{TestServer, call, message, post};

#[tokio::test]
async fn what_is_wrong_with_a_message_decides_status_and_code() {
    let server = TestServer::start().await;
    let good = call("echo", json!({"message": "hi"}));
    let changed = |changes: &[(&str, Option<&str>)]| post(&good, changes);
    let mut other_version = good.clone();
    other_version["params"]["_meta"]["io.modelcontextprotocol/protocolVersion"] = json!("2099-01-01");
    let mut no_capabilities = good.clone();
    no_capabilities["params"]["_meta"]
        .as_object_mut()
        .unwrap()
        .remove("io.modelcontextprotocol/clientCapabilities");
    let bare = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"});

    let cases = [
        ("the version header is missing", changed(&[("MCP-Protocol-Version", None)]), (400, -32020)),
        (
            "the version header is another",
            changed(&[("MCP-Protocol-Version", Some("2026-07-29"))]),
            (400, -32020),
        ),
        ("the method header is missing", changed(&[("Mcp-Method", None)]), (400, -32020)),
        ("the method header has another case", changed(&[("Mcp-Method", Some("Tools/call"))]), (400, -32020)),
        ("the name header is missing", changed(&[("Mcp-Name", None)]), (400, -32020)),
        ("the name header is another", changed(&[("Mcp-Name", Some("other"))]), (400, -32020)),
        (
            "a version that is not served",
            post(&other_version, &[("MCP-Protocol-Version", Some("2099-01-01"))]),
            (400, -32022),
        ),
        ("a required key of _meta is missing", post(&no_capabilities, &[]), (400, -32602)),
        ("a method that is not served", post(&message("no/such", json!({})), &[]), (404, -32601)),
        ("a method of the other era", post(&message("ping", json!({})), &[]), (404, -32601)),
        ("no metadata at all", post(&bare, &[("MCP-Protocol-Version", None)]), (400, -32020)),
        ("no JSON", post(&json!("x"), &[]).replace("\"x\"", "{\"x"), (400, -32700)),
        ("an array", post(&json!([good]), &[("MCP-Protocol-Version", Some("2026-07-28"))]), (400, -32600)),
        ("an answer", post(&json!({"jsonrpc": "2.0", "id": 1, "result": {}}), &[]), (400, -32600)),
        ("an unknown tool", post(&call("no_such", json!({})), &[]), (200, -32602)),
    ];
    for (what, request, expected) in cases {
        let response = server.raw(&request).await;
        assert_eq!(response.refusal(), expected, "{what}: {:?}", response.json());
    }
}

#[tokio::test]
async fn requests_for_other_hosts_and_pages_of_other_origins_are_forbidden() {
    let server = TestServer::start().await;
    let good = call("echo", json!({"message": "hi"}));
    for (name, value, status) in [
        ("Host", "evil.example.com", 403),
        ("Host", "127.0.0.1:99", 200),
        ("Origin", "http://evil.example.com", 403),
        ("Origin", "null", 403),
        ("Origin", "http://localhost:5173", 200),
    ] {
        let response = server.raw(&post(&good, &[(name, Some(value))])).await;
        assert_eq!(response.status, status, "{name}: {value}");
    }
}

#[tokio::test]
async fn only_posts_of_json_are_taken() {
    let server = TestServer::start().await;
    let (every, post_alone) = (Some("GET, HEAD, POST, DELETE, OPTIONS"), Some("POST, OPTIONS"));
    for (method, headers, status, allow) in [
        ("PUT", "", 405, every),
        ("PURGE", "", 405, every),
        ("OPTIONS", "", 204, every),
        // Without a session there is nothing to read, and nothing to end.
        ("GET", "", 400, None),
        ("DELETE", "", 400, None),
        ("GET", "Mcp-Session-Id: none\r\n", 404, None),
        ("DELETE", "Mcp-Session-Id: none\r\n", 404, None),
        ("GET", "MCP-Protocol-Version: yesterday\r\n", 400, None),
        // The modern era has neither.
        ("GET", "MCP-Protocol-Version: 2026-07-28\r\n", 405, post_alone),
        ("DELETE", "MCP-Protocol-Version: 2026-07-28\r\nMcp-Session-Id: none\r\n", 405, post_alone),
    ] {
        let request = format!("{method} /mcp HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n");
        let response = server.raw(&request).await;
        assert_eq!((response.status, response.header("allow")), (status, allow), "{method} {headers}");
    }
    let good = call("echo", json!({"message": "hi"}));
    for (name, value, status) in [
        ("Content-Type", Some("text/plain"), 415),
        ("Content-Type", None, 415),
        ("Content-Type", Some("Application/JSON; charset=utf-8"), 200),
        ("Accept", Some("text/html"), 406),
        ("Accept", Some("*/*"), 200),
        ("Accept", Some("application/json;q=0, text/event-stream; q=0.0"), 406),
        ("Accept", Some("application/json;q=0.5"), 200),
        ("Accept", None, 200),
        ("Mcp-Session-Id", Some("abc"), 200),
        ("Last-Event-ID", Some("1"), 200),
    ] {
        let response = server.raw(&post(&good, &[(name, value)])).await;
        assert_eq!(response.status, status, "{name}: {value:?}");
        assert_eq!(response.header("mcp-session-id"), None);
    }
    assert_eq!(
        server.raw("POST /other HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n").await.status,
        404
    );
}

#[tokio::test]
async fn addresses_that_others_can_reach_are_refused_unless_asked_for() {
    let (endpoint, _) = crate::tools::endpoint();
    for address in ["0.0.0.0:0", "[::]:0"] {
        let refused = Http::new().without_auth().bind(&endpoint, address).await.unwrap_err();
        assert!(matches!(refused, ServeError::BeyondLoopback(_)), "{refused}");
    }
    let refused = Http::new().without_auth().bind(&endpoint, "nonsense").await.unwrap_err();
    assert!(refused.to_string().contains("`nonsense`"), "{refused}");
    Http::new().without_auth().listen_beyond_loopback().bind(&endpoint, "0.0.0.0:0").await.unwrap();
}

#[tokio::test]
async fn a_page_of_another_origin_is_refused_whatever_its_method() {
    let server = TestServer::start().await;
    for method in ["GET", "OPTIONS", "DELETE"] {
        let request =
            format!("{method} /mcp HTTP/1.1\r\nHost: localhost\r\nOrigin: http://evil.example.com\r\n\r\n");
        assert_eq!(server.raw(&request).await.status, 403, "{method}");
    }
}

#[tokio::test]
async fn a_wrong_method_is_told_the_right_ones() {
    let server = TestServer::start().await;
    let response = server.raw("POST /health HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n").await;
    assert_eq!((response.status, response.header("allow")), (405, Some("GET, HEAD")));
}

#[tokio::test]
async fn a_subscription_is_refused_to_a_client_that_takes_no_stream() {
    let server = TestServer::start().await;
    let listen = message("subscriptions/listen", json!({"notifications": {"toolsListChanged": true}}));
    let response = server.raw(&post(&listen, &[("Accept", Some("application/json"))])).await;
    assert_eq!(response.refusal(), (406, 406));
}

#[tokio::test]
async fn a_path_begins_with_a_slash_whether_or_not_it_was_written() {
    let (endpoint, _) = crate::tools::endpoint();
    let server = Http::new().without_auth().path("tools").bind(&endpoint, "127.0.0.1:0").await.unwrap();
    assert!(server.url().ends_with(&format!(":{}/tools", server.local_addr().port())), "{}", server.url());
}
