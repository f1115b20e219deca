//! What records are kept in. Whoever calls holds the lock of the directory.

use std::{fmt, io, path::Path};

use crate::head::{SignedHead, StoreKind};

mod files;
#[cfg(feature = "sqlite")]
mod sqlite;

pub(crate) use self::files::{FileStore, files_of, name_of};
#[cfg(feature = "sqlite")]
pub(crate) use self::sqlite::{SqliteStore, open as open_database};

/// The name of the database in its directory.
pub(crate) const DATABASE: &str = "audit.sqlite";

/// Lines in their order, and a place in them that a head names.
pub(crate) trait Store: fmt::Debug + Send {
    fn kind(&self) -> StoreKind;

    /// Whether there is no record at all.
    fn is_empty(&mut self) -> io::Result<bool>;

    /// Whether everything there is, is covered by this head.
    fn is_at(&mut self, head: &SignedHead) -> io::Result<bool>;

    /// Shows every whole line behind what the head covers, cuts off what a crash left half written, and moves the place
    /// of the head to the end. Where less is there than the head covers, what is there stays as it is.
    fn take_up(&mut self, head: &mut SignedHead, see: &mut dyn FnMut(&[u8])) -> io::Result<()>;

    /// The best that can be said where no head can be believed: the last record that is whole, and all there is.
    fn without_head(&mut self) -> io::Result<SignedHead>;

    /// Begins a new file where the current one is full; whether the head changed, and has to be written before anything
    /// else is done.
    fn make_room(&mut self, head: &mut SignedHead) -> io::Result<bool>;

    /// Puts lines at the end, all of them or none, and moves the place of the head behind them.
    fn append(&mut self, head: &mut SignedHead, lines: &[String], durable: bool) -> io::Result<()>;

    /// Removes what the head says is old.
    fn remove_old(&mut self, head: &SignedHead) -> io::Result<()>;
}

/// Whether a directory keeps its records in a database.
pub(crate) fn is_database(directory: &Path) -> bool {
    directory.join(DATABASE).exists()
}
