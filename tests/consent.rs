//! `bext-companion --confirm`: nothing destructive is done that the person in front of the client did not agree to.

use serde_json::{Value, json};

use crate::support::{
    data::Data,
    process::{Server, call},
};

fn companion(data: &Data) -> Server {
    data.companion(&["--mcp", "--confirm"])
}

fn set(server: &mut Server, key: &str) {
    let set = json!({"instance_id": "local", "key": key, "value": "v"});
    server.send(&call("set", "kv_set", set));
    assert_ne!(server.answer_to("set")["result"]["isError"], true);
}

fn delete(key: &str, id: &str) -> Value {
    let mut message = call(id, "kv_delete", json!({"instance_id": "local", "key": key}));
    message["params"]["_meta"]["io.modelcontextprotocol/clientCapabilities"] =
        json!({"elicitation": {"form": {}}});
    message
}

fn is_there(server: &mut Server, key: &str) -> bool {
    server.send(&call("get", "kv_get", json!({"instance_id": "local", "key": key})));
    server.answer_to("get")["result"]["structuredContent"]["found"] == true
}

/// The same call with the answer to what it asked.
fn answered(asked: &Value, mut message: Value, id: &str, answer: Value) -> Value {
    let (key, _) = asked["result"]["inputRequests"].as_object().unwrap().iter().next().unwrap();
    message["id"] = id.into();
    message["params"]["requestState"] = asked["result"]["requestState"].clone();
    message["params"]["inputResponses"] = json!({ key: answer });
    message
}

#[test]
fn consent_is_to_these_arguments_and_used_once() {
    let data = Data::new();
    let mut server = companion(&data);
    set(&mut server, "a");
    set(&mut server, "b");
    server.send(&delete("a", "first"));
    let asked = server.answer_to("first");
    let questions = asked["result"]["inputRequests"].as_object().expect("a question");
    assert!(questions.values().next().unwrap().to_string().contains("kv_delete"), "{asked}");
    assert!(is_there(&mut server, "a"), "it was asked and done at once");

    let yes = || json!({"action": "accept"});
    server.send(&answered(&asked, delete("b", ""), "other", yes()));
    assert_eq!(server.answer_to("other")["error"]["code"], -32602, "consent to one thing did another");
    assert!(is_there(&mut server, "b"));
    server.send(&answered(&asked, delete("a", ""), "no", json!({"action": "decline"})));
    assert_eq!(server.answer_to("no")["result"]["isError"], true);
    assert!(is_there(&mut server, "a"));

    // Raced: of two that agree with the same words, one does it.
    server.send(&delete("a", "again"));
    let asked = server.answer_to("again");
    server.send(&answered(&asked, delete("a", ""), "yes", yes()));
    server.send(&answered(&asked, delete("a", ""), "twice", yes()));
    let answers = [server.receive(), server.receive()];
    let done = answers.iter().filter(|answer| answer["result"]["structuredContent"]["deleted"] == true);
    assert_eq!(done.count(), 1, "{answers:?}");
    assert!(!is_there(&mut server, "a"));
    set(&mut server, "a");
    server.send(&answered(&asked, delete("a", ""), "replayed", yes()));
    assert_ne!(server.answer_to("replayed")["result"]["structuredContent"]["deleted"], true);
    assert!(is_there(&mut server, "a"));
}

#[test]
fn who_cannot_be_asked_is_told_how() {
    let data = Data::new();
    let mut server = companion(&data);
    set(&mut server, "a");
    server.send(&call("mute", "kv_delete", json!({"instance_id": "local", "key": "a"})));
    let refused = server.answer_to("mute");
    assert_eq!(refused["error"]["code"], -32021, "{refused}");
    assert_eq!(
        refused["error"]["data"]["requiredCapabilities"],
        json!({"elicitation": {"form": {}}}),
        "{refused}"
    );
    assert!(is_there(&mut server, "a"));
}
