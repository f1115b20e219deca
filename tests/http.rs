//! The HTTP server as a process: how it asks, and how it ends.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    time::Instant,
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::support::process::{PATIENCE, Server, call, request};

fn everything() -> (Server, String) {
    let server = Server::start("everything", &["--http", "127.0.0.1:0"]);
    let url = server.url();
    let address = url.strip_prefix("http://").unwrap().strip_suffix("/mcp").unwrap().to_owned();
    (server, address)
}

/// Posts a message; what comes back is still to be read.
fn post(address: &str, message: &Value) -> BufReader<TcpStream> {
    let mut client = TcpStream::connect(address).unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    let name =
        message["params"]["name"].as_str().map(|name| format!("Mcp-Name: {name}\r\n")).unwrap_or_default();
    let (method, body) = (message["method"].as_str().unwrap(), message.to_string());
    write!(
        client,
        "POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
         MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: {method}\r\n{name}\r\n{body}",
        body.len()
    )
    .unwrap();
    BufReader::new(client)
}

/// Posts a message that is answered in plain JSON, and reads the status and the answer.
fn ask(address: &str, message: &Value) -> (u16, Value) {
    let mut client = post(address, message);
    let (mut status, mut length) = (None, 0);
    loop {
        let mut line = String::new();
        client.read_line(&mut line).unwrap();
        let line = line.trim_end().to_ascii_lowercase();
        match line.split_once(": ") {
            None if line.is_empty() => break,
            None => status = line.split(' ').nth(1).and_then(|status| status.parse().ok()),
            Some(("content-type", kind)) => assert_eq!(kind, "application/json"),
            Some(("content-length", bytes)) => length = bytes.parse().unwrap(),
            Some(_) => {}
        }
    }
    let mut body = vec![0; length];
    client.read_exact(&mut body).unwrap();
    (status.unwrap(), serde_json::from_slice(&body).unwrap())
}

/// Posts a message, and returns once its stream has begun.
fn stream(address: &str, message: &Value) -> BufReader<TcpStream> {
    let mut client = post(address, message);
    let mut line = String::new();
    while !line.starts_with("data: ") {
        line.clear();
        assert!(client.read_line(&mut line).unwrap() > 0, "it has ended");
    }
    client
}

/// A call by a client that can be asked anything.
fn asking(id: i64, tool: &str) -> Value {
    let mut message = call(id, tool, json!({}));
    message["params"]["_meta"]["io.modelcontextprotocol/clientCapabilities"] =
        json!({"elicitation": {"form": {}, "url": {}}, "sampling": {}, "roots": {}});
    message
}

#[test]
fn a_question_is_plain_json_and_its_answer_another_request() {
    let (_server, address) = everything();
    let (status, asked) = ask(&address, &asking(1, "test_input_required_result_elicitation"));
    assert_eq!((status, &asked["result"]["resultType"]), (200, &json!("input_required")));
    assert_eq!(asked["result"]["inputRequests"]["user_name"]["params"]["message"], "What is your name?");

    let mut again = asking(2, "test_input_required_result_elicitation");
    again["params"]["requestState"] = asked["result"]["requestState"].clone();
    again["params"]["inputResponses"]["user_name"] = json!({"action": "accept", "content": {"name": "Ada"}});
    let (status, answer) = ask(&address, &again);
    assert_eq!((status, &answer["result"]["content"][0]["text"]), (200, &json!("Hello, Ada!")));

    // The method itself finds that a state is not its own, as it does with a name that no tool has; so the status is
    // that of an answer. A client that cannot be asked is refused with 400, which the specification demands.
    let state = again["params"]["requestState"].as_str().unwrap().to_owned();
    again["params"]["requestState"] = json!(state + "A");
    let (status, answer) = ask(&address, &again);
    assert_eq!((status, &answer["error"]["code"]), (200, &json!(-32602)));
    let (status, answer) = ask(&address, &call(3, "test_missing_capability", json!({})));
    assert_eq!((status, &answer["error"]["code"]), (400, &json!(-32021)));
    assert_eq!(answer["error"]["data"], json!({"requiredCapabilities": {"sampling": {}}}));
}

#[test]
fn a_question_can_end_a_stream() {
    let (_server, address) = everything();
    let mut message = asking(1, "test_streaming_elicitation");
    message["params"]["_meta"]["progressToken"] = json!("steps");
    let mut client = stream(&address, &message);
    let mut rest = String::new();
    while !rest.ends_with("0\r\n\r\n") {
        assert!(client.read_line(&mut rest).unwrap() > 0, "it has ended: {rest}");
    }
    let messages = rest.lines().filter_map(|line| line.strip_prefix("data: "));
    let messages: Vec<Value> = messages.map(|data| serde_json::from_str(data).unwrap()).collect();
    let (last, notes) = messages.split_last().unwrap();
    assert!(notes.iter().all(|note| note["method"] == "notifications/progress"), "{notes:?}");
    assert_eq!(last["result"]["inputRequests"]["seen"]["method"], "elicitation/create");
}

#[test]
fn a_signal_ends_every_subscription_with_its_result_and_exits_with_0() {
    let (mut server, address) = everything();
    let listen =
        |id| request(id, "subscriptions/listen", json!({"notifications": {"toolsListChanged": true}}));
    let streams: Vec<_> = (0..100).map(|id| stream(&address, &listen(id))).collect();
    kill_process(Pid::from_raw(server.id()).unwrap(), Signal::TERM).unwrap();
    for (id, mut client) in streams.into_iter().enumerate() {
        let mut rest = String::new();
        client.read_to_string(&mut rest).unwrap();
        let result = rest.lines().find_map(|line| line.strip_prefix("data: ")).unwrap();
        let result: Value = serde_json::from_str(result).unwrap();
        assert_eq!((&result["id"], &result["result"]["resultType"]), (&json!(id), &json!("complete")));
        assert!(rest.ends_with("0\r\n\r\n"), "{rest}");
    }
    assert!(server.wait().success());
}

#[test]
fn a_second_signal_cuts_the_waiting_short() {
    let (mut server, address) = everything();
    let mut slow = call(1, "test_slow", json!({"ms": 600_000}));
    slow["params"]["_meta"]["progressToken"] = json!(1);
    let _client = stream(&address, &slow);
    let process = Pid::from_raw(server.id()).unwrap();
    let began = Instant::now();
    kill_process(process, Signal::TERM).unwrap();
    kill_process(process, Signal::INT).unwrap();
    assert!(server.wait().success());
    assert!(began.elapsed().as_secs() < 9, "it waited as long as it may");
}
