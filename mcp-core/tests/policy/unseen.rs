//! What is not there for a caller cannot be told from what is not there at all: bytes, work, hints.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use mcp_core::{
    Access, Action, Annotations, Audit, AuditEntry, AuditEvent, ByGrants, Call, Completing, Completion,
    Connection, Contents, Decision, DynTool, Empty, Endpoint, Messages, MirroredHeaders, Policy, Principal,
    Prompt, Rates, Recording, RequestError, Resource, ResourceDefinition, Rules, Selection, Server, Text,
    ToolReply, TransportKind, prompt_fn, resource_fn,
    testing::{Client, Options},
    tool_fn,
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::user;
use crate::harness::{bare, headers_for, initialize, modern, post};

/// A policy that counts how often it is asked.
struct Counting<P>(P, Arc<AtomicUsize>);

impl<P: Policy> Policy for Counting<P> {
    fn decide(&self, principal: &Principal, action: &Action<'_>) -> Decision {
        self.1.fetch_add(1, Ordering::Relaxed);
        self.0.decide(principal, action)
    }
}

/// How often code of an author's ran.
#[derive(Debug, Default)]
struct Ran(AtomicUsize);

impl Ran {
    fn note(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// A secret of a tenant.
#[derive(Deserialize, JsonSchema)]
struct Secret {
    tenant: String,
}

impl Resource<Ran> for Secret {
    const URI: &'static str = "secrets://{tenant}";
    const NAME: &'static str = "secret";

    fn access(&self) -> Access {
        Access::tenant(&self.tenant)
    }

    async fn read(self, ran: &Ran, _: &Call) -> Result<Contents, RequestError> {
        ran.note();
        Ok(Contents::text(""))
    }
}

/// Something that only rules hide.
#[derive(Deserialize, JsonSchema)]
struct Hidden {
    #[allow(dead_code)]
    name: String,
}

impl Resource<Ran> for Hidden {
    const URI: &'static str = "hidden://{name}";
    const NAME: &'static str = "hidden";

    async fn read(self, ran: &Ran, _: &Call) -> Result<Contents, RequestError> {
        ran.note();
        Ok(Contents::text(""))
    }

    async fn list(ran: &Ran, _: &Call) -> Result<Vec<ResourceDefinition>, RequestError> {
        ran.note();
        Ok(Vec::new())
    }

    async fn complete(ran: &Ran, _: Completing, _: &Call) -> Result<Option<Completion>, RequestError> {
        ran.note();
        Ok(None)
    }
}

impl Prompt<Ran> for Hidden {
    const NAME: &'static str = "hidden";

    async fn get(self, ran: &Ran, _: &Call) -> Result<Messages, RequestError> {
        ran.note();
        Ok(Messages::default())
    }

    async fn complete(ran: &Ran, _: Completing, _: &Call) -> Result<Option<Completion>, RequestError> {
        ran.note();
        Ok(None)
    }
}

fn endpoint(ran: &Arc<Ran>, decisions: &Arc<AtomicUsize>, rates: Rates) -> Endpoint {
    let rules = Rules::new()
        .tools(Selection::all().without(["drop_all"]))
        .resources(Selection::all().without(["hidden://{name}", "fixed://hidden"]))
        .prompts(Selection::all().without(["hidden"]));
    let tool = |name: &str| {
        let ran = Arc::clone(ran);
        let noted = Arc::clone(&ran);
        tool_fn(name, Annotations::write(), move |_: Empty, _| {
            ran.note();
            async { Ok(Text::new("")) }
        })
        .access(move |_| {
            noted.note();
            Access::none()
        })
    };
    let (fixed, other) = (Arc::clone(ran), Arc::clone(ran));
    let fixed = resource_fn("fixed://hidden", "fixed", move |_: Empty, _| {
        fixed.note();
        async { Ok(Contents::text("")) }
    });
    let acme = prompt_fn("of_acme", move |_: Empty, _| {
        other.note();
        async { Ok(Messages::default()) }
    });
    Server::new("test", "1")
        .policy(Counting(rules, Arc::clone(decisions)))
        .rates(rates)
        .add(tool("drop_all"))
        .add(tool("drop_old"))
        .add(tool("of_acme").about(|about| about.requires(Access::tenant("acme"))))
        .add(fixed)
        .add(acme.about(|about| about.requires(Access::tenant("acme"))))
        .with(Arc::clone(ran), |server| server.resource::<Secret>().resource::<Hidden>().prompt::<Hidden>())
        .build()
        .unwrap()
}

/// What a caller is answered, byte for byte, with `…` for the name; and how often the policy was asked.
async fn told(
    connection: &mut Connection,
    request: &Value,
    name: &str,
    decisions: &AtomicUsize,
) -> (String, usize) {
    let before = decisions.load(Ordering::Relaxed);
    let mut out = Vec::new();
    connection.receive(request.to_string().as_bytes(), &mut out);
    if out.is_empty() {
        std::future::poll_fn(|cx| connection.poll_output(cx, &mut out)).await;
    }
    let asked = decisions.load(Ordering::Relaxed) - before;
    (String::from_utf8(out).unwrap().replace(name, "…"), asked)
}

#[tokio::test]
async fn the_bytes_and_the_decisions_are_the_same() {
    let (ran, decisions) = (Arc::new(Ran::default()), Arc::new(AtomicUsize::new(0)));
    // With prices the policy is asked whether the caller may know of what has one.
    let priced = Rates::new().cost("drop_all", 5).cost("of_acme", 0);
    let endpoints = [Rates::new(), priced].map(|rates| endpoint(&ran, &decisions, rates));
    let tool = |name: &str| ("tools/call", json!({"name": name, "arguments": {}}));
    let wrong = |name: &str| ("tools/call", json!({"name": name, "arguments": {"no": "such argument"}}));
    let read = |uri: &str| ("resources/read", json!({ "uri": uri }));
    let get = |name: &str| ("prompts/get", json!({"name": name, "arguments": {"name": "x"}}));
    let subscribe = |uri: &str| ("resources/subscribe", json!({ "uri": uri }));
    let listen = |uri: &str| {
        (
            "subscriptions/listen",
            json!({"notifications": {"toolsListChanged": true, "resourceSubscriptions": [uri]}}),
        )
    };
    let of_template = |uri: &str| {
        let reference = json!({"type": "ref/resource", "uri": uri});
        ("completion/complete", json!({"ref": reference, "argument": {"name": "name", "value": ""}}))
    };
    let of_prompt = |name: &str| {
        let reference = json!({"type": "ref/prompt", "name": name});
        ("completion/complete", json!({"ref": reference, "argument": {"name": "name", "value": ""}}))
    };
    type Request<'a> = &'a dyn Fn(&str) -> (&'static str, Value);
    let cases: [(Request<'_>, &str, &str); 14] = [
        // Both are a letter away from `drop_old`, which the caller may call.
        (&tool, "drop_all", "drop_alx"),
        (&wrong, "drop_all", "drop_alx"),
        (&tool, "of_acme", "of_acmx"),
        (&read, "secrets://acme", "secrets://none"),
        (&read, "hidden://thing", "hiddem://thing"),
        (&read, "fixed://hidden", "fixed://hiddem"),
        (&get, "hidden", "hiddem"),
        (&get, "of_acme", "of_acmx"),
        (&subscribe, "secrets://acme", "secrets://none"),
        (&subscribe, "fixed://hidden", "fixed://hiddem"),
        (&listen, "secrets://acme", "secrets://none"),
        (&listen, "hidden://thing", "hiddem://thing"),
        (&of_template, "hidden://{name}", "hiddem://{name}"),
        (&of_prompt, "hidden", "hiddem"),
    ];
    for (request, hidden, unknown) in cases {
        let method = request(hidden).0;
        for (is_modern, endpoint) in
            [true, false].iter().flat_map(|era| endpoints.iter().map(move |of| (*era, of)))
        {
            if (method == "resources/subscribe" && is_modern)
                || (method == "subscriptions/listen" && !is_modern)
            {
                continue;
            }
            let mut answers = Vec::new();
            for name in [hidden, unknown] {
                let mut connection = Connection::new(endpoint, user("ada"), TransportKind::InMemory);
                let (method, params) = request(name);
                let message = match is_modern {
                    true => modern(1, method, params),
                    false => {
                        let opening = initialize(0, "2025-11-25").to_string();
                        connection.receive(opening.as_bytes(), &mut Vec::new());
                        bare(1, method, params)
                    }
                };
                answers.push(told(&mut connection, &message, name, &decisions).await);
            }
            assert_eq!(answers[0], answers[1], "{method} {hidden}");
            assert!(!answers[0].0.contains(r#""result""#), "{answers:?}");
        }
    }
    assert_eq!(ran.0.load(Ordering::Relaxed), 0, "code of an author's ran");
}

#[tokio::test]
async fn a_hint_names_nothing_hidden() {
    let (ran, decisions) = (Arc::new(Ran::default()), Arc::new(AtomicUsize::new(0)));
    let endpoint = endpoint(&ran, &decisions, Rates::new());
    let client = Client::with(&endpoint, Options::new().principal(user("ada"))).await;
    for (asked, told) in [
        ("drop_al", "Unknown tool: drop_al; did you mean drop_old?"),
        ("of_acm", "Unknown tool: of_acm"),
        ("drop_all", "Unknown tool: drop_all; did you mean drop_old?"),
    ] {
        assert_eq!(client.call(asked, json!({})).await.reply().error()["message"], told);
    }
    // Who may know of it is told.
    let member = user("ada").with_tenants(["acme"]);
    let client = Client::with(&endpoint, Options::new().principal(member)).await;
    let told = client.call("of_acm", json!({})).await.reply().error()["message"].clone();
    assert_eq!(told, "Unknown tool: of_acm; did you mean of_acme?");
}

/// A report of a tenant.
#[derive(Deserialize, JsonSchema)]
struct Report {
    tenant: String,
}

#[tokio::test]
async fn arguments_that_name_a_foreign_tenant_are_refused_by_name_whether_there_is_one_or_not() {
    let report = tool_fn("report", Annotations::read_only(), async |_: Report, _| Ok(Text::new("")));
    let letter = prompt_fn("letter", async |_: Report, _| Ok(Messages::user("")));
    let server = Server::new("test", "1")
        .add(report.access(|report| Access::tenant(&report.tenant)))
        .add(letter.access(|report| Access::tenant(&report.tenant)));
    let client = Client::with(server, Options::new().principal(user("ada").with_tenants(["acme"]))).await;
    for tenant in ["umbrella", "none"] {
        let error = json!({"code": 403, "message": format!("Forbidden: you have no access to the tenant `{tenant}`")});
        assert_eq!(client.call("report", json!({ "tenant": tenant })).await.reply().error(), &error);
        assert_eq!(client.prompt("letter", json!({ "tenant": tenant })).await.error(), &error);
    }
    assert!(!client.call("report", json!({"tenant": "acme"})).await.is_error());
}

#[tokio::test]
async fn lists_are_for_shared_caches_only_where_they_are_the_same_for_all() {
    let tool = |name: &str| tool_fn(name, Annotations::read_only(), async |_: Empty, _| Ok(Text::new("")));
    let open = || Server::new("test", "1").add(tool("open")).add(tool("scoped").scopes(["read"]));
    let motd = || resource_fn("demo://motd", "motd", async |_: Empty, _| Ok(Contents::text("").public()));
    let of_acme = || tool("of_acme").about(|about| about.requires(Access::tenant("acme")));
    let private = Selection::all().without(["open"]);
    for (server, tools, resources) in [
        (open(), "public", "public"),
        (open().policy(ByGrants::new()), "public", "public"),
        (open().policy(Rules::new()), "public", "public"),
        (open().policy(Arc::new(Rules::new())), "public", "public"),
        (open().add(of_acme()), "private", "public"),
        (open().policy(Rules::new().tools(private)), "private", "public"),
        (
            open().policy(Rules::new().resources(Selection::all().without_tagged("x")).names_may_come()),
            "public",
            "private",
        ),
        // A policy that does not say is taken for one that may hide anything.
        (open().policy(Counting(ByGrants::new(), Arc::default())), "private", "private"),
    ] {
        let client = Client::new(server.add(motd())).await;
        for (method, scope) in [("tools/list", tools), ("resources/list", resources)] {
            assert_eq!(client.request(method, json!({})).await.result()["cacheScope"], scope, "{method}");
        }
        assert_eq!(client.read("demo://motd").await.result()["cacheScope"], resources);
        // What the server can do is the same for all, whatever they see of it.
        assert_eq!(client.request("server/discover", json!({})).await.result()["cacheScope"], "public");
    }
}

#[tokio::test]
async fn headers_are_held_against_the_body_after_the_policy_has_spoken() {
    let region =
        json!({"type": "object", "properties": {"region": {"type": "string", "x-mcp-header": "Region"}}});
    let tool = |name: &str| {
        DynTool::new(name, Annotations::read_only(), |_, _| async { Ok(ToolReply::default()) })
            .input_schema(region.clone())
    };
    let endpoint = Server::new("test", "1")
        .add(tool("open"))
        .add(tool("scoped").scopes(["read"]))
        .add(tool("hidden").about(|about| about.requires(Access::tenant("acme"))))
        .build()
        .unwrap();
    for (name, code, message) in [
        ("open", -32020, "Header mismatch"),
        ("scoped", 403, "Forbidden: this needs the scope `read`"),
        ("hidden", -32602, "Unknown tool: hidden"),
        ("hiddem", -32602, "Unknown tool: hiddem"),
    ] {
        let message_sent = modern(1, "tools/call", json!({"name": name, "arguments": {"region": "eu"}}));
        let headers = MirroredHeaders {
            params: vec![("region".to_owned(), b"us".to_vec())],
            ..headers_for(&message_sent)
        };
        let refused = post(&endpoint, &message_sent, headers).await;
        assert_eq!(refused.code(), Some(code), "{name}");
        assert!(refused.answer["error"]["message"].as_str().unwrap().starts_with(message), "{name}");
    }
}

/// A note of a tenant, of which a careless author lists all there are.
#[derive(Deserialize, JsonSchema)]
struct Note {
    tenant: String,
}

impl Resource for Note {
    const URI: &'static str = "notes://{tenant}";
    const NAME: &'static str = "note";

    fn access(&self) -> Access {
        Access::tenant(&self.tenant)
    }

    async fn read(self, (): &(), _: &Call) -> Result<Contents, RequestError> {
        Ok(Contents::text(""))
    }

    async fn list((): &(), _: &Call) -> Result<Vec<ResourceDefinition>, RequestError> {
        let uris = ["acme", "beta", "core", "demo", "edge"].map(|tenant| format!("notes://{tenant}"));
        // One more that only a fixed resource, which is hidden, could be.
        Ok(uris
            .into_iter()
            .chain(["fixed://hidden".to_owned()])
            .map(|uri| ResourceDefinition::new(uri, "note"))
            .collect())
    }
}

#[tokio::test]
async fn of_what_a_template_lists_only_what_may_be_read_is_shown() {
    for page_size in 1..4 {
        let server = Server::new("test", "1")
            .limits(|limits| limits.page_size = page_size)
            .policy(Rules::new().resources(Selection::all().without(["fixed://hidden"])))
            .resource::<Note>()
            .add(resource_fn("fixed://hidden", "fixed", async |_: Empty, _| Ok(Contents::text(""))));
        let member = user("ada").with_tenants(["beta", "demo", "edge"]);
        let client = Client::with(server, Options::new().principal(member)).await;
        let listed = client.list_resources().await;
        let uris: Vec<_> = listed.iter().map(|resource| resource["uri"].as_str().unwrap()).collect();
        assert_eq!(uris, ["notes://beta", "notes://demo", "notes://edge"], "on pages of {page_size}");
    }
}

/// Why calls were denied, and whether the caller was to know.
#[derive(Clone, Debug, Default)]
struct Reasons(Arc<Mutex<Vec<(String, bool)>>>);

impl Audit for Reasons {
    fn record(&self, entry: &AuditEntry<'_>) -> Recording {
        if let AuditEvent::Denied(denied) = entry.event {
            self.0
                .lock()
                .unwrap()
                .push((format!("{}: {}", entry.action.name, denied.reason()), denied.is_hidden()));
        }
        Recording::Done
    }
}

#[tokio::test]
async fn the_audit_knows_what_the_caller_does_not() {
    let reasons = Reasons::default();
    let tool = |name: &str| tool_fn(name, Annotations::write(), async |_: Empty, _| Ok(Text::new("")));
    let server = Server::new("test", "1")
        .audit(reasons.clone())
        .policy(Rules::new().tools(Selection::all().without(["denied"])))
        .add(tool("denied"))
        .add(tool("scoped").scopes(["read"]))
        .add(tool("of_acme").about(|about| about.requires(Access::tenant("acme"))));
    let client = Client::with(server, Options::new().principal(user("ada"))).await;
    for name in ["denied", "scoped", "of_acme", "unknown"] {
        client.call(name, json!({})).await.reply().error();
    }
    let reasons = reasons.0.lock().unwrap().clone();
    let expected = [
        ("denied: `deny` has its name", true),
        ("scoped: Forbidden: this needs the scope `read`", false),
        ("of_acme: Forbidden: you have no access to the tenant `acme`", true),
        ("unknown: nothing here has this name", true),
    ];
    assert_eq!(reasons, expected.map(|(reason, is_hidden)| (reason.to_owned(), is_hidden)));
}
