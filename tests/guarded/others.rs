//! What belongs to another caller: its cursors, the states of its requests, its session, what it has subscribed to.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use mcp_core::{
    Access, Annotations, Call, Contents, Empty, Endpoint, Form, Principal, PrincipalKind, Revision, Server,
    Text, resource_fn, tool_fn,
};
use mcp_transport_http::{Http, KeyKind, NewKey};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use super::{
    ERAS,
    door::{Door, Keys, Visitor},
    lines::Lines,
    walk::Way,
};

/// A name.
#[derive(Deserialize, JsonSchema)]
struct Named {
    #[allow(dead_code)]
    name: String,
}

/// Ada, who is of a tenant, and Eve, who is not and knows what Ada knows, at one server.
struct Both<W> {
    endpoint: Endpoint,
    ada: W,
    eve: W,
    /// How often somebody was told a name.
    told: Arc<AtomicUsize>,
}

fn server(told: &Arc<AtomicUsize>) -> Server {
    let read = Annotations::read_only();
    let tool = |name| tool_fn(name, read, async |_: Empty, _| Ok(Text::new("")));
    let told = Arc::clone(told);
    let ask = tool_fn("ask", read, move |_: Empty, call: Call| {
        let told = Arc::clone(&told);
        async move {
            call.ask("name", Form::<Named>::new("Who are you?")).await.accepted()?;
            told.fetch_add(1, Ordering::Relaxed);
            Ok(Text::new("Thank you."))
        }
    });
    let fixed = |uri: &str| resource_fn(uri, uri, async |_: Empty, _| Ok(Contents::text("")));
    Server::new("test", "1")
        .limits(|limits| limits.page_size = 1)
        .add(ask)
        .add(tool("of_acme").about(|about| about.requires(Access::tenant("acme"))))
        .add(tool("open"))
        .add(fixed("demo://of-ada"))
        .add(fixed("demo://of-eve"))
}

async fn over_http(revision: Revision) -> Both<Visitor> {
    let (told, keys) = (Arc::default(), Keys::none());
    let door = Door::open(Http::new(), &keys, server(&told)).await;
    let user = |name| NewKey::named(name).kind(KeyKind::User);
    let ada = door.enter(&keys.make(user("ada").tenants(["acme"])).await, revision);
    let eve = door.enter(&keys.make(user("eve")).await, revision);
    Both { endpoint: door.endpoint, ada, eve, told }
}

fn over_lines(revision: Revision) -> Both<Lines> {
    let told = Arc::default();
    let endpoint = server(&told).build().unwrap();
    let user = |name| Principal::new(PrincipalKind::User, name);
    let ada = Lines::connect(&endpoint, user("ada").with_tenants(["acme"]), revision).unwrap();
    let eve = Lines::connect(&endpoint, user("eve"), revision).unwrap();
    Both { endpoint, ada, eve, told }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_of_another_caller_shows_what_ones_own_would() {
    for revision in ERAS {
        show_by_cursors(over_http(revision).await).await;
        show_by_cursors(over_lines(revision)).await;
    }
}

async fn show_by_cursors<W: Way>(Both { mut ada, mut eve, .. }: Both<W>) {
    let (mut params, mut pages) = (json!({}), Vec::new());
    while let Some(cursor) = ada.request("tools/list", params).await.message["result"].get("nextCursor") {
        params = json!({ "cursor": cursor });
        pages.push(eve.request("tools/list", params.clone()).await.message["result"].clone());
    }
    // After `ask` and after `of_acme`, which she does not see, comes the same.
    let [after_ask, after_hidden] = pages.try_into().unwrap();
    assert_eq!(after_ask["tools"][0]["name"], "open");
    assert_eq!(after_ask, after_hidden);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_state_of_another_callers_request_is_no_use() {
    let modern = Revision::V2026_07_28;
    answer_for_another(over_http(modern).await).await;
    answer_for_another(over_lines(modern)).await;
}

async fn answer_for_another<W: Way>(Both { mut ada, mut eve, told, .. }: Both<W>) {
    let params = json!({"name": "ask", "arguments": {}});
    let asked = ada.request("tools/call", params.clone()).await.message;
    assert_eq!(asked["result"]["resultType"], "input_required", "{asked}");
    let mut answered = params;
    answered["requestState"] = asked["result"]["requestState"].clone();
    answered["inputResponses"] = json!({"name": {"action": "accept", "content": {"name": "Ada"}}});
    let refused = eve.request("tools/call", answered.clone()).await.message;
    assert_eq!((&refused["error"]["code"], told.load(Ordering::Relaxed)), (&json!(-32602), 0), "{refused}");
    // It does not take anything away from whose it is.
    let done = ada.request("tools/call", answered).await.message;
    assert_eq!(done["result"]["content"][0]["text"], "Thank you.", "{done}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_of_another_key_is_like_one_that_never_was() {
    let Both { mut ada, eve, told, .. } = over_http(Revision::V2025_11_25).await;
    let mut thief = eve.with_session(ada.session.clone());
    let made_up = "0".repeat(ada.session.as_ref().unwrap().len());
    let mut dreamer = eve.with_session(Some(made_up));
    for (method, params) in [
        ("tools/list", json!({})),
        ("tools/call", json!({"name": "open", "arguments": {}})),
        ("resources/unsubscribe", json!({"uri": "demo://of-ada"})),
        ("ping", json!({})),
    ] {
        let refused = thief.send(method, params.clone());
        assert_eq!(refused.status(), 404, "{method}: {refused:?}");
        assert_eq!(refused, dreamer.send(method, params), "{method}");
    }
    // What is no request: the answer to a question, a cancellation, the stream of the session, its end.
    for message in [
        json!({"jsonrpc": "2.0", "id": 1, "result": {"action": "accept", "content": {"name": "Eve"}}}),
        json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}}),
    ] {
        let refused = thief.post(&message);
        assert_eq!((refused.status(), &refused), (404, &dreamer.post(&message)));
    }
    for method in ["GET", "DELETE"] {
        let refused = thief.ask_for_session(method);
        assert_eq!((refused.status(), &refused), (404, &dreamer.ask_for_session(method)));
    }
    assert_eq!(ada.send("tools/list", json!({})).status(), 200, "the session goes on");
    assert_eq!(told.load(Ordering::Relaxed), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscription_of_another_caller_neither_ends_nor_tells() {
    let modern = Revision::V2026_07_28;
    let Both { endpoint, ada, eve, .. } = over_http(modern).await;
    // Over HTTP a cancellation that names the id is one of nothing: only the response is whose it is.
    let cancelled =
        json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}});
    let mut cancelled_here = cancelled.clone();
    cancelled_here["params"]["_meta"] = json!({"io.modelcontextprotocol/protocolVersion": modern.as_str()});
    listen_side_by_side(endpoint, ada, eve, |eve| {
        assert_eq!(eve.post(&cancelled_here).status(), 202);
    })
    .await;
    let Both { endpoint, ada, eve, .. } = over_lines(modern);
    listen_side_by_side(endpoint, ada, eve, |eve| eve.write(&cancelled)).await;
}

