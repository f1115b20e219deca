//! A connection whose client has to take what is written to it.

use std::{
    future::Future,
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::Sleep,
};

/// What was read of a stream to tell what it is.
#[derive(Debug, Default)]
pub(crate) struct Prefix {
    bytes: [u8; Self::MAX],
    length: u8,
}

impl Prefix {
    /// As much as it may take to tell: the preface of HTTP/2.
    pub(crate) const MAX: usize = 24;

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.length)]
    }

    /// Reads what is there, as far as there is room; 0 at the end of the stream.
    pub(crate) async fn read(&mut self, stream: &TcpStream) -> io::Result<usize> {
        loop {
            stream.readable().await?;
            match stream.try_read(&mut self.bytes[usize::from(self.length)..]) {
                Ok(length) => {
                    // Never more than there is room for.
                    self.length += length as u8;
                    return Ok(length);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Hands out what was read, as far as there is room; whether there was any.
    fn replay(&mut self, buffer: &mut ReadBuf<'_>) -> bool {
        if self.length == 0 {
            return false;
        }
        let length = self.bytes().len().min(buffer.remaining());
        buffer.put_slice(&self.bytes[..length]);
        self.bytes.copy_within(length.., 0);
        self.length -= length as u8;
        length > 0
    }
}

/// A stream that fails when nothing of what is to be written has been taken for a while: whoever does not read would
/// otherwise keep an answer in memory, and a place among the connections, for ever.
#[derive(Debug)]
pub(crate) struct Patient {
    stream: TcpStream,
    prefix: Prefix,
    limit: Duration,
    /// Set while writing has to wait.
    patience: Option<Pin<Box<Sleep>>>,
}

impl Patient {
    /// A stream of which the prefix has been read already; it is read again.
    pub(crate) fn new(stream: TcpStream, prefix: Prefix, limit: Duration) -> Self {
        Self { stream, prefix, limit, patience: None }
    }

    /// What came of writing, unless it has waited for too long.
    fn judge(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if written.is_ready() {
            self.patience = None;
            return written;
        }
        let limit = self.limit;
        let patience = self.patience.get_or_insert_with(|| Box::pin(tokio::time::sleep(limit)));
        patience.as_mut().poll(cx).map(|()| {
            Err(io::Error::new(io::ErrorKind::TimedOut, format!("the client has read nothing for {limit:?}")))
        })
    }
}

impl AsyncRead for Patient {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let replayed = self.prefix.replay(buffer);
        match Pin::new(&mut self.stream).poll_read(cx, buffer) {
            // What comes after the prefix may take its time, or never come; mostly it is there, and both are one read.
            Poll::Pending | Poll::Ready(Err(_)) if replayed => Poll::Ready(Ok(())),
            read => read,
        }
    }
}

impl AsyncWrite for Patient {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.judge(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.judge(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
