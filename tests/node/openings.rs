//! What is not said as it should be on the socket is refused, and costs little.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::Shutdown,
    os::unix::net::UnixStream,
};

use serde_json::{Value, json};

use crate::support::{
    data::Data,
    process::{PATIENCE, call},
};

fn connect(data: &Data) -> UnixStream {
    let stream = UnixStream::connect(data.path().join("node.sock")).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// All that comes until the node hangs up.
fn rest(mut stream: UnixStream) -> String {
    let mut bytes = Vec::new();
    // That it is reset is no loss: what came before is read.
    let _ = stream.read_to_end(&mut bytes);
    String::from_utf8(bytes).unwrap()
}

fn started() -> Data {
    let data = Data::new();
    assert!(data.run(&["node", "start"]).status.success());
    data
}

fn refusal(answer: &str) -> String {
    let answer: Value = serde_json::from_str(answer).unwrap_or_else(|_| panic!("{answer:?}"));
    assert_eq!(answer["ok"], false, "{answer}");
    answer["error"].as_str().unwrap().to_owned()
}

#[test]
fn a_foreign_line_is_refused_and_says_what_is_spoken() {
    let data = started();
    for (line, says) in [
        ("", "such as"),
        ("hello", "such as"),
        ("GET / HTTP/1.1\r", "such as"),
        ("{}", "bext"),
        (r#"{"bext":1}"#, "want"),
        (r#"{"bext":2,"want":"mcp","also":1}"#, "version 1"),
        (r#"{"bext":1,"want":"everything"}"#, "everything"),
        // One that is older than a front must not overlook what keeps a client from something.
        (r#"{"bext":1,"want":"mcp","only":["kv_get"]}"#, "only"),
        (r#"{"bext":1,"want":"mcp","audit":"perhaps"}"#, "perhaps"),
        (r#"{"bext":1,"want":"http"}"#, "where to listen"),
        (r#"{"bext":1,"want":"http","http":{"address":"0.0.0.0:0"}}"#, "other machines"),
        (r#"{"bext":1,"want":"http","http":{"address":"nowhere"}}"#, "nowhere"),
        (r#"{"bext":1,"want":"mcp","http":{"address":"127.0.0.1:0"}}"#, "http"),
        ("{\"bext\":1,\"want\":\"mcp\"}\n{\"jsonrpc\":\"2.0\"}", "before it is answered"),
        ("\u{0}\u{1}\u{7f}", "such as"),
    ] {
        let mut stream = connect(&data);
        stream.write_all(format!("{line}\n").as_bytes()).unwrap();
        let refusal = refusal(&rest(stream));
        assert!(refusal.contains(says), "{line:?}: {refusal}");
    }
    // One that leaves in the middle.
    let mut stream = connect(&data);
    stream.write_all(b"{\"bext\":").unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    assert!(refusal(&rest(stream)).contains("ended before"));
    assert_eq!(data.node()["pid"], status(&data)["pid"], "it goes on");
}

fn status(data: &Data) -> Value {
    let mut stream = connect(data);
    stream.write_all(b"{\"bext\":1,\"want\":\"status\"}\n").unwrap();
    serde_json::from_str(&rest(stream)).unwrap()
}

#[test]
fn a_line_without_end_is_bounded_in_size() {
    let data = started();
    let mut stream = connect(&data);
    let mut sent = 0;
    // Many more than are taken, so that this ends only by being hung up on.
    while sent < 1 << 30 && stream.write_all(&[b' '; 4096]).is_ok() {
        sent += 4096;
    }
    assert!(sent < 4 << 20, "{sent} bytes were taken");
    assert!(refusal(&rest(stream)).contains("bytes"));
}

#[test]
fn a_line_that_does_not_come_is_bounded_in_time_and_holds_up_nobody() {
    let data = started();
    let silent: Vec<UnixStream> = (0..50).map(|_| connect(&data)).collect();
    let mut slow = connect(&data);
    slow.write_all(b"{\"bext\":1,").unwrap();
    let mut front = data.companion(&["--mcp"]);
    front.send(&call(1, "list_instances", json!({})));
    assert_eq!(front.answer_to(1)["result"]["structuredContent"]["count"], 1);
    for stream in silent.into_iter().chain([slow]) {
        assert!(refusal(&rest(stream)).contains("no first line"));
    }
    front.send(&call(2, "list_instances", json!({})));
    assert_eq!(front.answer_to(2)["id"], 2);
}

#[test]
fn no_key_is_made_for_a_front_that_is_gone_before_it_shows_it() {
    let data = started();
    let mut stream = connect(&data);
    stream.write_all(b"{\"bext\":1,\"want\":\"http\",\"http\":{\"address\":\"127.0.0.1:0\"}}\n").unwrap();
    let mut answer = String::new();
    BufReader::new(stream).read_line(&mut answer).unwrap();
    let answer: Value = serde_json::from_str(&answer).unwrap();
    assert_eq!(answer["ok"], true, "{answer}");
    assert!(answer["said"].as_str().unwrap().starts_with("listening on http://127.0.0.1:"), "{answer}");
    let keys = data.run(&["keys", "list"]);
    assert!(!String::from_utf8_lossy(&keys.stdout).contains("first start"), "{keys:?}");
    // The next one does, and it is told which it is.
    let front = data.companion(&["--http", "127.0.0.1:0"]);
    front.url();
    assert!(front.said().iter().any(|line| line.contains("bx_")), "{:?}", front.said());
}

#[test]
fn whoever_speaks_the_protocol_is_served_without_a_front() {
    let data = started();
    let mut stream = connect(&data);
    stream.write_all(b"{\"bext\":1,\"want\":\"mcp\",\"read_only\":true}\n").unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        answer.extend(byte);
    }
    let answer: Value = serde_json::from_slice(&answer).unwrap();
    assert_eq!((&answer["ok"], &answer["pid"]), (&json!(true), &data.node()["pid"]));
    assert!(answer["version"].is_string() && answer["build"].is_string(), "{answer}");
    let set = call(1, "kv_set", json!({ "instance_id": "local", "key": "k", "value": "v" }));
    stream.write_all(format!("{set}\n").as_bytes()).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let refused: Value = serde_json::from_str(&rest(stream)).unwrap();
    assert!(refused["error"].is_object(), "{refused}");
}
