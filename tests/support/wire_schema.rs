//! Checks messages against the published JSON schema of their MCP revision, and for keys that it does not name.
//!
//! The published schemas leave most objects open, so a key of a newer revision, or a misspelt one, validates. Here a
//! message must validate *and* have no key outside the properties that its definition names. `wire_revision.rs` does
//! the first check, `wire_keys.rs` the second; `wire_transcript.rs` follows a whole dialogue with both.
//!
//! The schemas are taken as published, with their known fault: where the specification says "number" in a union, as in
//! the answers of a form or in the settings of an extension, they say "integer", and they know no null there.
//!
//! A test that needs the schemas is marked so that it shows as ignored where they are absent; the build script sets
//! the condition (see `spec_dir.rs`):
//!
//! ```ignore
//! #[test]
//! #[cfg_attr(not(mcp_spec), ignore = "no MCP specification: set TOOLPACK_SPEC")]
//! ```
#![allow(dead_code, unused_imports, reason = "each test binary uses a part of it")]

use std::fmt;
use std::path::PathBuf;
use std::sync::OnceLock;

use serde_json::{Value, json};

#[path = "spec_dir.rs"]
mod spec_dir;
#[path = "wire_keys.rs"]
mod wire_keys;
#[path = "wire_revision.rs"]
mod wire_revision;
#[path = "wire_transcript.rs"]
mod wire_transcript;

pub(crate) use wire_revision::Revision;
pub(crate) use wire_transcript::Transcript;

/// The schemas of all revisions, each compiled when it is first asked for.
#[derive(Debug)]
pub(crate) struct WireSchemas {
    folder: PathBuf,
    revisions: Vec<(String, OnceLock<Revision>)>,
}

/// The specification, or a revision of it, is not on this machine; says where it was looked for.
#[derive(Debug, Clone)]
pub(crate) struct Missing(String);

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Missing {}

impl WireSchemas {
    /// The schemas of this machine. Kept for the whole test run: compiling all of them takes 0.3 s.
    pub(crate) fn load() -> Result<&'static WireSchemas, Missing> {
        static LOADED: OnceLock<Result<WireSchemas, Missing>> = OnceLock::new();
        let find = || {
            let folder = spec_dir::find(env!("CARGO_MANIFEST_DIR").as_ref()).map_err(Missing)?;
            let revisions =
                spec_dir::revisions(&folder).into_iter().map(|name| (name, OnceLock::new())).collect();
            Ok(WireSchemas { folder, revisions })
        };
        LOADED.get_or_init(find).as_ref().map_err(Clone::clone)
    }

    /// The schema of one revision, such as `2025-11-25`.
    pub(crate) fn revision(&self, name: &str) -> Result<&Revision, Missing> {
        let slot = self.revisions.iter().find(|(known, _)| known == name);
        let (_, loaded) = slot.ok_or_else(|| Missing(format!("no {name} in {}", self.folder.display())))?;
        Ok(loaded.get_or_init(|| {
            let path = self.folder.join(name).join("schema.json");
            // There but unreadable is a broken checkout, which no test should mistake for an absent one.
            let text =
                std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            Revision::new(name, &text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
        }))
    }

    /// All revisions that are there, oldest first.
    pub(crate) fn revisions(&self) -> impl DoubleEndedIterator<Item = &Revision> {
        self.revisions.iter().map(|(name, _)| self.revision(name).expect("it is in the list"))
    }

    /// The folder with the golden messages of a revision: `<definition>/<case>.json`.
    pub(crate) fn examples(&self, revision: &str) -> PathBuf {
        self.folder.join(revision).join("examples")
    }
}

/// Who sends a message: some methods are one side's only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Sender {
    /// The MCP client.
    Client,
    /// The MCP server.
    Server,
}

impl fmt::Display for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if *self == Sender::Client { "client" } else { "server" })
    }
}

/// One thing that is wrong with a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    /// JSON pointer into the message; empty for the message itself.
    pub(crate) pointer: String,
    /// What is wrong there, for people.
    pub(crate) what: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", if self.pointer.is_empty() { "(top)" } else { &self.pointer }, self.what)
    }
}

