//! Those who share a node, and how they find it.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    os::unix::net::UnixListener,
    process::Stdio,
};

use rustix::process::{Signal, kill_process};
use serde_json::{Value, json};

use crate::support::{
    data::{Data, wait_until},
    http::Request,
    process::{Server, call, example, request},
};

fn list() -> Value {
    call("list", "list_instances", json!({}))
}

fn answers(front: &mut Server) {
    front.send(&list());
    assert_eq!(front.answer_to("list")["result"]["structuredContent"]["count"], 1);
}

fn clients(data: &Data) -> Value {
    let output = data.run(&["node", "status", "--json"]);
    serde_json::from_slice::<Value>(&output.stdout).unwrap()["clients"].clone()
}

#[test]
fn of_fronts_that_begin_at_once_one_starts_the_node() {
    let data = Data::new();
    let mut fronts: Vec<Server> = (0..8).map(|_| data.companion(&["--mcp"])).collect();
    fronts.iter_mut().for_each(|front| front.send(&list()));
    for front in &fronts {
        assert_eq!(front.answer_to("list")["result"]["structuredContent"]["count"], 1);
    }
    assert_eq!(clients(&data), 8);
    for mut front in fronts {
        front.end_input();
        assert!(front.wait().success());
        assert_eq!(front.errors(), Vec::<String>::new());
    }
    let log = fs::read_to_string(data.path().join("node.log")).unwrap();
    assert_eq!(log.matches("started pid=").count(), 1, "{log}");
    wait_until("all have gone", || clients(&data) == 0);
}

#[test]
fn a_node_outlives_its_fronts() {
    let data = Data::new();
    let mut first = data.companion(&["--mcp"]);
    answers(&mut first);
    let pid = data.node_pid();
    let mut second = data.companion(&["--mcp"]);
    // Killed, and with it all that a client ends that ends a group of processes.
    drop(first);
    answers(&mut second);
    second.end_input();
    assert!(second.wait().success());
    let mut third = data.companion(&["--mcp"]);
    answers(&mut third);
    assert_eq!(data.node_pid(), pid);
}

#[test]
fn a_node_that_was_killed_is_followed_by_another() {
    let data = Data::new();
    let mut first = data.companion(&["--mcp"]);
    answers(&mut first);
    let pid = data.node_pid();
    data.kill_node();
    assert_eq!(first.wait().code(), Some(1));
    assert!(data.path().join("node.sock").exists() && data.path().join("node.json").exists());
    let output = data.run(&["node", "status"]);
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    assert!(data.run(&["node", "stop"]).status.success());
    let mut second = data.companion(&["--mcp"]);
    answers(&mut second);
    assert_ne!(data.node_pid(), pid);
}

#[test]
fn what_each_front_asked_for_is_its_own() {
    let data = Data::new();
    let mut plain = data.companion(&["--mcp"]);
    let mut reading = data.companion(&["--mcp", "--read-only"]);
    let mut asking = data.companion(&["--mcp", "--confirm"]);
    let names = |front: &mut Server| {
        front.send(&request("tools", "tools/list", json!({})));
        let tools = front.answer_to("tools")["result"]["tools"].clone();
        tools.as_array().unwrap().iter().map(|tool| tool["name"].as_str().unwrap().to_owned()).collect()
    };
    let all: Vec<String> = names(&mut plain);
    let some: Vec<String> = names(&mut reading);
    assert!(all.iter().any(|name| name == "kv_set") && some.iter().any(|name| name == "kv_get"));
    assert!(some.len() < all.len() && !some.iter().any(|name| name == "kv_set"), "{some:?}");
    let delete = call("delete", "kv_delete", json!({ "instance_id": "local", "key": "k" }));
    plain.send(&delete);
    assert_eq!(plain.answer_to("delete")["result"]["structuredContent"]["deleted"], false);
    asking.send(&delete);
    assert_eq!(asking.answer_to("delete")["error"]["code"], -32021);
}

#[test]
fn http_ends_with_the_front_that_asked_for_it() {
    let data = Data::new();
    let mut other = data.companion(&["--mcp"]);
    for signal in [Signal::TERM, Signal::KILL] {
        let mut front = data.companion(&["--http", "127.0.0.1:0", "--no-auth"]);
        let url = front.url();
        let address = url.strip_prefix("http://").unwrap().strip_suffix("/mcp").unwrap();
        assert_eq!(Request::post(address, &list()).send().status, 200);
        kill_process(rustix::process::Pid::from_raw(front.id()).unwrap(), signal).unwrap();
        assert_eq!(front.wait().success(), signal == Signal::TERM);
        wait_until("nobody listens there", || std::net::TcpStream::connect(address).is_err());
    }
    answers(&mut other);
}

