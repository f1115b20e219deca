//! Sessions under attack: the same id at once, floods, races between an answer and its cancellation, batches of any kind.

use std::{
    future::poll_fn,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use mcp_core::{
    Annotations, AnswerStatus, Contents, Empty, Endpoint, Exchange, Limits, MirroredHeaders, NamedSession,
    Post, Principal, Rates, Session, Signal, Step, Text, resource_fn, tool_fn,
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::Barrier;

use crate::harness::{Gate, Posted, Wire, bare, initialize, modern, post_in, server};

/// A note.
#[derive(Deserialize, JsonSchema)]
struct Note {
    #[allow(dead_code)]
    name: String,
}

/// How often work began, and what it waits for.
#[derive(Clone, Debug)]
struct Work {
    begun: Arc<AtomicUsize>,
    gate: Gate,
}

fn endpoint_with(limits: impl FnOnce(&mut Limits)) -> (Endpoint, Work) {
    let work = Work { begun: Arc::default(), gate: Gate::closed() };
    let (waiting, write) = (work.clone(), Annotations::write());
    let endpoint = server()
        .rates(Rates::off())
        .limits(limits)
        .add(tool_fn("quick", write, async |_: Empty, _| Ok(Text::new("quick"))))
        .add(tool_fn("wait", write, move |_: Empty, _| {
            let Work { begun, gate } = waiting.clone();
            async move {
                begun.fetch_add(1, Ordering::Relaxed);
                // Time for others to come in between, on the thread that the request came by.
                std::thread::yield_now();
                gate.pass().await;
                Ok(Text::new("waited"))
            }
        }))
        .add(tool_fn("yield", write, async |_: Empty, _| {
            tokio::task::yield_now().await;
            Ok(Text::new("yielded"))
        }))
        .add(resource_fn("notes://{name}", "note", async |_: Note, _| Ok(Contents::text(""))))
        .build()
        .unwrap();
    (endpoint, work)
}

fn endpoint() -> (Endpoint, Work) {
    endpoint_with(|_| {})
}

fn call(id: impl Into<Value>, tool: &str) -> Value {
    bare(id, "tools/call", json!({"name": tool, "arguments": {}}))
}

fn cancelled(id: impl Into<Value>) -> Value {
    json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": id.into()}})
}

/// Hands over `initialize` as over HTTP.
fn open_exchange(endpoint: &Endpoint, message: &Value) -> Exchange {
    endpoint.exchange(Post {
        message: message.to_string().as_bytes(),
        headers: MirroredHeaders::default(),
        session: NamedSession::None,
        principal: Principal::anonymous(),
        peer: None,
        takes_stream: true,
        closing: &Signal::new(),
    })
}

fn open(endpoint: &Endpoint, revision: &str) -> Session {
    match open_exchange(endpoint, &initialize(0, revision)) {
        Exchange::Opened { session, .. } => session,
        other => panic!("{other:?}"),
    }
}

async fn send(endpoint: &Endpoint, session: &Session, message: &Value) -> Posted {
    let named = NamedSession::Known(session.clone());
    post_in(endpoint, named, message.to_string().as_bytes(), MirroredHeaders::default()).await
}

/// Waits, but not for ever: what is lost should fail, not hang.
async fn within<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), work).await.expect("it takes longer than it may")
}

