//! What the tests run as processes of their own: this very binary, told by the environment what to do.

use std::{
    env,
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Child, ChildStdout, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use mcp_audit::{AuditConfig, AuditLog, Sink};
use mcp_core::testing::Client;
use serde_json::json;

use crate::harness::server;

const DIRECTORY: &str = "AUDIT_CHILD_DIRECTORY";
const SINK: &str = "AUDIT_CHILD_SINK";
const CALLS: &str = "AUDIT_CHILD_CALLS";

/// A process that answers writes, several at once.
pub(crate) struct Process {
    child: Child,
    said: BufReader<ChildStdout>,
}

/// One that answers so many writes, each of several at once, and ends; or that goes on until it is killed.
pub(crate) fn start(directory: &Path, sink: Sink, calls: Option<usize>) -> Process {
    start_with(&mut Command::new(env::current_exe().unwrap()), directory, sink, calls)
}

/// The same of a command that runs this binary.
pub(crate) fn start_with(
    command: &mut Command,
    directory: &Path,
    sink: Sink,
    calls: Option<usize>,
) -> Process {
    command
        .args(["--exact", "child::answers_writes_until_it_is_killed", "--nocapture", "--test-threads=1"])
        .env(DIRECTORY, directory)
        .env(SINK, if sink == Sink::Sqlite { "sqlite" } else { "files" })
        .env(CALLS, calls.unwrap_or(usize::MAX).to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    let said = BufReader::new(child.stdout.take().unwrap());
    Process { child, said }
}

impl Process {
    /// The next thing that it says in a line of ours, such as `answered KEY`.
    pub(crate) fn next(&mut self) -> Option<String> {
        let mut line = String::new();
        // Half a line, which is what a process leaves behind that is killed, says nothing.
        while self.said.read_line(&mut line).unwrap() > 0 && line.ends_with('\n') {
            if let Some((_, said)) = line.trim_end().split_once("child: ") {
                return Some(said.to_owned());
            }
            line.clear();
        }
        None
    }

    /// Kills it, and reads what it had said by then.
    pub(crate) fn kill(mut self) -> Vec<String> {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        std::iter::from_fn(|| self.next()).collect()
    }

    /// Reads all that it says until it ends by itself.
    pub(crate) fn rest(mut self) -> Vec<String> {
        let said = std::iter::from_fn(|| self.next()).collect();
        assert!(self.child.wait().unwrap().success());
        said
    }
}

fn say(what: &str) {
    let mut out = std::io::stdout().lock();
    out.write_all(format!("child: {what}\n").as_bytes()).unwrap();
    out.flush().unwrap();
}

/// Nothing by itself.
#[test]
fn answers_writes_until_it_is_killed() {
    let Ok(directory) = env::var(DIRECTORY) else { return };
    let sink = if env::var(SINK).unwrap() == "sqlite" { Sink::Sqlite } else { Sink::Files };
    let calls: usize = env::var(CALLS).unwrap().parse().unwrap();
    let config = AuditConfig::new(directory).required().sink(sink).with(|config| {
        config.max_file_bytes = 30_000;
    });
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let runs = Arc::new(AtomicUsize::new(0));
        let endpoint = server(&AuditLog::open(config).unwrap(), &runs).build().unwrap();
        let callers = (0..8).map(|caller| {
            let (endpoint, runs) = (endpoint.clone(), Arc::clone(&runs));
            tokio::spawn(async move {
                let client = Client::new(&endpoint).await;
                for call in 0..calls {
                    let key = format!("{}-{caller}-{call}", std::process::id());
                    let before = runs.load(Ordering::SeqCst);
                    let reply = client.call("store", json!({ "key": key })).await;
                    if reply.is_error() {
                        // Of eight callers every other may have run meanwhile.
                        let ran = runs.load(Ordering::SeqCst) - before;
                        say(&format!("refused {} {ran}", reply.error_code()));
                        return;
                    }
                    say(&format!("answered {key}"));
                }
            })
        });
        for caller in callers.collect::<Vec<_>>() {
            caller.await.unwrap();
        }
        say(&format!("ran {}", runs.load(Ordering::SeqCst)));
    });
}