#[test]
fn an_address_that_is_taken_is_the_fronts_error_and_the_node_goes_on() {
    let data = Data::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = data.run(&["--http", &address]);
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains(&address) && said.lines().count() == 1, "{said}");
    answers(&mut data.companion(&["--mcp"]));
}

#[test]
fn an_engine_in_the_process_shares_its_directory_with_nobody() {
    let data = Data::new();
    let mut front = data.companion(&["--mcp"]);
    answers(&mut front);
    for args in [&["--mcp", "--in-process"][..], &["--http", "127.0.0.1:0", "--in-process"]] {
        let refused = data.run(args);
        assert_eq!(refused.status.code(), Some(1));
        let said = String::from_utf8(refused.stderr).unwrap();
        let pid = data.node()["pid"].to_string();
        assert!(said.contains("node stop") && said.contains(&pid), "{said}");
    }
    answers(&mut front);
    data.stop_node();

    let mut alone = data.companion(&["--mcp", "--in-process"]);
    answers(&mut alone);
    let output = data.run(&["--mcp"]);
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("--in-process") && said.contains(&alone.id().to_string()), "{said}");
    let output = data.run(&["node", "stop"]);
    assert!(output.status.success() && String::from_utf8(output.stdout).unwrap().contains("no node runs"));
    answers(&mut alone);
    alone.end_input();
    assert!(alone.wait().success());
    answers(&mut data.companion(&["--mcp"]));
}

#[test]
fn an_upgrade_is_said_and_harms_nothing() {
    let data = Data::new();
    answers(&mut data.companion(&["--mcp"]));
    let upgraded = data.path().join("upgraded");
    fs::copy(example("bext-companion"), &upgraded).unwrap();
    let start = |args: &[&str]| {
        let mut command = std::process::Command::new(&upgraded);
        command.args(args).arg("--data").arg(data.path()).stdin(Stdio::piped()).stdout(Stdio::piped());
        Server::spawn(&mut command)
    };
    let mut front = start(&["--mcp"]);
    answers(&mut front);
    front.end_input();
    assert!(front.wait().success());
    let said = front.errors().concat();
    assert!(said.contains("another build") && said.contains("node stop --data"), "{said}");
    assert!(start(&["node", "stop"]).wait().success());
    // The first that comes then brings its own build.
    let mut front = start(&["--mcp"]);
    answers(&mut front);
    front.end_input();
    assert!(front.wait().success());
    assert_eq!(front.errors(), Vec::<String>::new());
}

#[test]
fn keys_and_the_audit_log_are_at_hand_beside_a_node() {
    let data = Data::new();
    let front = data.companion(&["--http", "127.0.0.1:0"]);
    let url = front.url();
    let address = url.strip_prefix("http://").unwrap().strip_suffix("/mcp").unwrap();
    let made = data.run(&["keys", "create", "--name", "test", "--scopes", "bext:write"]);
    let key = String::from_utf8(made.stdout).unwrap();
    let set = call(1, "kv_set", json!({ "instance_id": "local", "key": "k", "value": "v" }));
    assert_eq!(Request::post(address, &set).key(key.trim_end()).send().status, 200);
    let verified = data.run(&["audit", "verify"]);
    assert!(verified.status.success(), "{verified:?}");
    let tail = String::from_utf8(data.run(&["audit", "tail", "--records", "1"]).stdout).unwrap();
    assert!(tail.contains("kv_set"), "{tail}");
}

#[test]
fn a_connection_that_is_lost_is_not_taken_for_the_end_of_the_node() {
    let data = Data::new();
    // A node that cuts a connection and goes on, as none does by itself.
    let about = json!({
        "ok": true, "pid": std::process::id(), "version": "0", "build": "0", "started_at": "today",
        "data": data.path(), "socket": data.path().join("node.sock"),
    });
    let mut record = fs::File::create(data.path().join("node.json")).unwrap();
    record.lock().unwrap();
    serde_json::to_writer(&mut record, &about).unwrap();
    let listener = UnixListener::bind(data.path().join("node.sock")).unwrap();
    let mut front = data.companion(&["--mcp"]);
    let (mut connection, _) = listener.accept().unwrap();
    let mut opening = String::new();
    BufReader::new(&connection).read_line(&mut opening).unwrap();
    writeln!(connection, "{about}").unwrap();
    drop(connection);
    assert_eq!(front.wait().code(), Some(1));
    let said = front.errors().concat();
    assert!(said.contains("was lost, though it goes on") && !said.contains("ended"), "{said}");
}
