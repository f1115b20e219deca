//! The loop between one client's bytes and its connection: read, serve, write, until the end.

use std::{
    future::{Future, poll_fn},
    io,
    pin::pin,
    task::Poll,
    time::Duration,
};

use mcp_core::Connection;
use tokio::time::{Instant, timeout, timeout_at};

use crate::{
    lines::{Frame, Lines},
    stream::{Input, Output},
};

/// Answers beyond this many bytes are written before more is read.
const HIGH_WATER: usize = 256 << 10;

/// After so many lines the tasks of this thread have a turn. A runtime lets 61 of them run before it comes back to its
/// main future, which this may be; so that it is more tasks than lines can have begun.
const LINES_A_TURN: usize = 32;

/// What a client is given at the end to take its last answers, whatever else has run out.
const LAST_MOMENT: Duration = Duration::from_millis(500);

/// What one client may cost.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ClientLimits {
    pub(crate) max_message_bytes: usize,
    /// How long its requests may go on after the end of its input, or once the server closes.
    pub(crate) drain_time: Duration,
    /// How long it may take nothing of what is written; for ever if there is none.
    pub(crate) write_time: Option<Duration>,
}

/// Why serving ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// End of input.
    Input,
    /// The server closes.
    Closing,
    /// Nobody reads the answers any more.
    ClientGone,
}

/// One client on its way in and out.
pub(crate) struct Client {
    connection: Connection,
    input: Input,
    output: Output,
    limits: ClientLimits,
    lines: Lines,
    /// Answers on their way, of which the first `written` bytes have gone.
    out: Vec<u8>,
    written: usize,
    /// How many lines came since the other tasks had a turn.
    received: usize,
}

impl Client {
    pub(crate) fn new(connection: Connection, input: Input, output: Output, limits: ClientLimits) -> Self {
        let lines = Lines::new(limits.max_message_bytes);
        Self { connection, input, output, limits, lines, out: Vec::new(), written: 0, received: 0 }
    }

    /// Serves it until it has gone or `closing` is ready, and lets what runs come to an end. What is still running when
    /// the client is dropped is cancelled.
    ///
    /// # Errors
    ///
    /// Input that cannot be read.
    pub(crate) async fn run(&mut self, closing: impl Future<Output = ()>) -> io::Result<End> {
        let end = tokio::select! {
            end = self.serve() => end?,
            () = closing => End::Closing,
        };
        if end != End::ClientGone {
            tracing::debug!(?end, "draining");
            self.drain().await;
        }
        Ok(end)
    }

    /// Closes what belongs to this client alone, such as a socket, once it has [run](Self::run).
    ///
    /// A socket that is closed before all that came was read is reset, and a reset may overtake the last answers: so what
    /// still comes is read, for a moment, and left at that.
    pub(crate) async fn hang_up(mut self) {
        let parting = async {
            self.output.end().await?;
            while self.input.read(&mut self.lines).await? > 0 {
                self.lines.clear();
                // One that sends without end must not keep the time from running out.
                tokio::task::yield_now().await;
            }
            io::Result::Ok(())
        };
        match timeout(LAST_MOMENT, parting).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::trace!(%error, "the client was gone before"),
            Err(_) => tracing::trace!("the client does not hang up"),
        }
    }

    /// Serves until the input ends. May be dropped at any await and gone on with in [`drain`](Self::drain).
    async fn serve(&mut self) -> io::Result<End> {
        loop {
            let is_idle = self.receive_lines();
            if !self.flush().await {
                return Ok(End::ClientGone);
            }
            // Many lines at once must not keep the tasks from running, nor those that were cancelled from ending.
            while self.received >= LINES_A_TURN {
                self.received -= LINES_A_TURN;
                tokio::task::yield_now().await;
            }
            if !is_idle {
                continue;
            }
            // In any order: a call that reports without end must not keep its cancellation from being read.
            tokio::select! {
                () = poll_fn(|cx| self.connection.poll_output(cx, &mut self.out)) => {}
                length = self.input.read(&mut self.lines) => {
                    let length = match length {
                        Err(error) if error.kind() == io::ErrorKind::ConnectionReset => 0,
                        length => length?,
                    };
                    if length == 0 {
                        self.receive_last_line();
                        // Of the output, since clients may close what they write to and read on.
                        return Ok(if self.output.is_hung_up() { End::ClientGone } else { End::Input });
                    }
                }
            }
        }
    }

    /// Serves the lines that have been read; false if it stopped because there is much to write.
    fn receive_lines(&mut self) -> bool {
        while self.out.len() < HIGH_WATER {
            self.received += 1;
            match self.lines.next_frame() {
                Some(Frame::Line(line)) => self.connection.receive(line, &mut self.out),
                Some(Frame::Oversized) => {
                    self.connection.reject_oversized(self.limits.max_message_bytes, &mut self.out)
                }
                None => return true,
            }
        }
        false
    }

    fn receive_last_line(&mut self) {
        match self.lines.last_frame() {
            Some(Frame::Line(line)) => self.connection.receive(line, &mut self.out),
            Some(Frame::Oversized) => {
                self.connection.reject_oversized(self.limits.max_message_bytes, &mut self.out)
            }
            None => {}
        }
    }

    /// Writes out all that is to be said; false once nobody reads it.
    async fn flush(&mut self) -> bool {
        if let Err(error) = self.write_out().await {
            match error.kind() {
                io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => {}
                _ => tracing::warn!(%error, "answers cannot be written"),
            }
            return false;
        }
        self.written = 0;
        self.out.clear();
        // A buffer that a large answer blew up is let go.
        if self.out.capacity() > 4 * HIGH_WATER {
            self.out = Vec::new();
        }
        true
    }

    /// Writes out all that is to be said, and forgets none of it when dropped.
    async fn write_out(&mut self) -> io::Result<()> {
        if self.out.is_empty() {
            return Ok(());
        }
        while self.written < self.out.len() {
            let writing = self.output.write(&self.out, &mut self.written);
            in_time(self.limits.write_time, writing).await?;
        }
        in_time(self.limits.write_time, self.output.flush()).await
    }

    /// Lets what runs come to an end.
    async fn drain(&mut self) {
        let deadline = Instant::now() + self.limits.drain_time;
        self.connection.close();
        while self.connection.is_busy() {
            let waiting = async {
                if !self.flush().await {
                    return false;
                }
                poll_fn(|cx| self.connection.poll_output(cx, &mut self.out)).await;
                true
            };
            match timeout_at(deadline, waiting).await {
                Ok(true) => {}
                Ok(false) => return,
                Err(_) => break,
            }
        }
        self.connection.abandon(&mut self.out);
        // What was cancelled is dropped when the runtime comes by, which may be about to end.
        tokio::task::yield_now().await;
        // A client that does not read is given a moment more, not for ever.
        let last = deadline.max(Instant::now() + LAST_MOMENT);
        let _ = timeout_at(last, self.flush()).await;
    }
}

/// Waits for a client to take something, for at most this long.
async fn in_time(limit: Option<Duration>, writing: impl Future<Output = io::Result<()>>) -> io::Result<()> {
    let mut writing = pin!(writing);
    let Some(limit) = limit else { return writing.await };
    // Most need not wait, and so need no timer.
    if let Poll::Ready(done) = poll_fn(|cx| Poll::Ready(writing.as_mut().poll(cx))).await {
        return done;
    }
    timeout(limit, writing).await.unwrap_or_else(|_| {
        let message = format!("the client has taken nothing for {limit:?}");
        Err(io::Error::new(io::ErrorKind::TimedOut, message))
    })
}
