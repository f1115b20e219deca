//! Keys that are revoked or expire: the next request, and what is open.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime},
};

use mcp_core::{Annotations, Empty, Form, Server, Text, tool_fn};
use mcp_transport_http::{
    ApiKeys, Authenticate, Found, Http, KeyError, KeyRecord, KeyStore, MemoryKeys, NewKey,
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::client::{Client, TestServer, call, message, post, within};

/// A store in memory that counts how often it is read, and fails when it is told to.
#[derive(Clone, Debug, Default)]
struct Watched {
    keys: Arc<MemoryKeys>,
    loads: Arc<AtomicUsize>,
    is_broken: Arc<AtomicBool>,
}

impl Watched {
    fn check(&self) -> Result<(), KeyError> {
        match self.is_broken.load(Ordering::Relaxed) {
            true => Err(KeyError::store("the store is broken", "on purpose")),
            false => Ok(()),
        }
    }
}

impl KeyStore for Watched {
    fn load(&self) -> Result<Vec<KeyRecord>, KeyError> {
        self.loads.fetch_add(1, Ordering::Relaxed);
        self.check()?;
        self.keys.load()
    }

    fn insert(&self, key: &KeyRecord) -> Result<(), KeyError> {
        self.keys.insert(key)
    }

    fn revoke(&self, id: &str, at: SystemTime) -> Result<bool, KeyError> {
        self.keys.revoke(id, at)
    }

    fn generation(&self) -> Result<u64, KeyError> {
        self.keys.generation()
    }
}

/// A key as a client sends it.
struct Holder {
    id: String,
    header: String,
}

impl Holder {
    async fn of(keys: &ApiKeys, new: NewKey) -> Self {
        let (record, key) = keys.create(new).await.unwrap();
        Self { id: record.id, header: format!("Bearer {}", key.expose()) }
    }

    async fn send(&self, server: &TestServer, message: &Value, changes: &[(&str, Option<&str>)]) -> Client {
        let own = [("Authorization", Some(self.header.as_str()))];
        let mut client = server.connect().await;
        client.send(&post(message, &[&own, changes].concat())).await;
        client
    }

    async fn status(&self, server: &TestServer) -> u16 {
        self.send(server, &call("who", json!({})), &[]).await.response().await.status
    }
}

#[tokio::test]
async fn a_key_counts_from_when_it_is_made_until_it_is_revoked() {
    let keys = ApiKeys::new(MemoryKeys::new());
    let server = TestServer::closed(Http::new().keys(keys.clone())).await;
    let first = Holder::of(&keys, NewKey::named("first")).await;
    assert_eq!(first.status(&server).await, 200);
    let second = Holder::of(&keys, NewKey::named("second")).await;
    assert_eq!(second.status(&server).await, 200);
    assert!(keys.revoke(&first.id).await.unwrap());
    assert_eq!((first.status(&server).await, second.status(&server).await), (401, 200));
    // There is nothing to revoke twice.
    assert!(!keys.revoke(&first.id).await.unwrap());
    assert!(!keys.revoke("none").await.unwrap());
    let mut listed = keys.list().await.unwrap();
    // They may be of the same millisecond.
    listed.sort_by(|one, other| one.name.cmp(&other.name));
    let names: Vec<_> = listed.iter().map(|key| (key.name.as_str(), key.is_valid())).collect();
    assert_eq!(names, [("first", false), ("second", true)]);
}

#[tokio::test]
async fn a_store_that_changed_is_read_once_however_many_requests_come() {
    let store = Watched::default();
    let keys = ApiKeys::new(store.clone());
    let holder = Holder::of(&keys, NewKey::named("a")).await;
    let server = TestServer::closed(Http::new().keys(keys.clone())).await;
    for round in 1..4 {
        all((0..20).map(|_| async { assert_eq!(holder.status(&server).await, 200) })).await;
        assert_eq!(store.loads.load(Ordering::Relaxed), round);
        keys.create(NewKey::named("another")).await.unwrap();
    }
}

/// Polls all of them together.
async fn all(work: impl Iterator<Item = impl Future<Output = ()>>) {
    let mut work: Vec<_> = work.map(|work| Some(Box::pin(work))).collect();
    within(std::future::poll_fn(|cx| {
        for slot in &mut work {
            if slot.as_mut().is_some_and(|work| work.as_mut().poll(cx).is_ready()) {
                *slot = None;
            }
        }
        if work.iter().all(Option::is_none) { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    }))
    .await;
}

#[tokio::test]
async fn no_key_is_taken_while_the_store_cannot_be_read() {
    let store = Watched::default();
    let keys = ApiKeys::new(store.clone());
    let holder = Holder::of(&keys, NewKey::named("a")).await;
    let server = TestServer::closed(Http::new().keys(keys.clone())).await;
    assert_eq!(holder.status(&server).await, 200);
    store.is_broken.store(true, Ordering::Relaxed);
    // Nothing has changed, so that nothing is to be read.
    assert_eq!(holder.status(&server).await, 200);
    keys.create(NewKey::named("b")).await.unwrap();
    let response = holder.send(&server, &call("who", json!({})), &[]).await.response().await;
    assert_eq!((response.refusal(), response.header("retry-after")), ((503, 503), Some("1")));
    assert!(!String::from_utf8_lossy(&response.body).contains("broken"));
    store.is_broken.store(false, Ordering::Relaxed);
    within(async {
        while holder.status(&server).await != 200 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
}

fn initialize() -> Value {
    json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {
        "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "a", "version": "1"}}})
}

/// What a holder may have open, each as far as it was answered.
async fn open_all(server: &TestServer, holder: &Holder) -> Vec<(&'static str, Client)> {
    let mut open = Vec::new();
    let listen = message("subscriptions/listen", json!({"notifications": {"toolsListChanged": true}}));
    let mut client = holder.send(server, &listen, &[]).await;
    assert_eq!(client.head().await.status, 200);
    client.events().await.unwrap();
    open.push(("a subscription", client));

    let mut hang = call("hang", json!({}));
    hang["params"]["_meta"]["progressToken"] = json!("p");
    let mut client = holder.send(server, &hang, &[]).await;
    assert_eq!(client.head().await.status, 200);
    client.events().await.unwrap();
    open.push(("a call", client));

    let none = [("MCP-Protocol-Version", None)];
    let opened = holder.send(server, &initialize(), &none).await.response().await;
    let id = opened.header("mcp-session-id").unwrap();
    let own = [("MCP-Protocol-Version", Some("2025-11-25")), ("Mcp-Session-Id", Some(id))];
    let params = json!({"name": "hang", "arguments": {}, "_meta": {"progressToken": "p"}});
    let in_session = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params});
    let mut client = holder.send(server, &in_session, &own).await;
    assert_eq!(client.head().await.status, 200);
    client.events().await.unwrap();
    open.push(("a call of a session", client));
    // And one whose client has gone.
    let mut gone = in_session;
    gone["id"] = json!(2);
    let mut client = holder.send(server, &gone, &own).await;
    client.head().await;
    drop(client);

    let mut client = server.connect().await;
    let header = &holder.header;
    let get = format!(
        "GET /mcp HTTP/1.1\r\nHost: localhost\r\nMcp-Session-Id: {id}\r\nAuthorization: {header}\r\n\r\n"
    );
    client.send(&get).await;
    assert_eq!(client.head().await.status, 200);
    client.chunk().await.unwrap();
    open.push(("the stream of a session", client));
    open
}

/// Every one of them ends, with nothing but a last word, and what ran for it is cancelled.
async fn assert_all_end(server: &TestServer, open: Vec<(&'static str, Client)>) {
    for (what, mut client) in open {
        let mut said = Vec::new();
        while let Some(events) = client.events().await {
            said.extend(events);
        }
        assert!(said.iter().all(|message| message.get("method").is_none()), "{what}: {said:?}");
        if what == "a call" {
            assert_eq!(said.len(), 1, "{said:?}");
            assert_eq!((&said[0]["error"]["code"], &said[0]["id"]), (&json!(401), &json!(1)));
        }
    }
    within(async {
        while server.running() > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn whatever_is_open_ends_with_its_key_and_nothing_of_others() {
    let keys = ApiKeys::new(MemoryKeys::new());
    let server = TestServer::closed(Http::new().keys(keys.clone())).await;
    let (holder, other) =
        (Holder::of(&keys, NewKey::named("a")).await, Holder::of(&keys, NewKey::named("b")).await);
    let open = open_all(&server, &holder).await;
    let listen = message("subscriptions/listen", json!({"notifications": {"toolsListChanged": true}}));
    let mut kept = other.send(&server, &listen, &[]).await;
    kept.head().await;
    kept.events().await.unwrap();
    assert_eq!(server.running(), 3);

    assert!(keys.revoke(&holder.id).await.unwrap());
    let extra =
        tool_fn("extra", Annotations::read_only(), async |_: crate::tools::WhoAmI, _| Ok(Text::new("")));
    server.endpoint.edit(|edit| edit.add(extra)).unwrap();
    assert_all_end(&server, open).await;
    assert_eq!(kept.events().await.unwrap()[0]["method"], "notifications/tools/list_changed");
    assert_eq!((holder.status(&server).await, other.status(&server).await), (401, 200));
}

#[tokio::test]
async fn whatever_is_open_ends_when_nobody_can_say_whether_its_key_is_still_good() {
    let store = Watched::default();
    let keys = ApiKeys::new(store.clone());
    let server = TestServer::closed(Http::new().keys(keys.clone())).await;
    let holder = Holder::of(&keys, NewKey::named("a")).await;
    let open = open_all(&server, &holder).await;
    store.is_broken.store(true, Ordering::Relaxed);
    keys.create(NewKey::named("b")).await.unwrap();
    within(assert_all_end(&server, open)).await;
    assert_eq!(holder.status(&server).await, 503);
    store.is_broken.store(false, Ordering::Relaxed);
    within(async {
        while holder.status(&server).await != 200 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    // It is as good as before: what is open with it stays.
    let open = open_all(&server, &holder).await;
    assert_eq!(server.running(), 3);
    assert!(keys.revoke(&holder.id).await.unwrap());
    assert_all_end(&server, open).await;
}

#[tokio::test]
async fn whatever_is_open_ends_when_its_key_expires() {
    let keys = ApiKeys::new(MemoryKeys::new());
    let server = TestServer::closed(Http::new().keys(keys.clone())).await;
    let new = NewKey::named("a").expires_in(Duration::from_millis(700));
    let holder = Holder::of(&keys, new).await;
    let open = open_all(&server, &holder).await;
    assert_all_end(&server, open).await;
    assert_eq!(holder.status(&server).await, 401);
}

#[tokio::test]
async fn a_call_that_has_said_nothing_yet_is_answered_with_401() {
    let keys = ApiKeys::new(MemoryKeys::new());
    let server = TestServer::closed(Http::new().keys(keys.clone())).await;
    let holder = Holder::of(&keys, NewKey::named("a")).await;
    let mut client = holder.send(&server, &call("hang", json!({})), &[]).await;
    within(async {
        while server.running() == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    assert!(keys.revoke(&holder.id).await.unwrap());
    let response = client.response().await;
    assert_eq!((response.refusal(), &response.json()["id"]), ((401, 401), &json!(1)));
    assert!(response.header("www-authenticate").unwrap().contains("invalid_token"));
    within(server.dropped.notified()).await;
}

#[tokio::test]
async fn the_sessions_of_a_key_make_room_when_it_is_revoked() {
    let keys = ApiKeys::new(MemoryKeys::new());
    let server = TestServer::closed(Http::new().keys(keys.clone()).max_sessions(1)).await;
    let (holder, other) =
        (Holder::of(&keys, NewKey::named("a")).await, Holder::of(&keys, NewKey::named("b")).await);
    let none = [("MCP-Protocol-Version", None)];
    let opened = holder.send(&server, &initialize(), &none).await.response().await;
    assert_eq!(opened.status, 200);
    // One that was used: a session that never was makes room anyway.
    let id = opened.header("mcp-session-id").unwrap().to_owned();
    let ping = json!({"jsonrpc": "2.0", "id": 2, "method": "ping"});
    let of_session = [("MCP-Protocol-Version", None), ("Mcp-Session-Id", Some(&*id))];
    assert_eq!(holder.send(&server, &ping, &of_session).await.response().await.status, 200);
    assert_eq!(other.send(&server, &initialize(), &none).await.response().await.status, 503);
    assert!(keys.revoke(&holder.id).await.unwrap());
    within(async {
        while other.send(&server, &initialize(), &none).await.response().await.status != 200 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

#[test]
fn keys_are_looked_after_also_when_the_runtime_that_did_so_has_ended() {
    let store = Arc::new(MemoryKeys::new());
    let keys = ApiKeys::new(Arc::clone(&store));
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (record, key) = runtime().block_on(keys.create(NewKey::named("a"))).unwrap();
    let head = http::Request::builder().header("authorization", format!("Bearer {}", key.expose()));
    let head = head.body(()).unwrap().into_parts().0;
    let find = async || {
        let mut found = keys.authenticate(&head);
        while let Found::Later(later) = found {
            found = later.await;
        }
        let Found::Principal(principal) = found else { panic!("{found:?}") };
        principal
    };
    runtime().block_on(find());
    runtime().block_on(async {
        let principal = find().await;
        store.revoke(&record.id, SystemTime::now()).unwrap();
        within(principal.ended()).await;
    });
}

/// A name.
#[derive(Deserialize, JsonSchema)]
struct Name {
    name: String,
}

#[tokio::test]
async fn an_answer_to_a_question_does_not_count_with_a_key_that_was_revoked_meanwhile() {
    let keys = ApiKeys::new(MemoryKeys::new());
    let ask = tool_fn("ask", Annotations::read_only(), async |_: Empty, call| {
        let name = call.ask("name", Form::<Name>::new("Who are you?")).await.accepted()?;
        Ok(Text(format!("Hello, {}.", name.name)))
    });
    let endpoint = Server::new("test", "1.0.0").add(ask).build().unwrap();
    let server = TestServer::bound(endpoint, Arc::default(), Http::new().keys(keys.clone())).await;
    let (holder, other) =
        (Holder::of(&keys, NewKey::named("a")).await, Holder::of(&keys, NewKey::named("b")).await);
    let mut ask = call("ask", json!({}));
    ask["params"]["_meta"]["io.modelcontextprotocol/clientCapabilities"] = json!({"elicitation": {}});
    let asked = holder.send(&server, &ask, &[]).await.response().await.json();
    assert_eq!(asked["result"]["resultType"], "input_required", "{asked}");
    ask["params"]["requestState"] = asked["result"]["requestState"].clone();
    ask["params"]["inputResponses"] = json!({"name": {"action": "accept", "content": {"name": "Ada"}}});
    // Nobody else has been asked.
    let stolen = other.send(&server, &ask, &[]).await.response().await.json();
    assert_eq!(stolen["error"]["code"], -32602, "{stolen}");
    assert!(keys.revoke(&holder.id).await.unwrap());
    assert_eq!(holder.send(&server, &ask, &[]).await.response().await.refusal(), (401, 401));
}

/// With `SqliteKeys`, another process may do it.
#[cfg(feature = "sqlite")]
#[tokio::test]
async fn a_key_that_is_revoked_elsewhere_ends_here_too() {
    let folder = tempfile::tempdir().unwrap();
    let keys = ApiKeys::open(folder.path()).unwrap();
    let server = TestServer::closed(Http::new().keys(keys.clone())).await;
    let (holder, quiet) =
        (Holder::of(&keys, NewKey::named("a")).await, Holder::of(&keys, NewKey::named("b")).await);
    assert_eq!(holder.status(&server).await, 200);
    let elsewhere = ApiKeys::open(folder.path()).unwrap();
    assert!(elsewhere.revoke(&holder.id).await.unwrap());
    assert_eq!(holder.status(&server).await, 401);
    // Streams end without any request.
    let open = open_all(&server, &quiet).await;
    assert!(elsewhere.revoke(&quiet.id).await.unwrap());
    assert_all_end(&server, open).await;
    let new = Holder::of(&elsewhere, NewKey::named("c")).await;
    assert_eq!(new.status(&server).await, 200);
}
