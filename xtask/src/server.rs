//! The example `everything` as a running server: built, started on a free port, and gone when its handle is dropped.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use crate::step::Log;
use crate::{Problem, built};

/// What the server prints on standard error before its URL, once it accepts.
const ANNOUNCEMENT: &str = "listening on ";
/// Far more than it needs; only so that a server that never says so cannot hold up the run.
const START_LIMIT: Duration = Duration::from_secs(30);

/// A running server. Dropping it ends the process, whatever the way out.
pub(crate) struct Server {
    process: Child,
    /// Its MCP endpoint.
    pub(crate) url: String,
    lines: Option<mpsc::Receiver<String>>,
}

impl Server {
    /// Builds the example as the tests do and starts it.
    pub(crate) fn start(log: &mut Log) -> Result<Self, Problem> {
        Self::run(&mut Command::new(build(log)?), log)
    }

    /// Starts the example, with whatever the command says beside the address.
    pub(crate) fn run(command: &mut Command, log: &mut Log) -> Result<Self, Problem> {
        let mut process = command
            .args(["--http", "127.0.0.1:0"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| format!("cannot start {}: {error}", command.get_program().display()))?;
        let lines = lines_of(&mut process)?;
        // From here on an early return drops the process, which ends it.
        let mut server = Self { process, url: String::new(), lines: None };
        let mut said = String::new();
        loop {
            match lines.recv_timeout(START_LIMIT) {
                Ok(line) => {
                    if let Some((_, url)) = line.split_once(ANNOUNCEMENT) {
                        server.url = url.trim().to_owned();
                        log.say(format_args!("the server listens on {}", server.url));
                        server.lines = Some(lines);
                        return Ok(server);
                    }
                    said += &format!("{line}\n");
                }
                Err(mpsc::RecvTimeoutError::Timeout) => {
                    return Err(format!(
                        "the server did not say `{ANNOUNCEMENT}URL` in time; it said:\n{said}"
                    ));
                }
                Err(mpsc::RecvTimeoutError::Disconnected) => {
                    return Err(format!("the server ended before it listened; it said:\n{said}"));
                }
            }
        }
    }

    /// The id of its process.
    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    /// What it says on standard error after its URL; it can be taken once.
    pub(crate) fn take_lines(&mut self) -> Option<mpsc::Receiver<String>> {
        self.lines.take()
    }
}

/// Builds the example with the same packages and features as the tests, so that nothing is built twice.
pub(crate) fn build(log: &mut Log) -> Result<PathBuf, Problem> {
    built::program("everything", &["--workspace", "--all-features", "--example", "everything"], log)
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to end.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The lines of standard error. They are read to the end, wanted or not: a full pipe would stop the server.
pub(crate) fn lines_of(process: &mut Child) -> Result<mpsc::Receiver<String>, Problem> {
    let stderr = process.stderr.take().ok_or("the server has no standard error")?;
    let (send, receive) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            // Perhaps nobody listens any more.
            let _ = send.send(line);
        }
    });
    Ok(receive)
}
