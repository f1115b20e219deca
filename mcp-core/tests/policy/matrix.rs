//! The matrix: who sees and may do what, a row a caller and a column a thing, over every way to it and both eras.

use std::time::{Duration, SystemTime};

use mcp_core::{
    Access, Annotations, CallerRules, Connection, Contents, Empty, Endpoint, Messages, Principal,
    PrincipalKind, Revision, Rules, Selection, Server, Signal, Text, TransportKind, prompt_fn, resource_fn,
    testing::{Client, Options, RequestReply},
    tool_fn,
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{ERAS, user};
use crate::harness::{initialize, lines};

/// What there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Thing {
    Tool(&'static str),
    /// A resource of a fixed URI.
    Resource(&'static str),
    Template(&'static str),
    /// A resource of a template, which no list names.
    OfTemplate(&'static str),
    Prompt(&'static str),
}

use Thing::{OfTemplate, Prompt, Resource, Template, Tool};

/// The columns.
const THINGS: [Thing; 16] = [
    Tool("open"),
    Tool("scoped"),
    Tool("of_acme"),
    Tool("wipe"),
    Tool("admin_stats"),
    Resource("fixed://open"),
    Resource("fixed://scoped"),
    Resource("fixed://acme"),
    Template("notes://{tenant}/{note}"),
    Template("logs://{level}"),
    OfTemplate("notes://acme/first"),
    OfTemplate("notes://umbrella/first"),
    OfTemplate("logs://error"),
    Prompt("hello"),
    Prompt("scoped"),
    Prompt("of_acme"),
];

/// What a caller is answered, a letter a thing.
///
/// `y` it is there, and done. `s` it is there, and refused for the scope that is missing. `-` it is not there: no list names
/// it, and the answer is that to a name that stands for nothing. `x` the caller is not known any more.
#[rustfmt::skip]
const ANSWERS: [(&str, &str); 10] = [
    //                   tools   fixed  templates  of them  prompts
    ("local",           "yyyyy   yyy    yy         yyy      yyy"),
    ("anonymous",       "ys-y-   ys-    ys         --s      ys-"),
    ("user",            "ys-y-   ys-    ys         --s      ys-"),
    ("user with scope", "yy-y-   yy-    yy         --y      yy-"),
    ("of acme",         "ysyy-   ysy    ys         y-s      ysy"),
    ("of umbrella",     "ys-y-   ys-    ys         -ys      ys-"),
    ("read-only",       "yy---   yy-    yy         --y      yy-"),
    ("allow-listed",    "y-y--   --y    y-         y--      y--"),
    ("expired",         "xxxxx   xxx    xx         xxx      xxx"),
    ("revoked",         "xxxxx   xxx    xx         xxx      xxx"),
];

/// The caller of a row; one is known until it is revoked.
fn caller(row: &str, revoked: &Signal) -> Principal {
    match row {
        "local" => Principal::local(),
        "anonymous" => Principal::anonymous(),
        "user" => user("ada"),
        "user with scope" => user("ada").with_scopes(["read"]),
        "of acme" => user("ada").with_tenants(["acme"]),
        "of umbrella" => user("ada").with_tenants(["umbrella"]),
        "read-only" => user("reader").with_scopes(["read"]),
        "allow-listed" => {
            Principal::new(PrincipalKind::Client, "dashboard").with_scopes(["read"]).with_tenants(["acme"])
        }
        "expired" => Principal::local().with_expiry(SystemTime::now() - Duration::from_secs(1)),
        "revoked" => Principal::local().with_revocation(revoked.clone()),
        _ => panic!("nobody is called {row}"),
    }
}

/// The rules that the table is about; scopes and tenants are told by the things themselves.
fn rules() -> Rules {
    let without_admin = || Selection::all().without_tagged("admin");
    let dashboard = CallerRules::of_subject(PrincipalKind::Client, "dashboard")
        .tools(Selection::only(["open", "of_acme"]))
        .resources(Selection::only(["fixed://acme", "notes://{tenant}/{note}"]))
        .prompts(Selection::only(["hello"]));
    Rules::new()
        .caller(CallerRules::of_kind(PrincipalKind::Anonymous).tools(without_admin()))
        .caller(CallerRules::of_kind(PrincipalKind::User).tools(without_admin()))
        .caller(CallerRules::of_subject(PrincipalKind::User, "reader").read_only())
        .caller(dashboard)
}

/// A note of a tenant.
#[derive(Deserialize, JsonSchema)]
struct Note {
    tenant: String,
    #[allow(dead_code)]
    note: Order,
}

/// Which of them.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Order {
    First,
    Second,
}

/// A log.
#[derive(Deserialize, JsonSchema)]
struct Log {
    #[allow(dead_code)]
    level: Level,
}

/// How bad it is.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Level {
    Error,
    Warning,
}

/// Whom to greet, and how.
#[derive(Deserialize, JsonSchema)]
struct Greeting {
    #[allow(dead_code)]
    tone: Option<Tone>,
}

/// The tone.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Tone {
    Warm,
    Cool,
}

/// Everything in the columns, on pages of one.
fn server() -> Server {
    let acme = || Access::tenant("acme");
    let read = Annotations::read_only();
    let tool = |name, annotations| tool_fn(name, annotations, async |_: Empty, _| Ok(Text::new("done")));
    let fixed = |uri: &str| resource_fn(uri, uri, async |_: Empty, _| Ok(Contents::text("text")));
    let notes =
        resource_fn("notes://{tenant}/{note}", "notes", async |_: Note, _| Ok(Contents::text("note")));
    let logs = resource_fn("logs://{level}", "logs", async |_: Log, _| Ok(Contents::text("log")));
    let prompt = |name| prompt_fn(name, async |_: Greeting, _| Ok(Messages::user("Hello.")));
    Server::new("test", "1")
        .policy(rules())
        .limits(|limits| limits.page_size = 1)
        .add(tool("open", read))
        .add(tool("scoped", read).scopes(["read"]))
        .add(tool("of_acme", read).about(|about| about.requires(acme())))
        .add(tool("wipe", Annotations::destructive()))
        .add(tool("admin_stats", read).about(|about| about.tag("admin")))
        .add(fixed("fixed://open"))
        .add(fixed("fixed://scoped").scopes(["read"]))
        .add(fixed("fixed://acme").access(move |_| acme()))
        .add(notes.access(|note| Access::tenant(&note.tenant)))
        .add(logs.scopes(["read"]))
        .add(prompt("hello"))
        .add(prompt("scoped").scopes(["read"]))
        .add(prompt("of_acme").about(|about| about.requires(acme())))
}

impl Thing {
    fn name(self) -> &'static str {
        match self {
            Tool(name) | Resource(name) | Template(name) | OfTemplate(name) | Prompt(name) => name,
        }
    }

    /// The list that it would stand in: the method, the member, and the member of an item.
    fn list(self) -> Option<(&'static str, &'static str, &'static str)> {
        match self {
            Tool(_) => Some(("tools/list", "tools", "name")),
            Resource(_) => Some(("resources/list", "resources", "uri")),
            Template(_) => Some(("resources/templates/list", "resourceTemplates", "uriTemplate")),
            OfTemplate(_) => None,
            Prompt(_) => Some(("prompts/list", "prompts", "name")),
        }
    }

    /// How it is used, where it can be, under any name.
    fn using(self, name: &str) -> Option<(&'static str, Value)> {
        match self {
            Tool(_) => Some(("tools/call", json!({"name": name, "arguments": {}}))),
            Resource(_) | OfTemplate(_) => Some(("resources/read", json!({ "uri": name }))),
            Template(_) => None,
            Prompt(_) => Some(("prompts/get", json!({ "name": name }))),
        }
    }

    /// How an argument of it is completed, where it has any, under any name.
    fn completing(self, name: &str) -> Option<(&'static str, Value)> {
        let (reference, argument) = match self {
            Template(template) => {
                let argument = if template.starts_with("notes") { "note" } else { "level" };
                (json!({"type": "ref/resource", "uri": name}), argument)
            }
            Prompt(_) => (json!({"type": "ref/prompt", "name": name}), "tone"),
            Tool(_) | Resource(_) | OfTemplate(_) => return None,
        };
        Some(("completion/complete", json!({"ref": reference, "argument": {"name": argument, "value": ""}})))
    }

    /// Another name of the same form that stands for nothing.
    fn misnamed(self) -> String {
        match self {
            // What the tenant has is nobody else's business, and neither is which tenants there are.
            OfTemplate(uri) => {
                uri.replace("acme", "acmf").replace("umbrella", "umbrellb").replace("logs:", "logz:")
            }
            thing => thing.name().replace("open", "opem").replace("e", "3"),
        }
    }
}

/// Who asks, over which revision, and what for: for the messages of what fails.
struct Case<'a> {
    row: &'a str,
    revision: Revision,
    endpoint: &'a Endpoint,
    client: &'a Client,
}

