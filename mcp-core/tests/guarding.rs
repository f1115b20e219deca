//! Whether every way to something passes its guards, and what is kept on record of it.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use mcp_core::{
    Access, Audit, AuditEntry, Contents, Messages, Principal, PrincipalKind, Server, prompt_fn, resource_fn,
    testing::{Client, Options},
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

/// A trail of what was decided and done.
#[derive(Clone, Debug, Default)]
struct Trail(Arc<Mutex<Vec<String>>>);

impl Audit for Trail {
    fn record(&self, entry: &AuditEntry<'_>) {
        self.0.lock().unwrap().push(format!("{}: {:?}", entry.action.name, entry.event));
    }
}

impl Trail {
    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

fn server() -> Server {
    Server::new("test", "1")
}

/// Somebody to whom nothing is granted.
fn nobody() -> Options {
    Options::new().principal(Principal::new(PrincipalKind::User, "nobody"))
}

/// A tenant.
#[derive(Deserialize, JsonSchema)]
struct OfTenant {
    tenant: String,
}

#[tokio::test]
async fn a_function_is_not_called_before_the_decision() {
    let (calls, trail) = (Arc::new(AtomicUsize::new(0)), Trail::default());
    let (reads, gets) = (Arc::clone(&calls), Arc::clone(&calls));
    let notes = resource_fn("notes://{tenant}", "notes", move |of: OfTenant, _| {
        reads.fetch_add(1, Ordering::Relaxed);
        async move { Ok(Contents::text(of.tenant)) }
    });
    let letter = prompt_fn("letter", move |of: OfTenant, _| {
        gets.fetch_add(1, Ordering::Relaxed);
        async move { Ok(Messages::user(of.tenant)) }
    });
    let server = server()
        .audit(trail.clone())
        .add(notes.access(|of| Access::tenant(&of.tenant)))
        .add(letter.access(|of| Access::tenant(&of.tenant)));
    let client = Client::with(server, nobody()).await;
    assert_eq!(client.read("notes://acme").await.error()["code"], 403);
    assert_eq!(client.prompt("letter", json!({"tenant": "acme"})).await.error()["code"], 403);
    assert_eq!(calls.load(Ordering::Relaxed), 0);
    let trail = trail.take();
    assert_eq!(trail.len(), 2, "{trail:?}");
    assert!(trail.iter().all(|line| line.contains("Denied(")), "{trail:?}");
}
