//! Bytes both ways between a client's pipes and the node, unread.

use std::{
    fs::File,
    io::{self, Read, Write},
    net::Shutdown,
    os::{
        fd::{AsFd, BorrowedFd},
        unix::net::UnixStream,
    },
    thread,
};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tokio::sync::{
    mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    oneshot,
};

/// How much is copied at once, in bytes; as much as a pipe holds.
const AT_ONCE: usize = 64 << 10;

/// What has come to an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// The client's input. The node knows.
    Input,
    /// The client: it takes nothing more.
    Client,
    /// The node, and the client has all that came.
    Node(Parting),
}

/// How the node has ended a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Parting {
    /// It said that nothing more comes, and left it to us to hang up.
    Orderly,
    /// It was gone at once, or we were too slow to see.
    Abrupt,
}

impl Parting {
    /// To be asked as soon as nothing more comes: a node that lives waits for a moment.
    fn of(node: &UnixStream) -> Self {
        let mut asked = [PollFd::new(node, PollFlags::empty())];
        let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
        // Set once both ways are closed, and we have closed none, or have nothing to ask any more.
        match poll(&mut asked, Some(&at_once)) {
            Ok(_) if !asked[0].revents().contains(PollFlags::HUP) => Self::Orderly,
            _ => Self::Abrupt,
        }
    }
}

/// Copying that goes on in threads: pipes may be of a kind on which only a thread can wait, and must not be changed.
#[derive(Debug)]
pub(super) struct Copying(UnboundedReceiver<io::Result<Ended>>);

impl Copying {
    /// What ends next.
    pub(super) async fn next(&mut self) -> io::Result<Ended> {
        // Both threads have said what they had to say before they let go of their ends.
        self.0.recv().await.unwrap_or(Ok(Ended::Node(Parting::Abrupt)))
    }
}

/// Begins to copy standard input to the node, and what it answers to standard output.
pub(super) fn start(node: UnixStream, early: Vec<u8>) -> io::Result<Copying> {
    let (stdin, stdout) =
        (io::stdin().as_fd().try_clone_to_owned()?, io::stdout().as_fd().try_clone_to_owned()?);
    let (up, down) = (node.try_clone()?, node);
    let (sender, receiver) = unbounded_channel();
    let ended = sender.clone();
    thread::Builder::new().name("input".to_owned()).spawn(move || upward(File::from(stdin), &up, &ended))?;
    thread::Builder::new()
        .name("output".to_owned())
        .spawn(move || downward(&down, File::from(stdout), &early, &sender))?;
    Ok(Copying(receiver))
}

/// Waits for the end of a stream on which nothing comes.
pub(super) fn end_of(mut stream: UnixStream) -> io::Result<oneshot::Receiver<Parting>> {
    let (sender, receiver) = oneshot::channel();
    thread::Builder::new().name("end".to_owned()).spawn(move || {
        // Whatever came would be its end, as an error is.
        let _ = stream.read(&mut [0]);
        let _ = sender.send(Parting::of(&stream));
    })?;
    Ok(receiver)
}

fn upward(input: File, mut node: &UnixStream, ended: &UnboundedSender<io::Result<Ended>>) {
    let mut bytes = vec![0; AT_ONCE];
    let said = loop {
        match read(&input, &mut bytes) {
            Ok(0) => break Ok(Ended::Input),
            // The other thread sees that it has hung up, and says so.
            Ok(length) => match node.write_all(&bytes[..length]) {
                Ok(()) => {}
                Err(_) => return,
            },
            Err(error) => break Err(error),
        }
    };
    // Said first, since the node may hang up at once.
    let _ = ended.send(said);
    let _ = node.shutdown(Shutdown::Write);
}

fn downward(mut node: &UnixStream, output: File, early: &[u8], ended: &UnboundedSender<io::Result<Ended>>) {
    let mut bytes = vec![0; AT_ONCE];
    let mut written = write(&output, early);
    let said = loop {
        if let Err(error) = written {
            // A client that goes away is no error; any other trouble with its pipe is.
            break if error.kind() == io::ErrorKind::BrokenPipe { Ok(Ended::Client) } else { Err(error) };
        }
        match node.read(&mut bytes) {
            Ok(0) => break Ok(Ended::Node(Parting::of(node))),
            Ok(length) => written = write(&output, &bytes[..length]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => {
                break Ok(Ended::Node(Parting::Abrupt));
            }
            Err(error) => break Err(error),
        }
    };
    let _ = ended.send(said);
}

/// Reads from a pipe that another process may have made non-blocking, which is then so for us, too.
fn read(mut input: &File, bytes: &mut [u8]) -> io::Result<usize> {
    loop {
        match input.read(bytes) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => wait(input.as_fd(), PollFlags::IN)?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            read => return read,
        }
    }
}

fn write(mut output: &File, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match output.write(bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(length) => bytes = &bytes[length..],
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => wait(output.as_fd(), PollFlags::OUT)?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn wait(file: BorrowedFd<'_>, flags: PollFlags) -> io::Result<()> {
    match poll(&mut [PollFd::from_borrowed_fd(file, flags)], None) {
        Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
