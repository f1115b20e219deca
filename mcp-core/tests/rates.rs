//! How often callers may call and how much at once, over connections and single messages of both eras.

use std::{
    net::IpAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use mcp_core::{
    Annotations, AnswerStatus, Bucket, Call, Caller, Charge, Charged, Connection, DynTool, Endpoint,
    Exchange, Limits, MirroredHeaders, NamedSession, OverRate, Post, Principal, PrincipalKind, RateOf,
    RateStore, Rates, Revision, Server, Session, Signal, Text, ToolReply, TransportKind,
    testing::{Client, Options, Reaction, RequestReply},
};
use serde_json::{Value, json};

use crate::harness::{Gate, bare, headers_for, initialize, lines, modern, post, server};

/// Three at once, and one more a second.
const SMALL: Bucket = Bucket::new(3, 60);

fn tools() -> Server {
    let tool = |name| DynTool::new(name, Annotations::read_only(), |_, _| async { Ok(ToolReply::default()) });
    server().add(tool("echo")).add(tool("db_query")).add(tool("free"))
}

fn build(rates: Rates) -> Endpoint {
    tools().rates(rates).build().unwrap()
}

fn user(name: &str) -> Principal {
    Principal::new(PrincipalKind::User, name)
}

async fn connect(endpoint: &Endpoint, principal: Principal, peer: &str) -> Client {
    Client::with(endpoint, Options::new().principal(principal).peer(peer.parse().unwrap())).await
}

async fn request(client: &Client, tool: &str) -> RequestReply {
    client.request("tools/call", json!({"name": tool, "arguments": {}})).await
}

/// After how many milliseconds to try again, of a request that has to be refused for its rate.
fn refused(reply: &RequestReply) -> u64 {
    assert_eq!(reply.error()["code"], 429);
    reply.error()["data"]["retryAfterMs"].as_u64().unwrap()
}

/// How many of so many calls are served.
async fn served(client: &Client, calls: usize) -> usize {
    let mut served = 0;
    for _ in 0..calls {
        served += usize::from(request(client, "echo").await.message()["result"].is_object());
    }
    served
}

#[tokio::test(start_paused = true)]
async fn a_bucket_drains_and_fills_again_to_the_millisecond() {
    let endpoint = build(Rates::off().per_principal(SMALL));
    for revision in [Revision::V2026_07_28, Revision::V2025_11_25, Revision::V2025_03_26] {
        let options = Options::new().revision(revision).principal(user(revision.as_str()));
        let client = Client::with(&endpoint, options).await;
        // To open a session costs as well.
        assert_eq!(served(&client, 3).await, if revision.is_modern() { 3 } else { 2 });
        assert_eq!(refused(&request(&client, "echo").await), 1_000);
        tokio::time::advance(Duration::from_millis(999)).await;
        assert_eq!(refused(&request(&client, "echo").await), 1);
        tokio::time::advance(Duration::from_millis(1)).await;
        assert_eq!(served(&client, 2).await, 1);
        // However long it was idle, no more than what a bucket holds.
        tokio::time::advance(Duration::from_secs(3_600)).await;
        assert_eq!(served(&client, 10).await, 3);
    }
}

#[tokio::test(start_paused = true)]
async fn the_default_is_1200_calls_and_20_a_second() {
    let client = connect(&build(Rates::default()), user("ada"), "192.0.2.1").await;
    assert_eq!(served(&client, 1_300).await, 1_200);
    let reply = request(&client, "echo").await;
    assert_eq!(refused(&reply), 50);
    let message = reply.error()["message"].as_str().unwrap();
    assert!(message.contains("one caller may make 1200 at once, and 1200 a minute"), "{message}");
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_eq!(served(&client, 30).await, 20);
}

#[tokio::test(start_paused = true)]
async fn a_tool_costs_what_was_said() {
    let rates = Rates::off().per_principal(Bucket::new(10, 60)).cost("db_query", 5).cost("free", 0);
    let client = connect(&build(rates), user("ada"), "192.0.2.1").await;
    request(&client, "db_query").await.result();
    request(&client, "echo").await.result();
    assert_eq!(refused(&request(&client, "db_query").await), 1_000);
    assert_eq!(served(&client, 4).await, 4);
    assert_eq!(refused(&request(&client, "db_query").await), 5_000);
    assert_eq!(refused(&request(&client, "echo").await), 1_000);
    request(&client, "free").await.result();
}

#[tokio::test(start_paused = true)]
async fn principals_and_addresses_have_buckets_of_their_own() {
    let endpoint = build(Rates::off().per_principal(SMALL).per_address(Bucket::new(6, 60)));
    let client = async |name: &str, peer: &str| connect(&endpoint, user(name), peer).await;
    // One address may use a whole principal's bucket, and another principal's as well.
    assert_eq!(served(&client("ada", "192.0.2.1").await, 9).await, 3);
    assert_eq!(served(&client("bob", "192.0.2.1").await, 9).await, 3);
    let third = client("cyd", "192.0.2.1").await;
    let reply = request(&third, "echo").await;
    assert_eq!(refused(&reply), 1_000);
    assert!(reply.error()["message"].as_str().unwrap().contains("one address may make 6 at once"));
    // From elsewhere there is still all of hers: what was refused for the address took nothing.
    assert_eq!(served(&client("cyd", "192.0.2.2").await, 9).await, 3);
    // And one with many addresses has one bucket.
    for host in 10..20 {
        let client = client("cyd", &format!("192.0.2.{host}")).await;
        refused(&request(&client, "echo").await);
    }
}

#[tokio::test(start_paused = true)]
async fn nobody_in_particular_goes_by_address() {
    let endpoint = build(Rates::off().per_principal(SMALL));
    let anonymous = async |peer: &str| connect(&endpoint, Principal::anonymous(), peer).await;
    assert_eq!(served(&anonymous("192.0.2.1").await, 9).await, 3);
    assert_eq!(served(&anonymous("::ffff:192.0.2.1").await, 9).await, 0);
    assert_eq!(served(&anonymous("192.0.2.2").await, 9).await, 3);
    assert_eq!(served(&anonymous("2001:db8::1").await, 9).await, 3);
    assert_eq!(served(&anonymous("2001:db8::2").await, 9).await, 0);
    // Of those whose address is not known nobody can be told apart.
    let unknown = async || Client::with(&endpoint, Options::new().principal(Principal::anonymous())).await;
    assert_eq!(served(&unknown().await, 9).await + served(&unknown().await, 9).await, 3);
}

#[tokio::test(start_paused = true)]
async fn a_local_process_calls_as_often_as_it_likes() {
    let endpoint = build(Rates::new().per_principal(SMALL).per_address(SMALL));
    assert_eq!(served(&Client::new(&endpoint).await, 2_000).await, 2_000);
    let session = Client::with(&endpoint, Options::new().revision(Revision::V2025_11_25)).await;
    assert_eq!(served(&session, 2_000).await, 2_000);
}

#[tokio::test(start_paused = true)]
async fn without_rates_everybody_does() {
    let client = connect(&build(Rates::off()), user("ada"), "192.0.2.1").await;
    assert_eq!(served(&client, 6_000).await, 6_000);
}

#[tokio::test(start_paused = true)]
async fn every_request_costs_but_pings_and_notifications() {
    let endpoint = build(Rates::off().per_principal(Bucket::new(8, 1)));
    let options = Options::new().revision(Revision::V2025_11_25).principal(user("ada"));
    let client = Client::with(&endpoint, options).await;
    for _ in 0..20 {
        client.request("ping", json!({})).await.result();
        client.notify("notifications/cancelled", json!({"requestId": 99}));
    }
    for method in ["tools/list", "tools/list", "logging/setLevel", "resources/subscribe", "prompts/get"] {
        let reply = client.request(method, json!({"level": "error", "uri": "a:b", "name": "none"})).await;
        assert_ne!(reply.message()["error"]["code"], 429, "{method}");
    }
    request(&client, "none").await.error();
    assert_eq!(served(&client, 9).await, 1);
    for method in ["tools/list", "logging/setLevel", "resources/subscribe", "tools/call"] {
        let reply = client.request(method, json!({"level": "error", "uri": "a:b", "name": "echo"})).await;
        assert_eq!(refused(&reply), 60_000, "{method}");
    }
    client.request("ping", json!({})).await.result();
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_served_costs_as_well() {
    let messages = [
        json!("nonsense"),
        json!({"jsonrpc": "2.0", "id": 1, "method": 7}),
        bare(1, "no/such/method", json!({})),
        bare(1, "tools/call", json!({})),
        modern(1, "no/such/method", json!({})),
        bare(1, "initialize", json!({})),
        json!([]),
    ];
    for message in messages {
        let endpoint = build(Rates::off().per_address(SMALL));
        let mut outcomes = Vec::new();
        for _ in 0..4 {
            let Exchange::Answered(answer) = exchange(&endpoint, &message, NamedSession::None) else {
                panic!("{message} was taken")
            };
            outcomes.push(answer.status == AnswerStatus::Status(429));
        }
        assert_eq!(outcomes, [false, false, false, true], "{message}");
        // On a connection, and in a session of one.
        for (opens, left) in [(false, 3), (true, 2)] {
            let endpoint = build(Rates::off().per_principal(SMALL));
            let mut connection = Connection::new(&endpoint, user("ada"), TransportKind::Tcp);
            let mut send = |message: &Value| {
                let mut out = Vec::new();
                connection.receive(message.to_string().as_bytes(), &mut out);
                lines(&out)
            };
            if opens {
                send(&initialize(0, "2025-03-26"));
            }
            let refused = (0..4).map(|_| send(&message)[0]["error"]["code"] == 429);
            assert_eq!(refused.filter(|refused| *refused).count(), 4 - left, "{message}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_the_same_for_tools_that_are_there_and_that_are_not() {
    let client = connect(&build(Rates::off().per_principal(SMALL)), user("ada"), "192.0.2.1").await;
    assert_eq!(served(&client, 3).await, 3);
    let errors: Vec<_> = [request(&client, "echo").await, request(&client, "no_such_tool").await]
        .map(|reply| reply.error().clone())
        .into();
    assert_eq!(errors[0], errors[1]);
}

/// What a message that names this session comes to, at once.
fn exchange(endpoint: &Endpoint, message: &Value, session: NamedSession) -> Exchange {
    endpoint.exchange(Post {
        message: message.to_string().as_bytes(),
        headers: MirroredHeaders::default(),
        session,
        principal: user("ada"),
        peer: Some(IpAddr::from([192, 0, 2, 1])),
        takes_stream: true,
        closing: &Signal::new(),
    })
}

fn open(endpoint: &Endpoint) -> Session {
    match exchange(endpoint, &initialize(0, "2025-11-25"), NamedSession::None) {
        Exchange::Opened { session, .. } => session,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn transports_learn_after_what_time_to_try_again() {
    let endpoint = build(Rates::off().per_address(SMALL));
    let session = open(&endpoint);
    let call = |id| {
        exchange(
            &endpoint,
            &bare(id, "tools/call", json!({"name": "echo"})),
            NamedSession::Known(session.clone()),
        )
    };
    for id in 1..=2 {
        assert!(matches!(call(id), Exchange::Answered(answer) if answer.status == AnswerStatus::Served));
    }
    for refused in [call(3), exchange(&endpoint, &initialize(3, "2025-11-25"), NamedSession::None)] {
        let Exchange::Answered(answer) = refused else { panic!("{refused:?}") };
        assert_eq!(answer.status, AnswerStatus::Status(429));
        assert_eq!(answer.retry_after, Some(Duration::from_secs(1)));
        let body: Value = serde_json::from_slice(&answer.bytes).unwrap();
        assert_eq!((&body["id"], &body["error"]["data"]["retryAfterMs"]), (&json!(3), &json!(1_000)));
    }
}

#[tokio::test(start_paused = true)]
async fn a_transport_can_see_beforehand_who_lacks_calls() {
    let endpoint = build(Rates::new().per_principal(SMALL).per_address(Bucket::new(5, 60)));
    let (ada, bob) = (user("ada"), user("bob"));
    let (here, there): (IpAddr, IpAddr) = ([192, 0, 2, 1].into(), [192, 0, 2, 2].into());
    let client = connect(&endpoint, ada.clone(), "192.0.2.1").await;
    assert_eq!(served(&client, 4).await, 3);
    let refused = endpoint.check_rates(&ada, Some(there)).unwrap_err();
    assert_eq!((refused.code, refused.data), (429, Some(json!({"retryAfterMs": 1_000}))));
    endpoint.check_rates(&bob, Some(here)).unwrap();
    // Credentials that are no good use up nothing that others need.
    for status in [None, None, None, None, None, Some(429)] {
        assert_eq!(endpoint.charge_failure(here).err().map(|error| error.code), status);
    }
    endpoint.check_address(here).unwrap();
    // Whatever else comes from an address does.
    endpoint.charge_address(here).unwrap();
    endpoint.charge_address(here).unwrap();
    assert_eq!(endpoint.charge_address(here).unwrap_err().code, 429);
    assert_eq!(endpoint.check_address(here).unwrap_err().code, 429);
    assert_eq!(endpoint.check_rates(&bob, Some(here)).unwrap_err().code, 429);
    endpoint.check_address(there).unwrap();
    endpoint.check_rates(&Principal::local(), None).unwrap();
    tokio::time::advance(Duration::from_secs(1)).await;
    endpoint.check_rates(&ada, Some(here)).unwrap();
}

/// A store that takes its time, as one on another machine would, and that writes down what it is asked.
#[derive(Clone, Debug, Default)]
struct Distant {
    asked: Arc<Mutex<Vec<String>>>,
    calls_left: Arc<Mutex<u32>>,
}

impl RateStore for Distant {
    fn take(&self, charges: &[Charge<'_>]) -> Charged {
        let told =
            charges.iter().map(|charge| format!("{:?} {:?} {}", charge.of, charge.caller, charge.cost));
        self.asked.lock().unwrap().extend(told);
        let (calls_left, cost) = (Arc::clone(&self.calls_left), charges[0].cost);
        Charged::Later(Box::pin(async move {
            tokio::time::sleep(Duration::from_millis(3)).await;
            let mut calls_left = calls_left.lock().unwrap();
            let rest = calls_left.checked_sub(cost);
            *calls_left =
                rest.ok_or(OverRate { of: RateOf::Principal, retry_after: Duration::from_millis(7) })?;
            Ok(())
        }))
    }

    fn look(&self, _: &[Charge<'_>]) -> Result<(), OverRate> {
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_elsewhere_is_waited_for_outside_the_places_of_calls() {
    let store = Distant::default();
    *store.calls_left.lock().unwrap() = 6;
    let rates = Rates::new().cost("db_query", 4);
    let limits = |limits: &mut Limits| limits.calls_per_caller = 1;
    let endpoint = tools().rates(rates).limits(limits).rate_store(store.clone()).build().unwrap();
    let client = connect(&endpoint, user("ada"), "2001:db8::1").await;
    request(&client, "db_query").await.result();
    // Both wait for the store at once, and take no place until it answers.
    let start = || client.start("tools/call", json!({"name": "echo", "arguments": {}}));
    let (first, second) = (start(), start());
    first.answer().await.result();
    second.answer().await.result();
    assert_eq!(refused(&request(&client, "echo").await), 7);
    let asked = store.asked.lock().unwrap().clone();
    let ada = r#"Principal Principal { kind: User, subject: "ada" }"#;
    assert_eq!(asked[..2], [format!("{ada} 4"), "Address Network(2001:db8::) 4".to_owned()]);
    assert_eq!(asked.len(), 8);
    // What cannot wait is let through, and counted all the same.
    let session = Options::new().principal(user("ada")).revision(Revision::V2025_11_25);
    *store.calls_left.lock().unwrap() = 1;
    let session = Client::with(&endpoint, session).await;
    assert_eq!(refused(&request(&session, "echo").await), 7);
}

#[tokio::test]
async fn what_lets_nobody_in_does_not_start() {
    let error = tools().rates(Rates::new().cost("db_query", 5_000)).build().unwrap_err().to_string();
    assert!(error.contains("a call of `db_query` takes 5000, more than the 1200"), "{error}");
    assert!(error.contains("more than the 4800"), "{error}");
}

fn gated(gate: &Gate) -> Server {
    let gate = gate.clone();
    tools().add(DynTool::new("wait", Annotations::read_only(), move |_, _: Call| {
        let gate = gate.clone();
        async move {
            gate.pass().await;
            Ok(Text::new("waited"))
        }
    }))
}

#[tokio::test]
async fn a_slow_handler_that_eats_all_places_of_a_caller_leaves_the_others_served() {
    let gate = Gate::closed();
    let endpoint = gated(&gate).limits(|limits| limits.calls_per_caller = 4).build().unwrap();
    let wait = |client: &Client| client.start("tools/call", json!({"name": "wait", "arguments": {}}));
    let ada = connect(&endpoint, user("ada"), "192.0.2.1").await;
    let mut waiting: Vec<_> = (0..4).map(|_| wait(&ada)).collect();
    let refusal = wait(&ada).answer().await;
    assert_eq!(refused(&refusal), 1_000);
    assert!(
        refusal.error()["message"].as_str().unwrap().contains("4 requests of one caller are running already")
    );
    // Over whatever connection it comes, from wherever.
    refused(&request(&connect(&endpoint, user("ada"), "192.0.2.9").await, "echo").await);
    for other in [user("bob"), Principal::anonymous(), Principal::local()] {
        assert_eq!(served(&connect(&endpoint, other, "192.0.2.1").await, 3).await, 3);
    }
    waiting.remove(0).cancel().await;
    assert_eq!(served(&ada, 2).await, 2);
    gate.open(9);
    for call in waiting {
        call.answer().await.result();
    }
    assert_eq!(served(&ada, 2).await, 2);
}

#[tokio::test]
async fn a_server_can_be_one_callers_own() {
    let gate = Gate::closed();
    let limits = |limits: &mut Limits| {
        limits.calls_per_caller = 1;
        limits.for_one_caller();
    };
    let endpoint = gated(&gate).limits(limits).build().unwrap();
    let ada = connect(&endpoint, user("ada"), "192.0.2.1").await;
    let waiting: Vec<_> = (0..200).map(|_| ada.start("tools/call", json!({"name": "wait"}))).collect();
    assert_eq!(served(&ada, 1_300).await, 1_300);
    gate.open(200);
    for call in waiting {
        call.answer().await.result();
    }
}

#[tokio::test]
async fn nobody_in_particular_has_a_share_by_address_and_local_processes_have_one_too() {
    let gate = Gate::closed();
    let endpoint = gated(&gate).limits(|limits| limits.calls_per_caller = 1).build().unwrap();
    for (principal, peer, other) in
        [(Principal::anonymous(), "192.0.2.1", Some("192.0.2.2")), (Principal::local(), "127.0.0.1", None)]
    {
        let client = connect(&endpoint, principal.clone(), peer).await;
        let waiting = client.start("tools/call", json!({"name": "wait", "arguments": {}}));
        refused(&request(&connect(&endpoint, principal.clone(), peer).await, "echo").await);
        if let Some(other) = other {
            assert_eq!(served(&connect(&endpoint, principal, other).await, 2).await, 2);
        }
        waiting.cancel().await;
        assert_eq!(served(&client, 2).await, 2);
    }
}

#[tokio::test]
async fn past_what_the_server_takes_it_is_the_server_that_is_busy() {
    let gate = Gate::closed();
    let limits = |limits: &mut Limits| (limits.concurrent_calls, limits.calls_per_caller) = (2, 3);
    let endpoint = gated(&gate).limits(limits).build().unwrap();
    let ada = connect(&endpoint, user("ada"), "192.0.2.1").await;
    let waiting = [(); 2].map(|()| ada.start("tools/call", json!({"name": "wait"})));
    let busy = request(&ada, "echo").await;
    assert_eq!(
        (&busy.error()["code"], &busy.error()["data"]),
        (&json!(503), &json!({"retryAfterMs": 1_000}))
    );
    let bob = connect(&endpoint, user("bob"), "192.0.2.2").await;
    assert_eq!(request(&bob, "echo").await.error()["code"], 503);
    gate.open(2);
    for call in waiting {
        call.answer().await.result();
    }
    // What was refused has left no trace.
    assert_eq!(served(&ada, 3).await, 3);
}

#[tokio::test]
async fn one_caller_may_have_so_many_subscriptions() {
    let endpoint = tools().limits(|limits| limits.subscriptions_per_caller = 2).build().unwrap();
    let ada = connect(&endpoint, user("ada"), "192.0.2.1").await;
    let listen = |client: &Client| {
        client.start("subscriptions/listen", json!({"notifications": {"toolsListChanged": true}}))
    };
    let mut open = [listen(&ada), listen(&ada)];
    for subscription in &mut open {
        assert_eq!(
            subscription.notification().await.unwrap()["method"],
            "notifications/subscriptions/acknowledged"
        );
    }
    let refusal = listen(&ada).answer().await;
    assert_eq!(refused(&refusal), 1_000);
    assert!(refusal.error()["message"].as_str().unwrap().contains("2 subscriptions of one caller are open"));
    // They take none of the places of calls, and nobody else's.
    assert_eq!(served(&ada, 3).await, 3);
    let bob = connect(&endpoint, user("bob"), "192.0.2.1").await;
    assert!(listen(&bob).notification().await.is_some());
    let [first, _second] = open;
    first.cancel().await;
    assert!(listen(&ada).notification().await.is_some());
}

#[tokio::test(start_paused = true)]
async fn questions_to_one_caller_are_bounded_and_cost_nothing_while_they_wait() {
    let ask = DynTool::new("ask", Annotations::read_only(), |_, call: Call| async move {
        call.confirm("Go on?").await?;
        Ok(ToolReply::default())
    });
    let endpoint = tools()
        .add(ask)
        .rates(Rates::off().per_principal(Bucket::new(6, 1)))
        .limits(|limits| (limits.questions_per_caller, limits.calls_per_caller) = (2, 1))
        .build()
        .unwrap();
    let client = async |name: &str| {
        let options = Options::new().principal(user(name)).revision(Revision::V2025_11_25);
        Client::with(&endpoint, options.answering(|_| Reaction::Leave)).await
    };
    let ada = client("ada").await;
    let start = |client: &Client| client.start("tools/call", json!({"name": "ask", "arguments": {}}));
    let (first, _second) = (start(&ada), start(&ada));
    let question = ada.notification().await;
    ada.notification().await;
    let refusal = start(&ada).answer().await;
    assert_eq!(refusal.error()["code"], 429);
    assert!(refusal.error()["message"].as_str().unwrap().contains("2 questions are waiting for one caller"));
    let bob = client("bob").await;
    let _third = start(&bob);
    assert_eq!(bob.notification().await["method"], "elicitation/create");
    // Nor do they take any of the places of her calls. The answer is free, and so is what the call does after it.
    assert_eq!(served(&ada, 9).await, 2);
    let answer = json!({"action": "accept"});
    ada.send(json!({"jsonrpc": "2.0", "id": question["id"], "result": answer}));
    first.answer().await.result();
}

#[tokio::test(start_paused = true)]
async fn a_round_of_questions_costs_as_any_request_does() {
    let ask = DynTool::new("ask", Annotations::read_only(), |_, call: Call| async move {
        call.confirm("Go on?").await?;
        Ok(ToolReply::default())
    });
    let endpoint = tools().add(ask).rates(Rates::off().per_principal(SMALL)).build().unwrap();
    let options = Options::new().principal(user("ada")).answering(|asked| asked.accept(json!({})));
    let client = Client::with(&endpoint, options).await;
    request(&client, "ask").await.result();
    assert_eq!(served(&client, 9).await, 1);
}

#[tokio::test]
async fn strangers_are_what_stores_tell_apart() {
    let ada = user("ada");
    let same = Caller::of(&ada, None);
    assert_eq!(same, Caller::Principal { kind: PrincipalKind::User, subject: "ada" });
    let request = modern(1, "tools/call", json!({"name": "echo"}));
    let posted = post(&build(Rates::default()), &request, headers_for(&request)).await;
    assert_eq!(posted.status, Some(AnswerStatus::Served));
}

#[test]
fn limits_are_read_from_a_file() {
    let read = |value: Value| serde_json::from_value::<Limits>(value).map_err(|error| error.to_string());
    assert_eq!(read(json!({})).unwrap(), Limits::default());
    let limits = read(json!({
        "call_seconds": 2.5,
        "calls_per_caller": 8,
        "rates": {"address": false, "costs": {"db_query": 5}},
    }));
    let limits = limits.unwrap();
    assert_eq!((limits.call_time, limits.calls_per_caller), (Duration::from_millis(2_500), 8));
    assert_eq!((limits.rates.address, limits.rates.costs["db_query"]), (None, 5));
    assert_eq!(read(serde_json::to_value(&limits).unwrap()).unwrap(), limits);
    for (wrong, says) in [
        (json!({"call_time": 5}), "unknown field `call_time`"),
        (json!({"call_seconds": -1}), "-1 seconds is no time"),
        (json!({"rates": {"per_principal": 5}}), "unknown field `per_principal`"),
    ] {
        let error = read(wrong).unwrap_err();
        assert!(error.contains(says), "{error}");
    }
}
