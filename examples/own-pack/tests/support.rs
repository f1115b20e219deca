//! What the tests share: a reading list in a folder of its own, and programs that end with their test.

use std::{
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use own_pack::{Reading, pack};
use serde_json::{Value, json};
use tempfile::TempDir;
use toolpack::{PackOptions, Server, testing::Client};

/// A server with the reading list of this folder.
pub(crate) fn server(folder: &TempDir) -> Server {
    Server::new("test", "1").pack(pack(Reading::open(folder.path()).unwrap()), PackOptions::new())
}

/// Puts something on the list, and says under which number.
pub(crate) async fn add(client: &Client, title: &str, topic: &str) -> Value {
    let item = json!({"title": title, "topic": topic, "words": 1000});
    client.call("add_item", item).await.structured()["id"].clone()
}

/// A request as clients of 2026-07-28 send it.
pub(crate) fn request(method: &str, mut params: Value) -> Value {
    params["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
}

/// A running program, killed when it is dropped.
pub(crate) struct Program(pub(crate) Child);

impl Program {
    /// Starts it with its pipes in our hands.
    pub(crate) fn start(path: &str, arguments: &[PathBuf]) -> Self {
        let mut command = Command::new(path);
        command.args(arguments).env("READING_TOKEN", "secret");
        Self(command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap())
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
