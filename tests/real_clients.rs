//! Clients that others wrote, against the example `everything`; see `tests/clients/README.md`.
//!
//! `cargo xtask test` installs them and says where they are. What they recorded of the wire is held against the
//! schemas as well, where those are there.

use std::{
    path::Path,
    process::{Command, Output},
};

use crate::support::process::{Server, example};

/// Runs a client's script, and shows what it said if a check of it failed.
fn run(command: &mut Command) {
    let Output { status, stdout, stderr } = command.output().unwrap();
    let (said, complained) = (String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    assert!(status.success(), "{said}\n{complained}");
    let protocol = ["list", "call", "read", "prompt", "progress", "cancel"];
    let questions = [
        "elicitation",
        "elicitation_enums",
        "elicitation_url",
        "sampling",
        "roots",
        "confirm",
        "several_questions",
        "prompt_and_resource_questions",
    ];
    for check in protocol.into_iter().chain(questions) {
        assert!(
            said.contains(&format!(r#""check":"{check}""#))
                || said.contains(&format!(r#""check": "{check}""#)),
            "no {check}: {said}"
        );
    }
}

fn script(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients").join(name)
}

#[test]
#[cfg_attr(not(node_client), ignore = "no TypeScript client: `cargo xtask test` installs it")]
fn the_typescript_sdk_1_x_over_stdio() {
    let folder = tempfile::tempdir().unwrap();
    let record = folder.path().join("record");
    let node = std::env::var_os("TOOLPACK_NODE").unwrap();
    run(Command::new(node)
        .arg(script("typescript_1x.mjs"))
        .arg("--record")
        .arg(&record)
        .arg(example("everything"))
        .arg("--stdio"));
    check_record(&record, "2025-11-25");
}

#[test]
#[cfg_attr(not(python_client), ignore = "no Python client: `cargo xtask test` installs it")]
fn the_python_sdk_2_x_over_http() {
    let server = Server::start("everything", &["--http", "127.0.0.1:0"]);
    let folder = tempfile::tempdir().unwrap();
    let record = folder.path().join("record");
    let python = std::env::var_os("TOOLPACK_PYTHON").unwrap();
    run(Command::new(python).arg(script("python_2x.py")).arg("--record").arg(&record).arg(server.url()));
    check_record(&record, "2026-07-28");
}

#[cfg(not(mcp_spec))]
fn check_record(_: &Path, _: &str) {}

/// Holds every message that a client recorded against the schema of its revision.
#[cfg(mcp_spec)]
fn check_record(record: &Path, revision: &str) {
    use serde_json::Value;

    let mut wire =
        crate::support::wire_schema::Transcript::new(revision).expect("the specification is there");
    for line in std::fs::read_to_string(record).unwrap().lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        match line["dir"].as_str() {
            Some("out") => wire.client(&line["msg"]),
            _ => wire.server(&line["msg"]),
        }
    }
    wire.assert_clean();
}
