//! Callers whose credentials expire or are taken back while something of theirs is under way.

use std::{
    future::poll_fn,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime},
};

use mcp_core::{
    Access, Annotations, Call, ConfirmDestructive, Contents, Empty, Endpoint, Exchange, Form,
    MirroredHeaders, NamedSession, Post, Principal, Revision, Server, Session, Signal, Step, Text,
    resource_fn,
    testing::{Client, Options},
    tool_fn,
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{ERAS, user};
use crate::harness::{headers_for, initialize, modern};

/// A name.
#[derive(Deserialize, JsonSchema)]
struct Named {
    #[allow(dead_code)]
    name: String,
}

/// A server with a tool that asks, and the number of times that it was told.
fn asking() -> (Endpoint, Arc<AtomicUsize>) {
    let told = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&told);
    let ask = tool_fn("ask", Annotations::read_only(), move |_: Empty, call: Call| {
        let count = Arc::clone(&count);
        async move {
            let _ = call.ask("name", Form::<Named>::new("Who are you?")).await;
            count.fetch_add(1, Ordering::Relaxed);
            Ok(Text::new("Thank you."))
        }
    });
    let motd = resource_fn("demo://motd", "motd", async |_: Empty, _| Ok(Contents::text("")));
    (Server::new("test", "1").add(ask).add(motd).build().unwrap(), told)
}

#[tokio::test]
async fn who_is_revoked_between_question_and_answer_gets_no_further() {
    for revision in ERAS {
        let (endpoint, told) = asking();
        let revoked = Signal::new();
        let revoking = revoked.clone();
        let answering = move |asked: &mcp_core::testing::Asked| {
            revoking.raise();
            asked.accept(json!({"name": "Ada"}))
        };
        let options = Options::new().principal(user("ada").with_revocation(revoked)).revision(revision);
        let client = Client::with(&endpoint, options.answering(answering)).await;
        let refused = client.call("ask", json!({})).await;
        assert_eq!(refused.reply().error()["code"], 401, "{revision}");
        assert_eq!(told.load(Ordering::Relaxed), 0, "{revision}");
    }
}

#[tokio::test]
async fn consent_of_who_is_revoked_meanwhile_does_nothing() {
    for revision in ERAS {
        let wiped = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&wiped);
        let wipe = tool_fn("wipe", Annotations::destructive(), move |_: Empty, _| {
            count.fetch_add(1, Ordering::Relaxed);
            async { Ok(Text::new("wiped")) }
        });
        let server = Server::new("test", "1").confirm(ConfirmDestructive::new()).add(wipe);
        let revoked = Signal::new();
        let revoking = revoked.clone();
        let answering = move |asked: &mcp_core::testing::Asked| {
            revoking.raise();
            asked.accept(json!({"confirm": true}))
        };
        let options = Options::new().principal(user("ada").with_revocation(revoked)).revision(revision);
        let client = Client::with(server, options.answering(answering)).await;
        assert_eq!(client.call("wipe", json!({})).await.reply().error()["code"], 401, "{revision}");
        assert_eq!(wiped.load(Ordering::Relaxed), 0, "{revision}");
    }
}

#[tokio::test]
async fn every_round_is_decided_anew() {
    let tool = |name: &str| {
        tool_fn(name, Annotations::read_only(), async |_: Empty, call: Call| {
            let _ = call.ask("name", Form::<Named>::new("Who are you?")).await;
            Ok(Text::new("Thank you."))
        })
    };
    let endpoint = Server::new("test", "1")
        .add(tool("scoped").scopes(["read"]))
        .add(tool("of_acme").about(|about| about.requires(Access::tenant("acme"))))
        .build()
        .unwrap();
    let client = |principal| {
        let capabilities = json!({"elicitation": {"form": {}}});
        Client::with(&endpoint, Options::new().principal(principal).capabilities(capabilities))
    };
    let before = client(user("ada").with_scopes(["read"]).with_tenants(["acme"])).await;
    let after = client(user("ada")).await;
    for (name, message) in
        [("scoped", "Forbidden: this needs the scope `read`"), ("of_acme", "Unknown tool: of_acme")]
    {
        let asked = before.call(name, json!({})).await;
        let answer = json!({"name": {"action": "accept", "content": {"name": "Ada"}}});
        let params = json!({"name": name, "arguments": {}, "inputResponses": answer,
            "requestState": asked.reply().state()});
        assert_eq!(after.request("tools/call", params.clone()).await.error()["message"], message);
        assert!(before.request("tools/call", params).await.result().is_object());
    }
}

