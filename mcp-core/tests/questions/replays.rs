//! Attempts to have something done twice on one consent, or on the consent to something else.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use async_trait::async_trait;
use mcp_core::{
    Annotations, Call, DynTool, Endpoint, Form, MemoryOnce, Nonce, Once, Server, ToolReply,
    testing::{Client, Options, RequestReply},
};
use serde_json::{Value, json};

use super::Person;

/// How often something was done.
#[derive(Clone, Debug, Default)]
struct Done(Arc<AtomicUsize>);

impl Done {
    fn count(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    /// A tool that does it once the person agreed.
    fn tool(&self) -> DynTool {
        let done = self.clone();
        DynTool::new("drop", Annotations::destructive(), move |_, call: Call| {
            let done = done.clone();
            async move {
                call.confirm("Drop it?").await?;
                done.0.fetch_add(1, Ordering::Relaxed);
                Ok(ToolReply::default())
            }
        })
    }
}

fn server() -> Server {
    Server::new("test", "1")
}

async fn client(endpoint: &Endpoint) -> Client {
    Client::with(endpoint, Options::new().capabilities(json!({"elicitation": {}}))).await
}

async fn call(client: &Client) -> RequestReply {
    client.request("tools/call", json!({"name": "drop"})).await
}

/// The call again, with the same answer to every question whose key begins so.
async fn answer(client: &Client, asked: &RequestReply, key: &str, response: Value) -> RequestReply {
    let mut params = json!({"name": "drop", "requestState": asked.state()});
    for question in asked.questions().into_iter().filter(|question| question.key.starts_with(key)) {
        params["inputResponses"][question.key] = response.clone();
    }
    client.request("tools/call", params).await
}

#[tokio::test]
async fn only_what_is_a_refusal_for_certain_may_be_repeated() {
    let done = Done::default();
    let client = client(&server().add(done.tool()).build().unwrap()).await;
    let asked = call(&client).await;
    for action in
        [json!({"accept": null}), json!(["accept"]), json!({"decline": null}), json!("Accept"), json!(0)]
    {
        let refused = answer(&client, &asked, "", json!({ "action": action })).await;
        assert!(refused.message().get("error").is_some() || !refused.questions().is_empty());
    }
    assert_eq!(done.count(), 0);
}

/// A store that takes its time.
#[derive(Debug, Default)]
struct Slow(MemoryOnce);

#[async_trait]
impl Once for Slow {
    async fn use_up(
        &self,
        nonce: &Nonce,
        until: SystemTime,
    ) -> Result<bool, Box<dyn std::error::Error + Send + Sync>> {
        tokio::task::yield_now().await;
        self.0.use_up(nonce, until).await
    }

    fn is_shared(&self) -> bool {
        true
    }
}

#[tokio::test]
async fn consent_is_not_carried_on_before_it_is_used_up() {
    let done = Done::default();
    let doing = done.clone();
    let tool = DynTool::new("drop", Annotations::destructive(), move |_, call: Call| {
        let done = doing.clone();
        async move {
            let who = Form::<Person>::new("Who says so?");
            let (agreed, who) = tokio::join!(call.confirm("Drop it?"), call.ask("who", who));
            agreed?;
            who.accepted()?;
            done.0.fetch_add(1, Ordering::Relaxed);
            Ok(ToolReply::default())
        }
    });
    let client = client(&server().once(Slow::default()).add(tool).build().unwrap()).await;
    let asked = call(&client).await;
    let rounds = async || {
        // The other question is asked again while the store is still looking.
        let again = answer(&client, &asked, "confirm", json!({"action": "accept"})).await;
        let person = json!({"action": "accept", "content": {"name": "Ada"}});
        answer(&client, &again, "who", person).await
    };
    for _ in 0..3 {
        assert_eq!(rounds().await.questions()[0].message(), "Drop it?");
    }
    assert_eq!(done.count(), 0);

    let both = json!({"action": "accept", "content": {"name": "Ada"}});
    answer(&client, &call(&client).await, "", both).await.result();
    assert_eq!(done.count(), 1);
}

/// A store that notes for how long it has to remember.
#[derive(Clone, Debug, Default)]
struct Noting(Arc<Mutex<Vec<SystemTime>>>);

#[async_trait]
impl Once for Noting {
    async fn use_up(
        &self,
        _: &Nonce,
        until: SystemTime,
    ) -> Result<bool, Box<dyn std::error::Error + Send + Sync>> {
        self.0.lock().unwrap().push(until);
        Ok(true)
    }

    fn is_shared(&self) -> bool {
        true
    }
}

#[tokio::test]
async fn a_confirmation_is_remembered_for_as_long_as_a_request_could_bring_it_along() {
    const YEAR_2100: Duration = Duration::from_secs(4_102_444_800);
    let (minute, second, ever) = (Duration::from_secs(60), Duration::from_secs(1), Duration::MAX);
    for (answer_time, call_time, at_least) in [
        // One that came at the last moment may run on for the time of a call.
        (second, minute, SystemTime::now() + minute),
        (Duration::from_millis(900), minute, SystemTime::now() + minute),
        (second, ever, UNIX_EPOCH + YEAR_2100),
        (ever, minute, UNIX_EPOCH + YEAR_2100),
        (ever, ever, UNIX_EPOCH + YEAR_2100),
    ] {
        let (done, noting) = (Done::default(), Noting::default());
        let server = server().once(noting.clone()).add(done.tool()).limits(|limits| {
            limits.answer_time = answer_time;
            limits.call_time = call_time;
        });
        let client = client(&server.build().unwrap()).await;
        let reply = answer(&client, &call(&client).await, "", json!({"action": "accept"})).await;
        assert_eq!(done.count(), 1, "{answer_time:?}: {}", reply.message());
        assert!(noting.0.lock().unwrap()[0] >= at_least, "{answer_time:?}, {call_time:?}");
    }
}

#[tokio::test]
async fn what_was_refused_is_not_agreed_to_afterwards() {
    let done = Done::default();
    let client = client(&server().add(done.tool()).build().unwrap()).await;
    for refusal in ["decline", "cancel"] {
        let asked = call(&client).await;
        for _ in 0..2 {
            let refused = answer(&client, &asked, "", json!({ "action": refusal })).await;
            assert_eq!(refused.result()["isError"], true);
        }
        let again = answer(&client, &asked, "", json!({"action": "accept"})).await;
        assert_eq!(again.questions()[0].message(), "Drop it?");
    }
    assert_eq!(done.count(), 0);
}
