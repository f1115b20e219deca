//! The bytes of one client, in and out: pipes, sockets, threads for what blocks, and streams that others made.

use std::{io, os::fd::AsFd, sync::Arc};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    net::{Shutdown, shutdown},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf},
    net::{TcpStream, UnixStream, unix::pipe},
    sync::mpsc,
};

use crate::{lines::Lines, threads::Writer};

/// Any stream in both directions.
pub(crate) trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// Where messages come from.
pub(crate) enum Input {
    Pipe(pipe::Receiver),
    Unix(Arc<UnixStream>),
    Tcp(Arc<TcpStream>),
    Thread(mpsc::Receiver<io::Result<Vec<u8>>>),
    Stream(ReadHalf<Box<dyn Duplex>>),
}

/// Where answers go.
pub(crate) enum Output {
    Pipe(pipe::Sender),
    Unix(Arc<UnixStream>),
    Tcp(Arc<TcpStream>),
    Thread(Writer),
    Stream(WriteHalf<Box<dyn Duplex>>),
}

impl Input {
    /// Reads what there is, waiting for some; 0 at the end of input. Loses nothing when dropped.
    pub(crate) async fn read(&mut self, lines: &mut Lines) -> io::Result<usize> {
        loop {
            // Reading first and asking for readiness only when there is nothing saves a system call a message.
            let result = match self {
                Self::Pipe(pipe) => pipe.try_read(lines.room()),
                Self::Unix(socket) => socket.try_read(lines.room()),
                Self::Tcp(socket) => socket.try_read(lines.room()),
                Self::Stream(stream) => stream.read(lines.room()).await,
                Self::Thread(chunks) => {
                    let Some(chunk) = chunks.recv().await else { return Ok(0) };
                    let chunk = chunk?;
                    lines.append(&chunk);
                    return Ok(chunk.len());
                }
            };
            match result {
                Ok(length) => {
                    lines.filled(length);
                    return Ok(length);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => match self {
                    Self::Pipe(pipe) => pipe.readable().await?,
                    Self::Unix(socket) => socket.readable().await?,
                    Self::Tcp(socket) => socket.readable().await?,
                    Self::Stream(_) | Self::Thread(_) => return Err(error),
                },
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

impl Output {
    /// Writes some of the bytes from `written` on and moves `written`; loses nothing when dropped.
    pub(crate) async fn write(&mut self, bytes: &[u8], written: &mut usize) -> io::Result<()> {
        loop {
            let rest = &bytes[*written..];
            let result = match self {
                Self::Pipe(pipe) => pipe.try_write(rest),
                Self::Unix(socket) => socket.try_write(rest),
                Self::Tcp(socket) => socket.try_write(rest),
                Self::Stream(stream) => stream.write(rest).await,
                Self::Thread(writer) => writer.write(rest).await,
            };
            match result {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(length) => {
                    *written += length;
                    return Ok(());
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => match self {
                    Self::Pipe(pipe) => pipe.writable().await?,
                    Self::Unix(socket) => socket.writable().await?,
                    Self::Tcp(socket) => socket.writable().await?,
                    Self::Stream(_) | Self::Thread(_) => return Err(error),
                },
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Whether it is certain that nobody reads any more. Over TCP a client that has closed the connection looks the same
    /// as one that has merely said all it has to say, until something is written.
    pub(crate) fn is_hung_up(&self) -> bool {
        let socket = match self {
            Self::Unix(socket) => socket.as_fd(),
            Self::Tcp(socket) => socket.as_fd(),
            Self::Pipe(_) | Self::Thread(_) | Self::Stream(_) => return false,
        };
        let mut asked = [PollFd::from_borrowed_fd(socket, PollFlags::empty())];
        poll(&mut asked, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })).is_ok()
            && asked[0].revents().contains(PollFlags::HUP)
    }

    /// Sends on what a stream keeps back although it was written, as TLS may.
    pub(crate) async fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Stream(stream) => stream.flush().await,
            Self::Pipe(_) | Self::Unix(_) | Self::Tcp(_) | Self::Thread(_) => Ok(()),
        }
    }

    /// Tells the client that nothing more comes; it may still be read from.
    pub(crate) async fn end(&mut self) -> io::Result<()> {
        match self {
            Self::Unix(socket) => Ok(shutdown(socket, Shutdown::Write)?),
            Self::Tcp(socket) => Ok(shutdown(socket, Shutdown::Write)?),
            Self::Stream(stream) => stream.shutdown().await,
            Self::Pipe(_) | Self::Thread(_) => Ok(()),
        }
    }
}