/// Waits until so much work began.
async fn until_begun(work: &Work, count: usize) {
    while work.begun.load(Ordering::Relaxed) < count {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_requests_of_one_id_one_is_served() {
    const AT_ONCE: usize = 32;
    let (endpoint, work) = endpoint();
    for round in 1..=50 {
        let session = open(&endpoint, "2025-11-25");
        let (begin, refused) = (Arc::new(Barrier::new(AT_ONCE)), Arc::new(AtomicUsize::new(0)));
        let requests: Vec<_> = (0..AT_ONCE)
            .map(|_| {
                let (endpoint, session, begin) = (endpoint.clone(), session.clone(), Arc::clone(&begin));
                let (refused, gate) = (Arc::clone(&refused), work.gate.clone());
                tokio::spawn(async move {
                    begin.wait().await;
                    let posted = send(&endpoint, &session, &call("same", "wait")).await;
                    if posted.code().is_some() && refused.fetch_add(1, Ordering::Relaxed) == AT_ONCE - 2 {
                        gate.open(1);
                    }
                    (posted.answer["id"] == "same").then(|| posted.code().unwrap_or(0))
                })
            })
            .collect();
        let mut codes = Vec::new();
        for request in requests {
            codes.push(within(request).await.unwrap().unwrap());
        }
        codes.sort_unstable();
        assert_eq!(codes.pop(), Some(0));
        assert!(codes.iter().all(|code| *code == -32600), "{codes:?}");
        // The others did not even begin.
        assert_eq!(work.begun.load(Ordering::Relaxed), round);
        assert!(!session.is_busy());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_call_is_answered_or_cancelled_and_never_lost() {
    let (endpoint, _) = endpoint();
    let session = open(&endpoint, "2025-11-25");
    let (mut answered, mut ended) = (0, 0);
    for id in 0..3_000 {
        let calling = {
            let (endpoint, session) = (endpoint.clone(), session.clone());
            tokio::spawn(async move { send(&endpoint, &session, &call(id, "yield")).await })
        };
        // At another moment of its way each time.
        for _ in 0..id % 7 {
            tokio::task::yield_now().await;
        }
        assert_eq!(send(&endpoint, &session, &cancelled(id)).await.status, None);
        let posted = within(calling).await.unwrap();
        match posted.status {
            None => ended += 1,
            Some(status) => {
                assert_eq!((status, &posted.answer["id"]), (AnswerStatus::Served, &json!(id)));
                assert_eq!(posted.answer["result"]["content"][0]["text"], "yielded");
                answered += 1;
            }
        }
        assert!(!session.is_busy(), "after {id}");
    }
    assert_eq!(answered + ended, 3_000);
}

#[tokio::test]
async fn on_a_connection_no_answer_follows_a_cancellation() {
    let (endpoint, _) = endpoint();
    let mut wire = Wire::new(&endpoint);
    wire.ask(&initialize("session", "2025-11-25"));
    for id in 0..500 {
        assert!(wire.send(&call(id, "yield")).is_empty());
        for _ in 0..id % 4 {
            tokio::task::yield_now().await;
        }
        assert!(wire.send(&cancelled(id)).is_empty());
        // The id is free at once, and what is said to it is the answer to this one.
        let said = wire.send(&call(id, "quick"));
        assert_eq!(said.len(), 1);
        assert_eq!((&said[0]["id"], &said[0]["result"]["content"][0]["text"]), (&json!(id), &json!("quick")));
        assert!(wire.settled().await.is_empty());
    }
    assert!(!wire.connection.is_busy());
}

#[tokio::test]
async fn cancellations_of_nothing_cost_nothing() {
    let (endpoint, work) = endpoint();
    let (session, other) = (open(&endpoint, "2025-11-25"), open(&endpoint, "2025-11-25"));
    let mut wire = Wire::new(&endpoint);
    wire.ask(&initialize("session", "2025-11-25"));
    assert!(wire.send(&call(1, "wait")).is_empty());
    let waiting = {
        let (endpoint, session) = (endpoint.clone(), session.clone());
        tokio::spawn(async move { send(&endpoint, &session, &call(1, "wait")).await })
    };
    until_begun(&work, 2).await;
    for id in 0..5_000 {
        // Of others, of none, and of the request that opened the session.
        for id in [json!(id), json!(-id), json!("1"), json!(0), json!("session")] {
            if id != 1 {
                assert!(wire.send(&cancelled(id.clone())).is_empty());
            }
            assert_eq!(send(&endpoint, &other, &cancelled(id)).await.status, None);
        }
    }
    work.gate.open(2);
    assert_eq!(within(waiting).await.unwrap().answer["result"]["content"][0]["text"], "waited");
    assert_eq!(wire.later().await[0]["id"], 1);
    assert!(!wire.connection.is_busy() && !session.is_busy() && !other.is_busy());
}

#[tokio::test]
async fn nothing_of_a_session_outlives_it() {
    let (endpoint, work) = endpoint();
    let session = open(&endpoint, "2025-11-25");
    let stream = session.stream(Principal::anonymous(), &Signal::new());
    let running: Vec<_> = (0..10)
        .map(|id| {
            let (endpoint, session) = (endpoint.clone(), session.clone());
            tokio::spawn(async move { send(&endpoint, &session, &call(id, "wait")).await })
        })
        .collect();
    until_begun(&work, 10).await;
    assert!(session.is_busy());
    session.end();
    for running in running {
        assert_eq!(within(running).await.unwrap().status, None);
    }
    let ends = |mut stream: Box<mcp_core::Running>| async move {
        assert!(matches!(within(poll_fn(|cx| stream.poll_step(cx))).await, Step::End));
    };
    ends(stream).await;
    // Whoever looked it up before, and comes after.
    ends(session.stream(Principal::anonymous(), &Signal::new())).await;
    for tool in ["wait", "quick"] {
        let posted = within(send(&endpoint, &session, &call(1, tool))).await;
        assert_eq!((posted.status, posted.code()), (Some(AnswerStatus::UnknownSession), Some(404)));
    }
    assert_eq!(send(&endpoint, &session, &cancelled(1)).await.status, None);
    assert_eq!(work.begun.load(Ordering::Relaxed), 10);
    assert!(!session.is_busy());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_end_of_a_session_and_a_request_of_it_may_meet() {
    let (endpoint, _) = endpoint();
    for round in 0..1_000 {
        let session = open(&endpoint, "2025-11-25");
        let calling = {
            let (endpoint, session) = (endpoint.clone(), session.clone());
            tokio::spawn(async move { send(&endpoint, &session, &call(1, "wait")).await })
        };
        for _ in 0..round % 5 {
            tokio::task::yield_now().await;
        }
        session.end();
        // It would wait for ever if it were not cancelled.
        let posted = within(calling).await.unwrap();
        assert!(matches!(posted.status, None | Some(AnswerStatus::UnknownSession)), "{posted:?}");
        within(session.settled()).await;
    }
}

#[tokio::test]
async fn of_a_thousand_streams_the_last_is_open() {
    let (endpoint, _) = endpoint();
    let session = open(&endpoint, "2025-11-25");
    let mut streams: Vec<_> =
        (0..1_000).map(|_| session.stream(Principal::anonymous(), &Signal::new())).collect();
    let mut last = streams.pop().unwrap();
    for mut earlier in streams {
        assert!(matches!(poll_fn(|cx| earlier.poll_step(cx)).await, Step::End));
    }
    assert!(session.is_busy());
    let extra = tool_fn("extra", Annotations::read_only(), async |_: Empty, _| Ok(Text::new("")));
    endpoint.edit(|edit| edit.add(extra)).unwrap();
    assert!(matches!(poll_fn(|cx| last.poll_step(cx)).await, Step::Notification(_)));
    drop(last);
    assert!(!session.is_busy());
}

#[tokio::test]
async fn batches() {
    let (endpoint, _) = endpoint();
    let session = open(&endpoint, "2025-03-26");
    let many = |count: usize| Value::from((0..count).map(|id| call(id, "quick")).collect::<Vec<_>>());
    let deep = |levels| format!("[{}{}]", "[".repeat(levels), "]".repeat(levels));
    let note = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
    let huge = json!({"jsonrpc": "2.0", "id": 1, "method": "x".repeat(1 << 20)});
    // Each with the codes of its answers in order, 0 for a result; one alone answers the whole.
    let cases: Vec<(String, Vec<i64>)> = vec![
        (many(1).to_string(), vec![0]),
        (many(100).to_string(), vec![0; 100]),
        (many(101).to_string(), vec![-32600]),
        (format!("[{}1]", "1,".repeat(1 << 20)), vec![-32600]),
        ("[]".to_owned(), vec![-32600]),
        (" \t[ ] ".to_owned(), vec![-32600]),
        ("[".to_owned(), vec![-32700]),
        ("[1,]".to_owned(), vec![-32700]),
        ("[1]1".to_owned(), vec![-32700]),
        ("[1}".to_owned(), vec![-32700]),
        ("[".repeat(1_000_000), vec![-32700]),
        ("[null,1,\"x\",true,{},[]]".to_owned(), vec![-32600; 6]),
        (deep(126), vec![-32600]),
        (deep(500_000), vec![-32600]),
        (json!([[call(1, "quick")]]).to_string(), vec![-32600]),
        // One after the other, so that none is in the other's way, unless the first one waits.
        (json!([call(1, "quick"), call(1, "quick")]).to_string(), vec![0, 0]),
        (json!([call(1, "yield"), call(1, "quick")]).to_string(), vec![-32600, 0]),
        (json!([initialize(1, "2025-03-26"), call(2, "quick")]).to_string(), vec![-32600, 0]),
        (json!([modern(1, "tools/list", json!({})), call(2, "quick")]).to_string(), vec![-32600, 0]),
        (json!([note, huge]).to_string(), vec![-32601]),
        (json!([note, {"jsonrpc": "2.0", "id": 1, "result": {}}, call(1, "quick")]).to_string(), vec![0]),
        // The first is cancelled by the second.
        (json!([call(1, "yield"), cancelled(1), call(2, "quick")]).to_string(), vec![0]),
    ];
    for (text, codes) in cases {
        let what: String = text.chars().take(100).collect();
        let answers = |answer: &Value| -> Vec<i64> {
            let all = answer.as_array().cloned().unwrap_or_else(|| vec![answer.clone()]);
            all.iter().map(|answer| answer["error"]["code"].as_i64().unwrap_or(0)).collect()
        };
        let named = NamedSession::Known(session.clone());
        let posted = post_in(&endpoint, named, text.as_bytes(), MirroredHeaders::default()).await;
        assert_eq!(answers(&posted.answer), codes, "{what}");
        assert!(codes.len() > 50 || posted.answer.to_string().len() < 4 << 10, "{what}");
        let mut wire = Wire::new(&endpoint);
        wire.ask(&initialize("session", "2025-03-26"));
        let mut said = wire.send_bytes(text.as_bytes());
        said.extend(wire.settled().await);
        assert_eq!(said.len(), 1, "{what}: {said:?}");
        assert_eq!(answers(&said[0]), codes, "{what}");
        assert!(!session.is_busy() && !wire.connection.is_busy(), "{what}");
    }
    // Nothing at all, where there is nothing to say.
    for text in [json!([note]), json!([note, note]), json!([call(1, "yield"), cancelled(1)])] {
        assert_eq!(send(&endpoint, &session, &text).await.status, None, "{text}");
    }
}

#[tokio::test]
async fn the_answers_to_a_batch_are_bounded_together() {
    let (endpoint, _) = endpoint_with(|limits| {
        limits.result_bytes = 2_000;
        limits.calls_per_caller = 100;
    });
    let session = open(&endpoint, "2025-03-26");
    for tool in ["quick", "yield"] {
        let batch = Value::from((0..100).map(|id| call(id, tool)).collect::<Vec<_>>());
        let posted = send(&endpoint, &session, &batch).await;
        let answers = posted.answer.as_array().unwrap();
        let mut ids: Vec<_> = answers.iter().map(|answer| answer["id"].as_i64().unwrap()).collect();
        ids.sort_unstable();
        assert!(ids.into_iter().eq(0..100));
        let served = answers.iter().filter(|answer| answer["result"].is_object()).count();
        assert!((10..50).contains(&served), "{served}");
        let refused = answers.iter().filter(|answer| answer["error"]["data"]["limitBytes"] == 2_000).count();
        assert_eq!(served + refused, 100);
    }
}

#[tokio::test]
async fn what_a_session_keeps_is_bounded() {
    let (endpoint, _) = endpoint_with(|limits| limits.client_bytes = 1000);
    let fits = initialize(0, "2025-11-25");
    // What is not kept may be of any size.
    let mut other = fits.clone();
    other["params"]["clientInfo"]["icons"] = json!([{"src": "x".repeat(1 << 20)}]);
    other["params"]["other"] = json!("x".repeat(1 << 20));
    for message in [&fits, &other] {
        assert!(matches!(open_exchange(&endpoint, message), Exchange::Opened { .. }));
    }
    for pointer in [
        "/clientInfo/name",
        "/clientInfo/version",
        "/clientInfo/title",
        "/clientInfo/description",
        "/clientInfo/websiteUrl",
        "/capabilities/experimental",
        "/capabilities/elicitation",
    ] {
        let mut message = fits.clone();
        let long = "x".repeat(1 << 20);
        let (parent, member) = pointer[1..].split_once('/').unwrap();
        let value = if parent == "clientInfo" { json!(long) } else { json!({ "a": long }) };
        message["params"][parent][member] = value;
        let Exchange::Answered(answer) = open_exchange(&endpoint, &message) else { panic!("{pointer}") };
        assert_eq!(answer.status, AnswerStatus::Status(413), "{pointer}");
        assert!(answer.bytes.len() < 400, "{pointer}");
        let mut wire = Wire::new(&endpoint);
        assert_eq!(wire.ask(&message)["error"]["data"]["limitBytes"], 1000, "{pointer}");
        assert_eq!(wire.ask(&fits)["result"]["protocolVersion"], "2025-11-25");
    }
}

#[tokio::test]
async fn what_a_subscription_keeps_is_bounded() {
    let (endpoint, _) = endpoint_with(|limits| {
        limits.subscribed_resources = 10;
        limits.subscribed_bytes = 1000;
    });
    let session = open(&endpoint, "2025-11-25");
    let edit = async |method: &str, name: &str| {
        let message = bare(1, method, json!({"uri": format!("notes://{name}")}));
        send(&endpoint, &session, &message).await.code()
    };
    let subscribe = async |name: &str| edit("resources/subscribe", name).await;
    assert_eq!(subscribe(&"a".repeat(992)).await, None);
    // The same again takes no more room.
    assert_eq!(subscribe(&"a".repeat(992)).await, None);
    assert_eq!(subscribe("b").await, Some(-32602));
    assert_eq!(subscribe(&"b".repeat(1 << 20)).await, Some(-32602));
    // What is refused leaves what was there.
    assert_eq!(edit("resources/unsubscribe", &"a".repeat(992)).await, None);
    for number in 0..10 {
        assert_eq!(subscribe(&number.to_string()).await, None);
    }
    assert_eq!(subscribe("10").await, Some(-32602));
    assert_eq!(subscribe("9").await, None);
    let listen = |uris: Value| {
        modern(1, "subscriptions/listen", json!({"notifications": {"resourceSubscriptions": uris}}))
    };
    let mut wire = Wire::new(&endpoint);
    for uris in [json!(vec!["notes://a"; 11]), json!([format!("notes://{}", "a".repeat(993))])] {
        assert_eq!(wire.ask(&listen(uris))["error"]["code"], -32602);
    }
    assert!(wire.send(&listen(json!(["notes://a"]))).iter().all(|said| said.get("error").is_none()));
}
