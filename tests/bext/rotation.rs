//! `secrets rotate`: a new key, and every app finds its secrets all the same.

use std::{fs, path::Path, process::Output};

use serde_json::{Value, json};

use super::{
    directory::{Directory, version, visit},
    repository::Repository,
};
use crate::support::data::{Data, companion_in};

fn rotate(data: &Path) -> Output {
    companion_in(data, &["secrets", "rotate"])
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// The lines of the file that have keys.
fn keys(data: &Path) -> Vec<String> {
    let file = fs::read_to_string(data.join("secret.key")).unwrap();
    file.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect()
}

#[test]
fn an_app_still_gets_its_secret_after_a_rotation() {
    let directory = Directory::new("local");
    let data = directory.path().join("data");
    let repository = Repository::make(&directory.path().join("shop"));
    repository.release("1.0.0", true);
    let mut assistant = directory.assistant();
    let local = |mut arguments: Value| {
        arguments["instance_id"] = json!("local");
        arguments
    };
    assistant.get("add_app", local(json!({ "name": "shop", "source": repository.path() })));
    assistant.get("set_secret", local(json!({ "app": "shop", "name": "TOKEN", "value": "marker-8812" })));
    assistant.get("deploy", local(json!({})));
    let before = keys(&data);
    assert_eq!(before.len(), 1);

    // The node has the key, and goes on with it.
    let refused = rotate(&data);
    let said = text(&refused.stderr);
    assert_eq!(refused.status.code(), Some(1), "{said}");
    assert!(said.contains("a node runs in") && said.contains("node stop --data"), "{said}");
    assert_eq!(keys(&data), before);

    drop(assistant);
    assert!(directory.node(&["stop"]).status.success());
    let rotated = rotate(&data);
    assert!(rotated.status.success(), "{rotated:?}");
    let said = text(&rotated.stdout);
    assert!(said.contains("under a new key") && !said.contains("lost"), "{said}");
    let after = keys(&data);
    assert!(after.len() == 1 && after != before, "the old key is gone");
    let shown = [rotated.stdout, rotated.stderr].concat();
    for secret in before.iter().chain(&after).filter_map(|line| line.split(' ').nth(1)).chain(["marker-8812"])
    {
        assert!(!text(&shown).contains(secret), "{}", text(&shown));
    }

    let mut assistant = directory.assistant();
    let gateway = assistant.gateway("local");
    assert_eq!(version(&gateway), "1.0.0");
    let (_, env) = visit(&gateway, "shop.localhost", "/env?name=TOKEN").unwrap();
    assert!(env.contains("true"), "the app has it: {env}");

    // Another key in place of theirs: what is lost is named.
    drop(assistant);
    assert!(directory.node(&["stop"]).status.success());
    fs::remove_file(data.join("secret.key")).unwrap();
    let rotated = rotate(&data);
    let said = text(&rotated.stdout);
    assert!(rotated.status.success() && said.contains("the secret TOKEN of the app shop on local"), "{said}");
}

#[test]
fn a_rotation_needs_a_directory_with_secrets_and_a_whole_command() {
    let data = Data::new();
    let nowhere = data.path().join("nowhere");
    let refused = rotate(&nowhere);
    assert_eq!(refused.status.code(), Some(1), "{refused:?}");
    assert!(text(&refused.stderr).contains("no node has run in"), "{refused:?}");
    assert!(!nowhere.exists(), "looking makes nothing");
    for (words, said) in [
        (&["secrets"][..], "wants rotate"),
        (&["secrets", "turn"], "wants rotate"),
        (&["secrets", "rotate", "--now"], "--now"),
    ] {
        let refused = companion_in(data.path(), words);
        assert_eq!(refused.status.code(), Some(2), "{refused:?}");
        assert!(text(&refused.stderr).contains(said), "{refused:?}");
    }
}
