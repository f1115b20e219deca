//! Follows a dialogue between a client and a server, and checks each message under the revision it is sent under.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::{Missing, Problem, Problems, Revision, Sender, WireSchemas};

/// Where a modern request names its revision.
const VERSION: &str = "/params/_meta/io.modelcontextprotocol~1protocolVersion";

/// A dialogue: fed every message in the order of the wire, it collects what is wrong with them.
///
/// A request that names its revision counts as sent under it, and so does the answer; `initialize` moves the dialogue
/// to the revision that the server settles on. Other messages name none: they must be right in one of the revisions
/// that are in use, which is one, unless modern requests are mixed into a handshake session.
#[derive(Debug)]
pub(crate) struct Transcript {
    schemas: &'static WireSchemas,
    in_use: Vec<&'static Revision>,
    /// Whether a message has told the server the revision. Before, errors whose id was unreadable come without one.
    settled: bool,
    asked: HashMap<(Sender, String), Asked>,
    fed: usize,
    problems: Vec<String>,
}

/// A request without an answer yet.
#[derive(Debug)]
struct Asked {
    method: String,
    revision: &'static Revision,
}

impl Transcript {
    /// A dialogue that starts in `revision`, such as `2025-11-25`.
    pub(crate) fn new(revision: &str) -> Result<Transcript, Missing> {
        let schemas = WireSchemas::load()?;
        let in_use = vec![schemas.revision(revision)?];
        let (asked, problems) = (HashMap::new(), Vec::new());
        Ok(Transcript { schemas, in_use, settled: false, asked, fed: 0, problems })
    }

    /// Takes a message, or a batch, that the client sent.
    ///
    /// A request of an unknown method is no problem as long as its answer is an error.
    pub(crate) fn client(&mut self, message: &Value) {
        self.feed(Sender::Client, message);
    }

    /// Takes a message, or a batch, that the server sent.
    pub(crate) fn server(&mut self, message: &Value) {
        self.feed(Sender::Server, message);
    }

    /// Takes a message that the client gets wrong on purpose: remembers what it asks or answers and checks nothing.
    pub(crate) fn client_wrong_on_purpose(&mut self, message: &Value) {
        self.fed += 1;
        for message in message.as_array().map_or(std::slice::from_ref(message), Vec::as_slice) {
            let Some(id) = message.get("id").map(Value::to_string) else { continue };
            let is_answer = message.get("result").is_some() || message.get("error").is_some();
            match message["method"].as_str() {
                None if is_answer => drop(self.asked.remove(&(Sender::Server, id))),
                // What names no method is answered as well, if only with an error.
                method => {
                    let method = method.unwrap_or_default();
                    let revision = self.revisions_for(method, message)[0];
                    self.asked.insert((Sender::Client, id), Asked { method: method.into(), revision });
                }
            }
        }
    }

    /// What is wrong so far, a line each: the message by its number, who sent it, the JSON pointer, what.
    pub(crate) fn problems(&self) -> &[String] {
        &self.problems
    }

    /// The requests that have no answer, as `method (id)`; cancelled ones stay here.
    pub(crate) fn unanswered(&self) -> Vec<String> {
        let mut lines: Vec<String> =
            self.asked.iter().map(|((_, id), asked)| format!("{} ({id})", asked.method)).collect();
        lines.sort();
        lines
    }

    /// Ends the dialogue: fails the test, naming every problem, if there is one.
    #[track_caller]
    pub(crate) fn assert_clean(&self) {
        assert!(self.problems.is_empty(), "wrong on the wire:\n{}", self.problems.join("\n"));
    }

    fn feed(&mut self, sender: Sender, message: &Value) {
        self.fed += 1;
        let Some(batch) = message.as_array() else { return self.single(sender, message) };
        if !self.in_use.iter().any(|revision| revision.has_batches()) {
            self.report(sender, "batch", "", "arrays of messages exist in 2025-03-26 only");
        }
        let answers = batch.iter().filter(|message| message.get("method").is_none()).count();
        if batch.is_empty() || (answers != 0 && answers != batch.len()) {
            self.report(sender, "batch", "", "a batch is of calls or of answers, at least one");
        }
        for (index, message) in batch.iter().enumerate() {
            if message["method"] == "initialize" {
                self.report(sender, "batch", &format!("/{index}"), "initialize comes alone");
            }
            self.single(sender, message);
        }
    }

    fn single(&mut self, sender: Sender, message: &Value) {
        match (message["method"].as_str(), message.get("id")) {
            (Some(method), Some(id)) => self.request(sender, method, id, message),
            (Some(method), None) => {
                let check = |revision: &Revision| revision.check_notification(sender, message);
                let checked = first_right(&self.revisions_for(method, message), check);
                self.note(sender, &format!("notification {method}"), checked);
            }
            (None, id) if message.get("result").is_some() || message.get("error").is_some() => {
                self.answer(sender, id.filter(|id| !id.is_null()), message);
            }
            _ => self.report(sender, "message", "", "neither a call nor an answer"),
        }
    }

