//! A client of the companion, over its standard input and output.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::{Value, json};

use crate::Problem;

/// A companion that was started as an assistant does.
pub(super) struct Dialogue {
    process: Child,
    requests: ChildStdin,
    answers: BufReader<ChildStdout>,
    data: PathBuf,
    next: u64,
}

impl Dialogue {
    pub(super) fn start(program: &Path, data: &Path) -> Result<Self, Problem> {
        let mut process = Command::new(program)
            .args(["--mcp", "--data"])
            .arg(data)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("the companion does not start: {error}"))?;
        let requests = process.stdin.take().ok_or("the companion has no input")?;
        let answers = process.stdout.take().map(BufReader::new).ok_or("the companion has no output")?;
        Ok(Self { process, requests, answers, data: data.to_owned(), next: 0 })
    }

    /// Calls a tool; gives its data.
    pub(super) fn call(&mut self, tool: &str, arguments: Value) -> Result<Value, Problem> {
        self.next += 1;
        let meta = json!({
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": {},
        });
        let params = json!({ "name": tool, "arguments": arguments, "_meta": meta });
        let request = json!({ "jsonrpc": "2.0", "id": self.next, "method": "tools/call", "params": params });
        writeln!(self.requests, "{request}").map_err(|error| error.to_string())?;
        let answer = self.answer()?;
        let result = &answer["result"];
        if result["isError"] == true || result["structuredContent"].is_null() {
            return Err(format!("{tool}: {answer}"));
        }
        Ok(result["structuredContent"].clone())
    }

    /// The response to what was asked last, past all that is told meanwhile.
    fn answer(&mut self) -> Result<Value, Problem> {
        loop {
            let mut line = String::new();
            if self.answers.read_line(&mut line).map_err(|error| error.to_string())? == 0 {
                return Err("the companion has ended".into());
            }
            let said: Value = serde_json::from_str(&line).map_err(|error| format!("{error}: {line}"))?;
            if said["id"] == self.next {
                return Ok(said);
            }
        }
    }

    /// Deploys the newest version of an app; gives the record of it.
    pub(super) fn deploy(&mut self, app: &str) -> Result<Value, Problem> {
        self.call("deploy", json!({ "instance_id": "local", "app": app }))
    }

    /// Where the gateway of the first instance answers, and the process of the node.
    pub(super) fn node(&mut self, program: &Path) -> Result<(String, u32), Problem> {
        let listed = self.call("list_instances", json!({}))?;
        let url = listed["instances"][0]["url"].as_str().and_then(|url| url.strip_prefix("http://"));
        let gateway = url.ok_or_else(|| format!("no gateway: {listed}"))?.to_owned();
        let status = Command::new(program)
            .args(["node", "status", "--json", "--data"])
            .arg(&self.data)
            .output()
            .map_err(|error| error.to_string())?;
        let status: Value = serde_json::from_slice(&status.stdout).map_err(|error| error.to_string())?;
        let pid = status["pid"].as_u64().and_then(|pid| u32::try_from(pid).ok());
        Ok((gateway, pid.ok_or_else(|| format!("no process: {status}"))?))
    }
}

impl Drop for Dialogue {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
