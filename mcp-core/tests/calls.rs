//! A call from its start to its end: progress, logs, cancellation, limits and panics.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

use mcp_core::{
    Annotations, AnswerStatus, Call, DynTool, Endpoint, Exchange, LogLevel, Revision, Server, Signal, Step,
    Text, Tool, ToolError, ToolReply,
    testing::{Client, Options},
    tool_fn,
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::harness::{Gate, Wire, bare, exchange, headers_for, initialize, modern, post, server};

/// No arguments.
#[derive(Deserialize, JsonSchema)]
struct Nothing {}

/// A tool that does this with its call.
fn does<F, Fut>(name: &str, work: F) -> DynTool
where
    F: Fn(Call) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    DynTool::new(name, Annotations::write(), move |_, call| {
        let work = work(call);
        async move {
            work.await;
            Ok(ToolReply::default())
        }
    })
}

/// A server whose tool `wait` waits at a gate, and counts those that were let go of.
fn waiting(gate: &Gate) -> (Server, Arc<AtomicUsize>) {
    struct LetGo(Arc<AtomicUsize>);
    impl Drop for LetGo {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    let (gate, count) = (gate.clone(), Arc::new(AtomicUsize::new(0)));
    let counter = Arc::clone(&count);
    let wait = does("wait", move |_| {
        let (gate, let_go) = (gate.clone(), LetGo(Arc::clone(&counter)));
        async move {
            gate.pass().await;
            drop(let_go);
        }
    });
    (server().add(wait).add(does("quick", |_| async {})), count)
}

fn call_of(id: impl Into<Value>, tool: &str) -> Value {
    modern(id, "tools/call", json!({ "name": tool }))
}

fn cancel(id: impl Into<Value>) -> Value {
    json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": id.into(), "reason": "late"}})
}

#[tokio::test]
async fn progress_only_grows_and_is_told_under_the_clients_token() {
    let tool = does("t", |call| async move {
        assert!(call.wants_progress());
        for (done, message) in
            [(1.0, "a"), (1.0, "b"), (0.5, "c"), (f64::NAN, "d"), (f64::INFINITY, "e"), (2.5, "")]
        {
            call.progress(done, Some(4.0), message);
        }
        call.progress(3.0, None, "f");
        call.progress(3.5, Some(f64::NAN), "g");
    });
    let endpoint = server().add(tool).build().unwrap();
    for token in [json!("a token"), json!(7), json!("7")] {
        let mut wire = Wire::new(&endpoint);
        let call = modern(1, "tools/call", json!({"name": "t", "_meta": {"progressToken": token}}));
        let said = wire.send(&call);
        let told: Vec<_> = said[..4].iter().map(|note| note["params"].clone()).collect();
        assert_eq!(
            json!(told),
            json!([
                {"progressToken": token, "progress": 1.0, "total": 4.0, "message": "a"},
                {"progressToken": token, "progress": 2.5, "total": 4.0},
                {"progressToken": token, "progress": 3.0, "message": "f"},
                {"progressToken": token, "progress": 3.5, "message": "g"},
            ])
        );
        assert_eq!(said[4]["id"], 1);
    }
}

#[tokio::test]
async fn who_asks_for_no_progress_hears_of_none() {
    let tool = does("t", |call| async move {
        assert!(!call.wants_progress());
        call.progress(1.0, None, "");
    });
    let endpoint = server().add(tool).build().unwrap();
    assert_eq!(Wire::new(&endpoint).send(&call_of(1, "t")).len(), 1);
    let token = modern(1, "tools/call", json!({"name": "t", "_meta": {"progressToken": 1.5}}));
    assert_eq!(Wire::new(&endpoint).ask(&token)["error"]["code"], -32602);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn progress_of_many_threads_goes_out_in_order() {
    let tool = does("t", |call| async move {
        let next = Arc::new(AtomicUsize::new(0));
        let report = || {
            let (call, next) = (call.clone(), Arc::clone(&next));
            tokio::task::spawn_blocking(move || {
                for _ in 0..2_000 {
                    #[allow(clippy::cast_precision_loss, reason = "small numbers")]
                    call.progress(next.fetch_add(1, Ordering::Relaxed) as f64, None, "");
                }
            })
        };
        for thread in [report(), report(), report(), report()] {
            thread.await.unwrap();
        }
    });
    let server = server().add(tool).limits(|limits| limits.queued_notifications = 10_000);
    let reply = Client::new(server).await.call("t", json!({})).await;
    let told: Vec<_> = reply
        .reply()
        .notifications()
        .iter()
        .map(|note| note["params"]["progress"].as_f64().unwrap())
        .collect();
    assert!(told.len() > 100, "{}", told.len());
    assert!(told.is_sorted_by(|a, b| a < b));
}

#[tokio::test]
async fn nothing_is_said_of_a_request_after_its_answer() {
    let kept: Arc<Mutex<Option<Call>>> = Arc::default();
    let keep = Arc::clone(&kept);
    let gate = Gate::closed();
    let pass = gate.clone();
    let tool = does("t", move |call| {
        *keep.lock().unwrap() = Some(call);
        let gate = pass.clone();
        async move { gate.pass().await }
    });
    let endpoint = server().add(tool).build().unwrap();
    let request = modern(
        1,
        "tools/call",
        json!({"name": "t", "_meta": {
        "progressToken": 1, "io.modelcontextprotocol/logLevel": "debug"}}),
    );
    let late = || {
        let call = kept.lock().unwrap().take().unwrap();
        call.progress(1.0, None, "late");
        call.log(LogLevel::Error, "", "late");
    };

    // Answered at once, answered later, cancelled.
    let mut wire = Wire::new(&endpoint);
    gate.open(1);
    assert_eq!(wire.send(&request).len(), 1);
    late();
    assert_eq!(wire.settled().await, [Value::Null; 0]);
    assert_eq!(wire.send(&request).len(), 0);
    gate.open(1);
    assert_eq!(wire.later().await.len(), 1);
    late();
    assert_eq!(wire.settled().await, [Value::Null; 0]);
    wire.send(&request);
    wire.send(&cancel(1));
    late();
    assert_eq!(wire.settled().await, [Value::Null; 0]);

    // Over HTTP a task that goes on reporting cannot keep the answer back.
    gate.open(1);
    let Exchange::Running(mut running) = exchange(&endpoint, &request, &Signal::new()) else {
        panic!("refused")
    };
    let mut cx = Context::from_waker(Waker::noop());
    assert!(matches!(running.poll_step(&mut cx), Poll::Ready(Step::Answer(_))));
    late();
    assert!(running.poll_step(&mut cx).is_pending());
}

#[tokio::test]
async fn logs_reach_who_asked_for_their_level() {
    let tool = || {
        does("t", |call| async move {
            call.log(LogLevel::Debug, "db", "d");
            call.log(LogLevel::Info, "", json!({"i": 1}));
            call.log(LogLevel::Emergency, "db", [1]);
            call.log(LogLevel::Emergency, "db", std::collections::HashMap::from([((1, 2), 3)]));
        })
    };
    let levels = |said: &[Value]| -> Vec<String> {
        said.iter().filter_map(|note| note["params"]["level"].as_str().map(str::to_owned)).collect()
    };
    let endpoint = server().add(tool()).build().unwrap();
    for (level, expected) in [
        (json!("debug"), &["debug", "info", "emergency"][..]),
        (json!("info"), &["info", "emergency"]),
        (json!("alert"), &["emergency"]),
        (Value::Null, &[]),
    ] {
        let request = modern(
            1,
            "tools/call",
            json!({"name": "t", "_meta": {"io.modelcontextprotocol/logLevel": level}}),
        );
        let posted = post(&endpoint, &request, headers_for(&request)).await;
        assert_eq!(levels(&posted.notifications), expected, "{level}");
    }
    let loud =
        modern(1, "tools/call", json!({"name": "t", "_meta": {"io.modelcontextprotocol/logLevel": "loud"}}));
    assert_eq!(post(&endpoint, &loud, headers_for(&loud)).await.code(), Some(-32602));

    let client = Client::with_revision(server().add(tool()), Revision::V2025_11_25).await;
    let reply = client.call("t", json!({})).await;
    assert_eq!(levels(reply.reply().notifications()), ["info", "emergency"]);
    let note = &reply.reply().notifications()[0];
    assert_eq!(note["params"], json!({"level": "info", "data": {"i": 1}}));
    for (level, expected) in [("debug", 3), ("emergency", 1)] {
        assert_eq!(client.request("logging/setLevel", json!({ "level": level })).await.result(), &json!({}));
        assert_eq!(client.call("t", json!({})).await.reply().notifications().len(), expected);
    }
    for params in [json!({}), json!({"level": "loud"}), json!({"level": 3})] {
        assert_eq!(client.request("logging/setLevel", params).await.error()["code"], -32602);
    }
}

#[tokio::test]
async fn a_cancelled_request_is_dropped_and_never_answered() {
    let gate = Gate::closed();
    let (server, let_go) = waiting(&gate);
    let endpoint = server.build().unwrap();
    let mut wire = Wire::new(&endpoint);
    for id in [json!(1), json!("1")] {
        assert_eq!(wire.send(&call_of(id, "wait")), [Value::Null; 0]);
    }
    assert!(wire.connection.is_busy());
    // Of another form, or of nobody: ignored.
    for nothing in [json!(2), json!("x"), json!(null), json!({}), json!(1.5)] {
        assert_eq!(wire.send(&cancel(nothing)), [Value::Null; 0]);
    }
    assert_eq!(let_go.load(Ordering::Relaxed), 0);
    wire.send(&cancel(1));
    assert_eq!(wire.settled().await, [Value::Null; 0]);
    assert_eq!(let_go.load(Ordering::Relaxed), 1);
    gate.open(1);
    assert_eq!(wire.later().await[0]["id"], "1");
    assert!(!wire.connection.is_busy());
    assert_eq!(wire.ask(&call_of(1, "quick"))["id"], 1);
}

#[tokio::test]
async fn an_answer_that_was_ready_when_its_request_was_cancelled_answers_nothing_else() {
    let gate = Gate::closed();
    let endpoint = waiting(&gate).0.build().unwrap();
    let mut wire = Wire::new(&endpoint);
    wire.send(&call_of(1, "wait"));
    gate.open(1);
    // The answer is queued by now, and nobody has taken it out.
    for _ in 0..8 {
        tokio::task::yield_now().await;
    }
    wire.send(&cancel(1));
    assert_eq!(wire.send(&call_of(1, "wait")), [Value::Null; 0]);
    assert_eq!(wire.settled().await, [Value::Null; 0]);
    gate.open(1);
    assert_eq!(wire.later().await.len(), 1);
    assert_eq!(wire.settled().await, [Value::Null; 0]);
}

#[tokio::test]
async fn two_running_requests_cannot_have_one_id() {
    let gate = Gate::closed();
    let endpoint = waiting(&gate).0.build().unwrap();
    let mut wire = Wire::new(&endpoint);
    wire.send(&call_of(1, "wait"));
    let refused = wire.ask(&call_of(1, "quick"));
    assert_eq!((&refused["id"], &refused["error"]["code"]), (&json!(1), &json!(-32600)));
    assert!(wire.ask(&call_of("1", "quick"))["result"].is_object());
    gate.open(1);
    assert_eq!(wire.later().await[0]["id"], 1);
}

#[tokio::test]
async fn answers_come_as_they_finish() {
    let gate = Gate::closed();
    let endpoint = waiting(&gate).0.build().unwrap();
    let mut wire = Wire::new(&endpoint);
    wire.send(&call_of("slow", "wait"));
    assert_eq!(wire.ask(&call_of("fast", "quick"))["id"], "fast");
    gate.open(1);
    assert_eq!(wire.later().await[0]["id"], "slow");
}

#[tokio::test]
async fn a_dropped_exchange_cancels_its_call() {
    let seen = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&seen);
    let tool = does("t", move |call| {
        let counter = Arc::clone(&counter);
        async move {
            tokio::spawn({
                let call = call.clone();
                async move {
                    call.cancelled().await;
                    counter.fetch_add(1 + usize::from(call.is_cancelled()), Ordering::Relaxed);
                }
            });
            std::future::pending::<()>().await;
        }
    });
    let endpoint = server().add(tool).build().unwrap();
    let request = call_of(1, "t");
    let exchange = exchange(&endpoint, &request, &Signal::new());
    let Exchange::Running(mut running) = exchange else { panic!("{exchange:?}") };
    assert!(running.poll_step(&mut Context::from_waker(Waker::noop())).is_pending());
    tokio::task::yield_now().await;
    drop(running);
    tokio::task::yield_now().await;
    assert_eq!(seen.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn a_dropped_connection_cancels_what_runs() {
    let gate = Gate::closed();
    let (server, let_go) = waiting(&gate);
    let endpoint = server.build().unwrap();
    let mut wire = Wire::new(&endpoint);
    wire.send(&call_of(1, "wait"));
    drop(wire);
    for _ in 0..8 {
        tokio::task::yield_now().await;
    }
    assert_eq!(let_go.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn what_still_runs_at_the_end_is_answered() {
    let gate = Gate::closed();
    let (server, let_go) = waiting(&gate);
    let endpoint = server.build().unwrap();
    let mut wire = Wire::new(&endpoint);
    wire.send(&call_of(1, "wait"));
    wire.send(&call_of(2, "wait"));
    wire.connection.close();
    gate.open(1);
    assert_eq!(wire.later().await[0]["id"], 1);
    let mut out = Vec::new();
    wire.connection.abandon(&mut out);
    let said = crate::harness::lines(&out);
    assert_eq!((said.len(), &said[0]["id"], &said[0]["error"]["code"]), (1, &json!(2), &json!(503)));
    assert_eq!(wire.settled().await, [Value::Null; 0]);
    assert_eq!(let_go.load(Ordering::Relaxed), 2);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_takes_too_long_is_dropped_and_answered() {
    let gate = Gate::closed();
    for revision in Revision::ALL {
        let (server, let_go) = waiting(&gate);
        let client = Client::with_revision(
            server.limits(|limits| limits.call_time = Duration::from_secs(3)),
            revision,
        )
        .await;
        let begun = tokio::time::Instant::now();
        let reply = client.call("wait", json!({})).await;
        assert_eq!(begun.elapsed().as_secs(), 3);
        assert_eq!(
            reply.reply().error(),
            &json!({"code": 504, "message": "The request ran longer than the limit of 3s"})
        );
        tokio::task::yield_now().await;
        assert_eq!(let_go.load(Ordering::Relaxed), 1);
        assert!(!client.call("quick", json!({})).await.is_error());
    }
}

#[tokio::test(start_paused = true)]
async fn the_status_of_a_call_that_takes_too_long_is_504() {
    let gate = Gate::closed();
    let endpoint = waiting(&gate).0.build().unwrap();
    let posted = post(&endpoint, &call_of(1, "wait"), headers_for(&call_of(1, "wait"))).await;
    assert_eq!(posted.status, Some(AnswerStatus::Status(504)));
}

#[tokio::test]
async fn one_request_too_many_is_refused_at_once_and_its_place_not_taken() {
    let gate = Gate::closed();
    let endpoint = waiting(&gate).0.limits(|limits| limits.concurrent_calls = 2).build().unwrap();
    let (mut one, mut other) = (Wire::new(&endpoint), Wire::new(&endpoint));
    one.send(&call_of(1, "wait"));
    other.send(&call_of(2, "wait"));
    for _ in 0..5 {
        let refused = one.ask(&call_of(3, "quick"));
        assert_eq!(refused["error"]["code"], 503);
        assert_eq!(refused["error"]["data"], json!({"retryAfterMs": 1000}));
    }
    let posted = post(&endpoint, &call_of(4, "quick"), headers_for(&call_of(4, "quick"))).await;
    assert_eq!(posted.status, Some(AnswerStatus::Status(503)));
    // A session is asked whether it lives even then.
    let mut session = Wire::new(&endpoint);
    session.ask(&initialize(1, "2025-11-25"));
    assert_eq!(session.ask(&bare(2, "ping", json!({})))["result"], json!({}));
    // One that ends, or is cancelled, gives its place back.
    gate.open(1);
    one.later().await;
    assert!(one.ask(&call_of(3, "quick"))["result"].is_object());
    other.send(&cancel(2));
    other.settled().await;
    assert_eq!(one.send(&call_of(4, "wait")), [Value::Null; 0]);
    assert!(one.ask(&call_of(5, "quick"))["result"].is_object());
}

/// A server on which everything panics in its own way.
fn panicking() -> Endpoint {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            assert!(std::thread::panicking(), "dropped on purpose");
        }
    }
    server()
        .add(DynTool::new("sync", Annotations::write(), |_, _| -> std::future::Ready<Result<ToolReply, _>> {
            panic!("at once, secret")
        }))
        .add(tool_fn("typed", Annotations::write(), async |_: Nothing, _| -> Result<Text, _> {
            panic!("typed, secret")
        }))
        .add(does("async", |_| async {
            tokio::task::yield_now().await;
            panic!("later, secret");
        }))
        .add(does("drop", |_| async { drop(Bomb) }))
        .add(does("drop_cancelled", |_| async {
            let _bomb = Bomb;
            std::future::pending().await
        }))
        .add(does("value", |_| async { std::panic::panic_any(7) }))
        .add(does("fine", |_| async {}))
        .limits(|limits| limits.call_time = Duration::from_secs(1))
        .build()
        .unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_panic_fails_its_own_request_alone() {
    let endpoint = panicking();
    for revision in Revision::ALL {
        let client = Client::with_revision(&endpoint, revision).await;
        for tool in ["sync", "typed", "async", "drop", "value"] {
            let reply = client.call(tool, json!({})).await;
            let internal =
                json!({"code": -32603, "message": "Internal error; the server's log has the cause"});
            assert_eq!(reply.reply().error(), &internal, "{tool}");
        }
        assert_eq!(client.call("drop_cancelled", json!({})).await.reply().error()["code"], 504);
        client.start("tools/call", json!({"name": "drop_cancelled"})).cancel().await;
        assert!(!client.call("fine", json!({})).await.is_error());
    }
    for tool in ["sync", "typed", "async", "drop", "value"] {
        let posted = post(&endpoint, &call_of(1, tool), headers_for(&call_of(1, tool))).await;
        assert_eq!((posted.code(), posted.status), (Some(-32603), Some(AnswerStatus::Served)), "{tool}");
    }
    let call = call_of(1, "drop_cancelled");
    assert_eq!(post(&endpoint, &call, headers_for(&call)).await.code(), Some(504));
}

#[tokio::test]
async fn a_dropped_exchange_whose_drop_panics_harms_nobody() {
    let endpoint = panicking();
    let call = call_of(1, "drop_cancelled");
    let exchange = exchange(&endpoint, &call, &Signal::new());
    let Exchange::Running(mut running) = exchange else { panic!("{exchange:?}") };
    assert!(running.poll_step(&mut Context::from_waker(Waker::noop())).is_pending());
    drop(running);
}

#[tokio::test]
async fn what_a_panicking_call_started_hears_that_it_is_over() {
    let (heard, hearing) = tokio::sync::oneshot::channel();
    let heard = Mutex::new(Some(heard));
    let tool = DynTool::new::<ToolReply, _, _>("t", Annotations::write(), move |_, call| {
        let heard = heard.lock().unwrap().take().unwrap();
        tokio::spawn(async move {
            call.cancelled().await;
            heard.send(()).unwrap();
        });
        async { panic!("on purpose") }
    });
    let client = Client::new(server().add(tool)).await;
    client.call("t", json!({})).await.reply().error();
    hearing.await.unwrap();
}

/// Asks whether it may.
#[derive(Deserialize, JsonSchema)]
struct MayI {}

impl Tool for MayI {
    const NAME: &'static str = "may_i";
    const ANNOTATIONS: Annotations = Annotations::write();
    type Output = Text;

    async fn call(self, (): &(), call: &Call) -> Result<Text, ToolError> {
        call.confirm("May I?").await?;
        Ok(Text::new("I did"))
    }
}

#[tokio::test]
#[should_panic(expected = "the connection ended before the answer")]
async fn a_test_whose_own_answer_panics_does_not_wait_for_ever() {
    let wrong =
        Options::new().revision(Revision::V2025_11_25).answering(|asked| panic!("{}", asked.message()));
    Client::with(server().tool::<MayI>(), wrong).await.call("may_i", json!({})).await;
}