    fn request(&mut self, sender: Sender, method: &str, id: &Value, message: &Value) {
        let label = format!("request {method}");
        let candidates = self.revisions_for(method, message);
        // Only clients try unknown methods on purpose; a server that sends one is wrong at once.
        let known = candidates.iter().any(|revision| revision.defines(sender, method));
        let check = |revision: &Revision| match known || sender == Sender::Server {
            true => revision.check_request(sender, message),
            false => revision.check_any_request(message),
        };
        let checked = first_right(&candidates, check);
        let asked = Asked { method: method.to_owned(), revision: checked.0 };
        self.note(sender, &label, checked);
        if let Some(before) = self.asked.insert((sender, id.to_string()), asked) {
            let what = format!("{id} is still the id of an open {}", before.method);
            self.report(sender, &label, "/id", &what);
        }
    }

    fn answer(&mut self, sender: Sender, id: Option<&Value>, message: &Value) {
        let asker = if sender == Sender::Client { Sender::Server } else { Sender::Client };
        let Some(id) = id else { return self.error_without_id(sender, message) };
        let Some(Asked { method, mut revision }) = self.asked.remove(&(asker, id.to_string())) else {
            return self.report(sender, "answer", "/id", &format!("nothing open has the id {id}"));
        };
        let settled_on = message["result"]["protocolVersion"].as_str().filter(|_| method == "initialize");
        if let Some(settled_on) = settled_on.and_then(|name| self.schemas.revision(name).ok()) {
            self.in_use.retain(|used| self.settled && !used.defines(Sender::Client, "initialize"));
            self.use_also(settled_on);
            revision = settled_on;
        }
        let checked = revision.check_response(&method, message);
        self.note(sender, &format!("answer to {method}"), (revision, checked));
    }

    fn error_without_id(&mut self, sender: Sender, message: &Value) {
        if message.get("error").is_none() {
            return self.report(sender, "answer", "/id", "a result says which request it answers");
        }
        let mut candidates = self.in_use.clone();
        if !self.settled {
            candidates.extend(self.schemas.revisions().next_back());
        }
        let checked = first_right(&candidates, |revision| revision.check_error(message));
        self.note(sender, "error", checked);
    }

    /// The revisions under which a request or notification may have been sent, at least one.
    fn revisions_for(&mut self, method: &str, message: &Value) -> Vec<&'static Revision> {
        let known = |pointer: &str| {
            message.pointer(pointer)?.as_str().and_then(|name| self.schemas.revision(name).ok())
        };
        if let Some(named) = known(VERSION) {
            self.in_use.retain(|_| self.settled);
            self.use_also(named);
            return vec![named];
        }
        if method == "initialize" {
            // A client that asks for what has no handshake gets the newest that has one.
            let has_handshake = |revision: &&Revision| revision.defines(Sender::Client, "initialize");
            let wanted = known("/params/protocolVersion").filter(has_handshake);
            let wanted = wanted.or_else(|| self.schemas.revisions().rev().find(has_handshake));
            return wanted.map_or_else(|| self.in_use.clone(), |revision| vec![revision]);
        }
        self.in_use.clone()
    }

    fn use_also(&mut self, revision: &'static Revision) {
        self.settled = true;
        if !self.in_use.iter().any(|used| used.name() == revision.name()) {
            self.in_use.push(revision);
        }
    }

    fn note(&mut self, sender: Sender, label: &str, (revision, checked): Checked) {
        for Problem { pointer, what } in checked.err().into_iter().flat_map(|problems| problems.0) {
            self.report(sender, &format!("{label} ({})", revision.name()), &pointer, &what);
        }
    }

    fn report(&mut self, sender: Sender, label: &str, pointer: &str, what: &str) {
        let problem = Problem { pointer: pointer.to_owned(), what: what.to_owned() };
        self.problems.push(format!("#{} {sender}'s {label}: {problem}", self.fed));
    }
}

