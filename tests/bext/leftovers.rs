//! What a node leaves behind that is killed, and who clears it away.

use std::{fs, path::Path};

use rustix::process::{Pid, test_kill_process};
use serde_json::json;

use super::{directory::Directory, repository::Repository};
use crate::support::data::{is_locked, wait_until};

/// The first processes of the apps that are noted as running.
fn noted(directory: &Directory) -> Vec<Pid> {
    let notes = fs::read_dir(Path::new(&directory.data()).join("instances/local/processes")).unwrap();
    let pid = |note: fs::DirEntry| note.path().file_stem()?.to_str()?.parse().ok().and_then(Pid::from_raw);
    notes.filter_map(|note| pid(note.unwrap())).collect()
}

fn kill_node(directory: &Directory) {
    Directory::kill(directory.pid());
    wait_until("the node is gone", || !is_locked(Path::new(&directory.data())));
}

#[test]
fn a_stop_ends_the_apps_of_a_killed_node() {
    let directory = Directory::new("local");
    let repository = Repository::make(&directory.path().join("shop"));
    repository.release("1.0.0", true);
    let mut assistant = directory.assistant();
    assistant.get("add_app", json!({ "instance_id": "local", "name": "shop", "source": repository.path() }));
    assistant.get("deploy", json!({ "instance_id": "local" }));
    let apps = noted(&directory);
    kill_node(&directory);
    assert!(apps.len() == 1 && test_kill_process(apps[0]).is_ok(), "the app ended with its node");

    let stopped = directory.node(&["stop"]);
    let said = String::from_utf8(stopped.stdout).unwrap();
    assert!(stopped.status.success() && said.contains("1 app process that an earlier one left"), "{said}");
    wait_until("the app has ended", || test_kill_process(apps[0]).is_err());
    assert_eq!(noted(&directory), []);
    let again = directory.node(&["stop"]);
    let said = String::from_utf8(again.stdout).unwrap();
    assert!(again.status.success() && !said.contains("left"), "{said}");
}

#[test]
fn the_scratch_apps_of_a_run_that_was_killed_are_gone_after_the_next_start() {
    let directory = Directory::new("local");
    let mut assistant = directory.assistant();
    assistant.send("run_conformance", json!({ "instance_id": "local" }));
    let mut other = directory.assistant();
    let mut apps = || {
        let listed = other.get("list_apps", json!({ "instance_id": "local" }));
        listed["apps"].as_array().unwrap().clone()
    };
    let is_running = |app: &serde_json::Value| app["status"] == "running";
    wait_until("the scratch apps run", || apps().iter().filter(|app| is_running(app)).count() == 4);
    let left = apps();
    let processes = noted(&directory);
    assert!(processes.len() >= 2, "{processes:?}");
    kill_node(&directory);
    drop((assistant, other));

    let mut assistant = directory.assistant();
    wait_until("they are gone", || {
        assistant.get("list_apps", json!({ "instance_id": "local" }))["count"] == 0
    });
    wait_until("none is noted", || noted(&directory).is_empty());
    // One that has ended is listed until the system has asked how.
    wait_until("their processes have ended", || {
        processes.iter().all(|process| test_kill_process(*process).is_err())
    });
    let source = Path::new(left[0]["source"].as_str().unwrap()).parent().unwrap().to_owned();
    wait_until("their sources are gone", || !source.exists());
}