/// All that is wrong with one message, never empty; one line each, also in its `Debug`, for `unwrap`'s sake.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Problems(pub(crate) Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|problem| writeln!(f, "{problem}"))
    }
}

impl fmt::Debug for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\n{self}")
    }
}

#[test]
#[cfg_attr(not(mcp_spec), ignore = "no MCP specification: set TOOLPACK_SPEC")]
fn golden_messages_are_right() {
    let schemas = WireSchemas::load().expect("the specification is there");
    let revision = schemas.revision("2026-07-28").expect("so is the newest revision");
    let (mut checked, mut wrong) = (0, Vec::new());
    for folder in std::fs::read_dir(schemas.examples("2026-07-28")).expect("examples come with it").flatten()
    {
        let definition = folder.file_name().into_string().expect("an ASCII name");
        for case in std::fs::read_dir(folder.path()).expect("a folder per definition").flatten() {
            let text = std::fs::read_to_string(case.path()).expect("a readable example");
            let value: Value = serde_json::from_str(&text).expect("an example in JSON");
            let result = revision.check_definition(&definition, &value);
            let problems = result.err().map_or_else(Vec::new, |problems| problems.0);
            let case = format!("{definition}/{}", case.file_name().to_string_lossy());
            wrong.extend(problems.iter().map(|problem| format!("{case} {problem}")));
            checked += 1;
        }
    }
    assert!(checked > 100, "only {checked} examples found");
    wrong.sort();
    // Two examples are wrong: a `roots/list` that is embedded in a result has no id; and a resource without `ttlMs` and
    // `cacheScope` is no `ReadResourceResult`, so that it fits nothing but an `InputRequiredResult`.
    let id = "ListRootsRequest/list-roots-request.json /id: ListRootsRequest names no key \"id\"";
    let contents = "ReadResourceResultResponse/read-resource-result-response.json /result/contents: \
                    InputRequiredResult names no key \"contents\"";
    assert_eq!(wrong, [id, contents]);
}

