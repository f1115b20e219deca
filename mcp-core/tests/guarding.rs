//! Whether every way to something passes its guards, and what is kept on record of it.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use mcp_core::{
    Access, Action, Annotations, Audit, AuditEntry, AuditEvent, ByGrants, Call, Completing, Completion,
    ConfirmDestructive, Contents, Decision, Denied, DynTool, Empty, ListRoots, Messages, Policy, Principal,
    PrincipalKind, Prompt, Recording, RequestError, Resource, ResourceDefinition, Revision, Server, Text,
    Tool, ToolError, ToolReply, prompt_fn, resource_fn,
    testing::{Client, Options},
    tool_fn,
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

/// A trail of what was decided and done.
#[derive(Clone, Debug, Default)]
struct Trail(Arc<Mutex<Vec<String>>>);

impl Audit for Trail {
    fn record(&self, entry: &AuditEntry<'_>) -> Recording {
        self.0.lock().unwrap().push(format!("{}: {:?}", entry.action.name, entry.event));
        Recording::Done
    }
}

impl Trail {
    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

const ERAS: [Revision; 2] = [Revision::V2025_11_25, Revision::V2026_07_28];

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
    // Its URI names the tenant, so there is no such resource; a prompt is refused for what its arguments name.
    assert_eq!(client.read("notes://acme").await.error()["message"], "Resource not found");
    assert_eq!(client.prompt("letter", json!({"tenant": "acme"})).await.error()["code"], 403);
    let refused = client.prompt("letter", json!({"tenant": "x".repeat(100_000)})).await;
    assert!(refused.error()["message"].as_str().unwrap().len() < 250);
    assert_eq!(calls.load(Ordering::Relaxed), 0);
    let trail = trail.take();
    assert_eq!(trail.len(), 3, "{trail:?}");
    assert!(trail.iter().all(|line| line.contains("Denied(")), "{trail:?}");
}

/// A key, by its name.
#[derive(Deserialize, JsonSchema)]
struct Key {
    #[allow(dead_code)]
    name: String,
}

impl Resource for Key {
    const URI: &'static str = "keys://{name}";
    const NAME: &'static str = "key";
    const SCOPES: &'static [&'static str] = &["keys:read"];

    async fn read(self, (): &(), _: &Call) -> Result<Contents, RequestError> {
        Ok(Contents::text("…"))
    }

    async fn list((): &(), _: &Call) -> Result<Vec<ResourceDefinition>, RequestError> {
        Ok(vec![ResourceDefinition::new("keys://safe", "safe")])
    }

    async fn complete((): &(), _: Completing, _: &Call) -> Result<Option<Completion>, RequestError> {
        Ok(Some(Completion::new(["safe"])))
    }
}

/// Has a key changed.
#[derive(Deserialize, JsonSchema)]
struct ChangeKey {
    #[allow(dead_code)]
    name: String,
}

impl Prompt for ChangeKey {
    const NAME: &'static str = "change_key";
    const SCOPES: &'static [&'static str] = &["keys:read"];

    async fn get(self, (): &(), _: &Call) -> Result<Messages, RequestError> {
        Ok(Messages::user("…"))
    }

    async fn complete((): &(), _: Completing, _: &Call) -> Result<Option<Completion>, RequestError> {
        Ok(Some(Completion::new(["safe"])))
    }
}

#[tokio::test]
async fn what_may_not_be_read_is_neither_listed_nor_suggested() {
    let trail = Trail::default();
    let endpoint = server().audit(trail.clone()).resource::<Key>().prompt::<ChangeKey>().build().unwrap();
    let client = Client::with(&endpoint, nobody()).await;
    assert_eq!(client.list_resources().await, Vec::<serde_json::Value>::new());
    for reference in [
        json!({"type": "ref/resource", "uri": "keys://{name}"}),
        json!({"type": "ref/prompt", "name": "change_key"}),
    ] {
        let params = json!({"ref": reference, "argument": {"name": "name", "value": ""}});
        let refused = client.request("completion/complete", params).await;
        assert_eq!(refused.error()["code"], 403);
        assert_eq!(refused.error()["data"], json!({"requiredScopes": ["keys:read"]}));
    }
    // The template itself is no secret, as a tool is none that only a scope keeps from being called.
    assert_eq!(client.list_templates().await.len(), 1);
    assert_eq!(trail.take(), Vec::<String>::new());

    let client = Client::new(&endpoint).await;
    assert_eq!(client.list_resources().await[0]["uri"], "keys://safe");
    assert_eq!(client.complete_resource("keys://{name}", "name", "").await, ["safe"]);
    assert_eq!(client.complete_prompt("change_key", "name", "").await, ["safe"]);
}

/// Wipes everything.
#[derive(Deserialize, JsonSchema)]
struct Wipe {}

