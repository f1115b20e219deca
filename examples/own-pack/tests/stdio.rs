//! The stdio program as the assistant that starts it sees it.

use std::io::{BufRead as _, BufReader, Write as _};

use serde_json::{Value, json};
use tempfile::tempdir;

use crate::support::{Program, request};

#[test]
fn it_answers_both_eras_and_ends_with_its_input() {
    let folder = tempdir().unwrap();
    let mut program = Program::start(env!("CARGO_BIN_EXE_reading-list"), &[folder.path().to_owned()]);
    let mut input = program.0.stdin.take().unwrap();
    let mut lines = BufReader::new(program.0.stdout.take().unwrap()).lines();
    let mut ask = |message: Value| -> Value {
        writeln!(input, "{message}").unwrap();
        serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap()
    };

    let call = json!({"name": "reading_time", "arguments": {"words": 1200}});
    let modern = ask(request("tools/call", call.clone()));
    assert_eq!(modern["result"]["structuredContent"], json!({"minutes": 6}));

    let opened = ask(json!({"jsonrpc": "2.0", "id": 2, "method": "initialize", "params": {
        "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}}));
    assert_eq!(opened["result"]["serverInfo"]["name"], "reading-list");
    let session = ask(json!({"jsonrpc": "2.0", "id": 3, "method": "tools/call", "params": call}));
    assert_eq!(session["result"]["structuredContent"], json!({"minutes": 6}));

    drop(input);
    assert_eq!(program.0.wait().unwrap().code(), Some(0));
}

#[test]
fn a_desk_serves_two_packs() {
    let folder = tempdir().unwrap();
    let mut program = Program::start(env!("CARGO_BIN_EXE_reading-desk"), &[folder.path().to_owned()]);
    let mut input = program.0.stdin.take().unwrap();
    let get = json!({"name": "my_kv_get", "arguments": {"instance_id": "local", "key": "bookmark"}});
    writeln!(input, "{}", request("tools/call", get)).unwrap();
    let mut line = String::new();
    BufReader::new(program.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert!(line.contains(r#""found":false"#), "{line}");
    drop(input);
    assert!(program.0.wait().unwrap().success());
}
