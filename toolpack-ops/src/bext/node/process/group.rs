//! A group of processes that this node started: noted before anything of the app runs, and never lost before its end.
//!
//! Its first process is at first a shell that waits for one line. If the node dies before the note is written, the shell
//! sees the end of its input instead, and ends. The first process is reaped last: as long as it is not, the system gives
//! its number to no other process or group, so a signal to the group can reach no stranger. A process that leaves the group
//! is known by the mark in its environment, and ends with it.

use std::fmt;
use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStderr, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, waitid};

use super::ledger::{Entry, Note};
use super::run::Run;
use super::{Launch, StartError, command, port, system};
use crate::bext::node::secrets::is_of_shells;

/// The shell becomes the app when it was given a line.
const GATE: &str = r#"read -r _ && exec "$@" </dev/null"#;

/// A group that runs. Dropping it kills it at once.
#[derive(Debug)]
pub(super) struct Group {
    /// The number of the group, and of its first process.
    id: Pid,
    /// Where it was told to listen.
    pub(super) port: u16,
    /// By this those are known that left the group.
    run: Run,
    /// None once the group is buried.
    remains: Option<Remains>,
}

#[derive(Debug)]
struct Remains {
    first: Child,
    entry: Option<Entry>,
}

/// A group and what it prints.
#[derive(Debug)]
pub(super) struct Started {
    pub(super) group: Group,
    pub(super) stdout: ChildStdout,
    pub(super) stderr: ChildStderr,
}

impl Group {
    /// Starts the app, noted. Blocks for the disk.
    pub(super) fn start(launch: &Launch) -> Result<Started, StartError> {
        let (mut started, mut gate) = Self::start_closed(launch)?;
        started.group.note(launch)?;
        // A shell that is gone already is seen to have ended.
        let _ = gate.write_all(b"\n");
        Ok(started)
    }

    /// Starts the shell, which waits for a line.
    fn start_closed(launch: &Launch) -> Result<(Started, impl Write + use<>), StartError> {
        let path = command::inherited_path();
        command::check(&launch.command, &launch.directory, &path).map_err(StartError::new)?;
        // None can be set any more; one may have been by an earlier version.
        if let Some((name, _)) = launch.secrets.iter().find(|(name, _)| is_of_shells(name)) {
            return Err(StartError::new(format!(
                "no app can be given a secret of the name {name}, which shells set themselves; name it otherwise"
            )));
        }
        let port = port::free().map_err(|error| failed("no port was found for it", &error))?;
        let run = Run::new().map_err(|error| failed("the system gave no random numbers", &error))?;
        let (mark, id) = run.variable();
        let mut command = Command::new("/bin/sh");
        command
            .args(["-c", GATE, "sh"])
            .args(&launch.command)
            .current_dir(&launch.directory)
            .env_clear()
            .envs(launch.secrets.iter().map(|(name, value)| (name.as_str(), value.expose())))
            .env("PATH", path)
            .env("PORT", port.to_string())
            .env("HOST", "127.0.0.1")
            .env("BEXT_APP", launch.app.as_str())
            .env("BEXT_VERSION", launch.version.as_str())
            .env(mark, id)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0);
        let mut first = command.spawn().map_err(|error| spawn_failed(launch, &error))?;
        let id = Pid::from_child(&first);
        let (stdin, stdout, stderr) = (first.stdin.take(), first.stdout.take(), first.stderr.take());
        // From here on the group is killed, whatever happens.
        let group = Self { id, port, run, remains: Some(Remains { first, entry: None }) };
        let (Some(gate), Some(stdout), Some(stderr)) = (stdin, stdout, stderr) else {
            return Err(StartError::new("its output could not be read".to_owned()));
        };
        Ok((Started { group, stdout, stderr }, gate))
    }

    fn note(&mut self, launch: &Launch) -> Result<(), StartError> {
        let write = || {
            let pid = self.pid();
            let since = system::process(pid)?.ok_or(io::ErrorKind::NotFound)?.since;
            let variables = vec![format!("BEXT_APP={}", launch.app.as_str()), format!("PORT={}", self.port)];
            let directory = std::fs::canonicalize(&launch.directory)?;
            Entry::write(
                &launch.ledger,
                &Note { pid, since, variables, directory, run: Some(self.run.clone()) },
            )
        };
        let entry = write().map_err(|error| failed("it could not be noted that it runs", &error))?;
        if let Some(remains) = &mut self.remains {
            remains.entry = Some(entry);
        }
        Ok(())
    }

    /// The number of its first process.
    pub(super) fn pid(&self) -> u32 {
        self.id.as_raw_pid().unsigned_abs()
    }

    /// How its first process ended; none while it runs.
    pub(super) fn exit(&self) -> Option<Exit> {
        exit(self.id, WaitIdOptions::NOHANG)
    }

    pub(super) fn signal(&self, signal: Signal) {
        if self.remains.is_some() {
            system::signal(self.id, signal);
        }
    }

    /// Sends a signal to those who left the group. Blocks: it looks at each process of the machine.
    pub(super) fn signal_strays(&self, signal: Signal) {
        if self.remains.is_some() {
            self.run.signal(signal, Some(self.id));
        }
    }

    /// Whether all its processes have ended, also those who left it; certain only after they were killed. Blocks: it may
    /// look at each process of the machine.
    pub(super) fn has_ended(&self) -> bool {
        has_ended(self.id) && self.run.count() == 0
    }

    /// Reaps its first process and removes its note, after all have ended. Blocks.
    pub(super) fn bury(mut self) {
        if let Some(remains) = self.remains.take() {
            remains.bury();
        }
    }
}

