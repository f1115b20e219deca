//! A number in a small file that every process over one directory reads and raises.
//!
//! It is asked for with each request, so it has to be cheap. A mapped file would be a plain load, but mapping one is unsafe
//! code in Rust, which this workspace forbids: another process may truncate it, and then the load kills the server. Eight
//! bytes read at a position of a descriptor that stays open are one system call into the page cache, 0.2 to 1.5 µs by
//! machine, and fail as an error where they fail. Under load even that is saved: for [`TRUSTED`] a number that was read is
//! taken for what stands there, and whoever raises it waits for as long before they say that it is raised.

use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::fs::{FileExt as _, OpenOptionsExt as _},
    path::Path,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// For how long a number that was read counts, in any process.
const TRUSTED: Duration = Duration::from_millis(1);

/// The number.
#[derive(Debug)]
pub(super) struct Generation {
    file: File,
    /// What was read last, and when that began.
    seen: Mutex<Option<(Instant, u64)>>,
}

impl Generation {
    /// Opens the file, or makes one that its owner alone may read.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        Ok(Self { file: options.open(path)?, seen: Mutex::default() })
    }

    /// The number, or one that was raised less than [`TRUSTED`] ago; 0 before it was raised for the first time.
    pub(super) fn read(&self) -> io::Result<u64> {
        let now = Instant::now();
        // Nothing in here panics with the lock held. It is held for the system call: others would only make the same.
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((at, number)) = *seen
            && now.saturating_duration_since(at) < TRUSTED
        {
            return Ok(number);
        }
        let number = self.read_file()?;
        *seen = Some((now, number));
        Ok(number)
    }

    /// What stands in the file. While it is raised that may be neither the old nor the new number, which does no harm: it
    /// is only ever held against another for being the same, and a later look sees the new one.
    fn read_file(&self) -> io::Result<u64> {
        let mut bytes = [0; 8];
        match self.file.read_exact_at(&mut bytes, 0) {
            Ok(()) => Ok(u64::from_le_bytes(bytes)),
            // It is empty at first.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(0),
            Err(error) => Err(error),
        }
    }

    /// Raises it by one. To be called by one process at a time.
    pub(super) fn raise(&self) -> io::Result<()> {
        let next = self.read_file()?.wrapping_add(1);
        self.file.write_all_at(&next.to_le_bytes(), 0)
    }

    /// Waits until nobody takes an earlier number for the current one any more.
    pub(super) fn settle() {
        std::thread::sleep(TRUSTED);
    }
}
