//! Attacks on the state that clients carry between rounds.

use std::time::Duration;

use mcp_core::{
    Annotations, Call, Endpoint, Form, Principal, PrincipalKind, SealKey, Server, Text, Tool, ToolError,
    testing::{Client, Options, RequestReply},
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Greet, Person, server};

fn ada() -> Principal {
    Principal::new(PrincipalKind::User, "ada")
}

async fn client_of(endpoint: &Endpoint, principal: Principal) -> Client {
    let options = Options::new().principal(principal).capabilities(json!({"elicitation": {}}));
    Client::with(endpoint, options).await
}

fn accepted() -> Value {
    json!({"who": {"action": "accept", "content": {"name": "Ada"}}})
}

/// Asks with these arguments, and brings this state along.
async fn bring(client: &Client, arguments: Value, state: &str, responses: Value) -> RequestReply {
    let params =
        json!({"name": "greet", "arguments": arguments, "requestState": state, "inputResponses": responses});
    client.request("tools/call", params).await
}

async fn state_of(client: &Client, arguments: Value) -> String {
    let asked = client.request("tools/call", json!({"name": "greet", "arguments": arguments})).await;
    asked.state().unwrap().to_owned()
}

fn assert_refused(reply: &RequestReply) {
    assert_eq!(reply.error()["code"], -32602);
    let message = reply.error()["message"].as_str().unwrap();
    assert!(message.contains("params.requestState is not one that this server gave"), "{message}");
}

#[tokio::test]
async fn a_state_is_good_for_its_own_request_alone() {
    let endpoint = server().tool::<Twin>().build().unwrap();
    let client = client_of(&endpoint, ada()).await;
    let arguments = json!({"how": "Hi", "times": 9_007_199_254_740_993_u64});
    let state = state_of(&client, arguments.clone()).await;
    let good = bring(&client, arguments.clone(), &state, accepted()).await;
    assert_eq!(good.result()["content"][0]["text"], "Hi, Ada! Again.");

    // One byte of it, and its length.
    for index in [0, state.len() / 2, state.len() - 1] {
        let mut changed = state.clone().into_bytes();
        changed[index] = if changed[index] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(changed).unwrap();
        assert_refused(&bring(&client, arguments.clone(), &changed, accepted()).await);
    }
    for broken in ["", "x", "äö", &state[1..], &format!("{state}AAAA")] {
        assert_refused(&bring(&client, arguments.clone(), broken, accepted()).await);
    }
    // Other arguments: one that is missing, one that doubles cannot tell from the first.
    for other in [json!({"how": "Hi"}), json!({"how": "Hi", "times": 9_007_199_254_740_992_u64}), json!({})] {
        assert_refused(&bring(&client, other, &state, accepted()).await);
    }
    // Another tool with the same arguments, another method, and another principal.
    let twin = json!({"name": "twin", "arguments": arguments, "requestState": state});
    assert_refused(&client.request("tools/call", twin).await);
    let bob = client_of(&endpoint, Principal::new(PrincipalKind::User, "bob")).await;
    assert_refused(&bring(&bob, arguments.clone(), &state, accepted()).await);
    let service = client_of(&endpoint, Principal::new(PrincipalKind::Service, "ada")).await;
    assert_refused(&bring(&service, arguments.clone(), &state, accepted()).await);

    // A question is not one of consent, so the same answer may come twice.
    let again = bring(&client, arguments, &state, accepted()).await;
    assert_eq!(again.result()["content"][0]["text"], "Hi, Ada! Again.");
}

/// The same arguments as `greet`.
#[derive(Deserialize, JsonSchema)]
struct Twin {
    #[allow(dead_code)]
    how: Option<String>,
    #[allow(dead_code)]
    times: u64,
}

impl Tool for Twin {
    const NAME: &'static str = "twin";
    const ANNOTATIONS: Annotations = Annotations::read_only();
    type Output = Text;

    async fn call(self, (): &(), _: &Call) -> Result<Text, ToolError> {
        Ok(Text::new("unreachable"))
    }
}

#[tokio::test]
async fn the_order_and_spelling_of_arguments_do_not_matter() {
    let endpoint = server().build().unwrap();
    let client = client_of(&endpoint, ada()).await;
    let state = state_of(&client, json!({"how": "Hi", "times": 2})).await;
    let again = bring(&client, json!({"times": 2.0, "how": "Hi"}), &state, accepted()).await;
    assert_eq!(again.result()["content"][0]["text"], "Hi, Ada! Again.");
}

#[tokio::test]
async fn expired_state_is_asked_anew() {
    let endpoint = server().limits(|limits| limits.answer_time = Duration::ZERO).build().unwrap();
    let client = client_of(&endpoint, ada()).await;
    let state = state_of(&client, json!({})).await;
    let again = bring(&client, json!({}), &state, accepted()).await;
    assert_eq!(again.questions()[0].key, "who");
    assert_ne!(again.state(), Some(state.as_str()));
}

