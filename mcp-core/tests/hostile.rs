//! Bytes of any kind: nothing panics, every request is answered once, and the connection lives.

use std::collections::HashMap;

use mcp_core::{Annotations, DynTool, Endpoint, ToolReply};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::harness::{Wire, bare, headers_for, initialize, modern, post_bytes, server};

fn endpoint() -> Endpoint {
    let quick = DynTool::new("quick", Annotations::read_only(), |_, _| async { Ok(ToolReply::default()) })
        .input_schema(json!({"type": "object"}));
    let later = DynTool::new("later", Annotations::read_only(), |_, _| async {
        tokio::task::yield_now().await;
        Ok(ToolReply::default())
    })
    .input_schema(json!({"type": "object"}));
    server().add(quick).add(later).build().unwrap()
}

/// Ids of every kind of JSON; the first ones are ids.
fn id() -> impl Strategy<Value = Value> {
    prop_oneof![
        (0..5_i64).prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        ".{0,6}".prop_map(Value::from),
        Just(json!(u64::MAX)),
        Just(json!(1.5)),
        Just(Value::Null),
        Just(json!(true)),
        Just(json!([1])),
        Just(json!({"a": 1})),
    ]
}

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![id(), Just(json!("quick")), Just(json!("2026-07-28")), Just(json!("notes://a"))];
    leaf.prop_recursive(3, 12, 3, |inner| {
        let key = prop_oneof![
            Just("name".to_owned()),
            Just("arguments".to_owned()),
            Just("_meta".to_owned()),
            Just("notifications".to_owned()),
            Just("progressToken".to_owned()),
            ".{0,4}"
        ];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::vec((key, inner), 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

fn method() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => prop::sample::select(vec![
            "tools/call", "tools/list", "prompts/get", "resources/read", "completion/complete", "server/discover",
            "subscriptions/listen", "initialize", "ping", "logging/setLevel", "resources/subscribe",
        ]).prop_map(str::to_owned),
        1 => ".{0,8}",
    ]
}

/// Messages that are right, and such in which something is not.
fn message() -> impl Strategy<Value = Value> {
    let call = (id(), prop::sample::select(vec!["quick", "later", "none"]))
        .prop_map(|(id, tool)| modern(id, "tools/call", json!({ "name": tool })));
    let odd = (id(), method(), json_value()).prop_map(|(id, method, params)| bare(id, &method, params));
    let nearly = (id(), method(), json_value()).prop_map(|(id, method, params)| match params.is_object() {
        true => modern(id, &method, params),
        false => modern(id, &method, json!({})),
    });
    let cancel = id().prop_map(
        |id| json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": id}}),
    );
    let answer =
        (id(), json_value()).prop_map(|(id, value)| json!({"jsonrpc": "2.0", "id": id, "result": value}));
    prop_oneof![3 => call, 2 => odd, 2 => nearly, 1 => cancel, 1 => answer, 1 => json_value()]
}

/// The id of a message that wants an answer.
fn request_id(message: &Value) -> Option<String> {
    let id = message.get("id")?;
    let is_id = id.is_string() || id.is_i64();
    (is_id && message["method"].is_string() && message["jsonrpc"] == "2.0").then(|| id.to_string())
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(work)
}

/// Whether the connection still serves.
async fn lives(wire: &mut Wire) -> bool {
    let said = wire.send(&modern("still there", "tools/list", json!({})));
    said.iter().any(|answer| answer["id"] == "still there" && answer["result"].is_object())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(ProptestConfig::default().cases.max(512)))]

    #[test]
    fn any_bytes_are_answered_at_most_once_and_the_connection_lives(
        messages in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..64), 1..8),
    ) {
        block_on(async {
            let endpoint = endpoint();
            let mut wire = Wire::new(&endpoint);
            for message in &messages {
                prop_assert!(wire.send_bytes(message).len() <= 1);
                post_bytes(&endpoint, message, Default::default()).await;
            }
            prop_assert!(lives(&mut wire).await);
            Ok(())
        })?;
    }

    #[test]
    fn a_message_with_some_bytes_changed_is_answered_at_most_once(
        message in message(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        cut in any::<prop::sample::Index>(),
        is_cut in any::<bool>(),
    ) {
        block_on(async {
            let mut bytes = message.to_string().into_bytes();
            for (place, byte) in changes {
                let place = place.index(bytes.len());
                bytes[place] = byte;
            }
            if is_cut {
                bytes.truncate(cut.index(bytes.len()));
            }
            let endpoint = endpoint();
            let mut wire = Wire::new(&endpoint);
            let mut said = wire.send_bytes(&bytes);
            said.extend(wire.settled().await);
            prop_assert!(said.iter().filter(|said| said.get("method").is_none()).count() <= 1, "{said:?}");
            prop_assert!(lives(&mut wire).await);
            // A subscription would never end over HTTP.
            if !String::from_utf8_lossy(&bytes).contains("subscriptions/listen") {
                post_bytes(&endpoint, &bytes, headers_for(&message)).await;
            }
            Ok(())
        })?;
    }

    #[test]
    fn every_request_with_an_id_is_answered_exactly_once(
        messages in prop::collection::vec(message(), 1..12),
        is_session in any::<bool>(),
    ) {
        block_on(async {
            let endpoint = endpoint();
            let mut wire = Wire::new(&endpoint);
            if is_session {
                wire.ask(&initialize("session", "2025-11-25"));
            }
            let mut wanted: HashMap<String, usize> = HashMap::new();
            let mut given: HashMap<String, usize> = HashMap::new();
            for message in &messages {
                let mut said = wire.send(message);
                said.extend(wire.settled().await);
                said.retain(|said| said.get("method").is_none());
                // A subscription that is open has no answer yet.
                let is_open = message["method"] == "subscriptions/listen" && said.is_empty();
                if let Some(id) = request_id(message).filter(|_| !is_open) {
                    *wanted.entry(id).or_default() += 1;
                }
                for id in said.iter().filter_map(|answer| answer.get("id")) {
                    *given.entry(id.to_string()).or_default() += 1;
                }
            }
            // An id of a message that is no request is echoed too, where it can be.
            given.retain(|id, _| wanted.contains_key(id));
            let strays = messages.iter().any(|message| request_id(message).is_none() && message.get("id").is_some());
            prop_assert!(strays || given == wanted, "{given:?} for {wanted:?}");
            prop_assert!(wanted.iter().all(|(id, count)| given.get(id) >= Some(count)), "{given:?} for {wanted:?}");
            prop_assert!(lives(&mut wire).await);
            Ok(())
        })?;
    }
}
