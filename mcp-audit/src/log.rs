//! The audit that a server is given: it hands records to a thread of its own, which writes all that wait at once.

use std::{
    fmt, io,
    sync::{Arc, Mutex, PoisonError},
    thread::JoinHandle,
};

use mcp_core::{Audit, AuditEntry, AuditEvent, AuditMode, NotRecorded, Recording};
use tokio::sync::oneshot;

use crate::{
    AuditConfig, Sink,
    error::Error,
    fields::Fields,
    hash::write_hex,
    head::Head,
    key::Key,
    queue::{Batch, Queue, WriteFailed},
    traced,
    writer::Writer,
};

/// A log of what is done, to be given to [`Server::audit`](mcp_core::Server::audit); cheap to clone.
///
/// Of a call that changes something there is a record before it begins and one when it has ended; of one that only
/// reads, and of whatever was refused, there is one. Where records are required, a call waits until its own are durable,
/// together with all that wait at the time. Otherwise it waits for nothing: what comes faster than it can be written is
/// lost, and how much that was is on record.
///
/// When the last clone is dropped, what waits is written.
#[derive(Clone)]
pub struct AuditLog(Arc<Inner>);

struct Inner {
    mode: AuditMode,
    /// Tells the calls of one process from those of another, and of an earlier one.
    process: String,
    keeping: Keeping,
}

enum Keeping {
    Nothing,
    Tracing,
    Chain(Chain),
}

struct Chain {
    queue: Arc<Queue>,
    key: Key,
    head: Arc<Mutex<Head>>,
    thread: Option<JoinHandle<()>>,
}

impl AuditLog {
    /// Opens the log of a directory where it ends, or begins one. It reads and writes files, so it is for the start of
    /// a server, not for its calls.
    ///
    /// What somebody has done to the log meanwhile is on record from then on, and is no error: see
    /// [`verify`](crate::verify()).
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput): the directory has a log in another sink, or records are required
    /// of a sink that keeps none. [`Unavailable`](crate::ErrorKind::Unavailable): the directory or a file in it cannot be
    /// made, read or written.
    pub fn open(config: AuditConfig) -> Result<Self, Error> {
        let keeping = match (config.mode, config.sink) {
            (AuditMode::Off, _) => Keeping::Nothing,
            (AuditMode::Required, Sink::Tracing) => {
                return Err(Error::invalid("the sink `tracing` keeps nothing, so it cannot be required"));
            }
            (_, Sink::Tracing) => Keeping::Tracing,
            _ => Keeping::Chain(Chain::open(&config)?),
        };
        let mut process = [0; 6];
        let random = getrandom::fill(&mut process).map_err(io::Error::other);
        random.map_err(Error::of(&config.directory))?;
        let mut name = String::with_capacity(13);
        // A text takes whatever is written to it.
        let _ = write_hex(&mut name, &process);
        name.push('-');
        Ok(Self(Arc::new(Inner { mode: config.mode, process: name, keeping })))
    }

    /// Where the chain stands: to be kept elsewhere, so that even somebody with the key cannot cut it unnoticed.
    /// `None` where nothing is kept.
    pub fn head(&self) -> Option<Head> {
        match &self.0.keeping {
            Keeping::Chain(chain) => Some(*chain.head.lock().unwrap_or_else(PoisonError::into_inner)),
            Keeping::Nothing | Keeping::Tracing => None,
        }
    }

    /// Waits until everything that was recorded before is written.
    ///
    /// # Errors
    ///
    /// It could not be; what could not is counted as lost.
    pub async fn flush(&self) -> Result<(), NotRecorded> {
        match &self.0.keeping {
            Keeping::Chain(chain) => {
                let (waiter, written) = oneshot::channel();
                chain.queue.wait(waiter);
                durable(written).await
            }
            Keeping::Nothing | Keeping::Tracing => Ok(()),
        }
    }
}

impl Audit for AuditLog {
    fn record(&self, entry: &AuditEntry<'_>) -> Recording {
        let changes = entry.action.annotations.is_some_and(|annotations| !annotations.read_only);
        if matches!(entry.event, AuditEvent::Begins(_)) && !changes {
            return Recording::Done;
        }
        let call = || format!("{}{}", self.0.process, entry.serial);
        match &self.0.keeping {
            Keeping::Nothing => Recording::Done,
            Keeping::Tracing => {
                traced::tell(&Fields::of(entry, &call(), None));
                Recording::Done
            }
            Keeping::Chain(chain) => {
                let record = || Fields::of(entry, &call(), Some(&chain.key)).to_text();
                if !entry.is_awaited {
                    chain.queue.push(record, None);
                    return Recording::Done;
                }
                let (waiter, written) = oneshot::channel();
                if chain.queue.push(record, Some(waiter)) {
                    Recording::Later(Box::pin(durable(written)))
                } else {
                    Recording::Failed(NotRecorded::because("too many records wait to be written"))
                }
            }
        }
    }

    fn mode(&self) -> AuditMode {
        self.0.mode
    }
}

async fn durable(written: oneshot::Receiver<Result<(), WriteFailed>>) -> Result<(), NotRecorded> {
    match written.await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(NotRecorded::because(error)),
        Err(_) => Err(NotRecorded::because("the audit is closed")),
    }
}

impl Chain {
    fn open(config: &AuditConfig) -> Result<Self, Error> {
        let writer = Writer::open(config)?;
        let queue = Arc::new(Queue::new(config.max_queued));
        let head = Arc::new(Mutex::new(writer.last()));
        let key = writer.key().clone();
        let (waiting, published) = (Arc::clone(&queue), Arc::clone(&head));
        let thread = std::thread::Builder::new().name("audit".to_owned());
        let thread = thread.spawn(move || run(writer, &waiting, &published));
        let thread = thread.map_err(Error::of(&config.directory))?;
        Ok(Self { queue, key, head, thread: Some(thread) })
    }
}

impl Drop for Chain {
    fn drop(&mut self) {
        self.queue.close();
        if let Some(thread) = self.thread.take() {
            // It has said on standard error why, if it panicked.
            let _ = thread.join();
        }
    }
}

/// The thread: whatever waits is written at once, and whoever waits for it is told.
fn run(mut writer: Writer, queue: &Queue, published: &Mutex<Head>) {
    // However it ends, nobody must wait for it.
    let _closed = Closes(queue);
    while let Some(Batch { mut records, unwatched, lost, waiters, .. }) = queue.take() {
        if lost > 0 {
            records.push(Fields::lost(lost).to_text());
        }
        let written = if records.is_empty() { Ok(()) } else { writer.write(&records) };
        match written {
            Ok(()) => {
                *published.lock().unwrap_or_else(PoisonError::into_inner) = writer.last();
                for waiter in waiters {
                    // Who does not wait any more needs no answer.
                    let _ = waiter.send(Ok(()));
                }
            }
            Err(error) => {
                tracing::error!(lost = unwatched, %error, "the audit could not be written");
                queue.lose(lost + unwatched);
                let error = WriteFailed::of(error);
                for waiter in waiters {
                    let _ = waiter.send(Err(error.clone()));
                }
            }
        }
    }
}

struct Closes<'a>(&'a Queue);

impl Drop for Closes<'_> {
    fn drop(&mut self) {
        self.0.close();
        // Those that came in between hear that nothing is written any more.
        drop(self.0.take());
    }
}

impl fmt::Debug for AuditLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuditLog").field("mode", &self.0.mode).field("head", &self.head()).finish()
    }
}
