//! What the browser of a web page is told, for pages of origins that were allowed by name and for all others.

use mcp_transport_http::Http;
use serde_json::json;

use crate::client::{Response, TestServer, call, post};

const PAGE: &str = "https://app.example.com";

async fn server() -> TestServer {
    TestServer::with(Http::new().allow_origin(PAGE).allow_host("mcp.example.com")).await
}

/// Asks as a browser does before it sends a call.
async fn preflight(server: &TestServer, origin: &str, headers: &str) -> Response {
    server
        .raw(&format!(
            "OPTIONS /mcp HTTP/1.1\r\nHost: mcp.example.com\r\nOrigin: {origin}\r\n\
             Access-Control-Request-Method: POST\r\nAccess-Control-Request-Headers: {headers}\r\n\r\n"
        ))
        .await
}

/// All that is said of CORS, sorted.
fn said(response: &Response) -> Vec<(&str, &str)> {
    let is_cors = |name: &str| name == "vary" || name.starts_with("access-control-");
    let headers = response.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let mut said: Vec<_> = headers.filter(|(name, _)| is_cors(name)).collect();
    said.sort_unstable();
    said
}

const EXPOSED: (&str, &str) =
    ("access-control-expose-headers", "mcp-session-id, www-authenticate, retry-after");

#[tokio::test]
async fn a_page_of_a_named_origin_may_ask_send_and_read() {
    let server = server().await;
    let asked = "authorization,content-type,mcp-param-Region, Mcp-Param-Zone,x-other,mcp-param-a b";
    let response = preflight(&server, PAGE, asked).await;
    assert_eq!((response.status, response.header("allow")), (204, Some("GET, HEAD, POST, DELETE, OPTIONS")));
    let headers = "content-type, accept, authorization, mcp-session-id, mcp-protocol-version, last-event-id, \
                   mcp-method, mcp-name, mcp-param-region, mcp-param-zone";
    assert_eq!(
        said(&response),
        [
            ("access-control-allow-headers", headers),
            ("access-control-allow-methods", "GET, HEAD, POST, DELETE, OPTIONS"),
            ("access-control-allow-origin", PAGE),
            EXPOSED,
            ("access-control-max-age", "7200"),
            ("vary", "access-control-request-headers"),
            ("vary", "origin"),
        ]
    );
    // What is refused can be read as well: the page has to learn why.
    for (message, status) in [(call("echo", json!({"message": "hi"})), 200), (json!({"jsonrpc": "2.0"}), 400)]
    {
        let response = server.raw(&post(&message, &[("Origin", Some(PAGE))])).await;
        assert_eq!(response.status, status);
        assert_eq!(said(&response), [("access-control-allow-origin", PAGE), EXPOSED, ("vary", "origin")]);
    }
    let mut report = call("report", json!({}));
    report["params"]["_meta"]["progressToken"] = json!(1);
    let response = server.raw(&post(&report, &[("Origin", Some(PAGE))])).await;
    assert_eq!(response.header("content-type"), Some("text/event-stream"));
    assert_eq!(response.header("access-control-allow-origin"), Some(PAGE));
}

#[tokio::test]
async fn a_page_of_any_other_origin_may_not() {
    let server = server().await;
    for (origin, status) in [
        ("https://evil.example.com", 403),
        ("http://app.example.com", 403),
        ("https://app.example.com.evil.com", 403),
        ("null", 403),
        // These are served, as from programs on this machine, but not shown to their pages.
        ("http://localhost:5173", 204),
        ("https://mcp.example.com", 204),
    ] {
        let response = preflight(&server, origin, "content-type").await;
        assert_eq!((response.status, said(&response)), (status, vec![("vary", "origin")]), "{origin}");
    }
    // Two origins are none.
    let response = preflight(&server, &format!("{PAGE}\r\nOrigin: {PAGE}"), "content-type").await;
    assert_eq!((response.status, said(&response)), (403, vec![("vary", "origin")]));
}

#[tokio::test]
async fn without_a_named_origin_nothing_is_said() {
    let server = TestServer::start().await;
    let message = call("echo", json!({"message": "hi"}));
    for origin in [None, Some("http://localhost:5173"), Some(PAGE)] {
        let response = server.raw(&post(&message, &[("Origin", origin)])).await;
        assert_eq!(said(&response), [], "{origin:?}");
    }
    let server = self::server().await;
    assert_eq!(said(&server.post(&message).await), [("vary", "origin")]);
}

#[tokio::test]
async fn a_question_that_is_no_preflight_is_told_the_methods_alone() {
    let server = server().await;
    let request = format!("OPTIONS /mcp HTTP/1.1\r\nHost: localhost\r\nOrigin: {PAGE}\r\n\r\n");
    let response = server.raw(&request).await;
    assert_eq!((response.status, response.header("allow")), (204, Some("GET, HEAD, POST, DELETE, OPTIONS")));
    assert_eq!(said(&response), [("access-control-allow-origin", PAGE), EXPOSED, ("vary", "origin")]);
}
