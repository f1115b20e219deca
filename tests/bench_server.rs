//! The shape of what is measured, which others are compared by.

use serde_json::json;
use toolpack::testing::Client;

use tools::server;

#[path = "../examples/bench-server/tools.rs"]
mod tools;

#[tokio::test]
async fn answers_have_the_shape_that_others_are_measured_with() {
    let client = Client::new(server(60)).await;

    let echo = client.call("echo", json!({"message": "hello"})).await;
    assert_eq!(echo.reply().result()["content"], json!([{"type": "text", "text": "hello"}]));
    assert_eq!(echo.reply().result().get("structuredContent"), None);

    let add = client.call("add", json!({"a": 2, "b": 3})).await;
    assert_eq!((add.structured(), add.text()), (&json!({"sum": 5}), r#"{"sum":5}"#.to_owned()));

    let list = client.call("list_rows", json!({"count": 3})).await;
    let third = json!({
        "id": 3, "name": "User 3", "email": "user3@example.com", "created_at": "2026-01-01T00:00:00Z", "score": 1.5,
    });
    assert_eq!(list.structured()["rows"][2], third);
    assert_eq!(
        serde_json::from_str::<serde_json::Value>(&list.text()).as_ref().ok(),
        Some(list.structured())
    );

    let blob = client.read("bench://blob/3").await;
    assert_eq!(blob.result()["contents"][0]["text"], "x".repeat(3 * 1024));
}

#[tokio::test]
async fn all_tools_are_on_one_page() {
    for dummies in [0, 60, 500] {
        let client = Client::new(server(dummies)).await;
        let page = client.request("tools/list", json!({})).await;
        let tools = page.result()["tools"].as_array().map(Vec::len);
        assert_eq!((tools, page.result().get("nextCursor")), (Some(usize::from(dummies) + 3), None));
    }
}
