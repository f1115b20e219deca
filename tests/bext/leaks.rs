//! A secret that was set through the tool is nowhere but where it belongs.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::{Value, json};

use super::{
    directory::{Directory, version, visit},
    repository::Repository,
};

const SECRET: &str = "zq7-marker-of-a-secret-4711";

fn files_below(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let metadata = fs::symlink_metadata(&path).unwrap();
        if metadata.is_dir() {
            files_below(&path, found);
        } else if metadata.is_file() {
            found.push(path);
        }
    }
}

#[test]
fn a_secret_is_found_nowhere() {
    let directory = Directory::new("local,other");
    let repository = Repository::make(&directory.path().join("shop"));
    repository.release("1.0.0", true);
    repository.release("1.1.0", false);
    let mut assistant = directory.assistant();
    let mut told: Vec<Value> = Vec::new();
    let local = |mut arguments: Value| {
        arguments["instance_id"] = json!("local");
        arguments
    };
    told.push(assistant.ask("add_app", local(json!({ "name": "shop", "source": repository.path() }))));
    let set = local(json!({ "app": "shop", "name": "TOKEN", "value": SECRET }));
    told.push(assistant.ask("set_secret", set.clone()));
    // Refused calls say the argument, and must not say this one.
    let mut wrong = set.clone();
    wrong["name"] = json!("not a name");
    told.push(assistant.ask("set_secret", wrong));
    let mut unknown = set.clone();
    unknown["valeu"] = json!(SECRET);
    told.push(assistant.ask("set_secret", unknown));
    let mut nowhere = set;
    nowhere["instance_id"] = json!("nowhere");
    told.push(assistant.ask("set_secret", nowhere));

    told.push(assistant.ask("deploy", local(json!({ "version": "1.0.0" }))));
    let gateway = assistant.gateway("local");
    assert_eq!(version(&gateway), "1.0.0");
    let (_, env) = visit(&gateway, "shop.localhost", "/env?name=TOKEN").unwrap();
    assert!(env.contains("true"), "the app has it: {env}");
    // The app itself may print it.
    visit(&gateway, "shop.localhost", &format!("/print?text=the-token-is-{SECRET}")).unwrap();
    told.push(assistant.ask("deploy", local(json!({ "version": "1.1.0" }))));
    assert_eq!(told.last().unwrap()["isError"], true);
    told.push(assistant.ask("run_conformance", local(json!({ "suite": "secrets" }))));

    for (tool, arguments) in [
        ("list_secrets", local(json!({ "app": "shop" }))),
        ("list_apps", local(json!({}))),
        ("list_instances", json!({})),
        ("instance_overview", local(json!({}))),
        ("instance_health", local(json!({}))),
        ("read_config", local(json!({}))),
        ("reload_config", local(json!({}))),
        ("deploy_history", json!({})),
        ("delete_secret", local(json!({ "app": "shop", "name": "TOKEN2" }))),
    ] {
        told.push(assistant.ask(tool, arguments));
    }
    for uri in ["bext://instance/local", "bext://deploy-history"] {
        told.push(json!(assistant.read(uri)));
    }
    for answer in &told {
        assert!(!answer.to_string().contains(SECRET), "{answer}");
    }

    // While it runs: the arguments of every process.
    let list = Command::new("ps").args(["-eo", "args"]).output().unwrap();
    assert!(!String::from_utf8_lossy(&list.stdout).contains(SECRET), "in the list of processes");
    drop(assistant);
    let mut files = Vec::new();
    files_below(directory.path(), &mut files);
    assert!(files.iter().any(|file| file.ends_with("shop.log")), "{files:?}");
    for file in files {
        let bytes = fs::read(&file).unwrap();
        let found = bytes.windows(SECRET.len()).any(|window| window == SECRET.as_bytes());
        assert!(!found, "in {}", file.display());
    }
}
