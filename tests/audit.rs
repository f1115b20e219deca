//! The audit of `bext-companion`, from outside: what was answered is on record whatever becomes of the process, and a
//! record that was changed shows.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Output,
};

use serde_json::{Value, json};

use crate::support::{
    data::{Data, companion_in},
    process::{Server, call},
};

/// How often a server is killed; `cargo xtask long` asks for more.
fn rounds() -> usize {
    std::env::var("TOOLPACK_KILL_ROUNDS").map_or(5, |rounds| rounds.parse().unwrap())
}

fn companion(data: &Data) -> Server {
    data.companion(&["--mcp"])
}

/// Ends a client and the node.
fn end(mut server: Server, data: &Data) {
    server.end_input();
    assert!(server.wait().success());
    data.stop_node();
}

fn audit(args: &[&str], data: &Path) -> Output {
    companion_in(data, &[&["audit"], args].concat())
}

fn verify(data: &Path) -> (bool, String) {
    let output = audit(&["verify"], data);
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(said).unwrap())
}

/// All records.
fn records(data: &Path) -> Vec<Value> {
    let output = audit(&["tail", "--records", "1000000"], data);
    assert!(output.status.success(), "{output:?}");
    let lines = String::from_utf8(output.stdout).unwrap();
    lines.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"))).collect()
}

fn set(id: impl Into<Value>, key: &str, value: &str) -> Value {
    call(id, "kv_set", json!({"instance_id": "local", "key": key, "value": value}))
}

#[test]
fn every_write_that_was_answered_is_on_record_after_a_kill() {
    const LOAD: usize = 60;
    let directory = Data::new();
    let mut answered = Vec::new();
    for round in 0..rounds() {
        let mut server = companion(&directory);
        for n in 0..LOAD {
            server.send(&set(n, &format!("{round}-{n}"), "v"));
        }
        // Killed with the rest of its calls anywhere between their beginning and their end.
        for _ in 0..(7 + round * 37) % LOAD {
            let answer = server.receive();
            assert_eq!(answer["result"]["structuredContent"]["set"], true, "{answer}");
            answered.push(format!("{round}-{}", answer["id"]));
        }
        directory.kill_node();
        drop(server);
        let (is_whole, said) = verify(directory.path());
        assert!(is_whole, "round {round}: {said}");
    }
    let records = records(directory.path());
    let completed: std::collections::HashSet<&str> = records
        .iter()
        .filter(|record| record["outcome"] == "ok")
        .filter_map(|record| record["arguments"]["key"].as_str())
        .collect();
    for key in &answered {
        assert!(completed.contains(key.as_str()), "{key} was answered and is not on record");
    }
    assert!(!answered.is_empty());
}

#[test]
fn clients_of_several_kinds_share_one_chain() {
    const WRITES: usize = 50;
    let directory = Data::new();
    // Those whose flags differ have a log each in the node.
    let kinds = [&["--mcp"][..], &["--mcp", "--confirm"], &["--mcp"]];
    let mut servers = kinds.map(|args| directory.companion(args));
    for (number, server) in servers.iter_mut().enumerate() {
        (0..WRITES).for_each(|n| server.send(&set(n, &format!("{number}-{n}"), "v")));
    }
    for server in &mut servers {
        for _ in 0..WRITES {
            let answer = server.receive();
            assert_ne!(answer["result"]["isError"], true, "{answer}");
        }
        server.end_input();
        assert!(server.wait().success());
    }
    let (is_whole, said) = verify(directory.path());
    assert!(is_whole, "{said}");
    let ends = records(directory.path()).iter().filter(|record| record["outcome"] == "ok").count();
    assert_eq!(ends, servers.len() * WRITES);
}

/// The file that the records are in.
fn log(data: &Path) -> PathBuf {
    let files = fs::read_dir(data.join("audit")).unwrap().map(|entry| entry.unwrap().path());
    let mut logs: Vec<PathBuf> =
        files.filter(|path| path.extension().is_some_and(|e| e == "jsonl")).collect();
    assert_eq!(logs.len(), 1, "{logs:?}");
    logs.remove(0)
}

#[test]
fn tampering_is_found() {
    let directory = Data::new();
    let mut server = companion(&directory);
    for n in 0..6 {
        server.send(&set(n, &n.to_string(), "v"));
        server.answer_to(n);
    }
    end(server, &directory);
    let (is_whole, head) = verify(directory.path());
    assert!(is_whole, "{head}");
    let log = log(directory.path());
    let whole = fs::read_to_string(&log).unwrap();
    let lines: Vec<&str> = whole.lines().collect();
    let all_but = |left_out: usize| {
        lines.iter().enumerate().filter(move |(n, _)| *n != left_out).map(|(_, line)| format!("{line}\n"))
    };
    let mut swapped = lines.clone();
    swapped.swap(2, 3);
    let last = lines.len() - 1;
    for (what, tampered) in [
        ("changed", whole.replacen(r#""key":"2""#, r#""key":"9""#, 1)),
        ("removed", all_but(3).collect()),
        ("the first removed", all_but(0).collect()),
        ("the last removed", all_but(last).collect()),
        ("moved", swapped.iter().map(|line| format!("{line}\n")).collect()),
        ("twice", format!("{whole}{}\n", lines[last])),
        ("emptied", String::new()),
    ] {
        assert_ne!(tampered, whole, "{what}");
        fs::write(&log, tampered).unwrap();
        let (is_whole, said) = verify(directory.path());
        assert!(!is_whole, "{what}: {said}");
        assert!(!said.trim().is_empty(), "{what}");
    }
    fs::write(&log, &whole).unwrap();
    assert!(verify(directory.path()).0);
}

#[test]
fn values_that_were_kept_secret_are_not_on_record() {
    let directory = Data::new();
    let mut server = companion(&directory);
    let long = "x".repeat(5_000);
    server.send(&set(1, "k", &long));
    server.answer_to(1);
    end(server, &directory);
    let text = fs::read_to_string(log(directory.path())).unwrap();
    assert!(!text.contains(&long) && text.contains("kv_set"));
    let record = records(directory.path()).pop().unwrap();
    assert_eq!(record["name"], "kv_set", "{record}");
    assert_eq!(record["kind"], "local", "{record}");
}

#[test]
fn a_cut_that_was_signed_anew_is_found_by_a_head_that_was_kept() {
    let directory = Data::new();
    let mut server = companion(&directory);
    server.send(&set(1, "a", "v"));
    server.answer_to(1);
    end(server, &directory);
    let (_, said) = verify(directory.path());
    let head = said.split_whitespace().last().unwrap().to_owned();
    // Another write goes on from there.
    let mut server = companion(&directory);
    server.send(&set(2, "b", "v"));
    server.answer_to(2);
    end(server, &directory);
    assert!(audit(&["verify", "--head", &head], directory.path()).status.success());
    // A log that was begun anew is whole by itself, and none that the head is of.
    fs::remove_dir_all(directory.path().join("audit")).unwrap();
    let mut server = companion(&directory);
    server.send(&set(3, "c", "v"));
    server.answer_to(3);
    end(server, &directory);
    assert!(verify(directory.path()).0);
    let output = audit(&["verify", "--head", &head], directory.path());
    assert_eq!(output.status.code(), Some(1), "{output:?}");
}
