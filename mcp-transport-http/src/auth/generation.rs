//! A number in a small file that every process over one directory reads and raises.
//!
//! It is read with each request, so it has to be cheap. A mapped file would be a plain load, but mapping one is unsafe
//! code in Rust, which this workspace forbids: another process may truncate it, and then the load kills the server. Eight
//! bytes read at a position of a descriptor that stays open are one system call into the page cache, a fifth of a
//! microsecond, and it fails as an error where it fails.

use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::fs::{FileExt as _, OpenOptionsExt as _},
    path::Path,
};

/// The number.
#[derive(Debug)]
pub(super) struct Generation(File);

impl Generation {
    /// Opens the file, or makes one that its owner alone may read.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        Ok(Self(options.open(path)?))
    }

    /// The number; 0 before it was raised for the first time.
    ///
    /// One that is read while it is raised may be neither the old nor the new one. That does no harm: it is only ever held
    /// against another for being the same, and the next look sees the new one.
    pub(super) fn read(&self) -> io::Result<u64> {
        let mut bytes = [0; 8];
        // A signal may interrupt it, and the file is empty at first.
        match self.0.read_exact_at(&mut bytes, 0) {
            Ok(()) => Ok(u64::from_le_bytes(bytes)),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(0),
            Err(error) => Err(error),
        }
    }

    /// Raises it by one. To be called by one process at a time.
    pub(super) fn raise(&self) -> io::Result<()> {
        let next = self.read()?.wrapping_add(1);
        self.0.write_all_at(&next.to_le_bytes(), 0)
    }
}
