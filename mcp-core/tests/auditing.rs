//! Whether every call is on record, without its secrets, and what depends on it.

use std::{
    net::IpAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use mcp_core::{
    Access, Annotations, Audit, AuditEntry, AuditEvent, AuditMode, Contents, DynTool, Ending, Messages,
    NotRecorded, Principal, PrincipalKind, Recording, Server, Text, ToolReply, prompt_fn, resource_fn,
    testing::{Client, Options},
    tool_fn,
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;
use tokio::sync::Notify;

/// An audit that keeps what it is told, as text, and does with it what it is set up for.
#[derive(Clone)]
struct Book {
    mode: AuditMode,
    lines: Arc<Mutex<Vec<String>>>,
    keep: Arc<dyn Fn(&AuditEntry<'_>) -> Recording + Send + Sync>,
}

impl Book {
    fn new(mode: AuditMode, keep: impl Fn(&AuditEntry<'_>) -> Recording + Send + Sync + 'static) -> Self {
        Self { mode, lines: Arc::default(), keep: Arc::new(keep) }
    }

    fn best_effort() -> Self {
        Self::new(AuditMode::BestEffort, |_| Recording::Done)
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.lines.lock().unwrap())
    }
}

impl Audit for Book {
    fn record(&self, entry: &AuditEntry<'_>) -> Recording {
        let AuditEntry { action, event, is_awaited, .. } = entry;
        let arguments = entry.arguments.map(|arguments| json!(arguments).to_string()).unwrap_or_default();
        let awaited = if *is_awaited { " awaited" } else { "" };
        self.lines.lock().unwrap().push(format!("{} {arguments}: {event:?}{awaited}", action.name));
        (self.keep)(entry)
    }

    fn mode(&self) -> AuditMode {
        self.mode
    }
}

/// What is to be stored.
#[derive(Deserialize, JsonSchema)]
struct Store {
    key: String,
    #[schemars(extend("writeOnly" = true))]
    #[allow(dead_code)]
    value: String,
}

/// A server with a tool that counts how often it ran, and one that only reads.
fn storing(book: &Book, runs: &Arc<AtomicUsize>) -> Server {
    let runs = Arc::clone(runs);
    let store = tool_fn("store", Annotations::write(), move |store: Store, _| {
        runs.fetch_add(1, Ordering::Relaxed);
        async move { Ok(Text::new(store.key)) }
    });
    let look = tool_fn("look", Annotations::read_only(), async |_: mcp_core::Empty, _| Ok(Text::new("")));
    Server::new("test", "1").audit(book.clone()).add(store.scopes(["store"])).add(look)
}

#[tokio::test]
async fn arguments_are_on_record_without_secrets_whatever_comes_of_the_call() {
    let (book, runs) = (Book::best_effort(), Arc::default());
    let endpoint = storing(&book, &runs).build().unwrap();
    let client = Client::new(&endpoint).await;
    let long = "k".repeat(1000);
    client.call("store", json!({"key": "k", "value": "s3cret"})).await;
    client.call("store", json!({"key": long, "value": ["s3cret"], "token": "s3cret"})).await;
    let nobody = Options::new().principal(Principal::new(PrincipalKind::User, "nobody"));
    let nobody = Client::with(&endpoint, nobody).await;
    nobody
        .request("tools/call", json!({"name": "store", "arguments": {"key": "k", "value": "s3cret"}}))
        .await;
    let lines = book.take();
    let hidden = r#"store {"key":"k","value":"[hidden]"}"#;
    assert_eq!(lines[0], format!("{hidden}: Begins(NotNeeded)"));
    assert_eq!(lines[1], format!("{hidden}: Ended(Completed)"));
    assert!(lines[2].ends_with(r#"Refused { code: "invalid_arguments" }"#), "{lines:?}");
    assert!(lines[3].starts_with(&format!("{hidden}: Denied(")), "{lines:?}");
    assert_eq!(lines.len(), 4);
    let all = lines.concat();
    assert!(!all.contains("s3cret") && !all.contains(&"k".repeat(201)), "{all}");
}

#[tokio::test]
async fn prompts_and_resources_are_on_record_too() {
    let book = Book::best_effort();
    let letter = prompt_fn("letter", async |store: Store, _| Ok(Messages::user(store.key)));
    let notes = resource_fn("notes://{key}", "notes", async |_: NotesOf, _| Ok(Contents::text("")));
    let server = Server::new("test", "1").audit(book.clone()).add(letter);
    let client = Client::new(server.add(notes.access(|of| Access::object("note", of.key.as_str())))).await;
    client.prompt("letter", json!({"key": "k", "value": "s3cret"})).await.result();
    client.prompt("letter", json!({"key": "k"})).await.error();
    client.read("notes://1").await.result();
    let expected = [
        r#"letter {"key":"k","value":"[hidden]"}: Begins(NotNeeded)"#,
        r#"letter {"key":"k","value":"[hidden]"}: Ended(Completed)"#,
        r#"letter {"key":"k"}: Refused { code: "invalid_arguments" }"#,
        "notes://1 : Begins(NotNeeded)",
        "notes://1 : Ended(Completed)",
    ];
    assert_eq!(book.take(), expected);
}

/// Which notes.
#[derive(Deserialize, JsonSchema)]
struct NotesOf {
    key: String,
}

#[tokio::test]
async fn a_record_says_who_and_from_where_and_for_how_long() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let keep = Arc::clone(&seen);
    let book = Book::new(AuditMode::BestEffort, move |entry| {
        let (peer, trace) = (entry.peer, entry.trace_id.map(str::to_owned));
        keep.lock().unwrap().push((entry.principal.subject().to_owned(), peer, trace, entry.took));
        Recording::Done
    });
    let peer: IpAddr = [192, 0, 2, 1].into();
    let client = Client::with(storing(&book, &Arc::default()), Options::new().peer(peer)).await;
    let trace = "0af7651916cd43dd8448eb211c80319c";
    let meta = json!({"traceparent": format!("00-{trace}-b7ad6b7169203331-01")});
    client.request("tools/call", json!({"name": "look", "arguments": {}, "_meta": meta})).await.result();
    client.request("tools/call", json!({"name": "look", "_meta": {"traceparent": "s3cret"}})).await.result();
    let seen = seen.lock().unwrap();
    let whose = |at: usize| (seen[at].0.as_str(), seen[at].1, seen[at].2.as_deref());
    assert_eq!(whose(0), ("local", Some(peer), Some(trace)));
    assert_eq!(whose(2), ("local", Some(peer), None));
    assert!(seen[0].3.is_none() && seen[1].3.is_some());
}

fn fails_at(is_end: bool) -> impl Fn(&AuditEntry<'_>) -> Recording + Send + Sync {
    move |entry| {
        let ends = matches!(entry.event, AuditEvent::Ended(Ending::Completed));
        let fails = entry.is_awaited && ends == is_end;
        if fails { Recording::Failed(NotRecorded::because("disk of 10.0.0.7 full")) } else { Recording::Done }
    }
}

#[tokio::test]
async fn what_cannot_be_recorded_is_not_done() {
    let (book, runs) = (Book::new(AuditMode::Required, fails_at(false)), Arc::default());
    let client = Client::new(storing(&book, &runs)).await;
    let reply = client.call("store", json!({"key": "k", "value": "v"})).await;
    assert_eq!(reply.error_code(), "audit_unavailable");
    assert_eq!(reply.result()["_meta"]["toolpack/error"]["retry"], "later");
    assert!(!reply.result().to_string().contains("10.0.0.7"));
    assert_eq!(runs.load(Ordering::Relaxed), 0);
    let arguments = r#"store {"key":"k","value":"[hidden]"}"#;
    let begins = format!("{arguments}: Begins(NotNeeded) awaited");
    let ended = format!(r#"{arguments}: Ended(Failed {{ code: "audit_unavailable" }})"#);
    assert_eq!(book.take(), [begins, ended]);
    // What changes nothing depends on no record.
    assert_eq!(client.call("look", json!({})).await.text(), "");
    assert_eq!(book.take(), ["look {}: Begins(NotNeeded)", "look {}: Ended(Completed)"]);
}

#[tokio::test]
async fn what_was_done_and_could_not_be_recorded_is_no_success() {
    let (book, runs) = (Book::new(AuditMode::Required, fails_at(true)), Arc::default());
    let client = Client::new(storing(&book, &runs)).await;
    let reply = client.call("store", json!({"key": "k", "value": "v"})).await;
    assert_eq!(reply.error_code(), "not_recorded");
    assert_eq!(reply.result()["_meta"]["toolpack/error"]["retry"], "never");
    assert_eq!(runs.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn work_waits_for_its_beginning_and_its_answer_for_the_end() {
    let (durable, asked) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (to_wait_for, to_tell) = (Arc::clone(&durable), Arc::clone(&asked));
    let book = Book::new(AuditMode::Required, move |_| {
        let (durable, asked) = (Arc::clone(&to_wait_for), Arc::clone(&to_tell));
        Recording::Later(Box::pin(async move {
            asked.notify_one();
            durable.notified().await;
            Ok(())
        }))
    });
    let runs = Arc::default();
    let client = Client::new(storing(&book, &runs)).await;
    let call = client.call("store", json!({"key": "k", "value": "v"}));
    tokio::pin!(call);
    let waits = async |count| {
        asked.notified().await;
        assert_eq!(runs.load(Ordering::Relaxed), count);
    };
    tokio::select! { biased; _ = &mut call => panic!("it did not wait"), () = waits(0) => durable.notify_one() }
    tokio::select! { biased; _ = &mut call => panic!("it did not wait"), () = waits(1) => durable.notify_one() }
    assert_eq!(call.await.text(), "k");
    // What changes nothing waits for nothing.
    client.call("look", json!({})).await.text();
}

#[tokio::test]
async fn who_goes_away_while_the_beginning_is_recorded_is_on_record_as_gone() {
    let book = Book::new(AuditMode::Required, |_| Recording::Later(Box::pin(std::future::pending())));
    let runs = Arc::default();
    let client = Client::new(storing(&book, &runs)).await;
    let arguments = json!({"name": "store", "arguments": {"key": "k", "value": "v"}});
    let started = client.start("tools/call", arguments);
    while book.lines.lock().unwrap().is_empty() {
        tokio::task::yield_now().await;
    }
    started.cancel().await;
    while book.lines.lock().unwrap().len() < 2 {
        tokio::task::yield_now().await;
    }
    assert!(book.take()[1].ends_with("Ended(Cancelled)"));
    assert_eq!(runs.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn an_audit_that_is_off_is_told_nothing() {
    let book = Book::new(AuditMode::Off, |_| panic!("told"));
    let wipe = DynTool::new("wipe", Annotations::destructive(), |_, _| async { Ok(ToolReply::default()) });
    let client = Client::new(Server::new("test", "1").audit(Arc::new(book.clone())).add(wipe)).await;
    client.call("wipe", json!({})).await;
    assert!(book.take().is_empty());
}

#[tokio::test]
async fn every_name_that_the_documentation_lists_is_hidden() {
    let documented = include_str!("../../docs/audit.md");
    let (_, names) = documented.split_once("<!-- names -->").unwrap();
    let (names, _) = names.split_once("<!-- /names -->").unwrap();
    let names: Vec<_> = names.split('`').skip(1).step_by(2).collect();
    assert_eq!(names.len(), 24);
    let book = Book::best_effort();
    let any = DynTool::new("any", Annotations::read_only(), |_, _| async { Ok(ToolReply::default()) });
    let client = Client::new(Server::new("test", "1").audit(book.clone()).add(any)).await;
    for name in names {
        client.call("any", json!({format!("My-{}", name.to_uppercase()): "s3cret"})).await;
        let lines = book.take().concat();
        assert!(lines.contains("[hidden]") && !lines.contains("s3cret"), "{name}: {lines}");
    }
}
