//! `node start`, `stop` and `status`, from outside.

use std::{
    os::unix::fs::{FileTypeExt, PermissionsExt},
    process::Output,
};

use rustix::process::{getpgid, getsid, test_kill_process};
use serde_json::{Value, json};

use crate::support::{
    data::{Data, is_locked},
    process::{call, request},
};

fn text(output: &Output) -> String {
    String::from_utf8([&output.stdout[..], &output.stderr].concat()).unwrap()
}

fn status(data: &Data) -> (Option<i32>, Value) {
    let output = data.run(&["node", "status", "--json"]);
    (output.status.code(), serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}")))
}

#[test]
fn a_node_starts_says_how_it_is_and_stops() {
    let data = Data::new();
    let shown = data.path().to_str().unwrap();
    assert_eq!(status(&data), (Some(3), json!({ "running": false, "data": shown })));
    let stopped = data.run(&["node", "stop"]);
    assert!(stopped.status.success() && text(&stopped).contains("no node runs"), "{stopped:?}");
    assert_eq!(std::fs::read_dir(data.path()).unwrap().count(), 0, "looking makes nothing");

    let started = data.run(&["node", "start", "--instances", "staging-1,prod-1"]);
    assert!(started.status.success(), "{started:?}");
    let pid = data.node_pid();
    assert!(text(&started).contains(&pid.as_raw_nonzero().to_string()), "{started:?}");
    assert!(text(&started).contains(shown), "{started:?}");
    let (code, found) = status(&data);
    assert_eq!((code, &found["running"]), (Some(0), &json!(true)));
    assert_eq!(found["pid"], pid.as_raw_nonzero().get());
    assert_eq!(found["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!((&found["clients"], &found["data"]), (&json!(0), &json!(shown)));
    assert_eq!(found["socket"], data.path().join("node.sock").to_str().unwrap());
    assert!(found["build"].as_str().unwrap().starts_with(env!("CARGO_PKG_VERSION")), "{found}");
    assert!(found["started_at"].as_str().unwrap().ends_with('Z'), "{found}");
    let ids: Vec<&str> =
        found["instances"].as_array().unwrap().iter().map(|i| i["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["prod-1", "staging-1"]);
    assert!(found["instances"].as_array().unwrap().iter().all(|i| i["status"] == "healthy"), "{found}");
    for instance in found["instances"].as_array().unwrap() {
        let gateway = instance["url"].as_str().unwrap().strip_prefix("http://").unwrap();
        assert_eq!(instance["apps"], 0);
        // Which knows no app yet, and answers for itself.
        assert_eq!(crate::support::http::Request::get(gateway, "/").send().status, 404);
    }
    let told = data.run(&["node", "status"]);
    assert!(told.status.success() && text(&told).contains("staging-1: healthy"), "{told:?}");

    let again = data.run(&["node", "start"]);
    assert!(again.status.success() && text(&again).contains("runs already"), "{again:?}");
    assert_eq!(data.node_pid(), pid);

    let stopped = data.run(&["node", "stop"]);
    assert!(stopped.status.success() && text(&stopped).contains("has ended"), "{stopped:?}");
    assert!(test_kill_process(pid).is_err(), "it is there still");
    assert!(!data.path().join("node.sock").exists() && !data.path().join("node.json").exists());
    assert_eq!(status(&data).0, Some(3));
}

#[test]
fn a_node_belongs_to_nobody_who_started_it_and_to_its_user_alone() {
    let data = Data::new();
    assert!(data.run(&["node", "start"]).status.success());
    let pid = data.node_pid();
    // The leader of a session of its own, so that no terminal ends it.
    assert_eq!((getsid(Some(pid)).unwrap(), getpgid(Some(pid)).unwrap()), (pid, pid));
    if cfg!(target_os = "linux") {
        let about =
            |name: &str| std::fs::read_link(format!("/proc/{}/{name}", pid.as_raw_nonzero())).unwrap();
        assert_eq!(about("cwd").to_str(), Some("/"));
        let ends = ["fd/0", "fd/1", "fd/2"].map(about);
        assert_eq!(ends, ["/dev/null".into(), "/dev/null".into(), data.path().join("node.log")]);
    }
    for name in ["node.sock", "node.json", "node.lock", "node.log"] {
        let mode = std::fs::symlink_metadata(data.path().join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    let socket = std::fs::symlink_metadata(data.path().join("node.sock")).unwrap();
    assert!(socket.file_type().is_socket());
}

#[test]
fn a_path_of_any_length_has_room_for_the_socket() {
    let data = Data::new();
    let deep = data.path().join("a".repeat(100)).join("b".repeat(100));
    let run = |args: &[&str]| crate::support::data::companion_in(&deep, args);
    let started = run(&["node", "start"]);
    if cfg!(not(target_os = "linux")) {
        assert!(text(&started).contains("too long"), "{started:?}");
        return;
    }
    assert!(started.status.success(), "{started:?}");
    assert!(run(&["node", "status"]).status.success());
    assert!(run(&["--mcp"]).status.success());
    assert!(run(&["node", "stop"]).status.success());
    assert!(!deep.join("node.sock").exists() && !is_locked(&deep));
}

#[test]
fn clients_are_counted_and_disconnected_in_good_order() {
    let data = Data::new();
    let mut front = data.companion(&["--mcp"]);
    let listen =
        request("listen", "subscriptions/listen", json!({"notifications": {"toolsListChanged": true}}));
    front.send(&listen);
    assert_eq!(front.receive()["method"], "notifications/subscriptions/acknowledged");
    let http = data.companion(&["--http", "127.0.0.1:0", "--no-auth"]);
    http.url();
    assert_eq!(status(&data).1["clients"], 2);
    front.send(&call(1, "list_instances", json!({})));
    assert_eq!(front.answer_to(1)["result"]["structuredContent"]["count"], 1);

    data.stop_node();
    assert_eq!(front.receive()["id"], "listen");
    assert_eq!(front.receive()["method"], "notifications/cancelled");
    assert_eq!(front.try_receive(), None);
    for mut front in [front, http] {
        assert!(front.wait().success());
        let said = front.errors();
        assert_eq!(said.last().unwrap(), "the node was stopped", "{said:?}");
    }
}