impl Case<'_> {
    /// Holds an answer against the letter of the table.
    fn check(&self, what: &str, thing: Thing, letter: char, reply: &RequestReply, misnamed: &RequestReply) {
        let place = format!("{} over {}: {what} {thing:?}: {}", self.row, self.revision, reply.message());
        let error = &reply.message()["error"];
        match letter {
            'y' => assert!(reply.message().get("result").is_some(), "{place}"),
            's' => {
                assert_eq!(
                    (&error["code"], &error["data"]),
                    (&json!(403), &json!({"requiredScopes": ["read"]})),
                    "{place}"
                );
            }
            '-' => {
                let told = |reply: &RequestReply, name: &str| reply.error().to_string().replace(name, "…");
                assert_eq!(told(reply, thing.name()), told(misnamed, &thing.misnamed()), "{place}");
                let missing = if self.revision.is_modern() { -32602 } else { -32002 };
                let code = if matches!(thing, Tool(_) | Prompt(_)) { -32602 } else { missing };
                assert_eq!(error["code"], code, "{place}");
            }
            _ => assert_eq!(error["code"], 401, "{place}"),
        }
    }

    /// Sends the same under the right name and under one that stands for nothing.
    async fn ask(
        &self,
        what: &str,
        thing: Thing,
        letter: char,
        request: impl Fn(&str) -> Option<(&'static str, Value)>,
    ) {
        let misnamed = thing.misnamed();
        let (Some((method, params)), Some((_, other))) = (request(thing.name()), request(&misnamed)) else {
            return;
        };
        let reply = self.client.request(method, params).await;
        let misnamed = self.client.request(method, other).await;
        self.check(what, thing, letter, &reply, &misnamed);
    }

    async fn subscribe(&self, thing: Thing, letter: char) {
        let (Resource(uri) | OfTemplate(uri)) = thing else { return };
        if !self.revision.is_modern() {
            return self
                .ask("subscribe", thing, letter, |uri| Some(("resources/subscribe", json!({ "uri": uri }))))
                .await;
        }
        let params = json!({"notifications": {"resourceSubscriptions": [uri, "nothing://here"]}});
        let mut listening = self.client.start("subscriptions/listen", params);
        let Some(acknowledged) = listening.notification().await else {
            let reply = listening.await;
            return self.check("subscribe", thing, letter, &reply, &reply);
        };
        let agreed = acknowledged["params"]["notifications"].get("resourceSubscriptions").cloned();
        // What is not there may come yet, so it is agreed to; but nothing is told of what is hidden.
        let expected = if letter == 's' { json!(["nothing://here"]) } else { json!([uri, "nothing://here"]) };
        assert_eq!(agreed, Some(expected), "{} subscribes to {uri}", self.row);
        self.endpoint.resource_updated(uri);
        self.endpoint.resource_updated("nothing://here");
        let told = listening.notification().await.unwrap();
        let first = if letter == 'y' { uri } else { "nothing://here" };
        assert_eq!(told["params"]["uri"], first, "{} is told of {uri}", self.row);
        listening.cancel().await;
    }

    /// Whole lists, a page of one item after the other.
    async fn lists(&self, letters: &[char]) {
        for first in [THINGS[0], THINGS[5], THINGS[8], THINGS[13]] {
            let list = first.list();
            let (method, member, key) = list.unwrap();
            let mut expected: Vec<_> = THINGS
                .into_iter()
                .zip(letters)
                .filter(|(thing, letter)| thing.list() == list && matches!(letter, 'y' | 's'))
                .map(|(thing, _)| thing.name())
                .collect();
            expected.sort_unstable();
            let (mut listed, mut params) = (Vec::new(), json!({}));
            loop {
                let reply = self.client.request(method, params).await;
                if letters.contains(&'x') {
                    assert_eq!(reply.error()["code"], 401, "{}", self.row);
                    break;
                }
                let page = reply.result()[member].as_array().unwrap();
                assert!(page.len() == 1 || expected.is_empty(), "{method} for {}: {page:?}", self.row);
                listed.extend(page.iter().map(|item| item[key].as_str().unwrap().to_owned()));
                let scope = if self.revision.is_modern() { json!("private") } else { Value::Null };
                assert_eq!(reply.result()["cacheScope"], scope, "{method}");
                match reply.result().get("nextCursor") {
                    Some(cursor) => params = json!({ "cursor": cursor }),
                    None => break,
                }
            }
            assert_eq!(listed, expected, "{method} for {} over {}", self.row, self.revision);
        }
    }
}

async fn walk(endpoint: &Endpoint, row: &str, letters: &[char], revision: Revision) {
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
    let case = Case { row, revision, endpoint, client: &client };
    case.lists(letters).await;
    for (thing, letter) in THINGS.into_iter().zip(letters.iter().copied()) {
        case.ask("use", thing, letter, |name| thing.using(name)).await;
        case.ask("complete", thing, letter, |name| thing.completing(name)).await;
        case.subscribe(thing, letter).await;
    }
}

#[tokio::test]
async fn everybody_sees_and_may_do_what_the_table_says() {
    let endpoint = server().build().unwrap();
    for (row, letters) in ANSWERS {
        let letters: Vec<char> = letters.chars().filter(|letter| !letter.is_whitespace()).collect();
        assert_eq!(letters.len(), THINGS.len(), "{row}");
        for revision in ERAS {
            walk(&endpoint, row, &letters, revision).await;
        }
    }
}

#[tokio::test]
async fn a_cursor_of_one_caller_shows_another_only_what_they_may_see() {
    let endpoint = server().build().unwrap();
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
