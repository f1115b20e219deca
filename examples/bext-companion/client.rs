//! A small MCP client: starts a server as its child, and calls its tools over the child's standard input and output.

use std::{
    error::Error,
    ffi::OsStr,
    io::{BufRead, BufReader, Write},
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    thread,
    time::Duration,
};

use serde_json::{Value, json};

/// Longer than any call of the server's own may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// A server that runs as our child, ended when this is dropped.
pub(crate) struct Client {
    child: Child,
    requests: Option<ChildStdin>,
    answers: Receiver<String>,
    next_id: u64,
}

/// What a tool answered.
pub(crate) struct Answer {
    /// Whether it refused or failed.
    pub(crate) is_error: bool,
    /// The answer as text: for a person, or for a model that has to correct its call.
    pub(crate) text: String,
    /// The answer as data; null for an error.
    pub(crate) data: Value,
    /// The stable code of an error; empty otherwise.
    pub(crate) code: String,
}

impl Client {
    /// Starts this very program as a server, with these words of a command line.
    pub(crate) fn start(words: &[&OsStr]) -> Result<Self, Box<dyn Error>> {
        let mut child = Command::new(std::env::current_exe()?)
            .args(words)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let requests = child.stdin.take();
        let output = child.stdout.take().ok_or("the child has no output")?;
        // A thread of its own reads, so that a server that says nothing does not hold us up for ever.
        let (sender, answers) = channel();
        thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Ok(Self { child, requests, answers, next_id: 1 })
    }

    /// Calls a tool.
    pub(crate) fn call(&mut self, tool: &str, arguments: &Value) -> Result<Answer, Box<dyn Error>> {
        let result = self.request("tools/call", json!({ "name": tool, "arguments": arguments }))?;
        let blocks = result["content"].as_array().map(Vec::as_slice).unwrap_or_default();
        let texts: Vec<&str> = blocks.iter().filter_map(|block| block["text"].as_str()).collect();
        Ok(Answer {
            is_error: result["isError"] == true,
            text: texts.join("\n"),
            data: result["structuredContent"].clone(),
            code: result["_meta"]["toolpack/error"]["code"].as_str().unwrap_or_default().to_owned(),
        })
    }

    /// Sends a request of revision 2026-07-28, which says all about itself and needs no handshake before it.
    fn request(&mut self, method: &str, mut params: Value) -> Result<Value, Box<dyn Error>> {
        let id = self.next_id;
        self.next_id += 1;
        params["_meta"] = json!({
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": {},
            "io.modelcontextprotocol/clientInfo": { "name": "bext-companion-demo", "version": super::VERSION },
        });
        let request = json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params });
        let requests = self.requests.as_mut().ok_or("the server was told to end")?;
        requests.write_all(format!("{request}\n").as_bytes())?;
        loop {
            let line = self.answers.recv_timeout(PATIENCE).map_err(|why| match why {
                RecvTimeoutError::Timeout => "the server does not answer",
                RecvTimeoutError::Disconnected => "the server ended before it answered",
            })?;
            let mut message: Value = serde_json::from_str(&line)?;
            if message["id"] != id {
                continue;
            }
            return match message.get_mut("result") {
                Some(result) => Ok(result.take()),
                None => Err(format!("{method} was refused: {}", message["error"]).into()),
            };
        }
    }

    /// Tells the server that there is nothing more, and waits for it to end well.
    pub(crate) fn end(mut self) -> Result<(), Box<dyn Error>> {
        drop(self.requests.take());
        loop {
            match self.answers.recv_timeout(PATIENCE) {
                Ok(_) => {}
                Err(RecvTimeoutError::Timeout) => return Err("the server does not end".into()),
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        let status = self.child.wait()?;
        if status.success() { Ok(()) } else { Err(format!("the server ended with {status}").into()) }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        // Both fail only where it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
