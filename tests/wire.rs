//! Every message that the server sends is valid in its revision, and has no key that its definition does not name.

use serde_json::{Value, json};

use crate::support::{process::Server, wire_schema::Transcript};

/// A server, with every message of the dialogue held against the schema.
struct Dialogue {
    server: Server,
    wire: Transcript,
    revision: &'static str,
    next_id: i64,
}

impl Dialogue {
    fn open(revision: &'static str) -> Self {
        let server = Server::start("everything", &["--stdio"]);
        let wire = Transcript::new(revision).expect("the specification is there");
        let mut dialogue = Self { server, wire, revision, next_id: 0 };
        if revision != "2026-07-28" {
            dialogue.ask(
                "initialize",
                json!({"protocolVersion": revision, "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}),
            );
            dialogue.say(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}));
        }
        dialogue
    }

    fn say(&mut self, message: &Value) {
        self.wire.client(message);
        self.server.send(message);
    }

    /// Sends a request and reads up to its answer.
    fn ask(&mut self, method: &str, params: Value) -> Value {
        let id = self.start(method, params);
        self.hear_until(|message| message["id"] == id)
    }

    fn start(&mut self, method: &str, mut params: Value) -> i64 {
        self.next_id += 1;
        if self.revision == "2026-07-28" {
            let meta = &mut params["_meta"];
            meta["io.modelcontextprotocol/protocolVersion"] = json!(self.revision);
            meta["io.modelcontextprotocol/clientCapabilities"] = json!({});
            meta["io.modelcontextprotocol/clientInfo"] = json!({"name": "test", "version": "1"});
        }
        self.say(&json!({"jsonrpc": "2.0", "id": self.next_id, "method": method, "params": params}));
        self.next_id
    }

    fn hear_until(&mut self, is_it: impl Fn(&Value) -> bool) -> Value {
        loop {
            let message = self.server.receive();
            self.wire.server(&message);
            if is_it(&message) {
                return message;
            }
        }
    }

    /// Every page of a list, and the items in it.
    fn list(&mut self, method: &str, member: &str) -> Vec<Value> {
        let page = self.ask(method, json!({}));
        assert_eq!(page["result"].get("nextCursor"), None, "everything is on one page");
        page["result"][member].as_array().unwrap().clone()
    }

    fn close(mut self) {
        self.server.end_input();
        while let Some(message) = self.server.try_receive() {
            self.wire.server(&message);
        }
        self.wire.assert_clean();
    }
}

/// What both eras have in common: every list, everything in it, and the ways to go wrong.
fn common(dialogue: &mut Dialogue) {
    for tool in dialogue.list("tools/list", "tools") {
        let name = tool["name"].as_str().unwrap();
        // With and without arguments: a result and, where some are required, an error of the tool.
        let arguments = match name {
            "test_slow" => json!({"ms": 1}),
            _ => json!({}),
        };
        let meta =
            json!({"progressToken": format!("token-{name}"), "io.modelcontextprotocol/logLevel": "debug"});
        dialogue.ask("tools/call", json!({"name": name, "arguments": arguments, "_meta": meta}));
    }
    for prompt in dialogue.list("prompts/list", "prompts") {
        let named = prompt["arguments"].as_array().cloned().unwrap_or_default();
        let arguments: serde_json::Map<String, Value> = named
            .iter()
            .map(|argument| (argument["name"].as_str().unwrap().to_owned(), json!("test://x")))
            .collect();
        dialogue.ask("prompts/get", json!({"name": prompt["name"], "arguments": arguments}));
    }
    for resource in dialogue.list("resources/list", "resources") {
        dialogue.ask("resources/read", json!({"uri": resource["uri"]}));
    }
    dialogue.list("resources/templates/list", "resourceTemplates");
    dialogue.ask("resources/read", json!({"uri": "test://template/7/data"}));
    let prompt = json!({"type": "ref/prompt", "name": "test_prompt_with_arguments"});
    dialogue.ask("completion/complete", json!({"ref": prompt, "argument": {"name": "arg1", "value": "p"}}));
    let template = json!({"type": "ref/resource", "uri": "test://template/{id}/data"});
    dialogue.ask("completion/complete", json!({"ref": template, "argument": {"name": "id", "value": ""}}));

    for (method, params) in [
        ("tools/call", json!({"name": "no_such"})),
        ("tools/call", json!({"name": "test_slow", "arguments": {"ms": "soon", "extra": 1}})),
        ("tools/list", json!({"cursor": "nonsense"})),
        ("resources/read", json!({"uri": "test://no/such"})),
        ("prompts/get", json!({"name": "no_such"})),
        ("prompts/get", json!({"name": "test_prompt_with_arguments"})),
    ] {
        dialogue.ask(method, params);
    }
    // An error for a message that is none.
    dialogue.server.send_bytes(b"nonsense\n");
    dialogue.hear_until(|message| message.get("error").is_some());
}

#[test]
#[cfg_attr(not(mcp_spec), ignore = "no MCP specification: set TOOLPACK_SPEC")]
fn modern_messages_are_valid() {
    let mut dialogue = Dialogue::open("2026-07-28");
    dialogue.ask("server/discover", json!({}));
    common(&mut dialogue);
    let notifications = json!({"toolsListChanged": true, "promptsListChanged": true, "resourcesListChanged": true,
        "resourceSubscriptions": ["test://watched-resource"]});
    dialogue.start("subscriptions/listen", json!({ "notifications": notifications }));
    dialogue.hear_until(|message| message["method"] == "notifications/subscriptions/acknowledged");
    dialogue.ask("tools/call", json!({"name": "test_trigger_tool_change", "arguments": {}}));
    dialogue.start("tools/call", json!({"name": "test_slow", "arguments": {"ms": 5_000}}));
    dialogue.say(&json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": dialogue.next_id}}));
    dialogue.close();
}

#[test]
#[cfg_attr(not(mcp_spec), ignore = "no MCP specification: set TOOLPACK_SPEC")]
fn messages_of_2025_11_25_are_valid() {
    let mut dialogue = Dialogue::open("2025-11-25");
    dialogue.ask("ping", json!({}));
    dialogue.ask("logging/setLevel", json!({"level": "debug"}));
    common(&mut dialogue);
    dialogue.ask("resources/subscribe", json!({"uri": "test://watched-resource"}));
    dialogue.ask("resources/unsubscribe", json!({"uri": "test://watched-resource"}));
    dialogue.ask("resources/subscribe", json!({"uri": "test://no/such"}));
    dialogue.ask("tools/call", json!({"name": "test_trigger_tool_change", "arguments": {}}));
    dialogue.start("tools/call", json!({"name": "test_slow", "arguments": {"ms": 5_000}}));
    dialogue.say(&json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": dialogue.next_id}}));
    dialogue.close();
}
