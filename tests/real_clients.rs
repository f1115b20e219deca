//! Clients that others wrote, against the example `everything`; see `tests/clients/README.md`.
//!
//! `cargo xtask test` installs them and says where they are. What they recorded of the wire is held against the
//! schemas as well, where those are there.

use std::{
    path::Path,
    process::{Command, Output},
};

use crate::support::process::{Server, example};

/// What every client does, whatever it is written in and whatever it speaks.
const CHECKS: [&str; 20] = [
    "list",
    "call",
    "content_kinds",
    "tool_error",
    "read",
    "resource_not_found",
    "prompt",
    "completion",
    "progress",
    "cancel",
    "elicitation",
    "elicitation_url",
    "sampling",
    "roots",
    "confirm",
    "several_questions",
    "prompt_and_resource_questions",
    "subscribe",
    "list_changed",
    "close",
];

/// How a client and the server come to speak with each other, and the revision that they then speak.
#[derive(Clone, Copy)]
enum Era {
    Handshake,
    Modern,
}

use Era::{Handshake, Modern};

impl Era {
    fn name(self) -> &'static str {
        match self {
            Handshake => "handshake",
            Modern => "modern",
        }
    }

    #[cfg(mcp_spec)]
    fn revision(self) -> &'static str {
        match self {
            Handshake => "2025-11-25",
            Modern => "2026-07-28",
        }
    }
}

#[test]
#[cfg_attr(not(node_client), ignore = "no TypeScript client: `cargo xtask test` installs it")]
fn typescript_1x_over_stdio() {
    over_stdio(script("TOOLPACK_NODE", "typescript_1x.mjs"), Handshake);
}

#[test]
#[cfg_attr(not(node_client), ignore = "no TypeScript client: `cargo xtask test` installs it")]
fn typescript_1x_over_http() {
    over_http(script("TOOLPACK_NODE", "typescript_1x.mjs"), Handshake);
}

#[test]
#[cfg_attr(not(node_client), ignore = "no TypeScript client: `cargo xtask test` installs it")]
fn typescript_2x_over_stdio() {
    over_stdio(script("TOOLPACK_NODE", "typescript_2x.mjs"), Modern);
}

#[test]
#[cfg_attr(not(node_client), ignore = "no TypeScript client: `cargo xtask test` installs it")]
fn typescript_2x_over_http() {
    over_http(script("TOOLPACK_NODE", "typescript_2x.mjs"), Modern);
}

#[test]
#[cfg_attr(not(node_client), ignore = "no TypeScript client: `cargo xtask test` installs it")]
fn typescript_2x_with_a_handshake_over_stdio() {
    over_stdio(script("TOOLPACK_NODE", "typescript_2x.mjs"), Handshake);
}

#[test]
#[cfg_attr(not(node_client), ignore = "no TypeScript client: `cargo xtask test` installs it")]
fn typescript_2x_with_a_handshake_over_http() {
    over_http(script("TOOLPACK_NODE", "typescript_2x.mjs"), Handshake);
}

#[test]
#[cfg_attr(not(python_1x_client), ignore = "no Python client 1.x: `cargo xtask test` installs it")]
fn python_1x_over_stdio() {
    over_stdio(script("TOOLPACK_PYTHON_1X", "python_1x.py"), Handshake);
}

#[test]
#[cfg_attr(not(python_1x_client), ignore = "no Python client 1.x: `cargo xtask test` installs it")]
fn python_1x_over_http() {
    over_http(script("TOOLPACK_PYTHON_1X", "python_1x.py"), Handshake);
}

#[test]
#[cfg_attr(not(python_client), ignore = "no Python client 2.x: `cargo xtask test` installs it")]
fn python_2x_over_stdio() {
    over_stdio(script("TOOLPACK_PYTHON", "python_2x.py"), Modern);
}

#[test]
#[cfg_attr(not(python_client), ignore = "no Python client 2.x: `cargo xtask test` installs it")]
fn python_2x_over_http() {
    over_http(script("TOOLPACK_PYTHON", "python_2x.py"), Modern);
}

