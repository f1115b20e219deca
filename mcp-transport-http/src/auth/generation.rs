//! A number in a small file that every process over one directory reads, and draws anew with each change.
//!
//! It is asked for with each request, so it has to be cheap. A mapped file would be a plain load, but mapping one is unsafe
//! code in Rust, which this workspace forbids: another process may truncate it, and then the load kills the server. Eight
//! bytes read at a position of a descriptor that stays open are one system call into the page cache, 0.2 to 1.5 µs by
//! machine, and fail as an error where they fail; to see that the file is still the one that has its name takes another.
//! Under load even that is saved: for [`TRUSTED`] a number that was read is taken for what stands there, and whoever draws a
//! new one waits for as long before they say so.
//!
//! The number is random, so that none ever comes back: neither after the file was emptied, nor in the file that follows one
//! that was removed.

use std::{
    fs::{File, Metadata, OpenOptions},
    io,
    os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// For how long a number that was read counts, in any process.
const TRUSTED: Duration = Duration::from_millis(1);

/// The number.
#[derive(Debug)]
pub(super) struct Generation {
    path: PathBuf,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    file: File,
    /// Which file that is.
    identity: (u64, u64),
    /// What was read last, and when that began.
    seen: Option<(Instant, u64)>,
}

impl Generation {
    /// Opens the file, or makes one that its owner alone may read.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        Ok(Self { path: path.to_owned(), state: Mutex::new(State::open(path)?) })
    }

    /// The number, or one that was drawn less than [`TRUSTED`] ago, joined with what `beside` says, which is asked as often
    /// as the file is read.
    pub(super) fn read(&self, beside: impl FnOnce() -> io::Result<u64>) -> io::Result<u64> {
        let now = Instant::now();
        // Held for the system calls: others would only make the same.
        let mut state = self.lock();
        if let Some((at, number)) = state.seen
            && now.saturating_duration_since(at) < TRUSTED
        {
            return Ok(number);
        }
        state.seen = None;
        let number = self.current(&mut state)? ^ beside()?;
        state.seen = Some((now, number));
        Ok(number)
    }

    /// Draws a new number.
    pub(super) fn raise(&self) -> io::Result<()> {
        let mut state = self.lock();
        self.reopen_if_replaced(&mut state)?;
        state.draw().map(|_| ())
    }

    /// Waits until nobody takes an earlier number for the current one any more.
    pub(super) fn settle() {
        std::thread::sleep(TRUSTED);
    }

    /// What stands in the file that has the name. While it is drawn that may be neither the old nor the new number, which
    /// does no harm: it is only ever held against another for being the same, and a later look sees the new one.
    fn current(&self, state: &mut State) -> io::Result<u64> {
        self.reopen_if_replaced(state)?;
        let mut bytes = [0; 8];
        match state.file.read_exact_at(&mut bytes, 0) {
            Ok(()) => Ok(u64::from_le_bytes(bytes)),
            // A new one, or one that was emptied: what others wrote is lost, so that all have to look anew.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => state.draw(),
            Err(error) => Err(error),
        }
    }

    /// Goes on with the file that has the name now, if it is another one: that is where others write.
    fn reopen_if_replaced(&self, state: &mut State) -> io::Result<()> {
        match std::fs::metadata(&self.path) {
            // As long as it is open, no other file is given the same identity.
            Ok(metadata) if identity(&metadata) == state.identity => return Ok(()),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        *state = State::open(&self.path)?;
        tracing::warn!(path = %self.path.display(), "the generation of keys was removed or replaced, and is begun anew");
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing in here panics with the lock held.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn open(path: &Path) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let file = options.open(path)?;
        let identity = identity(&file.metadata()?);
        Ok(Self { file, identity, seen: None })
    }

    fn draw(&self) -> io::Result<u64> {
        let number = getrandom::u64().map_err(io::Error::from)?;
        self.file.write_all_at(&number.to_le_bytes(), 0)?;
        Ok(number)
    }
}

/// Which file it is, among those that are there.
fn identity(metadata: &Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}