impl Tool for Wipe {
    const NAME: &'static str = "wipe";
    const ANNOTATIONS: Annotations = Annotations::destructive();
    type Output = Text;

    async fn call(self, (): &(), _: &Call) -> Result<Text, ToolError> {
        Ok(Text::new("wiped"))
    }
}

#[tokio::test]
async fn nobody_is_on_record_as_asked_who_could_not_be() {
    let trail = Trail::default();
    let server = server().confirm(ConfirmDestructive::new()).audit(trail.clone()).tool::<Wipe>();
    let endpoint = server.build().unwrap();
    for (revision, code) in ERAS.into_iter().zip(["client_cannot_answer", "error"]) {
        let mute = Client::with_revision(&endpoint, revision).await;
        mute.request("tools/call", json!({"name": "wipe"})).await;
        let refused = format!("wipe: Refused {{ code: {code:?} }}");
        assert_eq!(trail.take(), [refused], "{revision}");

        let options = Options::new().revision(revision).answering(|asked| asked.decline());
        let client = Client::with(&endpoint, options).await;
        assert_eq!(client.call("wipe", json!({})).await.error_code(), "declined");
        assert_eq!(trail.take(), ["wipe: AsksForConsent", "wipe: NotConfirmed(Declined)"], "{revision}");
    }
}

/// Asks while something else may go wrong.
#[derive(Deserialize, JsonSchema)]
struct Greet {
    #[serde(default)]
    panics: bool,
}

impl Tool for Greet {
    const NAME: &'static str = "greet";
    const ANNOTATIONS: Annotations = Annotations::read_only();
    type Output = Text;

    async fn call(self, (): &(), call: &Call) -> Result<Text, ToolError> {
        let (roots, ()) = tokio::join!(call.ask("roots", ListRoots), async {
            assert!(!self.panics, "as told");
        });
        Ok(Text::new(format!("{roots:?}")))
    }
}

