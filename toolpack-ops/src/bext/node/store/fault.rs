//! What goes wrong at a store of the node, before it is known what the caller is told.

use std::io;

use crate::error::{Error, ErrorKind};

/// A failure of SQLite or of files, which is the store's, or one that is for the caller.
#[derive(Debug)]
pub(crate) enum Fault {
    Sqlite(rusqlite::Error),
    Io(io::Error),
    Ours(Error),
}

impl Fault {
    /// What was read is nothing that this node has written.
    pub(crate) fn foreign(what: impl std::fmt::Display) -> Self {
        let message = "the state of the instance holds what this version does not understand";
        Self::Ours(Error::new(ErrorKind::Unsupported, "store_version", message).with_source(what.to_string()))
    }
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::Ours(error)
    }
}

impl From<Fault> for Error {
    fn from(fault: Fault) -> Self {
        let is_full = match &fault {
            Fault::Sqlite(error) => error.sqlite_error_code() == Some(rusqlite::ErrorCode::DiskFull),
            Fault::Io(error) => {
                matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
            }
            Fault::Ours(_) => false,
        };
        let source: Box<dyn std::error::Error + Send + Sync> = match fault {
            Fault::Ours(error) => return error,
            Fault::Sqlite(error) => error.into(),
            Fault::Io(error) => error.into(),
        };
        let message = if is_full {
            "there is no room left on the disk for the state of the instance; make some, and try again"
        } else {
            "the state of the instance cannot be read or written; the log of the server says why"
        };
        Self::new(ErrorKind::Unavailable, "store_unavailable", message).with_source(source)
    }
}
