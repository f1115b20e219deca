//! Fetching over SSH: the program `ssh` of the user that the node runs as, which may ask nobody anything.

use std::io::Read;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use gix::protocol::transport::Protocol;
use gix::protocol::transport::client::git::ConnectMode;
use gix::protocol::transport::client::git::blocking_io::Connection;

use super::{denied, failed};
use crate::bext::node::source::place::SshAddress;
use crate::bext::node::source::task::Stop;
use crate::error::{Error, ErrorKind};

/// An `ssh` that runs. Dropped, or when the work is to end, it is killed with all that it started.
pub(super) struct Running {
    child: Arc<Mutex<Option<Child>>>,
    pipes: Mutex<Option<(ChildStdout, ChildStdin)>>,
    path: String,
    said: Mutex<Option<JoinHandle<Vec<u8>>>>,
}

impl Running {
    pub(super) fn start(program: &Path, address: &SshAddress, stop: &Stop) -> Result<Self, Error> {
        let mut command = Command::new(program);
        command.args(["-T", "-x", "-oBatchMode=yes", "-oConnectTimeout=15", "-oClearAllForwardings=yes"]);
        command.args(["-oServerAliveInterval=10", "-oServerAliveCountMax=2"]);
        if let Some(port) = address.port {
            command.arg(format!("-p{port}"));
        }
        command.arg("--").arg(&address.host).arg(format!("git-upload-pack {}", quoted(&address.path)));
        command
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("SSH_ASKPASS_REQUIRE", "never")
            .env_remove("GIT_PROTOCOL");
        // A group of its own: what ssh starts, such as a command for a proxy, ends with it.
        command.process_group(0).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|error| {
            let message = "the program ssh cannot be started on the machine that the node runs on";
            Error::new(ErrorKind::Unsupported, "source_unsupported", message).with_source(error)
        })?;
        let pipes = child.stdout.take().zip(child.stdin.take());
        let said = child.stderr.take().map(|mut errors| {
            std::thread::spawn(move || {
                let mut kept = Vec::new();
                // The rest is read and dropped, so that it never waits for a reader.
                let _ = errors.by_ref().take(4096).read_to_end(&mut kept);
                let _ = std::io::copy(&mut errors, &mut std::io::sink());
                kept
            })
        });
        let child = Arc::new(Mutex::new(Some(child)));
        stop.on_stop({
            let child = child.clone();
            move || end(&child)
        });
        Ok(Self { child, pipes: Mutex::new(pipes), path: address.path.clone(), said: Mutex::new(said) })
    }

    /// What git speaks over; once.
    pub(super) fn transport(&self) -> Result<Connection<ChildStdout, ChildStdin>, Error> {
        let pipes = self.pipes.lock().unwrap_or_else(PoisonError::into_inner).take();
        let (output, input) =
            pipes.ok_or_else(|| Error::new(ErrorKind::Unexpected, "internal", "ssh has no pipes"))?;
        let none = None::<(String, Option<u16>)>;
        Ok(Connection::new(
            output,
            input,
            Protocol::V1,
            self.path.as_str(),
            none,
            ConnectMode::Process,
            false,
        ))
    }

    /// Why it failed, by what `ssh` said of it; that itself is for the log.
    pub(super) fn explain(&self, error: gix::Error) -> Error {
        end(&self.child);
        let said = self.said.lock().unwrap_or_else(PoisonError::into_inner).take();
        let said = said.and_then(|said| said.join().ok()).unwrap_or_default();
        let said = String::from_utf8_lossy(&said).into_owned();
        let cause = std::io::Error::other(format!("{error}; ssh said: {said:?}"));
        let has = |text: &str| said.contains(text);
        if has("Host key verification failed") {
            return denied(
                "ssh does not know the host's key yet; connect to it once by hand as the user that the node runs as",
            )
            .with_source(cause);
        }
        if has("Permission denied") {
            return denied("the host takes none of the keys that the node's user has").with_source(cause);
        }
        if has("not appear to be a git repository") || has("epository not found") || has("does not exist") {
            let message = "there is no repository of git at this address";
            return Error::new(ErrorKind::InvalidInput, "source_not_found", message).with_source(cause);
        }
        failed(error).with_source(cause)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        end(&self.child);
    }
}

fn end(child: &Mutex<Option<Child>>) {
    let child = child.lock().unwrap_or_else(PoisonError::into_inner).take();
    let Some(mut child) = child else { return };
    // Not waited for yet, so its number still names it.
    let group = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw);
    if let Some(group) = group {
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
    }
    let _ = child.wait();
}

/// As one word for the shell at the other end.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_one_word() {
        assert_eq!(quoted("a b"), "'a b'");
        assert_eq!(quoted("a'; rm -r ~'"), r"'a'\''; rm -r ~'\'''");
    }
}
