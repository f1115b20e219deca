//! What a node goes through: starts that fail, directories that vanish, signals.

use std::{fs, process::Command, process::Stdio};

use rustix::process::{Signal, kill_process};
use serde_json::json;

use crate::support::{
    data::{Data, companion_in, is_locked, wait_until},
    process::{Server, call, example},
};

#[test]
fn a_node_ends_when_its_directory_is_gone_or_another() {
    for replaced in [false, true] {
        let data = Data::new();
        let (directory, elsewhere) = (data.path().join("data"), data.path().join("elsewhere"));
        assert!(companion_in(&directory, &["node", "start"]).status.success());
        if replaced {
            fs::rename(&directory, &elsewhere).unwrap();
            fs::create_dir(&directory).unwrap();
            fs::write(directory.join("node.lock"), "").unwrap();
            wait_until("it lets go", || !is_locked(&elsewhere));
            // What is in its place is not its own.
            assert_eq!(fs::read_dir(&directory).unwrap().count(), 1);
        } else {
            // It may still be writing.
            let lock = fs::File::open(directory.join("node.lock")).unwrap();
            wait_until("it is removed", || fs::remove_dir_all(&directory).is_ok() || !directory.exists());
            wait_until("it lets go", || lock.try_lock().is_ok());
            assert!(!directory.exists(), "it has made it again");
        }
    }
}

#[test]
fn why_a_node_does_not_start_is_told_to_whoever_starts_it() {
    let data = Data::new();
    fs::write(data.path().join("instances.toml"), "[[instance]]\nid = \"../x\"\n").unwrap();
    for args in [&["--mcp"][..], &["node", "start"], &["--http", "127.0.0.1:0"], &["--mcp", "--in-process"]] {
        let output = data.run(args);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains("instances.toml cannot be read"), "{args:?}: {said}");
        assert!(!is_locked(data.path()) && !data.path().join("node.json").exists());
    }
    fs::remove_file(data.path().join("instances.toml")).unwrap();
    // What is no socket is nobody's to remove.
    fs::create_dir(data.path().join("node.sock")).unwrap();
    let output = data.run(&["node", "start"]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && said.contains("no socket"), "{said}");
    assert!(data.path().join("node.sock").is_dir());
}

#[test]
fn the_first_signal_ends_a_node_in_good_order() {
    for signal in [Signal::TERM, Signal::INT] {
        let data = Data::new();
        let mut front = data.companion(&["--mcp"]);
        front.send(&call(1, "kv_set", json!({ "instance_id": "local", "key": "k", "value": "v" })));
        assert_eq!(front.answer_to(1)["result"]["structuredContent"]["set"], true);
        kill_process(data.node_pid(), signal).unwrap();
        assert!(front.wait().success());
        wait_until("it ends", || !is_locked(data.path()));
        // It has closed its stores: the files alone are all there is.
        let store = data.path().join("instances/local/apps/default");
        let files = fs::read_dir(store).unwrap().map(|entry| entry.unwrap().file_name());
        assert_eq!(files.collect::<Vec<_>>(), ["kv.sqlite"]);
        let log = fs::read_to_string(data.path().join("node.log")).unwrap();
        assert!(log.trim_end().ends_with("ended"), "{log}");
    }
}

#[test]
fn a_node_can_be_run_in_the_foreground_by_whoever_supervises_services() {
    let data = Data::new();
    let mut command = Command::new(example("bext-companion"));
    command.args(["node", "run", "--data"]).arg(data.path()).stdin(Stdio::null()).stdout(Stdio::piped());
    let mut node = Server::spawn(&mut command);
    assert_eq!(node.receive()["ready"]["pid"], node.id());
    let mut front = data.companion(&["--mcp"]);
    front.send(&call(1, "list_instances", json!({})));
    assert_eq!(front.answer_to(1)["result"]["structuredContent"]["count"], 1);
    // Of two, the second knows that it is one too many.
    let second = data.run(&["node", "run"]);
    assert!(second.status.success(), "{second:?}");
    assert_eq!(String::from_utf8(second.stdout).unwrap(), "\"runs_already\"\n");
    node.terminate();
    assert!(front.wait().success());
}

#[test]
fn a_start_waits_for_the_end_of_the_node_before() {
    let data = Data::new();
    assert!(data.run(&["node", "start"]).status.success());
    // As one that is ending: it holds the lock and has no socket.
    let before = data.node_pid();
    fs::remove_file(data.path().join("node.sock")).unwrap();
    let mut front = data.companion(&["--mcp"]);
    front.send(&call(1, "list_instances", json!({})));
    wait_until("another waits", || {
        let log = fs::read_to_string(data.path().join("node.log")).unwrap();
        !log.is_empty() && is_locked(data.path())
    });
    kill_process(before, Signal::TERM).unwrap();
    assert_eq!(front.answer_to(1)["result"]["structuredContent"]["count"], 1);
    assert_ne!(data.node_pid(), before);
}
