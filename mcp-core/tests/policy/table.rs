//! The table of the matrix: who sees and may do what, a row a caller and a column a thing, with the server that it is about.
//!
//! The end-to-end tests hold the same table against real transports.

use std::time::{Duration, SystemTime};

use mcp_core::{
    Access, Annotations, CallerRules, Contents, Empty, Messages, Principal, PrincipalKind, Rates, Rules,
    Selection, Server, Signal, Text, prompt_fn, resource_fn, tool_fn,
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

/// What there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Thing {
    Tool(&'static str),
    /// A resource of a fixed URI.
    Resource(&'static str),
    Template(&'static str),
    /// A resource of a template, which no list names.
    OfTemplate(&'static str),
    Prompt(&'static str),
}

pub(crate) use Thing::{OfTemplate, Prompt, Resource, Template, Tool};

/// The columns.
pub(crate) const THINGS: [Thing; 16] = [
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
pub(crate) const ANSWERS: [(&str, &str); 10] = [
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

/// The letters of a row, one for each of [`THINGS`].
pub(crate) fn letters(row: &str) -> Vec<char> {
    let (_, letters) = ANSWERS.into_iter().find(|(known, _)| *known == row).unwrap();
    let letters: Vec<char> = letters.chars().filter(|letter| !letter.is_whitespace()).collect();
    assert_eq!(letters.len(), THINGS.len(), "{row}");
    letters
}

/// The caller of a row, where nothing but the test says who it is; one is known until it is revoked.
pub(crate) fn caller(row: &str, revoked: &Signal) -> Principal {
    let user = |name| Principal::new(PrincipalKind::User, name);
    match row {
        "local" => Principal::local(),
        "anonymous" => Principal::anonymous(),
        "user" => user("ada"),
        "user with scope" => user("ada").with_scopes(["read"]),
        "of acme" => user("ada").with_tenants(["acme"]),
        "of umbrella" => user("ada").with_tenants(["umbrella"]),
        "read-only" => user(READER).with_scopes(["read"]),
        "allow-listed" => {
            Principal::new(PrincipalKind::Client, DASHBOARD).with_scopes(["read"]).with_tenants(["acme"])
        }
        "expired" => Principal::local().with_expiry(SystemTime::now() - Duration::from_secs(1)),
        "revoked" => Principal::local().with_revocation(revoked.clone()),
        _ => panic!("nobody is called {row}"),
    }
}

/// The subject of the caller of the row "read-only", as [`caller`] has it.
pub(crate) const READER: &str = "reader";
/// The same of the row "allow-listed".
pub(crate) const DASHBOARD: &str = "dashboard";

/// The rules that the table is about, of whom has these subjects; scopes and tenants are told by the things themselves.
pub(crate) fn rules(reader: &str, dashboard: &str) -> Rules {
    let without_admin = || Selection::all().without_tagged("admin");
    let dashboard = CallerRules::of_subject(PrincipalKind::Client, dashboard)
        .tools(Selection::only(["open", "of_acme"]))
        .resources(Selection::only(["fixed://acme", "notes://{tenant}/{note}"]))
        .prompts(Selection::only(["hello"]));
    Rules::new()
        .caller(CallerRules::of_kind(PrincipalKind::Anonymous).tools(without_admin()))
        .caller(CallerRules::of_kind(PrincipalKind::User).tools(without_admin()))
        .caller(CallerRules::of_subject(PrincipalKind::User, reader).read_only())
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
pub(crate) fn server(rules: Rules) -> Server {
    let acme = || Access::tenant("acme");
    let read = Annotations::read_only();
    let tool = |name, annotations| tool_fn(name, annotations, async |_: Empty, _| Ok(Text::new("done")));
    let fixed = |uri: &str| resource_fn(uri, uri, async |_: Empty, _| Ok(Contents::text("text")));
    let notes =
        resource_fn("notes://{tenant}/{note}", "notes", async |_: Note, _| Ok(Contents::text("note")));
    let logs = resource_fn("logs://{level}", "logs", async |_: Log, _| Ok(Contents::text("log")));
    let prompt = |name| prompt_fn(name, async |_: Greeting, _| Ok(Messages::user("Hello.")));
    Server::new("test", "1")
        .policy(rules)
        // How often is another question.
        .rates(Rates::off())
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
    pub(crate) fn name(self) -> &'static str {
        match self {
            Tool(name) | Resource(name) | Template(name) | OfTemplate(name) | Prompt(name) => name,
        }
    }

    /// The list that it would stand in: the method, the member, and the member of an item.
    pub(crate) fn list(self) -> Option<(&'static str, &'static str, &'static str)> {
        match self {
            Tool(_) => Some(("tools/list", "tools", "name")),
            Resource(_) => Some(("resources/list", "resources", "uri")),
            Template(_) => Some(("resources/templates/list", "resourceTemplates", "uriTemplate")),
            OfTemplate(_) => None,
            Prompt(_) => Some(("prompts/list", "prompts", "name")),
        }
    }

    /// How it is used, where it can be, under any name.
    pub(crate) fn using(self, name: &str) -> Option<(&'static str, Value)> {
        match self {
            Tool(_) => Some(("tools/call", json!({"name": name, "arguments": {}}))),
            Resource(_) | OfTemplate(_) => Some(("resources/read", json!({ "uri": name }))),
            Template(_) => None,
            Prompt(_) => Some(("prompts/get", json!({ "name": name }))),
        }
    }

    /// How an argument of it is completed, where it has any, under any name.
    pub(crate) fn completing(self, name: &str) -> Option<(&'static str, Value)> {
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

    /// Another name of the same form and length that stands for nothing.
    pub(crate) fn misnamed(self) -> String {
        match self {
            // What the tenant has is nobody else's business, and neither is which tenants there are.
            OfTemplate(uri) => {
                uri.replace("acme", "acmf").replace("umbrella", "umbrellb").replace("logs:", "logz:")
            }
            thing => thing.name().replace("open", "opem").replace("e", "3"),
        }
    }
}
