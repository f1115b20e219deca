//! Messages of both eras: calls of the example `everything`, each with what its answer has to be.

use serde_json::{Value, json};

use super::random::Random;
use crate::Problem;

/// The revision whose requests stand for themselves.
pub(super) const MODERN: &str = "2026-07-28";
/// Those that open with a handshake.
pub(super) const HANDSHAKE: [&str; 4] = ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"];
/// The one of them that has batches.
pub(super) const WITH_BATCHES: &str = "2025-03-26";
/// The resource that changes.
pub(super) const WATCHED: &str = "test://watched-resource";

/// A request without its id, and what has to come of it.
#[derive(Clone, Debug)]
pub(super) struct Call {
    pub(super) method: &'static str,
    pub(super) params: Value,
    pub(super) expected: Expected,
}

/// What an answer has to be.
#[derive(Clone, Debug)]
pub(super) struct Expected {
    pointer: &'static str,
    wanted: Wanted,
}

#[derive(Clone, Debug)]
enum Wanted {
    Value(Value),
    Prefix(&'static str),
    Anything,
}

/// The text of a tool's answer.
const TEXT: &str = "/result/content/0/text";

impl Expected {
    fn value(pointer: &'static str, wanted: impl Into<Value>) -> Self {
        Self { pointer, wanted: Wanted::Value(wanted.into()) }
    }

    fn prefix(pointer: &'static str, prefix: &'static str) -> Self {
        Self { pointer, wanted: Wanted::Prefix(prefix) }
    }

    /// The empty result that some methods have, with or without what a revision adds.
    pub(super) fn any_result() -> Self {
        Self { pointer: "/result", wanted: Wanted::Anything }
    }

    /// A question instead of a result, of the modern era.
    pub(super) fn question() -> Self {
        Self::value("/result/resultType", "input_required")
    }

    /// An error with this code.
    pub(super) fn error(code: i64) -> Self {
        Self::value("/error/code", code)
    }

    /// Holds an answer against it.
    pub(super) fn check(&self, answer: &Value) -> Result<(), Problem> {
        let found = answer.pointer(self.pointer);
        let fits = match (&self.wanted, found) {
            (Wanted::Value(wanted), Some(found)) => wanted == found,
            (Wanted::Prefix(prefix), Some(found)) => {
                found.as_str().is_some_and(|text| text.starts_with(prefix))
            }
            (Wanted::Anything, found) => found.is_some(),
            (_, None) => false,
        };
        if fits {
            return Ok(());
        }
        Err(format!("{} should be {:?}; the answer: {}", self.pointer, self.wanted, shorten(answer)))
    }
}

impl Call {
    /// A call of a tool.
    pub(super) fn tool(name: &str, arguments: Value, expected: Expected) -> Self {
        Self { method: "tools/call", params: json!({"name": name, "arguments": arguments}), expected }
    }

    /// Any call that is answered at once, without a word before the answer.
    pub(super) fn quick(random: &mut Random) -> Self {
        type Make = fn(&mut Random) -> Call;
        let kinds: [(u64, Make); 8] = [
            (8, Self::echo),
            (4, |random| {
                let (id, text) = (random.word(), "/result/contents/0/text");
                let data = json!({"data": format!("Data for ID: {id}"), "id": id, "templateTest": true});
                let params = json!({"uri": format!("test://template/{id}/data")});
                let expected = Expected::value(text, data.to_string());
                Self { method: "resources/read", params, expected }
            }),
            (4, |random| {
                let contact = json!({"email": random.text()});
                let expected = Expected::value(TEXT, format!("Fits: {contact}"));
                Self::tool("json_schema_2020_12_tool", contact, expected)
            }),
            (4, |random| {
                let region = random.word();
                let expected = Expected::value(TEXT, format!("The region is {region}."));
                Self::tool("test_custom_header", json!({"region": region}), expected)
            }),
            (2, |_| {
                let params = json!({
                    "ref": {"type": "ref/prompt", "name": "test_prompt_with_arguments"},
                    "argument": {"name": "arg1", "value": "par"},
                });
                let expected =
                    Expected::value("/result/completion/values", json!(["paris", "park", "party"]));
                Self { method: "completion/complete", params, expected }
            }),
            (1, |_| Self {
                method: "tools/list",
                params: json!({}),
                expected: Expected { pointer: "/result/tools/0/name", wanted: Wanted::Anything },
            }),
            (1, |_| Self::tool("test_error_handling", json!({}), Expected::value("/result/isError", true))),
            (1, |_| Self::tool("no_such_tool", json!({}), Expected::error(-32602))),
        ];
        random.weighted(&kinds)(random)
    }