/// What a check said, and under which revision.
type Checked = (&'static Revision, Result<(), Problems>);

/// The first revision in which a message is right; else the last one, with what is wrong.
fn first_right(
    candidates: &[&'static Revision],
    check: impl Fn(&Revision) -> Result<(), Problems>,
) -> Checked {
    let mut checked = candidates.iter().map(|revision| (*revision, check(revision)));
    let first = checked.next().expect("a dialogue has a revision");
    if first.1.is_ok() {
        return first;
    }
    checked.fold(first, |before, next| if before.1.is_ok() { before } else { next })
}

#[test]
#[cfg_attr(not(mcp_spec), ignore = "no MCP specification: set TOOLPACK_SPEC")]
fn a_handshake_moves_the_dialogue_to_the_settled_revision() {
    let mut dialogue = Transcript::new("2025-11-25").expect("the specification is there");
    dialogue.client(&json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
        "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}}));
    dialogue.server(&json!({"jsonrpc": "2.0", "id": 1, "result": {
        "protocolVersion": "2025-06-18", "capabilities": {"tools": {}},
        "serverInfo": {"name": "t", "version": "1"}}}));
    dialogue.client(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}));
    dialogue
        .client(&json!({"jsonrpc": "2.0", "id": 2, "method": "tools/list", "params": {"_meta": {"a/b": 1}}}));
    dialogue.server(&json!({"jsonrpc": "2.0", "method": "notifications/tools/list_changed"}));
    dialogue.server(&json!({"jsonrpc": "2.0", "id": 7, "method": "roots/list"}));
    dialogue.client(&json!({"jsonrpc": "2.0", "id": 7, "result": {"roots": [{"uri": "file:///tmp"}]}}));
    dialogue.client(&json!({"jsonrpc": "2.0", "id": 3, "method": "no/such"}));
    dialogue.server(&json!({"jsonrpc": "2.0", "id": 3, "error": {"code": -32601, "message": "no"}}));
    dialogue.server(&json!({"jsonrpc": "2.0", "id": null, "error": {"code": -32700, "message": "no"}}));
    assert_eq!(dialogue.unanswered(), ["tools/list (2)"]);
    dialogue.assert_clean();

    let icons = json!([{"src": "https://example.com/i.png"}]);
    let tool = json!({"name": "t", "inputSchema": {"type": "object"}, "icons": icons});
    dialogue.server(&json!({"jsonrpc": "2.0", "id": 2, "result": {"tools": [tool], "ttlMs": 1}}));
    dialogue.server(&json!({"jsonrpc": "2.0", "id": 2, "result": {"tools": []}}));
    dialogue.server(&json!([{"jsonrpc": "2.0", "method": "notifications/tools/list_changed"}]));
    dialogue.server(&json!({"jsonrpc": "2.0", "id": 8, "method": "tools/list"}));
    dialogue.server(&json!({"jsonrpc": "2.0", "error": {"code": -32700, "message": "no"}}));
    assert_eq!(
        dialogue.problems(),
        [
            "#11 server's answer to tools/list (2025-06-18): /result/tools/0/icons: Tool names no key \"icons\"",
            "#11 server's answer to tools/list (2025-06-18): /result/ttlMs: ListToolsResult names no key \"ttlMs\"",
            "#12 server's answer: /id: nothing open has the id 2",
            "#13 server's batch: (top): arrays of messages exist in 2025-03-26 only",
            "#14 server's request tools/list (2025-06-18): /method: no such Request of the server",
            "#15 server's error (2025-06-18): (top): \"id\" is a required property",
        ]
    );
}

#[test]
#[cfg_attr(not(mcp_spec), ignore = "no MCP specification: set TOOLPACK_SPEC")]
fn modern_requests_may_be_mixed_into_a_handshake_session() {
    let version = "io.modelcontextprotocol/protocolVersion";
    let capabilities = "io.modelcontextprotocol/clientCapabilities";
    let mut dialogue = Transcript::new("2025-03-26").expect("the specification is there");
    // Nobody has said yet which revision this is, so the error has no id.
    dialogue.client_wrong_on_purpose(&json!("garbage"));
    dialogue.server(&json!({"jsonrpc": "2.0", "error": {"code": -32700, "message": "no"}}));
    dialogue.client(&json!({"jsonrpc": "2.0", "id": "i", "method": "initialize", "params": {
        "protocolVersion": "2025-03-26", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}}));
    dialogue.server(&json!({"jsonrpc": "2.0", "id": "i", "result": {
        "protocolVersion": "2025-03-26", "capabilities": {}, "serverInfo": {"name": "t", "version": "1"}}}));
    dialogue.client(&json!([
        {"jsonrpc": "2.0", "id": 1, "method": "ping"},
        {"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {"name": "t", "arguments": {"x": {"y": 1}}}},
    ]));
    dialogue.client(&json!({"jsonrpc": "2.0", "id": 3, "method": "tools/call", "params": {"name": "t",
        "_meta": {version: "2026-07-28", capabilities: {}}}}));
    dialogue.server(&json!([
        {"jsonrpc": "2.0", "id": 2, "result": {"content": [{"type": "text", "text": "t"}]}},
        {"jsonrpc": "2.0", "id": 1, "result": {}},
    ]));
    dialogue.server(&json!({"jsonrpc": "2.0", "id": 3, "result": {"resultType": "input_required",
        "inputRequests": {"q": {"method": "roots/list"}}, "requestState": "s"}}));
    dialogue.assert_clean();
    assert!(dialogue.unanswered().is_empty());

    dialogue.client_wrong_on_purpose(&json!({"jsonrpc": "2.0", "id": 4, "method": "tools/call", "params": {
        "_meta": {version: "2026-07-28"}}}));
    dialogue.server(&json!({"jsonrpc": "2.0", "id": 4, "error": {"code": -32021, "message": "no"}}));
    dialogue.client(&json!([{"jsonrpc": "2.0", "id": 5, "method": "initialize", "params": {
        "protocolVersion": "2025-03-26", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}}]));
    assert_eq!(
        dialogue.problems(),
        [
            "#10 server's answer to tools/call (2026-07-28): /error: \"data\" is a required property",
            "#11 client's batch: /0: initialize comes alone",
        ]
    );
}