#[tokio::test]
async fn a_state_of_somebody_elses_is_no_use() {
    let (endpoint, told) = asking();
    let able = |name| Options::new().principal(user(name)).capabilities(json!({"elicitation": {"form": {}}}));
    let asked = Client::with(&endpoint, able("ada")).await.call("ask", json!({})).await;
    let answer = json!({"name": {"action": "accept", "content": {"name": "Eve"}}});
    let params = json!({"name": "ask", "arguments": {}, "inputResponses": answer, "requestState": asked.reply().state()});
    let refused = Client::with(&endpoint, able("eve")).await.request("tools/call", params.clone()).await;
    assert_eq!(refused.error()["code"], -32602);
    assert_eq!(told.load(Ordering::Relaxed), 0);
    assert!(
        Client::with(&endpoint, able("ada")).await.request("tools/call", params).await.result().is_object()
    );
}

#[tokio::test]
async fn work_that_requires_something_is_refused_once_its_caller_is_revoked() {
    for revision in ERAS {
        let revoked = Signal::new();
        let revoking = revoked.clone();
        let tool = tool_fn("look", Annotations::read_only(), move |_: Empty, call: Call| {
            let revoking = revoking.clone();
            async move {
                assert!(call.allows(Access::none()) && call.require(Access::none()).is_ok());
                revoking.raise();
                assert!(!call.allows(Access::none()));
                call.require(Access::none())?;
                Ok(Text::new("seen"))
            }
        });
        let options =
            Options::new().principal(Principal::local().with_revocation(revoked)).revision(revision);
        let client = Client::with(Server::new("test", "1").add(tool), options).await;
        assert_eq!(client.call("look", json!({})).await.reply().error()["code"], 401);
    }
}

#[tokio::test(start_paused = true)]
async fn a_subscription_ends_with_its_callers_credentials() {
    let (endpoint, _) = asking();
    let revoked = Signal::new();
    let options = Options::new().principal(user("ada").with_revocation(revoked.clone()));
    let client = Client::with(&endpoint, options).await;
    let params =
        json!({"notifications": {"toolsListChanged": true, "resourceSubscriptions": ["demo://motd"]}});
    let mut listening = client.start("subscriptions/listen", params.clone());
    listening.notification().await.unwrap();
    endpoint.resource_updated("demo://motd");
    assert_eq!(listening.notification().await.unwrap()["params"]["uri"], "demo://motd");
    revoked.raise();
    endpoint.resource_updated("demo://motd");
    let ended = listening.await;
    assert_eq!(ended.result()["resultType"], "complete");
    assert_eq!(ended.notifications(), [Value::Null; 0]);
    // On a channel that all requests share it is cancelled besides.
    let cancelled = client.notification().await;
    assert_eq!(
        (&cancelled["method"], &cancelled["params"]["requestId"]),
        (&json!("notifications/cancelled"), &ended.message()["id"],)
    );
    assert_eq!(client.start("subscriptions/listen", params).await.error()["code"], 401);
}

/// A caller whose credentials are good for so long.
fn for_a_while(time: Duration) -> Principal {
    user("ada").with_expiry(SystemTime::now() + time)
}

