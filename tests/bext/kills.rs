//! A node that is killed in the middle of its work: what answers afterwards is the old or the new, and the record says
//! which.

use std::{
    collections::hash_map::RandomState,
    hash::{BuildHasher, Hasher},
    thread,
    time::Duration,
};

use serde_json::{Value, json};

use super::{
    directory::{Assistant, Directory, version},
    repository::Repository,
};

/// How often it is killed; `cargo xtask long` asks for more.
fn rounds() -> usize {
    std::env::var("TOOLPACK_KILL_ROUNDS").map_or(5, |rounds| rounds.parse().unwrap())
}

/// Any moment before `end`.
fn moment(end: Duration) -> Duration {
    let random = RandomState::new().build_hasher().finish();
    end * u32::try_from(random % 1000).unwrap() / 1000
}

/// How long the work takes that a node is killed in, more or less.
const WORK: Duration = Duration::from_millis(400);

/// Has a call under way when the node is killed; gives an assistant of the node that comes after it.
fn killed_during(directory: &Directory, mut assistant: Assistant, tool: &str, arguments: Value) -> Assistant {
    let pid = directory.pid();
    assistant.send(tool, arguments);
    thread::sleep(moment(WORK));
    Directory::kill(pid);
    drop(assistant);
    directory.assistant()
}

/// The newest record of an instance that says what became live.
fn newest(assistant: &mut Assistant, instance: &str) -> Value {
    let history = assistant.get("deploy_history", json!({ "instance_id": instance, "app": "shop" }));
    let records = history["deploys"].as_array().unwrap();
    records.iter().find(|record| record["status"] != "failed").cloned().unwrap_or_default()
}

/// Holds what answers, what is listed and what is on record against each other; says which version it is.
fn settled(assistant: &mut Assistant, instance: &str, allowed: &[&str]) -> String {
    let gateway = assistant.gateway(instance);
    let served = version(&gateway);
    for _ in 0..20 {
        assert_eq!(version(&gateway), served, "one version answers, and no other");
    }
    let listed = assistant.app(instance);
    let is_bare = |told: &Value| told.as_str().unwrap_or_default().trim_start_matches('v').to_owned();
    assert!(allowed.contains(&served.as_str()), "{served} of {allowed:?}");
    assert_eq!(is_bare(&listed["current_version"]), served, "{listed}");
    assert_eq!(listed["status"], "running", "{listed}");
    let record = newest(assistant, instance);
    assert_eq!(is_bare(&record["version"]), served, "{record}");
    served
}

/// An app with two releases, the first of which is live on these instances.
fn shop(instances: &str) -> (Directory, Repository, Assistant) {
    let directory = Directory::new(instances);
    let repository = Repository::make(&directory.path().join("shop"));
    repository.release("1.0.0", true);
    repository.release("2.0.0", true);
    let mut assistant = directory.assistant();
    for instance in instances.split(',') {
        let app = json!({ "instance_id": instance, "name": "shop", "source": repository.path() });
        assistant.get("add_app", app);
        assistant.get("deploy", json!({ "instance_id": instance, "version": "1.0.0" }));
    }
    (directory, repository, assistant)
}

/// The release that is not live.
fn other(live: &str) -> &'static str {
    if live == "1.0.0" { "2.0.0" } else { "1.0.0" }
}

#[test]
fn a_deploy_is_finished_or_undone() {
    let (directory, _repository, mut assistant) = shop("local");
    let mut live = "1.0.0".to_owned();
    for _ in 0..rounds() {
        let deploy = json!({ "instance_id": "local", "version": other(&live) });
        assistant = killed_during(&directory, assistant, "deploy", deploy);
        live = settled(&mut assistant, "local", &["1.0.0", "2.0.0"]);
    }
    // It goes on as if nothing had been.
    assistant.get("deploy", json!({ "instance_id": "local", "version": other(&live) }));
    settled(&mut assistant, "local", &[other(&live)]);
}

#[test]
fn a_rollback_is_finished_or_undone() {
    let (directory, _repository, mut assistant) = shop("local");
    assistant.get("deploy", json!({ "instance_id": "local", "version": "2.0.0" }));
    for _ in 0..rounds() {
        assistant = killed_during(&directory, assistant, "rollback", json!({ "instance_id": "local" }));
        settled(&mut assistant, "local", &["1.0.0", "2.0.0"]);
    }
}

#[test]
fn a_fleet_deploy_is_finished_or_undone_on_each_instance() {
    let instances = ["one", "two", "three"];
    let (directory, _repository, mut assistant) = shop(&instances.join(","));
    for round in 0..rounds() {
        let version = if round % 2 == 0 { "2.0.0" } else { "1.0.0" };
        let fleet = json!({ "instance_ids": instances, "version": version });
        assistant = killed_during(&directory, assistant, "fleet_deploy", fleet);
        for instance in instances {
            settled(&mut assistant, instance, &["1.0.0", "2.0.0"]);
        }
    }
    let fleet = json!({ "instance_ids": instances, "version": "2.0.0" });
    let done = assistant.get("fleet_deploy", fleet);
    assert_eq!(done["succeeded"], 3, "{done}");
}

#[test]
fn an_app_is_added_or_not() {
    let (directory, repository, mut assistant) = shop("local");
    for round in 0..rounds() {
        let name = format!("app-{round}");
        let app = json!({ "instance_id": "local", "name": name, "source": repository.path() });
        assistant = killed_during(&directory, assistant, "add_app", app.clone());
        let listed = assistant.get("list_apps", json!({ "instance_id": "local" }));
        let found = listed["apps"].as_array().unwrap().iter().filter(|app| app["name"] == name).count();
        let again = assistant.ask("add_app", app);
        match found {
            0 => assert_ne!(again["isError"], true, "{again}"),
            _ => assert_eq!(again["_meta"]["toolpack/error"]["code"], "app_exists", "{again}"),
        }
        assistant.get("deploy", json!({ "instance_id": "local", "app": name, "version": "1.0.0" }));
        assistant.get("remove_app", json!({ "instance_id": "local", "app": name }));
        settled(&mut assistant, "local", &["1.0.0"]);
    }
}

#[test]
fn a_secret_is_set_or_not() {
    let (directory, _repository, mut assistant) = shop("local");
    let gateway = assistant.gateway("local");
    let hash = |gateway: &str| {
        let (_, told) = super::directory::visit(gateway, "shop.localhost", "/env?name=TOKEN").unwrap();
        serde_json::from_str::<Value>(&told).unwrap()
    };
    let set = |value: &str| json!({ "instance_id": "local", "app": "shop", "name": "TOKEN", "value": value });
    let mut known = Vec::new();
    for value in ["first", "second"] {
        assistant.get("set_secret", set(value));
        assistant.get("deploy", json!({ "instance_id": "local", "version": "1.0.0" }));
        known.push(hash(&gateway));
    }
    assert_ne!(known[0], known[1]);
    for round in 0..rounds() {
        let value = if round % 2 == 0 { "first" } else { "second" };
        assistant = killed_during(&directory, assistant, "set_secret", set(value));
        settled(&mut assistant, "local", &["1.0.0"]);
        let listed = assistant.get("list_secrets", json!({ "instance_id": "local", "app": "shop" }));
        assert_eq!(listed["count"], 1, "{listed}");
        let found = hash(&assistant.gateway("local"));
        assert!(known.contains(&found), "one or the other, whole: {found}");
    }
}