impl Remains {
    fn bury(mut self) {
        if let Err(error) = self.first.wait() {
            tracing::warn!(%error, "a process could not be reaped");
        }
        if let Some(entry) = self.entry {
            entry.remove();
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let Some(remains) = self.remains.take() else { return };
        let (id, run) = (self.id, self.run.clone());
        system::signal(id, Signal::KILL);
        // A thread of its own, for there may be no runtime any more. If there is none, or it does not get to the end, then
        // the note stays, and the next node sweeps it away.
        let finish = move || {
            let deadline = Instant::now() + system::KILL_TIME;
            let mut pause = Duration::from_millis(1);
            while run.signal(Signal::KILL, None) > 0 || !has_ended(id) {
                if Instant::now() > deadline {
                    tracing::warn!(?id, "a group of processes is left after it was killed");
                    return;
                }
                std::thread::sleep(pause);
                pause = (pause * 2).min(Duration::from_millis(100));
                system::signal(id, Signal::KILL);
            }
            remains.bury();
        };
        if let Err(error) = std::thread::Builder::new().name("bext-reaper".to_owned()).spawn(finish) {
            tracing::warn!(%error, "a killed process could not be reaped");
        }
    }
}

fn has_ended(id: Pid) -> bool {
    if exit(id, WaitIdOptions::NOHANG).is_none() {
        return false;
    }
    match system::has_living(id) {
        Ok(has_living) => !has_living,
        Err(error) => {
            tracing::warn!(%error, "the processes of the machine could not be listed");
            false
        }
    }
}

/// How a process ended, which is left as it is.
fn exit(pid: Pid, options: WaitIdOptions) -> Option<Exit> {
    match waitid(WaitId::Pid(pid), options | WaitIdOptions::EXITED | WaitIdOptions::NOWAIT) {
        Ok(None) | Err(rustix::io::Errno::INTR) => None,
        Ok(Some(status)) => Some(match (status.exit_status(), status.terminating_signal()) {
            (Some(code), _) => Exit::Status(code),
            (None, Some(signal)) => Exit::Signal(signal),
            (None, None) => Exit::Unknown,
        }),
        // Somebody else has reaped it.
        Err(_) => Some(Exit::Unknown),
    }
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exit {
    Status(i32),
    Signal(i32),
    Unknown,
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(126) => f.write_str("it ended with status 126 (a command that cannot be executed)"),
            Self::Status(127) => f.write_str("it ended with status 127 (command not found)"),
            Self::Status(code) => write!(f, "it ended with status {code}"),
            Self::Signal(number) => {
                write!(f, "it was ended by signal {number}")?;
                let named = [
                    (Signal::ABORT, "SIGABRT"),
                    (Signal::BUS, "SIGBUS"),
                    (Signal::HUP, "SIGHUP"),
                    (Signal::ILL, "SIGILL"),
                    (Signal::INT, "SIGINT"),
                    (Signal::KILL, "SIGKILL, which the system sends too when memory is short"),
                    (Signal::PIPE, "SIGPIPE"),
                    (Signal::SEGV, "SIGSEGV"),
                    (Signal::TERM, "SIGTERM"),
                ];
                let name = named.iter().find(|(signal, _)| signal.as_raw() == *number);
                name.map_or(Ok(()), |(_, name)| write!(f, " ({name})"))
            }
            Self::Unknown => f.write_str("it ended"),
        }
    }
}

fn spawn_failed(launch: &Launch, error: &io::Error) -> StartError {
    if !launch.directory.is_dir() {
        return failed("its files are not there any more", error);
    }
    match error.kind() {
        io::ErrorKind::ArgumentListTooLong => StartError::new(
            "its arguments and secrets are larger than the system gives to a process; make them fewer or shorter"
                .to_owned(),
        ),
        _ => failed("the system could not start it", error),
    }
}

/// An error whose cause goes to the log: it may name places of the server.
fn failed(message: &str, error: &io::Error) -> StartError {
    tracing::warn!(%error, "a process was not started: {message}");
    StartError::new(message.to_owned())
}

#[cfg(test)]
#[path = "group_tests.rs"]
mod tests;