/// Both have a subscription, and it has the same id.
async fn listen_side_by_side<W: Way>(endpoint: Endpoint, mut ada: W, mut eve: W, cancel: impl Fn(&mut W)) {
    const ID: &str = "io.modelcontextprotocol/subscriptionId";
    let to = |uri| json!({"notifications": {"resourceSubscriptions": [uri]}});
    let acknowledged = [ada.listen(to("demo://of-ada")).await, eve.listen(to("demo://of-eve")).await];
    let ids = acknowledged.map(|first| first.message["params"]["_meta"][ID].clone());
    assert_eq!((&ids[0], &ids[1]), (&json!(1), &json!(1)));
    endpoint.resource_updated("demo://of-ada");
    endpoint.resource_updated("demo://of-eve");
    assert_eq!(eve.told().await["params"]["uri"], "demo://of-eve");
    assert_eq!(ada.told().await["params"]["uri"], "demo://of-ada");
    // Eve ends the subscription of this id, in words and by going away: that is hers.
    cancel(&mut eve);
    assert!(eve.request("tools/list", json!({})).await.message["result"].is_object());
    drop(eve);
    for _ in 0..3 {
        endpoint.resource_updated("demo://of-ada");
        assert_eq!(ada.told().await["params"]["uri"], "demo://of-ada");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_session_of_another_caller_subscribed_to_neither_ends_nor_tells() {
    let handshake = Revision::V2025_11_25;
    let mut both = over_http(handshake).await;
    both.ada.open_ears();
    both.eve.open_ears();
    subscribe_side_by_side(both).await;
    subscribe_side_by_side(over_lines(handshake)).await;
}

async fn subscribe_side_by_side<W: Way>(Both { endpoint, mut ada, mut eve, .. }: Both<W>) {
    let uri = |uri: &str| json!({ "uri": uri });
    let succeeded = |told: super::walk::Told| assert!(told.message["result"].is_object(), "{told:?}");
    succeeded(ada.request("resources/subscribe", uri("demo://of-ada")).await);
    succeeded(eve.request("resources/subscribe", uri("demo://of-eve")).await);
    // Whether another one has subscribed shows in no answer.
    let mut said = Vec::new();
    for uri in ["demo://of-ada", "demo://of-xyz"] {
        let told = eve.request("resources/unsubscribe", json!({ "uri": uri })).await;
        let without_id = json!({"result": told.message["result"], "error": told.message["error"]});
        said.push((without_id, told.beside));
    }
    assert_eq!(said[0], said[1]);
    for _ in 0..2 {
        endpoint.resource_updated("demo://of-ada");
        endpoint.resource_updated("demo://of-eve");
        assert_eq!(ada.told().await["params"]["uri"], "demo://of-ada");
        assert_eq!(eve.told().await["params"]["uri"], "demo://of-eve");
    }
}