#[tokio::test]
async fn work_that_ends_at_a_question_is_on_record_as_it_ended() {
    let trail = Trail::default();
    let endpoint = server().audit(trail.clone()).tool::<Greet>().build().unwrap();
    let able = || Options::new().capabilities(json!({"roots": {}}));
    let (unable, session) = (Options::new(), Options::new().revision(Revision::V2025_11_25));
    for (options, panics, ending) in [
        (able(), false, "Asks"),
        (able(), true, "Cancelled"),
        (unable, false, r#"Failed { code: "error" }"#),
        (session, false, r#"Failed { code: "client_cannot_answer" }"#),
    ] {
        let client = Client::with(&endpoint, options).await;
        client.request("tools/call", json!({"name": "greet", "arguments": {"panics": panics}})).await;
        assert_eq!(trail.take(), ["greet: Begins(NotNeeded)".to_owned(), format!("greet: Ended({ending})")]);
    }
}

/// An audit that is out of order.
#[derive(Debug)]
struct Broken;

impl Audit for Broken {
    fn record(&self, entry: &AuditEntry<'_>) -> Recording {
        assert!(!matches!(entry.event, AuditEvent::Ended(_)), "the trail is full");
        Recording::Done
    }
}

#[tokio::test]
async fn an_audit_that_panics_fails_the_call_and_not_the_process() {
    let client = Client::with(
        server().audit(Broken).tool::<Greet>().tool::<Wipe>(),
        Options::new().answering(|asked| asked.roots(&[])),
    )
    .await;
    let greet = json!({"name": "greet", "arguments": {"panics": true}});
    assert_eq!(client.request("tools/call", greet).await.error()["code"], -32603);
    assert_eq!(client.request("tools/call", json!({"name": "wipe"})).await.error()["code"], -32603);
    assert_eq!(client.list_tools().await.len(), 2);
}

/// A policy that lets everybody do everything until it is told otherwise.
#[derive(Clone, Debug, Default)]
struct UntilRevoked(Arc<AtomicBool>);

impl Policy for UntilRevoked {
    fn decide(&self, principal: &Principal, action: &Action<'_>) -> Decision {
        match self.0.load(Ordering::Relaxed) {
            true => Decision::Deny(Denied::because("Forbidden")),
            false => ByGrants::new().decide(principal, action),
        }
    }
}

#[tokio::test]
async fn who_may_not_read_hears_of_no_change() {
    let policy = UntilRevoked::default();
    let notes = resource_fn("notes://{tenant}", "notes", async |_: OfTenant, _| Ok(Contents::text("")));
    let notes = notes.access(|of| Access::tenant(&of.tenant));
    let endpoint = server().policy(policy.clone()).resource::<Key>().add(notes).build().unwrap();
    let member = || nobody().principal(Principal::new(PrincipalKind::User, "ada").with_tenants(["acme"]));
    let uris = ["notes://acme", "notes://umbrella", "keys://safe"];
    let update = || uris.into_iter().for_each(|uri| endpoint.resource_updated(uri));

    let client = Client::with(&endpoint, member()).await;
    let params = json!({"notifications": {"toolsListChanged": true, "resourceSubscriptions": uris}});
    let mut listening = client.start("subscriptions/listen", params);
    let acknowledged = listening.notification().await.unwrap();
    assert_eq!(
        acknowledged["params"]["notifications"]["resourceSubscriptions"],
        json!(["notes://acme", "notes://umbrella"])
    );
    let session = Client::with(&endpoint, member().revision(Revision::V2025_11_25)).await;
    for (uri, code) in [(uris[0], json!(null)), (uris[1], json!(-32002)), (uris[2], json!(403))] {
        let reply = session.request("resources/subscribe", json!({ "uri": uri })).await;
        assert_eq!(reply.message()["error"]["code"], code, "{uri}");
    }
    update();
    assert_eq!(listening.notification().await.unwrap()["params"]["uri"], "notes://acme");
    assert_eq!(session.notification().await["params"]["uri"], "notes://acme");

    policy.0.store(true, Ordering::Relaxed);
    update();
    endpoint
        .edit(|edit| {
            edit.add(tool_fn("new", Annotations::read_only(), async |_: Empty, _| Ok(Text::new(""))))
        })
        .unwrap();
    for heard in [listening.notification().await.unwrap(), session.notification().await] {
        assert_eq!(heard["method"], "notifications/tools/list_changed");
    }
}

/// A tenant's notes, which only members may list.
#[derive(Deserialize, JsonSchema)]
struct Notes {
    #[allow(dead_code)]
    tenant: String,
}

impl Resource for Notes {
    const URI: &'static str = "notes://{tenant}";
    const NAME: &'static str = "notes";

    async fn read(self, (): &(), _: &Call) -> Result<Contents, RequestError> {
        Ok(Contents::text("…"))
    }

    async fn list((): &(), call: &Call) -> Result<Vec<ResourceDefinition>, RequestError> {
        call.require(Access::tenant("acme"))?;
        Ok(vec![ResourceDefinition::new("notes://acme", "acme")])
    }
}

#[tokio::test]
async fn a_template_that_may_not_be_listed_does_not_hide_the_others() {
    let motd = resource_fn("demo://motd", "motd", async |_: Empty, _| Ok(Contents::text("Be kind.")));
    let endpoint = server().resource::<Notes>().add(motd).build().unwrap();
    let uris = async |options| {
        let listed = Client::with(&endpoint, options).await.list_resources().await;
        listed.iter().map(|resource| resource["uri"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(uris(nobody()).await, ["demo://motd"]);
    assert_eq!(uris(Options::new()).await, ["demo://motd", "notes://acme"]);
}

#[tokio::test]
async fn secrets_are_shown_to_nobody_wherever_they_stand() {
    let secret = json!({"type": "string", "writeOnly": true});
    let account = json!({"type": "object", "properties": {"name": {"type": "string"}, "key": secret}});
    let schema = json!({"type": "object", "properties": {
        "password": {"type": "string", "format": "password"},
        "owner": account,
        "accounts": {"type": "array", "items": account},
        "by_name": {"type": "object", "additionalProperties": account},
        "either": {"anyOf": [account, {"type": "string"}]},
    }});
    let tool = DynTool::new("reset", Annotations::destructive(), |_, _| async { Ok(ToolReply::default()) });
    let server = server().confirm(ConfirmDestructive::new()).add(tool.input_schema(schema));
    let client = Client::with(server, Options::new().capabilities(json!({"elicitation": {}}))).await;
    let account = json!({"name": "shown", "key": "hidden"});
    let arguments = json!({"password": "hidden", "owner": account, "accounts": [account, account],
        "by_name": {"a": account}, "either": account});
    let asked = client.call("reset", arguments).await;
    let text = asked.reply().questions()[0].message().to_owned();
    assert!(text.matches("shown").count() == 5 && !text.contains("hidden"), "{text}");
}

#[tokio::test]
async fn what_a_policy_guards_is_not_for_shared_caches() {
    let open = mcp_core::resource_fn("cache://open", "open", async |_: mcp_core::Empty, _| {
        Ok(Contents::text("").public())
    });
    let guarded = mcp_core::resource_fn("cache://guarded", "guarded", async |_: mcp_core::Empty, _| {
        Ok(Contents::text("").public())
    });
    let client = Client::new(Server::new("test", "1").add(open).add(guarded.scopes(["read"]))).await;
    assert_eq!(client.read("cache://open").await.result()["cacheScope"], "public");
    assert_eq!(client.read("cache://guarded").await.result()["cacheScope"], "private");
}
