//! Standard input and output as descriptors of our own: non-blocking where that harms nobody, else behind threads.
//!
//! `O_NONBLOCK` belongs to the open file, not to the descriptor, so that it shows in every process that shares it.
//! A pipe or a socket that a client made for us is safe; a terminal, a file, or whatever standard error is too (where
//! our own log would then fail on a full pipe) is left as it is.

use std::{
    fs::File,
    io::{self, Read, Write},
    os::fd::{AsFd, OwnedFd},
    sync::Arc,
};

use rustix::{
    event::{PollFd, PollFlags, poll},
    fs::{FileType, OFlags, fcntl_getfl, fcntl_setfl, fstat},
};
use tokio::{
    net::{UnixStream, unix::pipe},
    sync::mpsc,
};

use crate::stream::{Input, Output};

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

/// Reads on a thread of its own: one chunk ahead at most, and it ends with the process if it is stuck.
fn read_on_thread(mut file: File) -> io::Result<mpsc::Receiver<io::Result<Vec<u8>>>> {
    let (sender, chunks) = mpsc::channel(1);
    std::thread::Builder::new().name("stdin".to_owned()).spawn(move || {
        let mut buffer = vec![0; 64 << 10];
        loop {
            let chunk = match file.read(&mut buffer) {
                Ok(0) => return,
                Ok(length) => Ok(buffer[..length].to_vec()),
                Err(error) => match wait_after(error, &file, PollFlags::IN) {
                    Ok(()) => continue,
                    Err(error) => Err(error),
                },
            };
            let is_last = chunk.is_err();
            if sender.blocking_send(chunk).is_err() || is_last {
                return;
            }
        }
    })?;
    Ok(chunks)
}

/// Writes on a thread of its own, one chunk at a time; if that is stuck, it ends with the process.
///
/// No task of the runtime's, since a runtime waits at its end for tasks that block, and for a client that does not
/// read it would wait for ever.
#[derive(Debug)]
pub(crate) struct Writer {
    chunks: mpsc::Sender<Vec<u8>>,
    results: mpsc::Receiver<io::Result<()>>,
    /// How many bytes the thread has that it has not reported as written.
    handed: usize,
}

impl Writer {
    fn new(mut file: File) -> io::Result<Self> {
        let (chunks, mut handed) = mpsc::channel::<Vec<u8>>(1);
        let (reports, results) = mpsc::channel(1);
        std::thread::Builder::new().name("stdout".to_owned()).spawn(move || {
            while let Some(chunk) = handed.blocking_recv() {
                if reports.blocking_send(write_all(&mut file, &chunk)).is_err() {
                    return;
                }
            }
        })?;
        Ok(Self { chunks, results, handed: 0 })
    }

    /// Writes bytes, and says how many. After it was dropped it is to be given what it was given before, and more if
    /// there is more: those that are on their way are waited for, and nothing is written twice.
    pub(crate) async fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let gone = || io::Error::from(io::ErrorKind::BrokenPipe);
        if self.handed == 0 {
            self.chunks.try_send(bytes.to_vec()).map_err(|_| gone())?;
            self.handed = bytes.len();
        }
        let result = self.results.recv().await;
        let length = std::mem::take(&mut self.handed);
        result.unwrap_or_else(|| Err(gone())).map(|()| length)
    }
}

fn write_all(file: &mut File, mut rest: &[u8]) -> io::Result<()> {
    while !rest.is_empty() {
        match file.write(rest) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(length) => rest = &rest[length..],
            Err(error) => wait_after(error, file, PollFlags::OUT)?,
        }
    }
    Ok(())
}

/// Waits where trying again may help: whoever shares a terminal may have made it non-blocking.
fn wait_after(error: io::Error, file: &File, ready: PollFlags) -> io::Result<()> {
    match error.kind() {
        io::ErrorKind::Interrupted => Ok(()),
        io::ErrorKind::WouldBlock => match poll(&mut [PollFd::new(file, ready)], None) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        },
        _ => Err(error),
    }
}
