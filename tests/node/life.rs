//! What a node goes through: starts that fail, directories that vanish, signals.

use std::{fs, os::unix::fs::PermissionsExt, process::Command, process::Stdio};

use rustix::process::{Pid, Signal, kill_process};
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
        assert!(said.contains("instances.toml is not good"), "{args:?}: {said}");
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
        // Removed last of all.
        wait_until("it ends", || !data.path().join("node.json").exists());
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

/// A node that is ending, and has a call to wait for; with the client that waits for the answer.
fn ending_node(data: &Data) -> (Server, Pid) {
    let mut busy = data.companion(&["--mcp"]);
    // Runs until it is given up on, for which an ending node has 5 seconds.
    let sql = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n";
    busy.send(&call("long", "db_query", json!({ "instance_id": "local", "sql": sql })));
    busy.send(&call("short", "list_instances", json!({})));
    busy.answer_to("short");
    let pid = data.node_pid();
    kill_process(pid, Signal::TERM).unwrap();
    wait_until("nobody can connect", || !data.path().join("node.sock").exists());
    assert!(is_locked(data.path()), "it has ended at once");
    (busy, pid)
}

#[test]
fn a_start_waits_for_the_end_of_the_node_before() {
    let data = Data::new();
    let (mut busy, before) = ending_node(&data);
    let mut front = data.companion(&["--mcp"]);
    front.send(&call(1, "list_instances", json!({})));
    assert_eq!(front.answer_to(1)["result"]["structuredContent"]["count"], 1);
    assert_ne!(data.node_pid(), before);
    assert_eq!(busy.answer_to("long")["error"]["code"], 503);
    // Though by now there is a socket again, which is another's.
    assert!(busy.wait().success());
}

#[test]
fn a_stop_waits_for_a_node_that_is_ending_already() {
    let data = Data::new();
    let (mut busy, pid) = ending_node(&data);
    let stopped = data.run(&["node", "stop"]);
    let said = String::from_utf8(stopped.stdout).unwrap();
    assert!(stopped.status.success() && said.contains(&pid.as_raw_nonzero().to_string()), "{said}");
    assert!(!is_locked(data.path()));
    assert_eq!(busy.answer_to("long")["error"]["code"], 503);
    assert!(busy.wait().success());
}

#[test]
fn a_socket_that_was_swept_away_is_made_again() {
    let data = Data::new();
    let mut front = data.companion(&["--mcp"]);
    front.send(&call(1, "list_instances", json!({})));
    front.answer_to(1);
    let pid = data.node_pid();
    fs::remove_file(data.path().join("node.sock")).unwrap();
    // It begins before there is one again, and starts a node that sees that it is one too many.
    let mut other = data.companion(&["--mcp"]);
    other.send(&call(2, "list_instances", json!({})));
    assert_eq!(other.answer_to(2)["result"]["structuredContent"]["count"], 1);
    assert_eq!(data.node_pid(), pid);
    front.send(&call(3, "list_instances", json!({})));
    front.answer_to(3);
}

#[test]
fn a_node_whose_socket_was_swept_away_is_found_by_status_and_stop() {
    for words in [&["node", "status"][..], &["node", "stop"]] {
        let data = Data::new();
        assert!(data.run(&["node", "start"]).status.success());
        let pid = data.node_pid().as_raw_nonzero().to_string();
        fs::remove_file(data.path().join("node.sock")).unwrap();
        let output = data.run(words);
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success() && said.contains(&pid), "{words:?}: {said}");
    }
}

#[test]
fn a_directory_that_others_may_write_to_is_warned_of_once() {
    let data = Data::new();
    fs::set_permissions(data.path(), fs::Permissions::from_mode(0o770)).unwrap();
    let started = data.run(&["node", "start"]);
    let said = String::from_utf8(started.stderr).unwrap();
    assert!(started.status.success() && said.matches("chmod go-w").count() == 1, "{said}");
    let log = fs::read_to_string(data.path().join("node.log")).unwrap();
    assert_eq!(log.matches("chmod go-w").count(), 1, "{log}");
    let again = data.run(&["node", "start"]);
    assert!(again.status.success() && again.stderr.is_empty(), "{again:?}");
    // One that is its owner's alone.
    data.stop_node();
    fs::set_permissions(data.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let started = data.run(&["node", "start"]);
    assert!(started.status.success() && started.stderr.is_empty(), "{started:?}");
}

#[test]
fn the_log_is_bounded() {
    const MAX_BYTES: u64 = 4 << 20;
    let data = Data::new();
    let log = data.path().join("node.log");
    fs::write(&log, vec![b'x'; MAX_BYTES as usize]).unwrap();
    assert!(data.run(&["node", "start"]).status.success());
    assert_eq!(fs::metadata(data.path().join("node.log.1")).unwrap().len(), MAX_BYTES);
    let text = fs::read_to_string(&log).unwrap();
    assert!(text.contains("started pid=") && !text.contains("xxxxxxxx"), "{text}");
    if cfg!(target_os = "linux") {
        let stderr = format!("/proc/{}/fd/2", data.node()["pid"]);
        assert_eq!(
            fs::read_link(stderr).unwrap(),
            log,
            "what is not logged by name would go to the old file"
        );
    }
}

#[test]
fn a_node_goes_on_though_whoever_started_it_is_gone() {
    let data = Data::new();
    let mut command = Command::new(example("bext-companion"));
    command.args(["node", "run", "--detached", "--data"]).arg(data.path());
    let mut node = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
    // Before it has said that it runs.
    drop(node.stdout.take());
    wait_until("it runs", || data.path().join("node.json").exists());
    let mut front = data.companion(&["--mcp"]);
    front.send(&call(1, "list_instances", json!({})));
    assert_eq!(front.answer_to(1)["result"]["structuredContent"]["count"], 1);
    assert_eq!(data.node()["pid"], node.id());
    data.kill_node();
    node.wait().unwrap();
}

#[cfg(target_os = "linux")]
#[test]
fn a_log_that_cannot_be_written_keeps_nobody_from_an_answer() {
    let data = Data::new();
    // As a disk that is full is for it.
    std::os::unix::fs::symlink("/dev/full", data.path().join("node.log")).unwrap();
    let mut front = data.companion(&["--mcp", "--verbose"]);
    for n in 0..3 {
        front.send(&call(n, "kv_set", json!({ "instance_id": "local", "key": "k", "value": "v" })));
        assert_eq!(front.answer_to(n)["result"]["structuredContent"]["set"], true);
    }
    // What is refused is logged, too.
    let mut refused = std::os::unix::net::UnixStream::connect(data.path().join("node.sock")).unwrap();
    std::io::Write::write_all(&mut refused, b"what?\n").unwrap();
    let mut answer = String::new();
    std::io::Read::read_to_string(&mut refused, &mut answer).unwrap();
    assert!(answer.contains("the first line has to be"), "{answer}");
    front.end_input();
    assert!(front.wait().success());
}
