//! An app for the tests: the binary of the tests itself, which serves when it is told to by its environment.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::system;
use super::{HealthCheck, Launch};
use crate::bext::engine::{SecretName, SecretValue};

const SERVES: &str = "bext::node::process::fixture::serves_when_it_is_told_to";

/// An app in a directory of its own.
pub(super) struct Fixture {
    directory: tempfile::TempDir,
}

impl Fixture {
    pub(super) fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// A launch of a script of `sh`, which finds the arguments that have the app served in `$@`.
    pub(super) fn script(&self, script: &str) -> Launch {
        launch_in(self.directory.path(), script)
    }

    /// A launch of the app that answers everything.
    pub(super) fn app(&self) -> Launch {
        self.script(r#"exec "$@""#)
    }

    pub(super) fn log(&self) -> String {
        std::fs::read_to_string(self.path("app.log")).unwrap_or_default()
    }

    /// How many notes the ledger holds.
    pub(super) fn notes(&self) -> usize {
        std::fs::read_dir(self.path("ledger")).map_or(0, Iterator::count)
    }
}

impl Drop for Fixture {
    /// A test that fails in the middle leaves nothing behind either.
    fn drop(&mut self) {
        let Ok(place) = std::fs::canonicalize(self.directory.path()) else { return };
        for process in system::processes().unwrap_or_default() {
            if system::works_in(process.pid, &place) {
                let pid = Pid::from_raw(process.pid.cast_signed()).unwrap();
                let _ = kill_process(pid, Signal::KILL);
            }
        }
    }
}

pub(super) fn launch_in(directory: &Path, script: &str) -> Launch {
    let this = std::env::current_exe().unwrap().to_str().unwrap().to_owned();
    let words = ["sh", "-c", script, "sh", &this, "--exact", SERVES, "--nocapture"];
    Launch {
        app: "shop".parse().unwrap(),
        version: "v1.2.4".parse().unwrap(),
        command: words.map(str::to_owned).to_vec(),
        directory: directory.to_owned(),
        secrets: vec![secret("TEST_SERVES", "200")],
        health: HealthCheck { path: "/".to_owned(), timeout: Duration::from_secs(30) },
        log: directory.join("app.log"),
        ledger: directory.join("ledger"),
    }
}

pub(super) fn secret(name: &str, value: &str) -> (SecretName, SecretValue) {
    (name.parse().unwrap(), SecretValue::try_from(value.to_owned()).unwrap())
}

/// Its children and theirs do not hear SIGTERM, and it does not wait for them.
pub(super) const STUBBORN: &str = r#"
    (
        trap '' TERM
        sh -c 'echo $PPID' >>pids
        (sh -c 'echo $PPID' >>pids; while :; do sleep 1; done) &
        while :; do sleep 1; done
    ) &
    echo $$ >>pids
    exec "$@"
"#;

/// A process and its child that have left the group, and do not hear SIGTERM.
#[cfg(target_os = "linux")]
pub(super) const DAEMON: &str = r#"
    setsid sh -c 'trap "" TERM; sh -c "echo \$PPID" >>pids
        (sh -c "echo \$PPID" >>pids; while :; do sleep 1; done) &
        while :; do sleep 1; done' &
    exec "$@"
"#;

pub(super) fn noted_pids(fixture: &Fixture) -> Vec<u32> {
    let text = std::fs::read_to_string(fixture.path("pids")).unwrap_or_default();
    text.lines().filter_map(|line| line.trim().parse().ok()).collect()
}

/// Waits until something is so, which must come true soon.
pub(super) async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(60);
    while !is_so() {
        assert!(tokio::time::Instant::now() < deadline, "it never came true that {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Whether a process lives.
pub(super) fn lives(pid: u32) -> bool {
    system::process(pid).unwrap().is_some_and(|process| !process.is_dead)
}

/// Asks the app for a path, and returns what it says after the head; nothing if it breaks off.
pub(super) fn ask(address: SocketAddr, path: &str) -> String {
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes()).unwrap();
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer);
    answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default()
}

/// Answers with the status in `TEST_SERVES`, or in the file `status` if that is `file`, or not at all if that is
/// `silent`; `/env` with its environment; ends at `/crash`.
#[test]
fn serves_when_it_is_told_to() {
    let Ok(status) = std::env::var("TEST_SERVES") else { return };
    let address = format!("{}:{}", std::env::var("HOST").unwrap(), std::env::var("PORT").unwrap());
    let listener = TcpListener::bind(address).unwrap();
    let mut held = Vec::new();
    for stream in listener.incoming() {
        let mut stream = stream.unwrap();
        let status =
            if status == "file" { std::fs::read_to_string("status").unwrap() } else { status.clone() };
        if status == "silent" {
            held.push(stream);
            continue;
        }
        let mut lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
        let first = lines.next().unwrap_or_default();
        lines.take_while(|line| !line.is_empty()).for_each(drop);
        let body = match first.split(' ').nth(1) {
            Some("/crash") => std::process::exit(3),
            Some("/env") => std::env::vars().map(|(name, value)| format!("{name}={value}\n")).collect(),
            _ => String::from("hello"),
        };
        let _ = write!(
            stream,
            "HTTP/1.1 {status} Said\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        );
    }
}
