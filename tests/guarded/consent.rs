//! Consent over HTTP: to these arguments, by this caller, once; and nothing for whom is revoked between two rounds.

use std::{
    collections::HashSet,
    sync::{
        Arc, Barrier, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::SystemTime,
};

use async_trait::async_trait;
use mcp_core::{Annotations, Call, ConfirmDestructive, Form, Nonce, Once, Revision, Server, Text, tool_fn};
use mcp_transport_http::{Http, KeyKind, NewKey};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::door::{Door, Keys, Raw, Visitor, event};
use crate::support::http::Stream;

const MODERN: Revision = Revision::V2026_07_28;
const HANDSHAKE: Revision = Revision::V2025_11_25;

/// Which table.
#[derive(Deserialize, JsonSchema)]
struct Table {
    table: String,
}

/// A name.
#[derive(Deserialize, JsonSchema)]
struct Named {
    #[allow(dead_code)]
    name: String,
}

/// What was done.
#[derive(Clone, Debug, Default)]
struct Done {
    dropped: Arc<Mutex<Vec<String>>>,
    told: Arc<AtomicUsize>,
}

impl Done {
    fn dropped(&self) -> Vec<String> {
        self.dropped.lock().unwrap().clone()
    }

    /// A server whose person is asked before tables are dropped, and who they are.
    fn server(&self) -> Server {
        let drop = |name, dropped: &Arc<Mutex<Vec<String>>>| {
            let dropped = Arc::clone(dropped);
            tool_fn(name, Annotations::destructive(), move |which: Table, _| {
                dropped.lock().unwrap().push(which.table);
                async { Ok(Text::new("dropped")) }
            })
        };
        let told = Arc::clone(&self.told);
        let ask = tool_fn("ask", Annotations::read_only(), move |_: mcp_core::Empty, call: Call| {
            let told = Arc::clone(&told);
            async move {
                call.ask("name", Form::<Named>::new("Who are you?")).await.accepted()?;
                told.fetch_add(1, Ordering::Relaxed);
                Ok(Text::new("Thank you."))
            }
        });
        Server::new("test", "1")
            .confirm(ConfirmDestructive::new())
            .add(drop("drop_table", &self.dropped))
            .add(drop("drop_tabls", &self.dropped))
            .add(ask)
    }
}

fn user(name: &str) -> NewKey {
    NewKey::named(name).kind(KeyKind::User)
}

fn call(tool: &str, table: &str) -> Value {
    json!({"name": tool, "arguments": {"table": table}})
}

/// The request with consent to what it was asked, as it came back.
fn agreeing(asked: &Raw, mut params: Value) -> Value {
    let asked = asked.json();
    let questions = asked["result"]["inputRequests"].as_object().unwrap_or_else(|| panic!("{asked}"));
    for key in questions.keys() {
        params["inputResponses"][key] = json!({"action": "accept", "content": {"name": "Ada"}});
    }
    params["requestState"] = asked["result"]["requestState"].clone();
    params
}

fn is_asked(raw: &Raw) -> bool {
    raw.json()["result"]["resultType"] == "input_required"
}

#[tokio::test(flavor = "multi_thread")]
async fn over_http_consent_is_to_these_arguments_of_this_caller_and_counts_once() {
    let (done, keys) = (Done::default(), Keys::none());
    let door = Door::open(Http::new(), &keys, done.server()).await;
    let mut ada = door.enter(&keys.make(user("ada")).await, MODERN);
    let mut eve = door.enter(&keys.make(user("eve")).await, MODERN);
    let asked = ada.send("tools/call", call("drop_table", "a"));
    assert!(is_asked(&asked), "{asked:?}");
    // Other arguments, another tool, more of it, another caller.
    let mut more = call("drop_table", "a");
    more["arguments"]["table"] = json!("a\u{200b}");
    for changed in [call("drop_table", "b"), call("drop_tabls", "a"), more] {
        let refused = ada.send("tools/call", agreeing(&asked, changed));
        assert_eq!((refused.status(), &refused.json()["error"]["code"]), (200, &json!(-32602)));
    }
    let refused = eve.send("tools/call", agreeing(&asked, call("drop_table", "a")));
    assert_eq!((refused.status(), &refused.json()["error"]["code"]), (200, &json!(-32602)));
    assert!(done.dropped().is_empty());

    let agreed = agreeing(&asked, call("drop_table", "a"));
    let reply = ada.send("tools/call", agreed.clone());
    assert_eq!(reply.json()["result"]["content"][0]["text"], "dropped", "{reply:?}");
    // Replayed, it is asked for anew.
    for _ in 0..3 {
        let replayed = ada.send("tools/call", agreed.clone());
        assert!(is_asked(&replayed), "{replayed:?}");
    }
    assert_eq!(done.dropped(), ["a"]);
}

/// Lets nobody use anything up before two have come.
#[derive(Debug)]
struct Together {
    used: Mutex<HashSet<Nonce>>,
    arrived: tokio::sync::Barrier,
}

#[async_trait]
impl Once for Together {
    async fn use_up(
        &self,
        nonce: &Nonce,
        _: SystemTime,
    ) -> Result<bool, Box<dyn std::error::Error + Send + Sync>> {
        self.arrived.wait().await;
        Ok(self.used.lock().unwrap().insert(nonce.clone()))
    }

    fn is_shared(&self) -> bool {
        true
    }
}

/// Sends two messages at the same time, each from a thread of its own.
fn at_once<T: Send>(one: impl FnOnce() -> T + Send, other: impl FnOnce() -> T + Send) -> [T; 2] {
    let start = Barrier::new(2);
    std::thread::scope(|scope| {
        let first = scope.spawn(|| {
            start.wait();
            one()
        });
        start.wait();
        let second = other();
        [first.join().unwrap(), second]
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn over_http_of_two_confirmations_that_race_one_counts() {
    let (done, keys) = (Done::default(), Keys::none());
    let together = Together { used: Mutex::default(), arrived: tokio::sync::Barrier::new(2) };
    let door = Door::open(Http::new(), &keys, done.server().once(together)).await;
    let key = keys.make(user("ada")).await;
    let (mut one, mut other) = (door.enter(&key, MODERN), door.enter(&key, MODERN));
    let asked = one.send("tools/call", call("drop_table", "a"));
    let agreed = agreeing(&asked, call("drop_table", "a"));
    let again = agreed.clone();
    let replies = at_once(|| one.send("tools/call", agreed), || other.send("tools/call", again));
    assert_eq!(done.dropped(), ["a"], "{replies:?}");
    assert_eq!(replies.iter().filter(|reply| is_asked(reply)).count(), 1, "{replies:?}");
}

/// Calls a tool in a session; the stream of the call, and the question that it asks there.
fn asked_in_session(visitor: &mut Visitor, params: Value) -> (Stream, Value) {
    let mut stream = visitor.start("tools/call", params);
    assert_eq!(stream.head().0, 200);
    let question = event(&mut stream);
    assert_eq!(question["method"], "elicitation/create", "{question}");
    (stream, question)
}

/// The answer to a question in a session.
fn yes(question: &Value) -> Value {
    let result = json!({"action": "accept", "content": {"name": "Ada"}});
    json!({"jsonrpc": "2.0", "id": question["id"], "result": result})
}

#[tokio::test(flavor = "multi_thread")]
async fn in_a_session_an_answer_is_of_its_own_session_and_counts_once() {
    let (done, keys) = (Done::default(), Keys::none());
    let door = Door::open(Http::new(), &keys, done.server()).await;
    let key = keys.make(user("ada")).await;
    let mut ada = door.enter(&key, HANDSHAKE);
    let (mut stream, question) = asked_in_session(&mut ada, call("drop_table", "a"));
    // Neither the session of another nor another one of her own answers for this one.
    for other in [&keys.make(user("eve")).await, &key] {
        let said = door.enter(other, HANDSHAKE).post(&yes(&question));
        let made_up = door.enter(other, HANDSHAKE).post(&yes(&json!({"id": "none"})));
        assert_eq!(said, made_up);
    }
    assert!(done.dropped().is_empty());
    // Two that race, and one that comes afterwards.
    at_once(|| ada.post(&yes(&question)), || ada.post(&yes(&question)));
    assert_eq!(event(&mut stream)["result"]["content"][0]["text"], "dropped");
    stream.rest();
    ada.post(&yes(&question));
    assert_eq!(ada.send("ping", json!({})).status(), 200);
    assert_eq!(done.dropped(), ["a"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn over_http_who_is_revoked_between_two_rounds_gets_no_further() {
    let (done, keys) = (Done::default(), Keys::none());
    let door = Door::open(Http::new(), &keys, done.server()).await;
    for params in [json!({"name": "ask", "arguments": {}}), call("drop_table", "a")] {
        let key = keys.make(user("ada")).await;
        let mut ada = door.enter(&key, MODERN);
        let asked = ada.send("tools/call", params.clone());
        let answered = agreeing(&asked, params.clone());
        keys.revoke(&key).await;
        refuses(&ada.send("tools/call", answered.clone()));
        // Nor does the same person with another key.
        let mut anew = door.enter(&keys.make(user("ada")).await, MODERN);
        let refused = anew.send("tools/call", answered);
        assert_eq!((refused.status(), &refused.json()["error"]["code"]), (200, &json!(-32602)));

        let key = keys.make(user("ada")).await;
        let mut ada = door.enter(&key, HANDSHAKE);
        let (mut stream, question) = asked_in_session(&mut ada, params);
        keys.revoke(&key).await;
        refuses(&ada.post(&yes(&question)));
        // What waits for the answer ends with the session.
        let rest = stream.rest();
        assert!(!rest.contains("result"), "{rest}");
        refuses(&ada.ask_for_session("DELETE"));
    }
    assert!(done.dropped().is_empty());
    assert_eq!(done.told.load(Ordering::Relaxed), 0);
}

/// Holds a response against that to credentials that are no good any more.
fn refuses(response: &Raw) {
    assert_eq!((response.status(), &response.json()["error"]["code"]), (401, &json!(401)));
    let challenge = response.header("www-authenticate").expect("a challenge");
    assert!(challenge.starts_with(r#"Bearer realm="mcp", error="invalid_token""#), "{challenge}");
}
