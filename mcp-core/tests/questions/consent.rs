//! Consent: to exactly one thing, once.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use async_trait::async_trait;
use mcp_core::{
    Annotations, Call, Endpoint, Form, Nonce, Once, Revision, SealKey, Server, Text, Tool, ToolError,
    testing::{Client, Options, RequestReply},
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Person;
use crate::harness::Gate;

/// How often something was done.
#[derive(Clone, Debug, Default)]
struct Done(Arc<AtomicUsize>);

/// Drops a table, if the person agrees.
#[derive(Deserialize, JsonSchema)]
struct DropTable {
    table: String,
    /// Asks for more after consent.
    #[serde(default)]
    why: bool,
}

impl Tool<Done> for DropTable {
    const NAME: &'static str = "drop_table";
    const ANNOTATIONS: Annotations = Annotations::destructive();
    type Output = Text;

    async fn call(self, done: &Done, call: &Call) -> Result<Text, ToolError> {
        call.confirm(&format!("Drop the table {}?", self.table)).await?;
        if self.why {
            call.ask("why", Form::<Person>::new("Who says so?")).await.accepted()?;
        }
        done.0.fetch_add(1, Ordering::Relaxed);
        Ok(Text::new("dropped"))
    }
}

fn server(done: &Done) -> Server<Done> {
    Server::new("test", "1").over(done.clone()).tool::<DropTable>()
}

async fn client(endpoint: &Endpoint) -> Client {
    Client::with(endpoint, Options::new().capabilities(json!({"elicitation": {}}))).await
}

fn call(table: &str) -> Value {
    json!({"name": "drop_table", "arguments": {"table": table}})
}

/// The request again, with consent to whatever was asked.
fn agreeing(mut params: Value, asked: &RequestReply) -> Value {
    for question in asked.questions() {
        params["inputResponses"][question.key] = json!({"action": "accept", "content": {"name": "Ada"}});
    }
    params["requestState"] = json!(asked.state());
    params
}

#[tokio::test]
async fn consent_is_asked_for_with_its_text_and_lets_it_happen() {
    for revision in [Revision::V2025_11_25, Revision::V2026_07_28] {
        let done = Done::default();
        let options = Options::new().revision(revision).answering(|asked| {
            assert_eq!(asked.message(), "Drop the table users?");
            assert_eq!(asked.params["requestedSchema"], json!({"type": "object", "properties": {}}));
            asked.accept(json!({}))
        });
        let client = Client::with(server(&done), options).await;
        assert_eq!(client.call("drop_table", json!({"table": "users"})).await.text(), "dropped");
        assert_eq!(done.0.load(Ordering::Relaxed), 1);

        let declining = Options::new().revision(revision).answering(|asked| asked.decline());
        let client = Client::with(server(&done), declining).await;
        let refused = client.call("drop_table", json!({"table": "users"})).await;
        assert_eq!(refused.error_code(), "declined");
        assert_eq!(done.0.load(Ordering::Relaxed), 1);
    }
}

#[tokio::test]
async fn consent_that_nobody_asked_for_counts_for_nothing() {
    let done = Done::default();
    let client = client(&server(&done).build().unwrap()).await;
    let asked = client.request("tools/call", call("users")).await;
    let key = asked.questions()[0].key.clone();
    let mut unsealed = call("users");
    unsealed["inputResponses"][&key] = json!({"action": "accept"});
    let again = client.request("tools/call", unsealed).await;
    assert_eq!(again.questions()[0].key, key);
    assert_eq!(done.0.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn a_confirmation_that_is_replayed_is_asked_for_anew() {
    let done = Done::default();
    let client = client(&server(&done).build().unwrap()).await;
    let asked = client.request("tools/call", call("users")).await;
    let agreed = agreeing(call("users"), &asked);
    let reply = client.request("tools/call", agreed.clone()).await;
    assert_eq!(reply.result()["content"][0]["text"], "dropped");
    for _ in 0..3 {
        let replayed = client.request("tools/call", agreed.clone()).await;
        assert_eq!(replayed.questions()[0].message(), "Drop the table users?");
    }
    assert_eq!(done.0.load(Ordering::Relaxed), 1);
    // The new question can be answered like the first.
    let replayed = client.request("tools/call", agreed).await;
    client.request("tools/call", agreeing(call("users"), &replayed)).await;
    assert_eq!(done.0.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn consent_that_is_carried_through_further_rounds_counts_once_too() {
    let done = Done::default();
    let client = client(&server(&done).build().unwrap()).await;
    let params = json!({"name": "drop_table", "arguments": {"table": "users", "why": true}});
    let first = client.request("tools/call", params.clone()).await;
    let second = client.request("tools/call", agreeing(params.clone(), &first)).await;
    assert_eq!(second.questions()[0].key, "why");
    let last = agreeing(params.clone(), &second);
    assert!(client.request("tools/call", last.clone()).await.message().get("result").is_some());
    assert_eq!(done.0.load(Ordering::Relaxed), 1);
    let replayed = client.request("tools/call", last).await;
    assert_eq!(replayed.questions()[0].message(), "Drop the table users?");
    let replayed = client.request("tools/call", agreeing(params, &first)).await;
    assert_eq!(replayed.questions()[0].message(), "Drop the table users?");
    assert_eq!(done.0.load(Ordering::Relaxed), 1);
}

/// A store that every replica shares, and that lets nobody through before all have come.
#[derive(Clone, Debug)]
struct Shared {
    used: Arc<std::sync::Mutex<std::collections::HashSet<Nonce>>>,
    arrived: Arc<tokio::sync::Barrier>,
}

#[async_trait]
impl Once for Shared {
    async fn use_up(
        &self,
        nonce: &Nonce,
        _: std::time::SystemTime,
    ) -> Result<bool, Box<dyn std::error::Error + Send + Sync>> {
        self.arrived.wait().await;
        Ok(self.used.lock().unwrap().insert(nonce.clone()))
    }

    fn is_shared(&self) -> bool {
        true
    }
}

#[tokio::test]
async fn of_two_confirmations_that_race_one_wins_also_between_replicas() {
    let once = Shared { used: Arc::default(), arrived: Arc::new(tokio::sync::Barrier::new(2)) };
    let done = Done::default();
    let replica = || server(&done).seal_key(SealKey::new([3; 32])).once(once.clone()).build().unwrap();
    let (one, other) = (client(&replica()).await, client(&replica()).await);
    let asked = one.request("tools/call", call("users")).await;
    let agreed = agreeing(call("users"), &asked);
    let (first, second) =
        tokio::join!(one.request("tools/call", agreed.clone()), other.request("tools/call", agreed));
    assert_eq!(done.0.load(Ordering::Relaxed), 1);
    let asked_again = [first, second].iter().filter(|reply| !reply.questions().is_empty()).count();
    assert_eq!(asked_again, 1);
}

#[tokio::test]
async fn with_a_memory_of_its_own_a_process_does_not_take_anothers_confirmations() {
    let done = Done::default();
    let replica = || server(&done).seal_key(SealKey::new([3; 32])).build().unwrap();
    let asked = client(&replica()).await.request("tools/call", call("users")).await;
    let restarted = client(&replica()).await;
    let again = restarted.request("tools/call", agreeing(call("users"), &asked)).await;
    assert_eq!(again.questions()[0].message(), "Drop the table users?");
    assert_eq!(done.0.load(Ordering::Relaxed), 0);
}

/// A store that is out of reach.
#[derive(Debug)]
struct Broken;

#[async_trait]
impl Once for Broken {
    async fn use_up(
        &self,
        _: &Nonce,
        _: std::time::SystemTime,
    ) -> Result<bool, Box<dyn std::error::Error + Send + Sync>> {
        Err("out of reach".into())
    }

    fn is_shared(&self) -> bool {
        true
    }
}

#[tokio::test]
async fn where_nobody_can_say_nothing_is_done() {
    let done = Done::default();
    let client = client(&server(&done).once(Broken).build().unwrap()).await;
    let asked = client.request("tools/call", call("users")).await;
    let refused = client.request("tools/call", agreeing(call("users"), &asked)).await;
    assert_eq!(refused.error()["code"], 503);
    assert_eq!(refused.error()["data"], json!({"retryAfterMs": 1000}));
    assert_eq!(done.0.load(Ordering::Relaxed), 0);
}

/// Asks for consent to whatever it is told, twice over.
#[derive(Deserialize, JsonSchema)]
struct Confirm {
    texts: Vec<String>,
}

impl Tool<Gate> for Confirm {
    const NAME: &'static str = "confirm";
    const ANNOTATIONS: Annotations = Annotations::write();
    type Output = Text;

    async fn call(self, _: &Gate, call: &Call) -> Result<Text, ToolError> {
        for text in &self.texts {
            call.confirm(text).await?;
        }
        Ok(Text::new("all agreed"))
    }
}

#[tokio::test]
async fn several_things_are_agreed_to_one_by_one() {
    let server = || Server::new("test", "1").over(Gate::closed()).tool::<Confirm>();
    for revision in [Revision::V2025_11_25, Revision::V2026_07_28] {
        let seen: Arc<std::sync::Mutex<Vec<String>>> = Arc::default();
        let note = Arc::clone(&seen);
        let options = Options::new().revision(revision).answering(move |asked| {
            note.lock().unwrap().push(asked.message().to_owned());
            asked.accept(Value::Null)
        });
        let client = Client::with(server(), options).await;
        assert_eq!(client.call("confirm", json!({"texts": ["a", "b", "c"]})).await.text(), "all agreed");
        assert_eq!(*seen.lock().unwrap(), ["a", "b", "c"]);
        // The very same text twice is a mistake of the author's.
        assert_eq!(client.call("confirm", json!({"texts": ["a", "a"]})).await.error_code(), "internal");
    }
}

/// Wipes a table; what it would do reads `a` and `b` by turns, however often one looks.
#[derive(Deserialize, JsonSchema)]
struct Restless {}

impl Tool<Done> for Restless {
    const NAME: &'static str = "restless";
    const ANNOTATIONS: Annotations = Annotations::destructive();
    type Output = Text;

    async fn preview(&self, looks: &Done, _: &Call) -> Result<Option<String>, ToolError> {
        let look = looks.0.fetch_add(1, Ordering::Relaxed);
        Ok(Some(["a", "b"][look % 2].to_owned()))
    }

    async fn call(self, _: &Done, _: &Call) -> Result<Text, ToolError> {
        Ok(Text::new("wiped"))
    }
}

#[tokio::test]
async fn what_keeps_changing_while_a_person_is_asked_is_not_done() {
    let server = Server::new("test", "1")
        .confirm(mcp_core::ConfirmDestructive::new())
        .over(Done::default())
        .tool::<Restless>();
    let options = Options::new().revision(Revision::V2025_11_25).answering(|asked| asked.accept(json!({})));
    let client = Client::with(server, options).await;
    assert_eq!(client.call("restless", json!({})).await.error_code(), "changed_meanwhile");
}

/// Deletes, without a preview.
#[derive(Deserialize, JsonSchema)]
struct Delete {
    #[allow(dead_code)]
    a_note: Vec<String>,
    #[allow(dead_code)]
    target: String,
}

impl Tool for Delete {
    const NAME: &'static str = "delete";
    const ANNOTATIONS: Annotations = Annotations::destructive();
    type Output = Text;

    async fn call(self, (): &(), _: &Call) -> Result<Text, ToolError> {
        Ok(Text::new("deleted"))
    }
}

#[tokio::test]
async fn nothing_is_agreed_to_that_is_not_shown() {
    let server = || Server::new("test", "1").confirm(mcp_core::ConfirmDestructive::new()).tool::<Delete>();
    let (long, end) = ("x".repeat(3000), "y".repeat(300));
    let options = Options::new().answering(move |asked| {
        let message = asked.message();
        assert!(message.contains(r#""target":"production""#), "{message}");
        assert!(message.contains(&long) && message.contains(&end), "{message}");
        assert!(message.contains(r"a\u202eb") && !message.contains('\u{202e}'), "{message}");
        assert!(message.contains("a = 1[190 blanks]OR 1=1"), "{message}");
        asked.accept(json!({}))
    });
    let client = Client::with(server(), options).await;
    let hidden = format!("a = 1{}OR 1=1", " ".repeat(190));
    let notes = json!(["x".repeat(3000), "y".repeat(300), "a\u{202e}b", hidden]);
    assert_eq!(
        client.call("delete", json!({"a_note": notes, "target": "production"})).await.text(),
        "deleted"
    );

    let asks_nobody = Options::new().answering(|asked| panic!("asked: {}", asked.message()));
    let client = Client::with(server(), asks_nobody).await;
    for much in [json!(vec!["x".repeat(100); 100]), json!(["x".repeat(5000)])] {
        let arguments = json!({"a_note": much, "target": "production"});
        assert_eq!(client.call("delete", arguments).await.error_code(), "too_much_to_show");
    }
}
