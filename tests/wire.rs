//! Every message that the server sends is valid in its revision, and has no key that its definition does not name.

use serde_json::{Value, json};

use crate::support::{process::Server, wire_schema::Transcript};

/// A server, with every message of the dialogue held against the schema.
struct Dialogue {
    server: Server,
    wire: Transcript,
    revision: &'static str,
    capabilities: Value,
    /// What the client answers when it is asked.
    answering: fn(&Value) -> Value,
    /// The methods of all questions so far.
    asked: Vec<String>,
    next_id: i64,
}

impl Dialogue {
    /// With a client that can be asked anything.
    fn open(revision: &'static str) -> Self {
        let everything = match revision {
            "2024-11-05" | "2025-03-26" => json!({"sampling": {}, "roots": {}}),
            "2025-06-18" => json!({"elicitation": {}, "sampling": {}, "roots": {}}),
            _ => json!({
                "elicitation": {"form": {}, "url": {}},
                "sampling": {"tools": {}, "context": {}},
                "roots": {},
            }),
        };
        Self::open_with(revision, everything)
    }

    fn open_with(revision: &'static str, capabilities: Value) -> Self {
        let server = Server::start("everything", &["--stdio"]);
        let wire = Transcript::new(revision).expect("the specification is there");
        let (answering, asked) = (agree as _, Vec::new());
        let mut dialogue = Self { server, wire, revision, capabilities, answering, asked, next_id: 0 };
        if revision != "2026-07-28" {
            let params = json!({
                "protocolVersion": revision,
                "capabilities": dialogue.capabilities,
                "clientInfo": {"name": "test", "version": "1"},
            });
            dialogue.ask("initialize", params);
            dialogue.say(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}));
        }
        dialogue
    }

    fn say(&mut self, message: &Value) {
        self.wire.client(message);
        self.server.send(message);
    }

    /// Sends a request and reads up to its answer. Where that is questions, sends it again with theirs.
    fn ask(&mut self, method: &str, mut params: Value) -> Value {
        loop {
            let id = self.start(method, params.clone());
            let answer = self.hear_until(|message| message["id"] == id && message.get("method").is_none());
            let Some(questions) = answer["result"]["inputRequests"].as_object() else { return answer };
            let responses = questions.iter().map(|(key, question)| (key.clone(), self.answer(question)));
            params["inputResponses"] = Value::Object(responses.collect());
            params["requestState"] = answer["result"]["requestState"].clone();
        }
    }

    fn call(&mut self, tool: &str, arguments: Value) -> Value {
        self.ask("tools/call", json!({"name": tool, "arguments": arguments}))
    }

    fn answer(&mut self, question: &Value) -> Value {
        self.asked.push(question["method"].as_str().unwrap().to_owned());
        (self.answering)(question)
    }

    fn start(&mut self, method: &str, mut params: Value) -> i64 {
        self.next_id += 1;
        if self.revision == "2026-07-28" {
            let meta = &mut params["_meta"];
            meta["io.modelcontextprotocol/protocolVersion"] = json!(self.revision);
            meta["io.modelcontextprotocol/clientCapabilities"] = self.capabilities.clone();
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
            // Only sessions ask so; the transcript complains of any other.
            if message.get("id").is_some() && message.get("method").is_some() {
                let result = self.answer(&message);
                self.say(&json!({"jsonrpc": "2.0", "id": message["id"], "result": result}));
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

/// The answer of whoever agrees to everything.
fn agree(question: &Value) -> Value {
    let params = &question["params"];
    match question["method"].as_str().unwrap() {
        "sampling/createMessage" => {
            let content = json!({"type": "text", "text": "Good day"});
            json!({"role": "assistant", "model": "test", "content": content, "stopReason": "endTurn"})
        }
        "roots/list" => json!({"roots": [{"uri": "file:///srv", "name": "srv"}]}),
        _ if params["mode"] == "url" => json!({"action": "accept"}),
        _ => {
            let fields = params["requestedSchema"]["properties"].as_object().unwrap();
            let content: serde_json::Map<_, _> =
                fields.iter().map(|(name, field)| (name.clone(), fill_in(field))).collect();
            json!({"action": "accept", "content": content})
        }
    }
}

/// Fills a field in: with its default, or the first choice, or whatever fits.
fn fill_in(field: &Value) -> Value {
    let choice = |field: &Value| {
        let titled = field.get("oneOf").or(field.get("anyOf")).map(|choices| &choices[0]["const"]);
        field.get("enum").map(|choices| &choices[0]).or(titled).cloned()
    };
    let default = field.get("default").cloned();
    default.or_else(|| choice(field)).unwrap_or_else(|| match field["type"].as_str().unwrap() {
        "array" => json!([choice(&field["items"]).unwrap()]),
        "boolean" => json!(true),
        "string" => json!("text"),
        _ => json!(1),
    })
}

/// What both eras have in common: every list, everything in it, and the ways to go wrong.
fn common(dialogue: &mut Dialogue) {
    for tool in dialogue.list("tools/list", "tools") {
        let name = tool["name"].as_str().unwrap();
        // With and without arguments: a result and, where some are required, an error of the tool.
        let arguments = match name {
            "test_slow" => json!({"ms": 1}),
            "test_elicitation" => json!({"message": "Who are you?"}),
            "test_sampling" => json!({"prompt": "What is the capital of France?"}),
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
        ("tools/call", json!({"name": "test_elicitation", "arguments": {}})),
        ("tools/list", json!({"cursor": "nonsense"})),
        ("resources/read", json!({"uri": "test://no/such"})),
        ("prompts/get", json!({"name": "no_such"})),
        ("prompts/get", json!({"name": "test_prompt_with_arguments"})),
    ] {
        dialogue.ask(method, params);
    }
    // Everything that the client can do was asked for on the way, and nothing else.
    for (capability, method) in [
        ("elicitation", "elicitation/create"),
        ("sampling", "sampling/createMessage"),
        ("roots", "roots/list"),
    ] {
        let is_declared = dialogue.capabilities.get(capability).is_some();
        assert_eq!(dialogue.asked.iter().any(|asked| asked == method), is_declared, "{method}");
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
fn messages_of_a_session_are_valid() {
    for revision in HANDSHAKE {
        let mut dialogue = Dialogue::open(revision);
        dialogue.ask("ping", json!({}));
        dialogue.ask("logging/setLevel", json!({"level": "debug"}));
        common(&mut dialogue);
        dialogue.ask("resources/subscribe", json!({"uri": "test://watched-resource"}));
        dialogue.ask("resources/unsubscribe", json!({"uri": "test://watched-resource"}));
        dialogue.ask("resources/subscribe", json!({"uri": "test://no/such"}));
        dialogue.ask("tools/call", json!({"name": "test_trigger_tool_change", "arguments": {}}));
        dialogue.start("tools/call", json!({"name": "test_slow", "arguments": {"ms": 5_000}}));
        let cancelled = json!({"requestId": dialogue.next_id});
        dialogue.say(&json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": cancelled}));
        dialogue.close();
    }
}

/// The revisions whose sessions open with a handshake.
const HANDSHAKE: [&str; 4] = ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"];

/// All of them.
const ALL: [&str; 5] = ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25", "2026-07-28"];

#[test]
#[cfg_attr(not(mcp_spec), ignore = "no MCP specification: set TOOLPACK_SPEC")]
fn what_comes_of_a_refusal_or_a_bad_answer_is_valid() {
    for revision in ALL {
        let mut dialogue = Dialogue::open(revision);
        for answering in [
            (|_: &Value| json!({"action": "decline"})) as fn(&Value) -> Value,
            |_| json!({"action": "cancel"}),
            // Of the right form, but not what was asked for: in rounds it is asked for again, as often as may be.
            |_| json!({"action": "accept", "content": {"nonsense": 7, "ok": "perhaps"}}),
        ] {
            dialogue.answering = answering;
            for (method, params) in [
                ("tools/call", json!({"name": "test_confirm", "arguments": {}})),
                ("tools/call", json!({"name": "test_elicitation_url", "arguments": {}})),
                ("tools/call", json!({"name": "test_elicitation_sep1330_enums", "arguments": {}})),
                ("tools/call", json!({"name": "test_input_required_result_request_state", "arguments": {}})),
                ("prompts/get", json!({"name": "test_input_required_result_prompt"})),
                ("resources/read", json!({"uri": "test://your-greeting"})),
            ] {
                dialogue.ask(method, params);
            }
        }
        dialogue.close();
    }
}

#[test]
#[cfg_attr(not(mcp_spec), ignore = "no MCP specification: set TOOLPACK_SPEC")]
fn a_client_that_cannot_be_asked_is_told_so_in_valid_errors() {
    let needs = [
        ("test_elicitation_sep1034_defaults", json!({"elicitation": {"form": {}}})),
        ("test_elicitation_url", json!({"elicitation": {"url": {}}})),
        ("test_missing_capability", json!({"sampling": {}})),
        ("test_roots", json!({"roots": {}})),
        ("test_confirm", json!({"elicitation": {"form": {}}})),
        ("test_streaming_elicitation", json!({"elicitation": {"form": {}}})),
    ];
    for revision in ALL {
        let mut dialogue = Dialogue::open_with(revision, json!({}));
        for (tool, capabilities) in &needs {
            let answer = dialogue.call(tool, json!({}));
            if revision == "2026-07-28" {
                assert_eq!(answer["error"]["code"], -32021, "{answer}");
                assert_eq!(answer["error"]["data"], json!({"requiredCapabilities": capabilities}));
            } else {
                assert_eq!(answer["result"]["_meta"]["toolpack/error"]["code"], "client_cannot_answer");
            }
        }
        let answer = dialogue.call("test_input_required_result_capabilities", json!({}));
        assert_eq!(answer["result"]["content"][0]["text"], "This client cannot be asked anything.");
        common(&mut dialogue);
        dialogue.close();
    }
}

#[test]
#[cfg_attr(not(mcp_spec), ignore = "no MCP specification: set TOOLPACK_SPEC")]
fn errors_about_state_and_answers_are_valid() {
    let mut dialogue = Dialogue::open("2026-07-28");
    let tool = json!({"name": "test_input_required_result_tampered_state", "arguments": {}});
    for (key, value) in [
        ("requestState", json!("made up")),
        ("inputResponses", json!({"confirm": {"action": "perhaps"}})),
        ("inputResponses", json!({"confirm": 12345})),
        ("inputResponses", json!([1])),
    ] {
        let mut params = tool.clone();
        params[key] = value;
        // What is wrong with it is wrong on purpose.
        dialogue.next_id += 1;
        params["_meta"]["io.modelcontextprotocol/protocolVersion"] = json!("2026-07-28");
        params["_meta"]["io.modelcontextprotocol/clientCapabilities"] = dialogue.capabilities.clone();
        let message =
            json!({"jsonrpc": "2.0", "id": dialogue.next_id, "method": "tools/call", "params": params});
        dialogue.wire.client_wrong_on_purpose(&message);
        dialogue.server.send(&message);
        let answer = dialogue.hear_until(|message| message.get("id").is_some());
        assert_eq!(answer["error"]["code"], -32602, "{answer}");
    }
    dialogue.close();
}
