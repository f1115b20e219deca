//! What becomes of the requests of a session that its client ends.

use std::{
    future::{Future, poll_fn},
    pin::pin,
    sync::{Arc, Mutex},
    task::{Context, Wake, Waker},
};

use mcp_core::{
    Annotations, Call, Endpoint, Exchange, MirroredHeaders, NamedSession, Post, Principal, Sample, Server,
    Session, Signal, Step, Text, tool_fn,
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::harness::{bare, server};

/// No arguments.
#[derive(Deserialize, JsonSchema)]
struct Nothing {}

/// Whether the call was cancelled, each time that its question woke it.
type Told = Arc<Mutex<Vec<bool>>>;

struct Woken {
    call: Call,
    told: Told,
}

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.told.lock().unwrap().push(self.call.is_cancelled());
    }
}

/// A server whose tool asks, and is told when it is woken.
fn asking(told: Told) -> Server {
    server().add(tool_fn("ask", Annotations::read_only(), move |_: Nothing, call: Call| {
        let woken = Woken { call: call.clone(), told: Arc::clone(&told) };
        async move {
            let waker = Waker::from(Arc::new(woken));
            let mut asking = pin!(call.ask("reply", Sample::new("Well?", 10)));
            poll_fn(|_| asking.as_mut().poll(&mut Context::from_waker(&waker))).await;
            Ok(Text::new("answered"))
        }
    }))
}

fn post(message: &[u8], session: NamedSession, closing: &Signal, endpoint: &Endpoint) -> Exchange {
    endpoint.exchange(Post {
        message,
        headers: MirroredHeaders::default(),
        session,
        principal: Principal::anonymous(),
        peer: None,
        takes_stream: true,
        closing,
    })
}

fn open(endpoint: &Endpoint, closing: &Signal) -> Session {
    let client = json!({"name": "test", "version": "0"});
    let params =
        json!({"protocolVersion": "2025-11-25", "capabilities": {"sampling": {}}, "clientInfo": client});
    let message = bare(0, "initialize", params).to_string();
    match post(message.as_bytes(), NamedSession::None, closing, endpoint) {
        Exchange::Opened { session, .. } => session,
        other => panic!("{other:?}"),
    }
}

/// Found by `cargo xtask soak`: where another thread ran the call at once, it answered that its question was refused.
#[tokio::test]
async fn a_call_is_cancelled_before_it_learns_that_its_question_is_not_answered() {
    let (told, closing) = (Told::default(), Signal::new());
    let endpoint = asking(Arc::clone(&told)).build().unwrap();
    let session = open(&endpoint, &closing);
    let call = bare(1, "tools/call", json!({"name": "ask", "arguments": {}})).to_string();
    let named = NamedSession::Known(session.clone());
    let Exchange::Running(mut running) = post(call.as_bytes(), named, &closing, &endpoint) else {
        panic!("it asks first");
    };
    let Step::Notification(question) = poll_fn(|cx| running.poll_step(cx)).await else {
        panic!("it asks first");
    };
    let question: Value = serde_json::from_slice(&question).unwrap();
    assert_eq!(question["method"], "sampling/createMessage");

    // It may have been woken before: when its question was taken.
    told.lock().unwrap().clear();
    session.end();
    let told = std::mem::take(&mut *told.lock().unwrap());
    assert!(!told.is_empty() && told.iter().all(|was_cancelled| *was_cancelled), "{told:?}");
    loop {
        match poll_fn(|cx| running.poll_step(cx)).await {
            Step::End => break,
            Step::Notification(_) => {}
            Step::Answer(answer) => panic!("{answer:?}"),
        }
    }
}