#[tokio::test]
async fn a_subscription_ends_when_the_credentials_expire() {
    let (endpoint, _) = asking();
    // Long enough for the machine to get that far, however busy it is.
    for millis in (4..).map(|power| 1 << power) {
        let request = modern(1, "subscriptions/listen", json!({"notifications": {"toolsListChanged": true}}));
        let exchange = endpoint.exchange(Post {
            message: request.to_string().as_bytes(),
            headers: headers_for(&request),
            session: NamedSession::None,
            principal: for_a_while(Duration::from_millis(millis)),
            peer: None,
            takes_stream: true,
            closing: &Signal::new(),
        });
        let Exchange::Running(mut running) = exchange else { panic!("{exchange:?}") };
        let mut step = async || poll_fn(|cx| running.poll_step(cx)).await;
        let Step::Notification(_) = step().await else { continue };
        // The answer; and over HTTP the stream ends with it.
        let Step::Answer(answer) = step().await else { panic!("no answer") };
        let answer: Value = serde_json::from_slice(&answer.bytes).unwrap();
        assert_eq!(answer["result"]["resultType"], "complete");
        return;
    }
}

/// A session; none where the principal's credentials have ended by then.
fn open_session(endpoint: &Endpoint, principal: &Principal) -> Option<Session> {
    let exchange = endpoint.exchange(Post {
        message: initialize(1, Revision::V2025_11_25.as_str()).to_string().as_bytes(),
        headers: MirroredHeaders::default(),
        session: NamedSession::None,
        principal: principal.clone(),
        peer: None,
        takes_stream: true,
        closing: &Signal::new(),
    });
    match exchange {
        Exchange::Opened { session, .. } => Some(session),
        _ => None,
    }
}

#[tokio::test(start_paused = true)]
async fn the_stream_of_a_session_ends_with_the_credentials_that_opened_it() {
    let (endpoint, _) = asking();
    let revoked = Signal::new();
    let opened = |principal| open_session(&endpoint, &principal).map(|session| (session, principal));
    for expires in [false, true] {
        let (session, principal) = if expires {
            // Long enough for the machine to get that far, however busy it is.
            (4..).find_map(|power| opened(for_a_while(Duration::from_millis(1 << power)))).unwrap()
        } else {
            opened(user("ada").with_revocation(revoked.clone())).unwrap()
        };
        let mut stream = session.stream(principal, &Signal::new());
        revoked.raise();
        assert!(matches!(poll_fn(|cx| stream.poll_step(cx)).await, Step::End));
        drop(stream);
        // The session is still its owner's, who may come back with better ones.
        let mut stream = session.stream(user("ada"), &Signal::new());
        endpoint.edit(|edit| Ok(edit.remove_resource("demo://motd"))).unwrap();
        endpoint
            .edit(|edit| {
                edit.add(resource_fn("demo://motd", "motd", async |_: Empty, _| Ok(Contents::text(""))))
            })
            .unwrap();
        assert!(matches!(poll_fn(|cx| stream.poll_step(cx)).await, Step::Notification(_)));
    }
}

#[tokio::test]
async fn a_session_tells_and_serves_nobody_who_is_revoked() {
    let (endpoint, _) = asking();
    let revoked = Signal::new();
    let options = Options::new().principal(user("ada").with_revocation(revoked.clone()));
    let client = Client::with(&endpoint, options.revision(Revision::V2025_11_25)).await;
    assert!(client.request("resources/subscribe", json!({"uri": "demo://motd"})).await.result().is_object());
    endpoint.resource_updated("demo://motd");
    assert_eq!(client.notification().await["params"]["uri"], "demo://motd");
    revoked.raise();
    endpoint.resource_updated("demo://motd");
    for method in ["resources/subscribe", "resources/unsubscribe", "ping", "tools/list", "prompts/list"] {
        let refused = client.request(method, json!({"uri": "demo://motd"})).await;
        assert_eq!(refused.error()["code"], 401, "{method}");
    }
    let told = client
        .transcript()
        .into_iter()
        .filter(|(_, message)| message["method"] == "notifications/resources/updated");
    assert_eq!(told.count(), 1);
}
