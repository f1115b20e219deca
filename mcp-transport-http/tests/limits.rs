//! Limits: at them, and past them.

use std::time::Duration;

use mcp_transport_http::Http;
use serde_json::json;

use crate::client::{TestServer, call, post};

#[tokio::test]
async fn a_message_at_the_limit_is_read_and_one_byte_more_is_refused() {
    let message = call("echo", json!({"message": "x".repeat(1000)}));
    let length = message.to_string().len();
    for (limit, status) in [(length, 200), (length - 1, 413)] {
        let server = TestServer::with(Http::new().max_message_bytes(limit)).await;
        let whole = server.raw(&post(&message, &[])).await;
        assert_eq!(whole.status, status);
        let body = message.to_string();
        let (first, second) = body.split_at(100);
        let chunks = format!("{:x}\r\n{first}\r\n{:x}\r\n{second}\r\n0\r\n\r\n", first.len(), second.len());
        let head = post(&message, &[("Content-Length", None), ("Transfer-Encoding", Some("chunked"))]);
        let head = head.strip_suffix(&body).unwrap();
        let chunked = server.raw(&format!("{head}{chunks}")).await;
        assert_eq!(chunked.status, status);
        if status == 413 {
            for refused in [whole, chunked] {
                assert_eq!(refused.json()["error"]["code"], 413);
                assert_eq!(refused.json()["error"]["data"]["limitBytes"], limit);
            }
        }
    }
}

#[tokio::test]
async fn a_message_that_does_not_arrive_in_time_is_given_up() {
    let server = TestServer::with(Http::new().body_time(Duration::from_millis(50))).await;
    let request = post(&call("echo", json!({"message": "hi"})), &[]);
    let response = server.raw(&request[..request.len() - 1]).await;
    assert_eq!(response.refusal(), (408, 408));
}

#[tokio::test]
async fn headers_that_do_not_arrive_in_time_cost_the_connection() {
    let server = TestServer::with(Http::new().header_time(Duration::from_millis(50))).await;
    let mut client = server.connect().await;
    client.send("POST /mcp HTTP/1.1\r\nHost: local").await;
    // Hyper may still say why.
    let mut rest = Vec::new();
    crate::client::within(tokio::io::AsyncReadExt::read_to_end(&mut client.stream, &mut rest)).await.unwrap();
    assert!(rest.is_empty() || rest.starts_with(b"HTTP/1.1 408"), "{}", String::from_utf8_lossy(&rest));
}

#[tokio::test]
async fn one_connection_too_many_waits_for_a_place() {
    let server = TestServer::with(Http::new().max_connections(1)).await;
    let request = post(&call("echo", json!({"message": "hi"})), &[]);
    let mut first = server.connect().await;
    first.send(&request).await;
    assert_eq!(first.response().await.status, 200);
    let mut second = server.connect().await;
    second.send(&request).await;
    // Only the end of the first lets the second in.
    drop(first);
    assert_eq!(second.response().await.status, 200);
}

#[tokio::test]
async fn a_client_that_reads_nothing_is_let_go() {
    let server =
        TestServer::with(Http::new().write_time(Duration::from_millis(100)).max_connections(1)).await;
    let request = post(&call("echo", json!({"message": "x".repeat(1 << 20)})), &[]);
    let mut client = server.connect().await;
    // Request upon request, until the buffers of both ends are full of answers that nobody takes.
    let sending = async {
        loop {
            if tokio::io::AsyncWriteExt::write_all(&mut client.stream, request.as_bytes()).await.is_err() {
                return;
            }
        }
    };
    crate::client::within(sending).await;
    // Its place is free again.
    assert_eq!(server.post(&call("echo", json!({"message": "hi"}))).await.status, 200);
}
