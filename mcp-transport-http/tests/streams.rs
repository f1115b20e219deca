//! Streams: subscriptions, disconnects, and the end of the server.

use std::time::Duration;

use mcp_core::{Annotations, Text, tool_fn};
use mcp_transport_http::Http;
use serde_json::json;

use crate::client::{TestServer, call, message, post, within};

#[tokio::test]
async fn a_subscription_is_acknowledged_told_of_changes_and_ended_with_the_server() {
    let server = TestServer::start().await;
    let mut client = server.connect().await;
    let mut listen = message("subscriptions/listen", json!({"notifications": {"toolsListChanged": true}}));
    listen["id"] = json!("listen-1");
    client.send(&post(&listen, &[])).await;
    assert_eq!(client.head().await.header("content-type"), Some("text/event-stream"));
    let id = json!({"io.modelcontextprotocol/subscriptionId": "listen-1"});
    let acknowledged = client.events().await.unwrap();
    assert_eq!(acknowledged[0]["method"], "notifications/subscriptions/acknowledged");
    assert_eq!(acknowledged[0]["params"], json!({"_meta": id, "notifications": {"toolsListChanged": true}}));

    let extra =
        tool_fn("extra", Annotations::read_only(), async |_: crate::tools::WhoAmI, _| Ok(Text::new("")));
    server.endpoint.edit(|edit| edit.add(extra)).unwrap();
    let changed = client.events().await.unwrap();
    assert_eq!(
        (&changed[0]["method"], &changed[0]["params"]["_meta"]),
        (&json!("notifications/tools/list_changed"), &id)
    );

    server.shut_down().await;
    let ended = client.events().await.unwrap();
    assert_eq!(ended[0]["id"], "listen-1");
    assert_eq!(ended[0]["result"]["_meta"]["io.modelcontextprotocol/subscriptionId"], "listen-1");
    assert_eq!(client.events().await, None);
    assert!(client.is_closed().await);
}

#[tokio::test]
async fn a_client_that_goes_away_cancels_its_request() {
    let server = TestServer::start().await;
    // Before any answer has begun, and in the middle of a stream.
    for token in [None, Some(json!(1))] {
        let mut request = call("hang", json!({}));
        if let Some(token) = &token {
            request["params"]["_meta"]["progressToken"] = token.clone();
        }
        let mut client = server.connect().await;
        client.send(&post(&request, &[])).await;
        if token.is_some() {
            client.head().await;
            assert_eq!(client.events().await.unwrap()[0]["params"]["message"], "hanging");
        }
        drop(client);
        within(server.dropped.notified()).await;
    }
}

#[tokio::test]
async fn a_silent_stream_is_kept_alive() {
    let server = TestServer::with(Http::new().keep_alive(Duration::from_millis(20))).await;
    let mut client = server.connect().await;
    client.send(&post(&message("subscriptions/listen", json!({"notifications": {}})), &[])).await;
    client.head().await;
    assert_eq!(client.events().await.unwrap().len(), 1);
    for _ in 0..3 {
        assert_eq!(client.chunk().await.unwrap(), b":\n\n");
    }
}

#[tokio::test]
async fn a_request_that_outlives_the_drain_does_not_hold_up_the_end() {
    let server = TestServer::with(Http::new().drain_time(Duration::from_millis(50))).await;
    let mut client = server.connect().await;
    let mut request = call("hang", json!({}));
    request["params"]["_meta"]["progressToken"] = json!(1);
    client.send(&post(&request, &[])).await;
    client.head().await;
    server.shut_down().await;
}

#[tokio::test]
async fn a_request_that_reports_without_end_reaches_its_client_and_is_cancelled_with_it() {
    let server = TestServer::start().await;
    for accept in ["application/json, text/event-stream", "application/json"] {
        let mut request = call("flood", json!({}));
        request["params"]["_meta"]["progressToken"] = json!(1);
        let mut client = server.connect().await;
        client.send(&post(&request, &[("Accept", Some(accept))])).await;
        if accept.contains("event-stream") {
            client.head().await;
            for _ in 0..10 {
                let chunk = client.chunk().await.unwrap();
                assert!(chunk.len() < 128 << 10, "{} bytes at once", chunk.len());
            }
        }
        drop(client);
        within(server.dropped.notified()).await;
    }
}

#[tokio::test]
async fn events_do_not_wait_for_a_request_that_waits_behind_them() {
    let server = TestServer::start().await;
    let mut client = server.connect().await;
    let listen = post(&message("subscriptions/listen", json!({"notifications": {}})), &[]);
    client.send(&format!("{listen}{}", post(&call("echo", json!({"message": "hi"})), &[]))).await;
    client.head().await;
    let acknowledged = client.events().await.unwrap();
    assert_eq!(acknowledged[0]["method"], "notifications/subscriptions/acknowledged");
}
