//! An example of this workspace as a process that cannot outlive its test.

use std::{
    cell::RefCell,
    io::{BufRead, BufReader, Write},
    path::PathBuf,
    process::{Child, ChildStdin, Command, ExitStatus, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

/// Longer than anything takes; what runs into it is broken.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A running server, spoken to in lines; killed when dropped.
pub(crate) struct Server {
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Receiver<String>,
    errors: Receiver<String>,
    /// What it said on standard error before it said where it listens.
    said: RefCell<Vec<String>>,
}

/// The file of an example, beside the test that runs.
pub(crate) fn example(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let path = test.ancestors().nth(2).unwrap().join("examples").join(name);
    assert!(
        path.exists(),
        "{} is not built: run the tests with `--examples` or without a filter",
        path.display()
    );
    path
}

impl Server {
    /// Starts an example with its pipes in our hands.
    pub(crate) fn start(name: &str, args: &[&str]) -> Self {
        Self::spawn(Command::new(example(name)).args(args).stdin(Stdio::piped()).stdout(Stdio::piped()))
    }

    /// Starts a command; output that is piped is read from now on.
    pub(crate) fn spawn(command: &mut Command) -> Self {
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let stdin = child.stdin.take();
        let lines = child.stdout.take().map_or_else(|| channel().1, read_lines);
        let errors = child.stderr.take().map_or_else(|| channel().1, read_lines);
        Self { child, stdin, lines, errors, said: RefCell::default() }
    }

    /// The URL that an HTTP server says it listens on.
    pub(crate) fn url(&self) -> String {
        loop {
            let line =
                self.errors.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("it said {:?}", self.said()));
            match line.strip_prefix("listening on ") {
                Some(url) => return url.to_owned(),
                None => self.said.borrow_mut().push(line),
            }
        }
    }

    /// What it said on standard error before it said where it listens.
    pub(crate) fn said(&self) -> Vec<String> {
        self.said.borrow().clone()
    }

    /// Has it end in good order.
    pub(crate) fn terminate(&mut self) {
        kill_process(Pid::from_raw(self.id()).unwrap(), Signal::TERM).unwrap();
        assert!(self.wait().success());
    }

    pub(crate) fn id(&self) -> i32 {
        i32::try_from(self.child.id()).unwrap()
    }

    /// Sends bytes as they are.
    pub(crate) fn send_bytes(&mut self, bytes: &[u8]) {
        self.stdin.as_mut().unwrap().write_all(bytes).unwrap();
    }

    /// Sends a message as a line.
    pub(crate) fn send(&mut self, message: &Value) {
        self.send_bytes(format!("{message}\n").as_bytes());
    }

    /// The next message.
    pub(crate) fn receive(&self) -> Value {
        match self.try_receive() {
            Some(message) => message,
            None => panic!("the server ended; it said {:?}", self.errors.try_iter().collect::<Vec<_>>()),
        }
    }

    /// The next message, or none if the server has ended.
    pub(crate) fn try_receive(&self) -> Option<Value> {
        match self.lines.recv_timeout(PATIENCE) {
            Ok(line) => Some(serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"))),
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => panic!("no message in {PATIENCE:?}"),
        }
    }

    /// The answer to the request of this id, whatever comes before it.
    pub(crate) fn answer_to(&self, id: impl Into<Value>) -> Value {
        let id = id.into();
        loop {
            let message = self.receive();
            if message.get("id") == Some(&id) {
                return message;
            }
        }
    }

    /// Ends the input.
    pub(crate) fn end_input(&mut self) {
        self.stdin = None;
    }

    /// Waits for the end of the process.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(start.elapsed() < PATIENCE, "it does not end");
            thread::yield_now();
        }
    }

    /// All that it has said on standard error, once it has ended.
    pub(crate) fn errors(&self) -> Vec<String> {
        self.errors.iter().collect()
    }
}

/// The most memory that a process has ever had, in bytes.
pub(crate) fn peak_memory(id: u32) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() * 1024
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn read_lines(stream: impl std::io::Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    receiver
}

/// A request of the modern era.
pub(crate) fn request(id: impl Into<Value>, method: &str, mut params: Value) -> Value {
    params["_meta"]["io.modelcontextprotocol/protocolVersion"] = json!("2026-07-28");
    params["_meta"]["io.modelcontextprotocol/clientCapabilities"] = json!({});
    json!({"jsonrpc": "2.0", "id": id.into(), "method": method, "params": params})
}

/// A call of a tool in the modern era.
pub(crate) fn call(id: impl Into<Value>, tool: &str, arguments: Value) -> Value {
    request(id, "tools/call", json!({"name": tool, "arguments": arguments}))
}

/// The request that opens a session.
pub(crate) fn initialize(version: &str) -> Value {
    json!({"jsonrpc": "2.0", "id": "init", "method": "initialize", "params": {
        "protocolVersion": version, "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}})
}
