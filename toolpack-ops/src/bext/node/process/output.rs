//! What an app prints: read to the end, line by line, without secrets; kept in its log, and the last of it at hand.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};

use super::log::Log;
use super::redact::Redactor;
use crate::bext::engine::{Clock, SystemClock};

/// The bytes of a line that are kept.
const MAX_LINE: usize = 16 << 10;
/// How much is read at once; about what a pipe holds.
const CHUNK: usize = 64 << 10;
/// How much of the end is at hand.
const TAIL_LINES: usize = 20;
const TAIL_BYTES: usize = 2 << 10;
/// How long output is waited for once all processes are gone. One that left its group may still hold the pipe.
const DRAIN_TIME: Duration = Duration::from_secs(1);

/// The output of a group of processes. Dropping it ends the reading.
#[derive(Debug)]
pub(super) struct Output {
    sink: Arc<Sink>,
    readers: [JoinHandle<()>; 2],
}

impl Output {
    /// Reads both streams from now on. An app that prints faster than its log is written waits, as with any full pipe.
    pub(super) fn read<O, E>(stdout: O, stderr: E, redactor: Redactor, log: Log) -> Self
    where
        O: AsyncRead + Unpin + Send + 'static,
        E: AsyncRead + Unpin + Send + 'static,
    {
        let sink = Arc::new(Sink { redactor, log: Mutex::new(log), tail: Mutex::default() });
        let readers = [
            tokio::spawn(pump(stdout, "out", sink.clone())),
            tokio::spawn(pump(stderr, "err", sink.clone())),
        ];
        Self { sink, readers }
    }

    /// Writes a line of the node's own into the log.
    pub(super) async fn remark(&self, text: String) {
        let sink = self.sink.clone();
        // It fails only when the runtime ends, and the log with it.
        let _ = tokio::task::spawn_blocking(move || lock(&sink.log).append(&entry("node", &text))).await;
    }

    /// Waits until both streams have ended, which they do with the last process; and says the last of them.
    pub(super) async fn finish(&mut self) -> String {
        let deadline = Instant::now() + DRAIN_TIME;
        for reader in &mut self.readers {
            let _ = timeout_at(deadline, reader).await;
        }
        self.tail()
    }

    /// The last lines: at most 20, and 2 KiB, with control characters escaped. Empty if there was no output.
    pub(super) fn tail(&self) -> String {
        let tail = lock(&self.sink.tail);
        let mut lines: VecDeque<String> = VecDeque::new();
        let mut room = TAIL_BYTES;
        for line in tail.iter().rev() {
            let line = escape(line);
            if line.len() > room {
                // Of the last line, the beginning says most; of others, nothing is better than a part.
                if lines.is_empty() {
                    lines.push_front(format!("{}…", &line[..line.floor_char_boundary(room - "…".len())]));
                }
                break;
            }
            room = room.saturating_sub(line.len() + 1);
            lines.push_front(line);
        }
        Vec::from(lines).join("\n")
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        self.readers.iter().for_each(JoinHandle::abort);
    }
}

#[derive(Debug)]
struct Sink {
    redactor: Redactor,
    log: Mutex<Log>,
    tail: Mutex<VecDeque<String>>,
}

impl Sink {
    fn take(&self, stream: &str, lines: &[Vec<u8>]) {
        let mut entries = String::new();
        for line in lines {
            let line = self.redactor.redact(&String::from_utf8_lossy(line), MAX_LINE);
            entries.push_str(&entry(stream, &line));
            let mut tail = lock(&self.tail);
            if tail.len() == TAIL_LINES {
                tail.pop_front();
            }
            tail.push_back(line[..line.floor_char_boundary(TAIL_BYTES + 4)].to_owned());
        }
        lock(&self.log).append(&entries);
    }
}

// What these locks protect is whole between any two statements.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A line of the log: `2026-01-01T00:00:00.000Z out text`.
fn entry(stream: &str, text: &str) -> String {
    let now = jiff::Timestamp::from_millisecond(SystemClock.now().unix_millis()).unwrap_or_default();
    // Three digits always, so that lines stand below each other.
    format!("{now:.3} {stream} {text}\n")
}

async fn pump(mut pipe: impl AsyncRead + Unpin, stream: &'static str, sink: Arc<Sink>) {
    let mut splitter = Splitter::new(MAX_LINE + sink.redactor.reach() + 1);
    let mut chunk = vec![0; CHUNK];
    loop {
        let read = match pipe.read(&mut chunk).await {
            Ok(read) => read,
            Err(error) => {
                tracing::warn!(%error, stream, "the output of an app could not be read");
                0
            }
        };
        let lines = if read == 0 { splitter.finish() } else { splitter.push(&chunk[..read]) };
        if !lines.is_empty() {
            let sink = sink.clone();
            // Nothing more is read until this is written.
            if tokio::task::spawn_blocking(move || sink.take(stream, &lines)).await.is_err() {
                return;
            }
        }
        if read == 0 {
            return;
        }
    }
}

/// Cuts bytes into lines, of which it keeps so many bytes at most.
#[derive(Debug)]
struct Splitter {
    line: Vec<u8>,
    max_bytes: usize,
    /// The rest of a line that was too long is on its way.
    is_skipping: bool,
}

impl Splitter {
    fn new(max_bytes: usize) -> Self {
        Self { line: Vec::new(), max_bytes, is_skipping: false }
    }

    fn push(&mut self, bytes: &[u8]) -> Vec<Vec<u8>> {
        let mut lines = Vec::new();
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            let (text, is_whole) = match part.strip_suffix(b"\n") {
                Some(text) => (text, true),
                None => (part, false),
            };
            if !self.is_skipping {
                let room = self.max_bytes - self.line.len();
                self.line.extend_from_slice(&text[..text.len().min(room)]);
                // A line without an end is seen at once, not when its app ends.
                self.is_skipping = self.line.len() == self.max_bytes;
                if is_whole || self.is_skipping {
                    lines.push(self.take());
                }
            }
            if is_whole {
                self.is_skipping = false;
            }
        }
        lines
    }

    /// What came after the last end of a line.
    fn finish(&mut self) -> Vec<Vec<u8>> {
        if self.line.is_empty() { Vec::new() } else { vec![self.take()] }
    }

    fn take(&mut self) -> Vec<u8> {
        let mut line = std::mem::take(&mut self.line);
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        line
    }
}

/// With control characters as Rust writes them, `\t` and `\u{1b}`.
fn escape(line: &str) -> String {
    line.chars().fold(String::new(), |mut out, character| {
        if character.is_control() {
            let _ = write!(out, "{}", character.escape_default());
        } else {
            out.push(character);
        }
        out
    })
}

#[cfg(test)]
#[path = "output_tests.rs"]
mod tests;
