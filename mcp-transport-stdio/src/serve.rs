//! The loop between descriptors and connection: read, serve, write, until the end.

use std::{io, time::Duration};

use mcp_core::{Connection, Endpoint, Principal, TransportKind};
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    time::Instant,
};

use crate::{
    ServeError, Stdio,
    descriptor::Streams,
    lines::{Frame, Lines},
};

/// Answers beyond this many bytes are written before more is read.
const HIGH_WATER: usize = 256 << 10;

/// After so many lines the tasks of this thread have a turn. A runtime lets 61 of them run before it comes back to its
/// main future, which this may be; so that it is more tasks than lines can have begun.
const LINES_A_TURN: usize = 32;

/// Serves one client until it has gone, or a signal comes.
pub(crate) async fn run(endpoint: &Endpoint, streams: Streams, options: &Stdio) -> Result<(), ServeError> {
    let mut signals = Signals::listen().map_err(ServeError::Signal)?;
    let mut client = Client {
        connection: Connection::new(endpoint, Principal::local(), TransportKind::Pipe),
        lines: Lines::new(options.max_message_bytes),
        max_message_bytes: options.max_message_bytes,
        streams,
        out: Vec::new(),
        written: 0,
        received: 0,
    };
    let end = tokio::select! {
        end = client.serve() => end?,
        () = signals.next() => End::Signal,
    };
    match end {
        End::ClientGone => return Ok(()),
        End::Input | End::Signal => tracing::debug!(?end, "draining"),
    }
    tokio::select! {
        () = client.drain(options.drain_time) => {}
        () = signals.next() => tracing::debug!("cut short by a second signal"),
    }
    Ok(())
}

/// Why serving ended.
#[derive(Debug)]
enum End {
    /// End of input.
    Input,
    /// SIGTERM or SIGINT.
    Signal,
    /// Nobody reads the answers any more.
    ClientGone,
}

struct Client {
    connection: Connection,
    lines: Lines,
    max_message_bytes: usize,
    streams: Streams,
    /// Answers on their way, of which the first `written` bytes have gone.
    out: Vec<u8>,
    written: usize,
    /// How many lines came since the other tasks had a turn.
    received: usize,
}

impl Client {
    /// Serves until the input ends. May be dropped at any await and gone on with in [`drain`](Self::drain).
    async fn serve(&mut self) -> Result<End, ServeError> {
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
                () = std::future::poll_fn(|cx| self.connection.poll_output(cx, &mut self.out)) => {}
                length = self.streams.input.read(&mut self.lines) => {
                    if length.map_err(ServeError::Read)? == 0 {
                        self.receive_last_line();
                        return Ok(End::Input);
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
                    self.connection.reject_oversized(self.max_message_bytes, &mut self.out)
                }
                None => return true,
            }
        }
        false
    }

    fn receive_last_line(&mut self) {
        match self.lines.last_frame() {
            Some(Frame::Line(line)) => self.connection.receive(line, &mut self.out),
            Some(Frame::Oversized) => self.connection.reject_oversized(self.max_message_bytes, &mut self.out),
            None => {}
        }
    }

    /// Writes out all that is to be said; false once nobody reads it.
    async fn flush(&mut self) -> bool {
        while self.written < self.out.len() {
            if let Err(error) = self.streams.output.write(&self.out, &mut self.written).await {
                if error.kind() != io::ErrorKind::BrokenPipe {
                    tracing::warn!(%error, "standard output cannot be written");
                }
                return false;
            }
        }
        self.written = 0;
        self.out.clear();
        // A buffer that a large answer blew up is let go.
        if self.out.capacity() > 4 * HIGH_WATER {
            self.out = Vec::new();
        }
        true
    }

    /// Lets what runs come to an end, for at most this long.
    async fn drain(&mut self, limit: Duration) {
        let deadline = Instant::now() + limit;
        self.connection.close();
        while self.connection.is_busy() {
            let waiting = async {
                let writable = self.flush().await;
                std::future::poll_fn(|cx| self.connection.poll_output(cx, &mut self.out)).await;
                writable
            };
            match tokio::time::timeout_at(deadline, waiting).await {
                Ok(true) => {}
                Ok(false) => return,
                Err(_) => break,
            }
        }
        self.connection.abandon(&mut self.out);
        // What was cancelled is dropped when the runtime comes by, which may be about to end.
        tokio::task::yield_now().await;
        // A client that does not read is given a moment more, not for ever.
        let last = deadline.max(Instant::now() + Duration::from_millis(500));
        let _ = tokio::time::timeout_at(last, self.flush()).await;
    }
}

/// The signals that end a server in good order.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn listen() -> io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
