//! A data directory whose node is gone when its test is.

use std::{
    io::{Read, Write},
    net::TcpStream,
    path::Path,
    process::{Command, Output, Stdio},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::process::{PATIENCE, Server, call, example};

/// A directory, and the names of its instances.
pub(super) struct Directory {
    directory: TempDir,
    instances: String,
}

impl Directory {
    /// With these instances, separated by commas.
    pub(super) fn new(instances: &str) -> Self {
        Self { directory: tempfile::tempdir().unwrap(), instances: instances.to_owned() }
    }

    /// Where sources and the data lie.
    pub(super) fn path(&self) -> &Path {
        self.directory.path()
    }

    pub(super) fn data(&self) -> String {
        self.path().join("data").to_str().unwrap().to_owned()
    }

    /// The words that a client starts the companion with.
    pub(super) fn words(&self) -> Vec<String> {
        ["--mcp", "--data", &self.data(), "--instances", &self.instances].map(str::to_owned).to_vec()
    }

    /// An assistant that is attached to the node; the first one starts it.
    pub(super) fn assistant(&self) -> Assistant {
        let words = self.words();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        Assistant { server: Server::start("bext-companion", &words), next: 0 }
    }

    /// Runs a command of `node` to its end.
    pub(super) fn node(&self, words: &[&str]) -> Output {
        let mut command = Command::new(example("bext-companion"));
        command.arg("node").args(words).args(["--data", &self.data()]).stdin(Stdio::null()).output().unwrap()
    }

    /// The process of the node.
    pub(super) fn pid(&self) -> Pid {
        let output = self.node(&["status", "--json"]);
        let status: Value = serde_json::from_slice(&output.stdout).unwrap();
        Pid::from_raw(i32::try_from(status["pid"].as_i64().unwrap()).unwrap()).unwrap()
    }

    /// Kills the node where it stands.
    pub(super) fn kill(pid: Pid) {
        kill_process(pid, Signal::KILL).unwrap();
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let output = self.node(&["stop"]);
        if !std::thread::panicking() {
            assert!(output.status.success(), "{output:?}");
        }
    }
}

/// A client of the node, over standard input and output.
pub(super) struct Assistant {
    server: Server,
    next: u64,
}

impl Assistant {
    /// Sends a call, and does not wait for its answer.
    pub(super) fn send(&mut self, tool: &str, arguments: Value) -> u64 {
        self.next += 1;
        self.server.send(&call(self.next, tool, arguments));
        self.next
    }

    /// The result of a call.
    pub(super) fn ask(&mut self, tool: &str, arguments: Value) -> Value {
        let id = self.send(tool, arguments);
        self.server.answer_to(id)["result"].clone()
    }

    /// The data of a call that succeeds.
    pub(super) fn get(&mut self, tool: &str, arguments: Value) -> Value {
        let result = self.ask(tool, arguments);
        assert_ne!(result["isError"], true, "{tool}: {result}");
        result["structuredContent"].clone()
    }

    /// Reads a resource.
    pub(super) fn read(&mut self, uri: &str) -> String {
        self.next += 1;
        let params = json!({ "uri": uri });
        self.server.send(&crate::support::process::request(self.next, "resources/read", params));
        self.server.answer_to(self.next)["result"]["contents"][0]["text"].as_str().unwrap().to_owned()
    }

    /// The app `shop` of an instance, as it is listed.
    pub(super) fn app(&mut self, instance: &str) -> Value {
        let listed = self.get("list_apps", json!({ "instance_id": instance }));
        listed["apps"]
            .as_array()
            .unwrap()
            .iter()
            .find(|app| app["name"] == "shop")
            .cloned()
            .unwrap_or_default()
    }

    /// Where the gateway of an instance answers, as `HOST:PORT`.
    pub(super) fn gateway(&mut self, instance: &str) -> String {
        let listed = self.get("list_instances", json!({}));
        let found = listed["instances"].as_array().unwrap().iter().find(|listed| listed["id"] == instance);
        found.unwrap()["url"].as_str().unwrap().strip_prefix("http://").unwrap().to_owned()
    }
}

/// One request to an app, over a connection of its own: the status, and the body.
pub(super) fn visit(gateway: &str, host: &str, path: &str) -> Result<(u16, String), String> {
    let io = |error: std::io::Error| error.to_string();
    let mut stream = TcpStream::connect(gateway).map_err(io)?;
    stream.set_read_timeout(Some(PATIENCE)).map_err(io)?;
    stream
        .write_all(format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").as_bytes())
        .map_err(io)?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).map_err(io)?;
    let (head, body) = answer.split_once("\r\n\r\n").ok_or_else(|| format!("no whole answer: {answer:?}"))?;
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or("no status")?;
    Ok((status, body.trim().to_owned()))
}

/// The version of the app `shop` that answers, once one does.
pub(super) fn version(gateway: &str) -> String {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match visit(gateway, "shop.localhost", "/version") {
            Ok((200, version)) => return version,
            other => assert!(Instant::now() < deadline, "{other:?}"),
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}