    /// A call that repeats what it is given.
    pub(super) fn echo(random: &mut Random) -> Self {
        let (first, second) = (random.text(), random.text());
        let text = format!("Prompt with arguments: arg1='{first}', arg2='{second}'");
        Self {
            method: "prompts/get",
            params: json!({"name": "test_prompt_with_arguments", "arguments": {"arg1": first, "arg2": second}}),
            expected: Expected::value("/result/messages/0/content/text", text),
        }
    }

    /// An answer of many kilobytes.
    pub(super) fn large(random: &mut Random) -> Self {
        let filler = "0123456789abcdef".repeat(1024 + random.below(1024) as usize);
        Self {
            method: "prompts/get",
            params: json!({"name": "test_prompt_with_arguments", "arguments": {"arg1": filler, "arg2": ""}}),
            expected: Expected::value(
                "/result/messages/0/content/text",
                format!("Prompt with arguments: arg1='{filler}', arg2=''"),
            ),
        }
    }

    /// A call that takes its time.
    pub(super) fn slow(milliseconds: u64) -> Self {
        Self::tool("test_slow", json!({"ms": milliseconds}), Expected::prefix(TEXT, "That took "))
    }

    /// A call that changes the watched resource.
    pub(super) fn update() -> Self {
        let expected = Expected::prefix(TEXT, "The resource is at version ");
        Self::tool("test_trigger_resource_update", json!({}), expected)
    }

    /// A call that changes the list of tools.
    pub(super) fn change_tools() -> Self {
        Self::tool("test_trigger_tool_change", json!({}), Expected::prefix(TEXT, "The"))
    }

    /// A call that asks the client's model this, and repeats the answer.
    pub(super) fn question(prompt: &str) -> Self {
        let expected = Expected::value(TEXT, format!("LLM response: {}", reply_to(prompt)));
        Self::tool("test_sampling", json!({"prompt": prompt}), expected)
    }

    /// A request that a session alone has, or either era, with an empty result.
    pub(super) fn plain(method: &'static str, params: Value) -> Self {
        Self { method, params, expected: Expected::any_result() }
    }

    /// Asks to be told of its progress.
    pub(super) fn with_progress(mut self, token: &Value) -> Self {
        self.params["_meta"]["progressToken"] = token.clone();
        self
    }

    /// The request as the era of the handshake has it.
    pub(super) fn in_session(&self, id: &Value) -> Value {
        json!({"jsonrpc": "2.0", "id": id, "method": self.method, "params": self.params})
    }

    /// The request as the modern era has it.
    pub(super) fn modern(&self, id: &Value) -> Value {
        let mut message = self.in_session(id);
        let meta = &mut message["params"]["_meta"];
        meta["io.modelcontextprotocol/protocolVersion"] = json!(MODERN);
        meta["io.modelcontextprotocol/clientCapabilities"] = json!({"sampling": {}});
        message
    }
}

/// What a model says to this.
fn reply_to(prompt: &str) -> String {
    format!("to {prompt}: yes")
}

/// The answer to a question.
pub(super) fn sampled(question: &Value) -> Value {
    let prompt = question["params"]["messages"][0]["content"]["text"].as_str().unwrap_or_default();
    json!({
        "role": "assistant",
        "content": {"type": "text", "text": reply_to(prompt)},
        "model": "none",
        "stopReason": "endTurn",
    })
}

/// The message that opens a session.
pub(super) fn initialize(revision: &str) -> Value {
    let params = json!({
        "protocolVersion": revision,
        "capabilities": {"sampling": {}},
        "clientInfo": {"name": "soak", "version": "1"},
    });
    json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params})
}

/// A notification.
pub(super) fn notification(method: &str, params: Value) -> Value {
    json!({"jsonrpc": "2.0", "method": method, "params": params})
}

/// The notification that cancels a request.
pub(super) fn cancellation(id: &Value) -> Value {
    notification("notifications/cancelled", json!({"requestId": id, "reason": "changed my mind"}))
}

/// The request that subscribes to every change.
pub(super) fn listen() -> Call {
    let wanted = json!({"toolsListChanged": true, "resourceSubscriptions": [WATCHED]});
    Call::plain("subscriptions/listen", json!({"notifications": wanted}))
}

/// A message that is no request, with another of a wrong kind: a text, and the code of the error that answers it.
pub(super) fn malformed(random: &mut Random) -> (&'static str, i64) {
    random.pick(&[
        (r#"{"jsonrpc":"2.0","id":1,"method""#, -32700),
        (r#"{"jsonrpc":"2.0","id":1}}"#, -32700),
        ("nonsense", -32700),
        ("\"text\"", -32600),
        ("{}", -32600),
        (r#"{"jsonrpc":"2.0","method":7}"#, -32600),
        ("\u{FEFF}{}", -32700),
    ])
}

/// The beginning of a message, for people.
pub(super) fn shorten(message: &Value) -> String {
    let text = message.to_string();
    if text.len() <= 400 {
        return text;
    }
    text.chars().take(400).chain(" …".chars()).collect()
}
