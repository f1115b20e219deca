//! Standard input and output as descriptors of our own: non-blocking where that harms nobody, else behind threads.
//!
//! `O_NONBLOCK` belongs to the open file, not to the descriptor, so that it shows in every process that shares it.
//! A pipe or a socket that a client made for us is safe; a terminal, a file, or whatever standard error is too (where
//! our own log would then fail on a full pipe) is left as it is.

use std::{
    fs::File,
    io,
    os::fd::{AsFd, OwnedFd},
    sync::Arc,
};

use rustix::fs::{FileType, OFlags, fcntl_getfl, fcntl_setfl, fstat};
use tokio::net::{UnixStream, unix::pipe};

use crate::{
    stream::{Input, Output},
    threads::{Writer, read_on_thread},
};

/// Both, with the flags that the open files had before.
pub(crate) struct Streams {
    pub(crate) input: Input,
    pub(crate) output: Output,
    _flags: [Flags; 2],
}

/// Takes standard input, and standard output away from everybody else.
pub(crate) fn take() -> io::Result<Streams> {
    let stdin = io::stdin().as_fd().try_clone_to_owned()?;
    let stdout = io::stdout().as_fd().try_clone_to_owned()?;
    // Both before either becomes a stream of tokio's, which sets them: they may be one and the same file.
    let flags = [Flags::of(&stdin)?, Flags::of(&stdout)?];
    let input = match Kind::of(&stdin)? {
        Kind::Pipe => Input::Pipe(pipe::Receiver::from_owned_fd(stdin)?),
        Kind::Socket => Input::Unix(socket(stdin)?),
        Kind::Other => Input::Thread(read_on_thread(File::from(stdin))?),
    };
    let output = match Kind::of(&stdout)? {
        Kind::Pipe => Output::Pipe(pipe::Sender::from_owned_fd(stdout)?),
        Kind::Socket => Output::Unix(socket(stdout)?),
        Kind::Other => Output::Thread(Writer::new(File::from(stdout))?),
    };
    point_stdout_elsewhere()?;
    Ok(Streams { input, output, _flags: flags })
}

/// What kind of file a descriptor stands for, as far as it matters here.
enum Kind {
    Pipe,
    /// A Unix socket, which is what Node gives its children.
    Socket,
    /// What must not be made non-blocking.
    Other,
}

impl Kind {
    fn of(descriptor: &OwnedFd) -> io::Result<Self> {
        let about = fstat(descriptor)?;
        let is_stderr = fstat(io::stderr().as_fd())
            .is_ok_and(|stderr| (stderr.st_dev, stderr.st_ino) == (about.st_dev, about.st_ino));
        if is_stderr {
            return Ok(Self::Other);
        }
        Ok(match FileType::from_raw_mode(about.st_mode) {
            FileType::Fifo => Self::Pipe,
            FileType::Socket if is_unix_socket(descriptor) => Self::Socket,
            _ => Self::Other,
        })
    }
}

fn is_unix_socket(descriptor: &OwnedFd) -> bool {
    let socket = descriptor.try_clone().map(std::os::unix::net::UnixStream::from);
    socket.is_ok_and(|socket| socket.local_addr().is_ok())
}

fn socket(descriptor: OwnedFd) -> io::Result<Arc<UnixStream>> {
    let socket = std::os::unix::net::UnixStream::from(descriptor);
    socket.set_nonblocking(true)?;
    UnixStream::from_std(socket).map(Arc::new)
}

/// The flags of an open file as they were; set back when dropped.
#[derive(Debug)]
pub(crate) struct Flags {
    descriptor: OwnedFd,
    before: OFlags,
}

impl Flags {
    fn of(descriptor: &OwnedFd) -> io::Result<Self> {
        Ok(Self { before: fcntl_getfl(descriptor)?, descriptor: descriptor.try_clone()? })
    }
}

impl Drop for Flags {
    fn drop(&mut self) {
        // Where it fails there is nobody left to be told.
        let _ = fcntl_setfl(&self.descriptor, self.before);
    }
}

/// Makes descriptor 1 a second standard error, for whoever prints.
///
/// It stays so for good: what the standard library still holds in its buffer goes out when the process exits.
fn point_stdout_elsewhere() -> io::Result<()> {
    let stderr = io::stderr();
    if rustix::stdio::dup2_stdout(stderr.as_fd()).is_ok() {
        return Ok(());
    }
    // A process without standard error.
    let null = File::options().write(true).open("/dev/null")?;
    Ok(rustix::stdio::dup2_stdout(&null)?)
}
