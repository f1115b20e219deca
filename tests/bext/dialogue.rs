//! The whole dialogue of a deploy, spoken by the official Python client, over both transports.

use std::process::{Command, Stdio};

use serde_json::Value;

use super::{directory::Directory, repository::Repository};
use crate::support::process::{Server, example};

const INSTANCES: &str = "staging-1,prod-1,prod-2,prod-3";

/// What the client says that it has seen, in order.
const STEPS: [&str; 12] = [
    "instances",
    "apps",
    "first release",
    "staging",
    "conformance",
    "production",
    "canary",
    "promotion",
    "bad release",
    "rollback",
    "history",
    "visitors",
];

/// Has the client speak the dialogue, started with these words more.
fn speak(directory: &Directory, target: impl FnOnce(&mut Command)) {
    let repository = Repository::make(&directory.path().join("shop"));
    for version in ["1.2.3", "1.2.4"] {
        repository.release(version, true);
    }
    // The client has others released by then: a second repository has them, with the same beginning.
    let later = Repository::make(&directory.path().join("later"));
    for (version, is_healthy) in [("1.2.3", true), ("1.2.4", true), ("1.3.0", true), ("1.3.1", false)] {
        later.release(version, is_healthy);
    }
    let mut client = Command::new(std::env::var_os("TOOLPACK_PYTHON_1X").unwrap());
    client
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients/bext_dialogue.py"))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .args([repository.path(), later.path()])
        .stdin(Stdio::null());
    target(&mut client);
    let output = client.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    let steps: Vec<Value> = said.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let names: Vec<&str> = steps.iter().map(|step| step["step"].as_str().unwrap()).collect();
    assert_eq!(names, STEPS, "{said}");
    let visitors = steps.last().unwrap();
    assert_eq!(visitors["failed"], 0, "{visitors}");
    assert!(visitors["requests"].as_u64().unwrap() > 100, "{visitors}");
}

#[test]
#[cfg_attr(not(python_1x_client), ignore = "no Python client 1.x: `cargo xtask test` installs it")]
fn the_official_python_client_speaks_it_over_stdio() {
    let directory = Directory::new(INSTANCES);
    let words = directory.words();
    speak(&directory, |client| {
        client.arg(example("bext-companion")).args(&words);
    });
}

#[test]
#[cfg_attr(not(python_1x_client), ignore = "no Python client 1.x: `cargo xtask test` installs it")]
fn the_official_python_client_speaks_it_over_http_with_a_key() {
    let directory = Directory::new(INSTANCES);
    let mut words: Vec<String> = directory.words();
    words.splice(0..1, ["--http".to_owned(), "127.0.0.1:0".to_owned()]);
    let mut create = Command::new(example("bext-companion"));
    create.args(["keys", "create", "--name", "python", "--scopes", "bext:read,bext:write", "--data"]);
    let key = create.arg(directory.data()).output().unwrap();
    assert!(key.status.success(), "{key:?}");
    let key = String::from_utf8(key.stdout).unwrap();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let mut front = Server::start("bext-companion", &words);
    let url = front.url();
    speak(&directory, |client| {
        // In the environment, as nobody else of this machine reads it there.
        client.arg(url).env("TOOLPACK_KEY", key.trim());
    });
    front.terminate();
}