#[test]
#[cfg_attr(not(mcp_spec), ignore = "no MCP specification: set TOOLPACK_SPEC")]
fn wrong_results_are_named_at_their_place() {
    let check = |revision: &str, method: &str, result: Value| {
        let message = json!({"jsonrpc": "2.0", "id": 1, "result": result});
        places(revision, |revision| revision.check_response(method, &message))
    };

    let tool =
        json!({"name": "t", "inputSchema": {"type": "object", "x-own": 1}, "_meta": {"a/b": {"c": 1}}});
    assert_eq!(check("2025-11-25", "tools/list", json!({"tools": [tool]})), [""; 0]);
    assert_eq!(check("2025-03-26", "tools/list", json!({"tools": [tool]})), ["/result/tools/0/_meta"]);
    let newer =
        check("2025-11-25", "tools/list", json!({"tools": [tool], "ttlMs": 0, "resultType": "complete"}));
    assert_eq!(newer, ["/result/resultType", "/result/ttlMs"]);
    let complete = json!({"tools": [tool], "ttlMs": 0, "cacheScope": "public", "resultType": "complete"});
    assert_eq!(check("2026-07-28", "tools/list", complete), [""; 0]);
    assert_eq!(
        check("2026-07-28", "tools/list", json!({"tools": [], "ttlMs": 0, "cacheScope": "public"})),
        ["/result"]
    );

    let tool = json!({"name": "t", "inputSchema": {"type": "object"}, "annotations": {"readOnly": true}});
    let unknown_hint = ["/result/tools/0/annotations/readOnly"];
    assert_eq!(check("2025-11-25", "tools/list", json!({"tools": [tool]})), unknown_hint);
    assert_eq!(check("2024-11-05", "tools/list", json!({"tools": [tool]})), ["/result/tools/0/annotations"]);

    let call = |block: Value| check("2025-06-18", "tools/call", json!({"content": [block]}));
    assert_eq!(
        call(json!({"type": "resource_link", "uri": "a:b", "name": "n", "text": "t"})),
        ["/result/content/0/text"]
    );
    assert_eq!(call(json!({"type": "text"})), ["/result/content/0"]);
    assert_eq!(
        call(json!({"type": "image", "mimeType": "image/png", "data": "!"})),
        ["/result/content/0/data"]
    );
    let embedded = json!({"type": "resource", "resource": {"uri": "a:b", "text": "t", "name": "n"}});
    assert_eq!(call(embedded), ["/result/content/0/resource/name"]);
    assert_eq!(
        check("2025-06-18", "tools/call", json!({"content": [], "structuredContent": {"any": 1}})),
        [""; 0]
    );

    let field = json!({"type": "string", "pattern": "^a"});
    let form = json!({"message": "m", "requestedSchema": {"type": "object", "properties": {"f": field}}, "task": {}});
    let questions = json!({"a": {"method": "elicitation/create", "params": form}});
    let asks = json!({"resultType": "input_required", "requestState": "s", "inputRequests": questions});
    let wrong = ["requestedSchema/properties/f/pattern", "task"];
    let wrong = wrong.map(|place| format!("/result/inputRequests/a/params/{place}"));
    assert_eq!(check("2026-07-28", "tools/call", asks.clone()), wrong);
    assert_eq!(check("2026-07-28", "tools/list", asks), ["/result/resultType"]);
    let filled_in = |value: Value| json!({"action": "accept", "content": {"field": value}});
    for revision in ["2025-06-18", "2025-11-25"] {
        assert_eq!(check(revision, "elicitation/create", filled_in(json!(95.5))), [""; 0]);
        assert_eq!(check(revision, "elicitation/create", filled_in(json!({}))), ["/result/content/field"]);
    }

    let task =
        json!({"taskId": "1", "status": "working", "ttl": null, "createdAt": "t", "lastUpdatedAt": "t"});
    assert_eq!(check("2025-11-25", "tasks/get", task.clone()), [""; 0]);
    assert_eq!(check("2025-11-25", "tools/call", json!({"task": task})), [""; 0]);
    assert_eq!(check("2025-11-25", "tools/list", json!({"task": task})), ["/result", "/result/task"]);
    assert_eq!(check("2025-11-25", "tasks/result", json!({"content": [], "any": 1})), [""; 0]);
    assert_eq!(check("2025-11-25", "ping", json!({"any": 1})), ["/result/any"]);
    assert_eq!(check("2025-11-25", "no/such", json!({})), ["/result"]);
}