#[tokio::test]
async fn a_state_from_another_process_opens_only_with_a_common_key() {
    let first = server().build().unwrap();
    let state = state_of(&client_of(&first, ada()).await, json!({})).await;
    let stranger = client_of(&server().build().unwrap(), ada()).await;
    assert_refused(&bring(&stranger, json!({}), &state, accepted()).await);

    let (old, new) = (SealKey::new([1; 32]), SealKey::new([2; 32]));
    let before = server().seal_key(old.clone()).build().unwrap();
    let after = server().seal_key(new).seal_key(old).build().unwrap();
    let state = state_of(&client_of(&before, ada()).await, json!({})).await;
    let client = client_of(&after, ada()).await;
    let reply = bring(&client, json!({}), &state, accepted()).await;
    assert_eq!(reply.result()["content"][0]["text"], "Hello, Ada!");
    // Not with one of another name, which may mean something else by the same tool.
    let another =
        Server::new("another", "1").tool::<Greet>().seal_key(SealKey::new([1; 32])).build().unwrap();
    assert_refused(&bring(&client_of(&another, ada()).await, json!({}), &state, accepted()).await);
    // The new key seals now, and the old process does not know it.
    let state = state_of(&client, json!({})).await;
    assert_refused(&bring(&client_of(&before, ada()).await, json!({}), &state, accepted()).await);
}

#[tokio::test]
async fn a_state_of_another_server_is_of_no_use_whatever_they_share() {
    let named =
        |name| Server::new(name, "1").tool::<Greet>().seal_key(SealKey::new([1; 32])).build().unwrap();
    let state = state_of(&client_of(&named("staging"), ada()).await, json!({})).await;
    let production = client_of(&named("production"), ada()).await;
    assert_refused(&bring(&production, json!({}), &state, accepted()).await);
}

#[tokio::test]
async fn a_state_that_is_too_large_is_not_even_opened() {
    let client = client_of(&server().build().unwrap(), ada()).await;
    let reply = bring(&client, json!({}), &"A".repeat(40 << 10), accepted()).await;
    assert_eq!(reply.error()["code"], -32602);
    assert!(reply.error()["message"].as_str().unwrap().contains("over the limit of 32768 bytes"));
}

/// Asks as often as it is told.
#[derive(Deserialize, JsonSchema)]
struct Insist {
    times: usize,
}

impl Tool for Insist {
    const NAME: &'static str = "insist";
    const ANNOTATIONS: Annotations = Annotations::read_only();
    type Output = Text;

    async fn call(self, (): &(), call: &Call) -> Result<Text, ToolError> {
        let mut length = 0;
        for round in 0..self.times {
            let asked = call.ask(&format!("round {round}"), Form::<Person>::new("Who?")).await;
            length += asked.accepted()?.name.len();
        }
        Ok(Text::new(format!("{length} letters")))
    }
}

#[tokio::test]
async fn eight_rounds_are_enough_and_answers_fill_no_more_than_32_kib() {
    let insisting = || Server::new("test", "1").tool::<Insist>();
    let short = Options::new().answering(|asked| asked.accept(json!({"name": "Ada"})));
    let client = Client::with(insisting(), short).await;
    assert_eq!(client.call("insist", json!({"times": 8})).await.text(), "24 letters");
    let ninth = client.request("tools/call", json!({"name": "insist", "arguments": {"times": 9}})).await;
    assert_eq!(ninth.error()["code"], -32602);
    assert!(ninth.error()["message"].as_str().unwrap().contains("8 rounds of questions"));

    let long = Options::new().answering(|asked| asked.accept(json!({"name": "A".repeat(10_000)})));
    let client = Client::with(insisting(), long).await;
    assert_eq!(client.call("insist", json!({"times": 2})).await.text(), "20000 letters");
    let large = client.request("tools/call", json!({"name": "insist", "arguments": {"times": 4}})).await;
    assert_eq!(large.error()["code"], -32602);
    assert!(large.error()["message"].as_str().unwrap().contains("over the limit of 32768 bytes"));
}

/// A question that changes must not be answered by what was said to another.
#[derive(Deserialize, JsonSchema)]
struct Fickle {}

impl Tool<std::sync::atomic::AtomicUsize> for Fickle {
    const NAME: &'static str = "fickle";
    const ANNOTATIONS: Annotations = Annotations::read_only();
    type Output = Text;

    async fn call(self, asked: &std::sync::atomic::AtomicUsize, call: &Call) -> Result<Text, ToolError> {
        let count = asked.fetch_add(1, std::sync::atomic::Ordering::Relaxed).min(2);
        let question = Form::<Person>::new(format!("Question {count}?"));
        Ok(Text::new(call.ask("question", question).await.accepted()?.name))
    }
}

#[tokio::test]
async fn an_answer_counts_for_the_question_that_was_asked() {
    let server = Server::new("test", "1").over(std::sync::atomic::AtomicUsize::new(0)).tool::<Fickle>();
    let client = Client::with(
        server,
        Options::new().answering(|asked| asked.accept(json!({"name": asked.message()}))),
    )
    .await;
    assert_eq!(client.call("fickle", json!({})).await.text(), "Question 2?");
}

#[tokio::test]
async fn what_needs_no_state_does_not_mind_one_elsewhere() {
    let client = client_of(&server().build().unwrap(), ada()).await;
    let listed = client.request("tools/list", json!({"requestState": "anything"})).await;
    assert_eq!(listed.result()["tools"][0]["name"], Greet::NAME);
}
