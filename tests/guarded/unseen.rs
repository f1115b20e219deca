//! What is hidden and what is not there, over HTTP: whole responses but for their date, and what calls take.

use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use mcp_audit::{AuditConfig, AuditLog};
use mcp_core::{
    Access, Annotations, Bucket, Contents, Empty, Messages, Rates, Rules, Selection, Server, Text, prompt_fn,
    resource_fn, tool_fn,
};
use mcp_transport_http::{Http, KeyKind, NewKey};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    ERAS,
    door::{Door, Keys, Raw, event},
};

/// A secret of a tenant.
#[derive(Deserialize, JsonSchema)]
struct Secret {
    tenant: String,
}

/// Something that only rules hide.
#[derive(Deserialize, JsonSchema)]
struct Hidden {
    #[allow(dead_code)]
    name: String,
}

/// How often code of an author's ran.
type Ran = Arc<AtomicUsize>;

/// A server of which a user without a tenant sees `drop_old` alone.
fn server(ran: &Ran) -> Server {
    let note = |ran: &Ran| {
        let ran = Arc::clone(ran);
        move || {
            ran.fetch_add(1, Ordering::Relaxed);
        }
    };
    let tool = |name: &str| {
        let (called, read) = (note(ran), note(ran));
        tool_fn(name, Annotations::write(), move |_: Empty, _| {
            called();
            async { Ok(Text::new("")) }
        })
        .access(move |_| {
            read();
            Access::none()
        })
    };
    let resource = |uri: &str| {
        let read = note(ran);
        resource_fn(uri, uri, move |_: Hidden, _| {
            read();
            async { Ok(Contents::text("")) }
        })
    };
    let (read, got) = (note(ran), note(ran));
    let fixed = resource_fn("fixed://hidden", "fixed", move |_: Empty, _| {
        read();
        async { Ok(Contents::text("")) }
    });
    let prompt = prompt_fn("of_acme", move |_: Hidden, _| {
        got();
        async { Ok(Messages::user("")) }
    });
    let secret = resource_fn("secrets://{tenant}", "secret", async |_: Secret, _| Ok(Contents::text("")));
    let acme = || Access::tenant("acme");
    let old = tool_fn("drop_old", Annotations::write(), async |_: Empty, _| Ok(Text::new("")));
    Server::new("test", "1")
        .policy(
            Rules::new()
                .tools(Selection::all().without(["drop_all"]))
                .resources(Selection::all().without(["hidden://{name}", "fixed://hidden"])),
        )
        .add(old)
        .add(tool("drop_all"))
        .add(tool("of_acme").about(|about| about.requires(acme())))
        .add(tool("free").about(|about| about.requires(acme())))
        .add(secret.access(|secret| Access::tenant(&secret.tenant)))
        .add(resource("hidden://{name}"))
        .add(fixed)
        .add(prompt.about(|about| about.requires(acme())))
}