#[test]
#[cfg_attr(not(python_client), ignore = "no Python client 2.x: `cargo xtask test` installs it")]
fn python_2x_with_a_handshake_over_stdio() {
    over_stdio(script("TOOLPACK_PYTHON", "python_2x.py"), Handshake);
}

#[test]
#[cfg_attr(not(python_client), ignore = "no Python client 2.x: `cargo xtask test` installs it")]
fn python_2x_with_a_handshake_over_http() {
    over_http(script("TOOLPACK_PYTHON", "python_2x.py"), Handshake);
}

#[test]
#[cfg_attr(not(rmcp_client), ignore = "no client over rmcp: `cargo xtask test` builds it")]
fn rmcp_over_stdio() {
    over_stdio(rmcp(), Modern);
}

#[test]
#[cfg_attr(not(rmcp_client), ignore = "no client over rmcp: `cargo xtask test` builds it")]
fn rmcp_over_http() {
    over_http(rmcp(), Modern);
}

#[test]
#[cfg_attr(not(rmcp_client), ignore = "no client over rmcp: `cargo xtask test` builds it")]
fn rmcp_with_a_handshake_over_stdio() {
    over_stdio(rmcp(), Handshake);
}

#[test]
#[cfg_attr(not(rmcp_client), ignore = "no client over rmcp: `cargo xtask test` builds it")]
fn rmcp_with_a_handshake_over_http() {
    over_http(rmcp(), Handshake);
}

/// A client that others wrote, with a script of ours that says what it does.
struct Client {
    command: Command,
    /// Whether it writes down what goes over the wire.
    records: bool,
}

/// A script of `tests/clients`, run by the interpreter that a variable names.
fn script(interpreter: &str, name: &str) -> Client {
    let mut command = Command::new(std::env::var_os(interpreter).unwrap());
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients").join(name));
    // Python would leave a folder beside the scripts.
    command.env("PYTHONDONTWRITEBYTECODE", "1");
    Client { command, records: true }
}

/// The program of `tests/clients/rmcp`.
fn rmcp() -> Client {
    Client { command: Command::new(std::env::var_os("TOOLPACK_RMCP_CLIENT").unwrap()), records: false }
}

/// Has a client start the server.
fn over_stdio(client: Client, era: Era) {
    client.run(era, |command| command.arg(example("everything")).arg("--stdio"));
}

/// Gives a client the URL of a server.
fn over_http(client: Client, era: Era) {
    let server = Server::start("everything", &["--http", "127.0.0.1:0"]);
    client.run(era, |command| command.arg(server.url()));
}

impl Client {
    /// Has it do all that it does with a server, and looks at what it recorded.
    fn run(mut self, era: Era, target: impl FnOnce(&mut Command) -> &mut Command) {
        let folder = tempfile::tempdir().unwrap();
        let record = folder.path().join("record");
        if self.records {
            self.command.arg("--record").arg(&record);
        }
        run(target(self.command.args(["--era", era.name()])));
        if self.records {
            check_record(&record, era);
        }
    }
}

/// Runs a client, and shows what it said if a check of it failed, or is missing.
fn run(client: &mut Command) {
    let Output { status, stdout, stderr } = client.output().unwrap();
    let (said, complained) = (String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    assert!(status.success(), "{said}\n{complained}");
    let said: Vec<serde_json::Value> = said.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for check in CHECKS {
        assert!(said.iter().any(|line| line["check"] == check && line["ok"] == true), "no {check}: {said:?}");
    }
}

#[cfg(not(mcp_spec))]
fn check_record(_: &Path, _: Era) {}

/// Holds every message that a client recorded against the schema of its revision.
#[cfg(mcp_spec)]
fn check_record(record: &Path, era: Era) {
    use serde_json::Value;

    let mut wire =
        crate::support::wire_schema::Transcript::new(era.revision()).expect("the specification is there");
    for line in std::fs::read_to_string(record).unwrap().lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        match line["dir"].as_str() {
            Some("out") => wire.client(&line["msg"]),
            _ => wire.server(&line["msg"]),
        }
    }
    wire.assert_clean();
}
