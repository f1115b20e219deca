//! The matrix in memory, over both eras.

use mcp_core::{
    Connection, Endpoint, Revision, Signal, TransportKind,
    testing::{Client, Options, Pending, RequestReply},
};
use serde_json::{Value, json};

use super::{
    ERAS,
    table::{ANSWERS, DASHBOARD, READER, caller, letters, rules, server},
    walk::{Told, Way, walk},
};
use crate::harness::{initialize, lines};

fn endpoint() -> Endpoint {
    server(rules(READER, DASHBOARD)).build().unwrap()
}

/// A client in memory, and its open subscription.
struct InMemory {
    client: Client,
    listening: Option<Pending>,
}

impl From<RequestReply> for Told {
    fn from(reply: RequestReply) -> Self {
        Self { message: reply.message().clone(), beside: String::new() }
    }
}

impl Way for InMemory {
    async fn request(&mut self, method: &str, params: Value) -> Told {
        self.client.request(method, params).await.into()
    }

    async fn listen(&mut self, params: Value) -> Told {
        let mut listening = self.client.start("subscriptions/listen", params);
        let Some(message) = listening.notification().await else { return listening.await.into() };
        self.listening = Some(listening);
        Told { message, beside: String::new() }
    }

    async fn told(&mut self) -> Value {
        match &mut self.listening {
            Some(listening) => listening.notification().await.unwrap(),
            None => self.client.notification().await,
        }
    }

    async fn hang_up(&mut self) {
        self.listening.take().unwrap().cancel().await;
    }
}

async fn walk_in_memory(endpoint: &Endpoint, row: &str, revision: Revision) {
    let revoked = Signal::new();
    let caller = caller(row, &revoked);
    if !caller.is_valid() && !revision.is_modern() {
        // It does not even get a session.
        let mut connection = Connection::new(endpoint, caller, TransportKind::InMemory);
        let mut out = Vec::new();
        connection.receive(initialize(1, revision.as_str()).to_string().as_bytes(), &mut out);
        assert_eq!(lines(&out)[0]["error"]["code"], 401);
        return;
    }
    let client = Client::with(endpoint, Options::new().principal(caller).revision(revision)).await;
    if row == "revoked" {
        revoked.raise();
    }
    let mut way = InMemory { client, listening: None };
    walk(&mut way, endpoint, row, &letters(row), revision).await;
}

#[tokio::test]
async fn everybody_sees_and_may_do_what_the_table_says() {
    let endpoint = endpoint();
    for (row, _) in ANSWERS {
        for revision in ERAS {
            walk_in_memory(&endpoint, row, revision).await;
        }
    }
}

#[tokio::test]
async fn a_cursor_of_one_caller_shows_another_only_what_they_may_see() {
    let endpoint = endpoint();
    for revision in ERAS {
        let client = async |row| {
            Client::with(&endpoint, Options::new().principal(caller(row, &Signal::new())).revision(revision))
                .await
        };
        let (local, reader) = (client("local").await, client("read-only").await);
        let (mut params, mut seen) = (json!({}), Vec::new());
        while let Some(cursor) = local.request("tools/list", params).await.result().get("nextCursor") {
            params = json!({ "cursor": cursor });
            let page = reader.request("tools/list", params.clone()).await.result().clone();
            seen.push(page["tools"][0]["name"].as_str().unwrap_or("nothing").to_owned());
        }
        // After each of `admin_stats`, `of_acme`, `open` and `scoped` comes what the reader sees next.
        assert_eq!(seen, ["open", "open", "scoped", "nothing"]);
    }
}
