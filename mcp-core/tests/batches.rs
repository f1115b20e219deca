//! Several messages at a time, as revision 2025-03-26 has them, over a standing connection.

use mcp_core::{Annotations, Call, Empty, Endpoint, Text, ToolError, tool_fn};
use serde_json::{Value, json};

use crate::harness::{Gate, Wire, bare, initialize, modern, server};

fn call(id: impl Into<Value>, tool: &str) -> Value {
    bare(id, "tools/call", json!({"name": tool, "arguments": {}, "_meta": {"progressToken": 1}}))
}

/// A server with a tool that is quick and one that waits at the gate.
fn endpoint(gate: &Gate) -> Endpoint {
    let gate = gate.clone();
    server()
        .add(tool_fn("quick", Annotations::read_only(), async |_: Empty, call: Call| {
            call.progress(1.0, None, "");
            Ok(Text::new("quick"))
        }))
        .add(tool_fn("wait", Annotations::read_only(), move |_: Empty, _| {
            let gate = gate.clone();
            async move {
                gate.pass().await;
                Ok::<_, ToolError>(Text::new("waited"))
            }
        }))
        .limits(|limits| limits.batch_length = 4)
        .build()
        .unwrap()
}

fn open(endpoint: &Endpoint, revision: &str) -> Wire {
    let mut wire = Wire::new(endpoint);
    assert!(wire.ask(&initialize(0, revision))["result"].is_object());
    wire
}

fn ids(batch: &Value) -> Vec<Value> {
    batch.as_array().unwrap().iter().map(|answer| answer["id"].clone()).collect()
}

#[tokio::test]
async fn a_batch_is_answered_together_and_what_was_said_before_comes_before() {
    let endpoint = endpoint(&Gate::closed());
    let mut wire = open(&endpoint, "2025-03-26");
    let note = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
    let said = wire.send(&json!([call(1, "quick"), note, bare("p", "ping", json!({}))]));
    assert_eq!(said[0]["method"], "notifications/progress");
    assert_eq!(ids(&said[1]), [json!(1), json!("p")]);
    assert_eq!(said.len(), 2);
    // Where nothing is asked, nothing is answered.
    assert_eq!(wire.send(&json!([note, note])), [Value::Null; 0]);
    assert!(!wire.connection.is_busy());
}

#[tokio::test]
async fn a_batch_waits_for_its_last_answer_and_goes_without_the_cancelled() {
    let gate = Gate::closed();
    let endpoint = endpoint(&gate);
    let mut wire = open(&endpoint, "2025-03-26");
    assert_eq!(
        wire.send(&json!([call(1, "wait"), bare(2, "ping", json!({})), call(3, "wait")])),
        [Value::Null; 0]
    );
    assert!(wire.connection.is_busy());
    let cancel =
        |id: i64| json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": id}});
    // An id of its own is taken as long as it runs.
    assert_eq!(wire.ask(&call(1, "quick"))["error"]["code"], -32600);
    assert_eq!(wire.send(&json!([cancel(3)])), [Value::Null; 0]);
    gate.open(1);
    let [batch] = wire.later().await.try_into().unwrap();
    assert_eq!(ids(&batch), [2, 1]);
    // One of which nothing is left is not answered at all.
    assert_eq!(wire.send(&json!([call(4, "wait"), call(5, "wait")])), [Value::Null; 0]);
    wire.send(&json!([cancel(4), cancel(5)]));
    assert_eq!(wire.settled().await, [Value::Null; 0]);
    assert!(!wire.connection.is_busy());
}

#[tokio::test]
async fn what_is_wrong_with_a_member_is_its_own() {
    let gate = Gate::closed();
    let endpoint = endpoint(&gate);
    let mut wire = open(&endpoint, "2025-03-26");
    let batch =
        wire.ask(&json!([7, bare(1, "initialize", json!({})), modern(2, "tools/list", json!({})), []]));
    let codes: Vec<_> =
        batch.as_array().unwrap().iter().map(|answer| answer["error"]["code"].clone()).collect();
    assert_eq!(codes, [-32600, -32600, -32600, -32600]);
    assert_eq!(ids(&batch), [json!(null), json!(1), json!(2), json!(null)]);
    // The same id twice: only while the first one runs.
    assert_eq!(wire.send(&json!([call(1, "wait"), call(1, "quick")])), [Value::Null; 0]);
    gate.open(1);
    let [batch] = wire.later().await.try_into().unwrap();
    assert_eq!((&batch[0]["error"]["code"], &batch[1]["result"]["isError"]), (&json!(-32600), &Value::Null));
    assert_eq!(ids(&batch), [1, 1]);
}

#[tokio::test]
async fn arrays_are_of_one_revision_and_of_a_length() {
    let endpoint = endpoint(&Gate::closed());
    let ping = |id: i64| bare(id, "ping", json!({}));
    let mut wire = open(&endpoint, "2025-03-26");
    for (batch, length) in [
        (json!([]), None),
        (json!([1, 2, 3, 4, 5]), None),
        (json!([ping(1), ping(2), ping(3), ping(4)]), Some(4)),
    ] {
        let answer = wire.ask(&batch);
        match length {
            Some(length) => assert_eq!(ids(&answer).len(), length),
            None => assert_eq!(
                (&answer["id"], &answer["error"]["code"]),
                (&Value::Null, &json!(-32600)),
                "{batch}"
            ),
        }
    }
    let too_long = wire.ask(&json!([1, 2, 3, 4, 5]));
    assert!(too_long["error"]["message"].as_str().unwrap().contains("at most 4"), "{too_long}");
    for revision in ["2024-11-05", "2025-06-18", "2025-11-25"] {
        let mut wire = open(&endpoint, revision);
        assert_eq!(wire.ask(&json!([ping(1)]))["error"]["code"], -32600, "{revision}");
    }
    // Before any session there is no revision that would have them.
    let mut wire = Wire::new(&endpoint);
    assert_eq!(wire.ask(&json!([initialize(0, "2025-03-26")]))["error"]["code"], -32600);
}
