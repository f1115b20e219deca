//! Many requests over one connection of HTTP/1.1, and what surrounds a body there.

use std::time::Duration;

use mcp_transport_http::Http;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::client::{TestServer, call, post, within};

fn echo() -> String {
    post(&call("echo", json!({"message": "hi"})), &[])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_thousand_small_requests_are_answered_over_one_connection() {
    const COUNT: usize = 100_000;
    let server = TestServer::start().await;
    let (mut reading, mut writing) = server.connect().await.stream.into_inner().into_split();
    let request = "GET /health HTTP/1.1\r\nHost: x\r\n\r\n";
    let sending = tokio::spawn(async move {
        for _ in 0..COUNT / 1000 {
            writing.write_all(request.repeat(1000).as_bytes()).await.unwrap();
        }
        writing.write_all(b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.unwrap();
        writing
    });
    let mut answers = Vec::new();
    within(reading.read_to_end(&mut answers)).await.unwrap();
    let answers = String::from_utf8(answers).unwrap();
    assert_eq!(answers.matches("HTTP/1.1 200 OK").count(), COUNT + 1);
    sending.await.unwrap();
}

#[tokio::test]
async fn a_head_at_the_limit_is_read_and_one_byte_more_is_refused() {
    let request = echo();
    let head = request.find("\r\n\r\n").unwrap() + 4;
    for (limit, status) in [(head + 1, 200), (head, 200), (head - 1, 431)] {
        let server = TestServer::with(Http::new().max_header_bytes(limit)).await;
        assert_eq!(server.raw(&request).await.status, status);
        // Also where it does not come in one piece.
        let mut client = server.connect().await;
        let (first, second) = request.split_at(head - 1);
        client.send(first).await;
        tokio::task::yield_now().await;
        client.send(second).await;
        assert_eq!(client.response().await.status, status);
    }
}

#[tokio::test]
async fn a_hundred_headers_are_read_and_one_more_is_refused() {
    let server = TestServer::start().await;
    let of_request = echo().split_once("\r\n\r\n").unwrap().0.lines().count() - 1;
    for (count, status) in [(99, 200), (100, 200), (101, 431)] {
        let more: String = (of_request..count).map(|number| format!("X-{number}: x\r\n")).collect();
        let response = server.raw(&echo().replace("Host:", &format!("{more}Host:"))).await;
        assert_eq!(response.status, status, "{count}");
    }
}

#[tokio::test]
async fn a_client_that_waits_for_leave_gets_it_or_the_refusal() {
    let server = TestServer::with(Http::new().max_message_bytes(1000)).await;
    let request = echo();
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    let mut client = server.connect().await;
    client.send(&format!("{head}\r\nExpect: 100-continue\r\n\r\n")).await;
    assert_eq!(client.head().await.status, 100);
    client.send(body).await;
    assert_eq!(client.response().await.status, 200);
    // Without leave, nothing more is said than what is wrong.
    let length = format!("Content-Length: {}", body.len());
    for (what, head, status) in [
        ("a message too large", head.replace(&length, "Content-Length: 1001"), 413),
        ("a wrong type", head.replace("application/json\r\nAccept", "text/plain\r\nAccept"), 415),
        ("a wrong page", format!("{head}\r\nOrigin: null"), 403),
    ] {
        let mut client = server.connect().await;
        client.send(&format!("{head}\r\nExpect: 100-continue\r\n\r\n")).await;
        assert_eq!(client.response().await.status, status, "{what}");
        // The body that was not asked for would be taken for a request.
        assert!(client.is_closed().await, "{what}");
    }
}

#[tokio::test]
async fn a_client_that_shuts_its_writing_side_has_gone_away() {
    let server = TestServer::start().await;
    let mut client = server.connect().await;
    client.send(&post(&call("hang", json!({})), &[])).await;
    client.stream.shutdown().await.unwrap();
    within(server.dropped.notified()).await;
    assert!(client.is_closed().await);
}

#[tokio::test]
async fn a_request_for_the_head_alone_has_no_body() {
    let server = TestServer::start().await;
    for (path, status, length) in [("/health", 200, "15"), ("/mcp", 400, "121"), ("/other", 404, "83")] {
        let mut client = server.connect().await;
        client.send(&format!("HEAD {path} HTTP/1.1\r\nHost: localhost\r\n\r\n")).await;
        let head = client.head().await;
        assert_eq!(
            (head.status, head.header("content-length").unwrap_or_default()),
            (status, length),
            "{path}"
        );
        // The next answer follows at once.
        client.send("GET /health HTTP/1.1\r\nHost: x\r\n\r\n").await;
        assert_eq!(client.response().await.status, 200);
    }
}

#[tokio::test]
async fn an_idle_connection_is_closed_and_one_at_work_is_not() {
    let server = TestServer::with(Http::new().header_time(Duration::from_millis(50))).await;
    let mut idle = server.connect().await;
    idle.send(&echo()).await;
    assert_eq!(idle.response().await.status, 200);
    let mut at_work = server.connect().await;
    let mut request = call("hang", json!({}));
    request["params"]["_meta"]["progressToken"] = json!(1);
    at_work.send(&post(&request, &[])).await;
    at_work.head().await;
    assert!(at_work.events().await.is_some());
    // One that was connected after it is closed before it.
    let mut silent = server.connect().await;
    assert!(idle.is_closed().await);
    assert!(silent.is_closed().await);
    let mut byte = [0; 1];
    let more = tokio::time::timeout(Duration::from_millis(100), at_work.stream.read(&mut byte)).await;
    assert!(more.is_err(), "{more:?}");
}

#[tokio::test]
async fn a_shutdown_answers_what_has_begun_and_takes_no_more() {
    let server = TestServer::start().await;
    let mut begun = server.connect().await;
    let mut idle = server.connect().await;
    for client in [&mut begun, &mut idle] {
        client.send(&echo()).await;
        assert_eq!(client.response().await.status, 200);
    }
    let request = echo();
    let (head, body) = request.split_at(request.find("\r\n\r\n").unwrap() + 4);
    let head = head.replace("Host:", "Expect: 100-continue\r\nHost:");
    begun.send(&head).await;
    assert_eq!(begun.head().await.status, 100);
    let shutting_down = tokio::spawn(server.shut_down());
    assert!(idle.is_closed().await);
    begun.send(&format!("{body}{request}")).await;
    let response = begun.response().await;
    assert_eq!((response.status, response.header("connection")), (200, Some("close")));
    within(shutting_down).await.unwrap();
    // The second was not taken.
    let mut rest = Vec::new();
    _ = within(begun.stream.read_to_end(&mut rest)).await;
    assert!(rest.is_empty(), "{}", String::from_utf8_lossy(&rest));
}