#[test]
#[cfg_attr(not(mcp_spec), ignore = "no MCP specification: set TOOLPACK_SPEC")]
fn wrong_calls_and_errors_are_named_at_their_place() {
    let request = |revision: &str, method: &str, params: Value| {
        let message = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        places(revision, |revision| revision.check_request(Sender::Client, &message))
    };
    let version = "io.modelcontextprotocol/protocolVersion";
    let meta = json!({version: "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {}});
    let arguments = json!({"any": {"key": 1}});
    let modern = json!({"name": "t", "_meta": meta, "arguments": arguments});
    assert_eq!(request("2026-07-28", "tools/call", modern), [""; 0]);
    assert_eq!(request("2026-07-28", "tools/call", json!({"name": "t"})), ["/params"]);
    let lacking = json!({"name": "t", "_meta": {version: "2026-07-28"}});
    assert_eq!(request("2026-07-28", "tools/call", lacking), ["/params/_meta"]);
    assert_eq!(request("2026-07-28", "ping", json!({"_meta": meta})), ["/method"]);
    let old = json!({"name": "t", "_meta": {"progressToken": 1}, "arguments": arguments});
    assert_eq!(request("2024-11-05", "tools/call", old), [""; 0]);
    assert_eq!(request("2024-11-05", "tools/call", json!({"name": "t", "task": {}})), ["/params/task"]);
    assert_eq!(request("2024-11-05", "ping", json!({"any": 1})), ["/params/any"]);

    let log = |params: Value| {
        let message = json!({"jsonrpc": "2.0", "method": "notifications/message", "params": params});
        places("2025-11-25", |revision| revision.check_notification(Sender::Server, &message))
    };
    assert_eq!(log(json!({"level": "info", "data": {"any": 1}})), [""; 0]);
    assert_eq!(log(json!({"level": "loud", "data": 1, "own": 1})), ["/params/level", "/params/own"]);

    let error = |revision: &str, error: Value| {
        let message = json!({"jsonrpc": "2.0", "id": 1, "error": error});
        places(revision, |revision| revision.check_response("tools/call", &message))
    };
    let data = json!({"supported": ["2026-07-28"], "requested": "x", "own": 1});
    assert_eq!(error("2026-07-28", json!({"code": -32022, "message": "m", "data": data})), [""; 0]);
    assert_eq!(error("2026-07-28", json!({"code": -32022, "message": "m", "data": {}})), ["/error/data"; 2]);
    assert_eq!(error("2026-07-28", json!({"code": -32021, "message": "m"})), ["/error"]);
    assert_eq!(error("2026-07-28", json!({"code": -32020, "message": "m", "own": 1})), ["/error/own"]);
    assert_eq!(error("2025-11-25", json!({"code": -32020, "message": "m"})), [""; 0]);
}

/// Where a check finds something wrong.
fn places(revision: &str, check: impl Fn(&Revision) -> Result<(), Problems>) -> Vec<String> {
    let schemas = WireSchemas::load().expect("the specification is there");
    let problems = check(schemas.revision(revision).expect("so are all published revisions")).err();
    let mut places: Vec<String> =
        problems.into_iter().flat_map(|problems| problems.0).map(|problem| problem.pointer).collect();
    places.sort();
    places
}

#[test]
#[cfg_attr(not(mcp_spec), ignore = "no MCP specification: set TOOLPACK_SPEC")]
fn unreadable_ids_are_absent_or_null_by_revision() {
    let schemas = WireSchemas::load().expect("the specification is there");
    let absent = json!({"jsonrpc": "2.0", "error": {"code": -32700, "message": "no"}});
    let null = json!({"jsonrpc": "2.0", "id": null, "error": {"code": -32700, "message": "no"}});
    for revision in schemas.revisions() {
        let modern = revision.name() >= "2025-11-25";
        assert_eq!(revision.check_error(&absent).is_ok(), modern, "{}", revision.name());
        assert_eq!(revision.check_error(&null).is_ok(), !modern, "{}", revision.name());
    }
}

#[test]
#[cfg_attr(not(mcp_spec), ignore = "no MCP specification: set TOOLPACK_SPEC")]
fn every_method_and_union_of_every_revision_can_be_checked() {
    let schemas = WireSchemas::load().expect("the specification is there");
    assert!(schemas.revisions().count() >= 5);
    for revision in schemas.revisions() {
        for ((sender, method), pointer) in &revision.methods {
            revision.validator(pointer);
            if pointer.ends_with("Request") {
                let result = revision.result_definition(method, &json!({}));
                revision
                    .validator(&result.unwrap_or_else(|problem| panic!("{sender:?} {method}: {problem}")));
            }
        }
        let mut unions = 0;
        let mut open = vec![(String::new(), &revision.document)];
        while let Some((pointer, schema)) = open.pop() {
            if schema.get("anyOf").or(schema.get("oneOf")).is_some_and(Value::is_array) {
                revision.alternatives(&pointer).iter().for_each(|branch| _ = revision.validator(branch));
                unions += 1;
            }
            let below = schema.as_object().into_iter().flatten();
            open.extend(below.map(|(key, value)| (format!("{pointer}/{}", key.replace('/', "~1")), value)));
            let items = schema.as_array().into_iter().flatten().enumerate();
            open.extend(items.map(|(index, value)| (format!("{pointer}/{index}"), value)));
        }
        assert!(unions > 5, "{} has {unions} unions", revision.name());
    }
}
