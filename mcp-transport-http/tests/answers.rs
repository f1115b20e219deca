//! What a request is answered with when all is well.

use serde_json::json;

use crate::client::{TestServer, call, message, post};

#[tokio::test]
async fn a_call_without_notifications_is_answered_in_json() {
    let server = TestServer::start().await;
    let response = server.post(&call("echo", json!({"message": "hi"}))).await;
    assert_eq!(response.status, 200);
    let answer = response.json();
    assert_eq!(answer["id"], 1);
    assert_eq!(answer["result"]["content"], json!([{"type": "text", "text": "hi"}]));
    assert_eq!(answer["result"]["resultType"], "complete");
    assert_eq!(answer["result"]["_meta"]["io.modelcontextprotocol/serverInfo"]["name"], "test");
}

#[tokio::test]
async fn a_call_with_notifications_is_answered_with_a_stream_that_ends_with_the_answer() {
    let server = TestServer::start().await;
    let mut request = call("report", json!({}));
    request["params"]["_meta"]["progressToken"] = json!("p");
    request["params"]["_meta"]["io.modelcontextprotocol/logLevel"] = json!("info");
    let response = server.post(&request).await;
    assert_eq!(response.status, 200);
    assert_eq!(response.header("content-type"), Some("text/event-stream"));
    assert_eq!(response.header("x-accel-buffering"), Some("no"));
    let events = crate::client::events(&response.body);
    let methods: Vec<_> = events.iter().map(|event| event["method"].as_str().unwrap_or("answer")).collect();
    assert_eq!(
        methods,
        ["notifications/progress", "notifications/message", "notifications/progress", "answer"]
    );
    assert_eq!(
        events[0]["params"],
        json!({"progressToken": "p", "progress": 1.0, "total": 2.0, "message": "half"})
    );
}

#[tokio::test]
async fn a_client_that_takes_no_stream_gets_the_answer_alone() {
    let server = TestServer::start().await;
    let mut request = call("report", json!({}));
    request["params"]["_meta"]["progressToken"] = json!(7);
    let response = server.raw(&post(&request, &[("Accept", Some("application/json"))])).await;
    assert_eq!(response.json()["result"]["content"][0]["text"], "done");
}

#[tokio::test]
async fn nobody_who_did_not_ask_hears_of_progress() {
    let server = TestServer::start().await;
    assert_eq!(server.post(&call("report", json!({}))).await.json()["result"]["content"][0]["text"], "done");
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let server = TestServer::start().await;
    let mut client = server.connect().await;
    let requests: String = (0..50)
        .map(|number| {
            let mut request = call("echo", json!({"message": number.to_string()}));
            request["id"] = json!(number);
            post(&request, &[])
        })
        .collect();
    client.send(&requests).await;
    for number in 0..50 {
        let answer = client.response().await.json();
        assert_eq!(
            (&answer["id"], &answer["result"]["content"][0]["text"]),
            (&json!(number), &json!(number.to_string()))
        );
    }
}

#[tokio::test]
async fn a_notification_is_accepted_without_a_body() {
    let server = TestServer::start().await;
    let mut notification = message("notifications/cancelled", json!({"requestId": 1}));
    notification.as_object_mut().unwrap().remove("id");
    let response = server.post(&notification).await;
    assert_eq!((response.status, response.body.len()), (202, 0));
}

#[tokio::test]
async fn the_server_says_that_it_lives() {
    let server = TestServer::start().await;
    let response = server.raw("GET /health HTTP/1.1\r\nHost: anything\r\n\r\n").await;
    assert_eq!((response.status, response.json()), (200, json!({"status": "ok"})));
}

#[tokio::test]
async fn a_header_that_mirrors_a_parameter_is_held_against_it() {
    let server = TestServer::start().await;
    let request = call("region", json!({"region": "Zürich"}));
    let encoded = server.raw(&post(&request, &[("mcp-param-REGION", Some("=?base64?WsO8cmljaA==?="))])).await;
    assert_eq!(encoded.json()["result"]["content"][0]["text"], "Zürich");
    for header in [None, Some("Bern"), Some("=?base64?WsO8cmljaA=?=")] {
        let response = server.raw(&post(&request, &[("Mcp-Param-Region", header)])).await;
        assert_eq!(response.refusal(), (400, -32020), "{header:?}");
    }
}

#[tokio::test]
async fn an_answer_does_not_wait_for_the_rest_of_the_next_request() {
    let server = TestServer::start().await;
    let mut client = server.connect().await;
    let request = post(&call("echo", json!({"message": "hi"})), &[]);
    let (half, rest) = request.split_at(20);
    client.send(&format!("{request}{half}")).await;
    assert_eq!(client.response().await.status, 200);
    client.send(rest).await;
    assert_eq!(client.response().await.status, 200);
}