/// A request for a name.
type Request = fn(&str) -> (&'static str, Value);

/// What is asked for, under a name that is hidden and one as long that stands for nothing.
const CASES: [(Request, &str, &str); 16] = [
    // Both are a letter away from `drop_old`, which may be called.
    (call, "drop_all", "drop_alx"),
    (call, "of_acme", "of_acmx"),
    (call, "free", "frex"),
    (
        |name| ("tools/call", json!({"name": name, "arguments": {"no": "such argument"}})),
        "drop_all",
        "drop_alx",
    ),
    (resumed, "drop_all", "drop_alx"),
    (resumed, "of_acme", "of_acmx"),
    (read, "secrets://acme", "secrets://none"),
    (read, "hidden://thing", "hiddem://thing"),
    (read, "fixed://hidden", "fixed://hiddem"),
    (|name| ("prompts/get", json!({"name": name, "arguments": {"name": "x"}})), "of_acme", "of_acmx"),
    (|name| complete(&json!({"type": "ref/resource", "uri": name})), "hidden://{name}", "hiddem://{name}"),
    (|name| complete(&json!({"type": "ref/prompt", "name": name})), "of_acme", "of_acmx"),
    (
        |uri| ("resources/read", json!({"uri": uri, "requestState": "made up"})),
        "secrets://acme",
        "secrets://none",
    ),
    (subscribe, "secrets://acme", "secrets://none"),
    (subscribe, "hidden://thing", "hiddem://thing"),
    (subscribe, "fixed://hidden", "fixed://hiddem"),
];

fn call(name: &str) -> (&'static str, Value) {
    ("tools/call", json!({"name": name, "arguments": {}}))
}

/// A call that says that it was asked before.
fn resumed(name: &str) -> (&'static str, Value) {
    let answers = json!({"confirm": {"action": "accept"}});
    (
        "tools/call",
        json!({"name": name, "arguments": {}, "requestState": "made up", "inputResponses": answers}),
    )
}

fn read(uri: &str) -> (&'static str, Value) {
    ("resources/read", json!({ "uri": uri }))
}

fn complete(reference: &Value) -> (&'static str, Value) {
    ("completion/complete", json!({"ref": reference, "argument": {"name": "name", "value": ""}}))
}

fn subscribe(uri: &str) -> (&'static str, Value) {
    ("resources/subscribe", json!({ "uri": uri }))
}

/// Somebody to whom nothing is granted.
fn user() -> NewKey {
    NewKey::named("user").kind(KeyKind::User)
}

/// Servers that differ in what could tell.
fn servers(ran: &Ran, audit: &std::path::Path) -> [(&'static str, Server); 4] {
    let rates = Rates::new().cost("drop_all", 7).cost("of_acme", 5).cost("free", 0);
    let log = |name: &str| AuditConfig::new(audit.join(name));
    let open = |config| AuditLog::open(config).unwrap();
    [
        ("plain", server(ran)),
        ("with an audit", server(ran).audit(open(log("told")))),
        ("with an audit that is required", server(ran).audit(open(log("required").required()))),
        ("with prices", server(ran).rates(rates)),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn over_http_whole_responses_are_the_same() {
    let (ran, audit) = (Ran::default(), tempfile::tempdir().unwrap());
    for (which, server) in servers(&ran, audit.path()) {
        let keys = Keys::none();
        let door = Door::open(Http::new(), &keys, server).await;
        let caller = keys.make(user()).await;
        for revision in ERAS {
            for (request, hidden, unknown) in CASES {
                let (method, params) = request(hidden);
                if method == "resources/subscribe" && revision.is_modern() {
                    continue;
                }
                let told = door.enter(&caller, revision).send(method, params);
                let other = door.enter(&caller, revision).send(method, request(unknown).1);
                let place = format!("{which}: {hidden} over {revision}");
                assert_eq!(told.renamed(hidden, unknown), other, "{place}");
                assert_eq!(told.status(), 200, "{place}");
                assert!([json!(-32602), json!(-32002)].contains(&told.json()["error"]["code"]), "{place}");
            }
        }
        // A subscription is agreed to in the same words, since what is not there may come yet.
        for (hidden, unknown) in [("secrets://acme", "secrets://none"), ("hidden://thing", "hiddem://thing")]
        {
            let begun = |uri: &str| {
                let params = json!({"notifications": {"resourceSubscriptions": [uri]}});
                let mut stream = door.enter(&caller, ERAS[1]).start("subscriptions/listen", params);
                let (status, headers) = stream.head();
                let headers: Vec<_> = headers.into_iter().filter(|(name, _)| name != "date").collect();
                (status, headers, event(&mut stream).to_string().replace(uri, "…"))
            };
            assert_eq!(begun(hidden), begun(unknown), "{which}");
        }
    }
    assert_eq!(ran.load(Ordering::Relaxed), 0, "code of an author's ran");
}

#[tokio::test(flavor = "multi_thread")]
async fn over_http_what_is_hidden_and_what_is_not_there_take_the_same_records() {
    // What tells records apart whatever they are about, and what only who keeps them may know. Of what nothing has no
    // arguments are shown, but their digest is.
    const APART: [&str; 10] =
        ["seq", "prev", "head", "time", "call", "hash", "seal", "name", "reason", "arguments"];
    let directory = tempfile::tempdir().unwrap();
    let log = AuditLog::open(AuditConfig::new(directory.path()).required()).unwrap();
    let keys = Keys::none();
    let door = Door::open(Http::new(), &keys, server(&Ran::default()).audit(log.clone())).await;
    let caller = keys.make(user()).await;
    let mut recorded = HashSet::new();
    for revision in ERAS {
        for (request, hidden, unknown) in CASES {
            let (method, params) = request(hidden);
            for params in [params, request(unknown).1] {
                door.enter(&caller, revision).send(method, params);
            }
            log.flush().await.unwrap();
            let records = mcp_audit::tail(directory.path(), 100_000).unwrap();
            let about = [hidden, unknown].map(|name| {
                let read =
                    |record: &mcp_audit::Record| serde_json::from_str::<Value>(record.as_json()).unwrap();
                let mut records: Vec<_> =
                    records.iter().map(read).filter(|record| record["name"] == name).collect();
                for record in &mut records {
                    record.as_object_mut().unwrap().retain(|member, _| !APART.contains(&&**member));
                }
                records
            });
            let [of_hidden, of_unknown] = &about;
            assert_eq!(of_hidden, of_unknown, "{method} {hidden} over {revision}");
            recorded.extend(of_hidden.iter().map(|record| record["method"].to_string()));
        }
    }
    // Of a completion and a subscription nobody keeps a record.
    let methods = ["tools/call", "resources/read", "prompts/get"].map(|method| json!(method).to_string());
    assert_eq!(recorded, HashSet::from(methods));
}

/// The statuses of so many calls of a tool, each by a caller with a full bucket at the beginning.
fn statuses(calls: usize, mut call: impl FnMut() -> Raw) -> Vec<u16> {
    (0..calls).map(|_| call().status()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_price_does_not_tell_what_is_hidden_from_what_is_not_there() {
    const HOLDS: u32 = 6;
    // Prices above 1 and of 0, by the rules and by the tenant.
    for (hidden, unknown, price) in
        [("drop_all", "drop_alx", 5), ("of_acme", "of_acmx", 3), ("free", "frex", 0)]
    {
        let keys = Keys::none();
        let rates = Rates::off().per_principal(Bucket::new(HOLDS, 1)).cost(hidden, price);
        let door = Door::open(Http::new(), &keys, server(&Ran::default()).rates(rates)).await;
        for revision in ERAS {
            let counted = async |name: &str, key: NewKey| {
                let mut visitor = door.enter(&keys.make(key).await, revision);
                let (method, params) = call(name);
                statuses(10, || visitor.send(method, params.clone()))
            };
            // Opening a session costs one as well.
            let served = if revision.is_modern() { 6 } else { 5 };
            let expected: Vec<u16> = (0..10).map(|n| if n < served { 200 } else { 429 }).collect();
            assert_eq!(counted(hidden, user()).await, expected, "{hidden} over {revision}");
            assert_eq!(counted(unknown, user()).await, expected, "{unknown} over {revision}");
            // Who may know of it pays what it costs; `drop_all` is nobody's.
            if hidden != "drop_all" {
                let member = counted(hidden, user().tenants(["acme"])).await;
                let paid = if price == 0 { 10 } else { served / price as usize };
                assert_eq!(member.iter().filter(|status| **status == 200).count(), paid, "{hidden}");
            }
        }
    }
}
