//! What SQLite and the file system say, in the crate's own kinds.

use rusqlite::{Error as Sqlite, ErrorCode, ffi};

use crate::error::{Error, ErrorKind};

/// A failure of the store itself: nothing the caller's text had a part in.
pub(super) fn store(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::new(ErrorKind::Unavailable, "store_unavailable", "the store does not open or answer")
        .with_source(error)
}

/// A failure of SQLite. Where the statement is at fault, SQLite's own words are the message: they name the table, the
/// column or the word in question, which is what the caller needs to correct it.
pub(super) fn sqlite(error: Sqlite) -> Error {
    let (code, words) = match &error {
        Sqlite::SqliteFailure(code, words) => (*code, words.clone()),
        Sqlite::SqlInputError { error, msg, .. } => (*error, Some(msg.clone())),
        Sqlite::MultipleStatement => return multiple_statements().with_source(error),
        Sqlite::InvalidParameterCount(given, wanted) => return parameter_count(*given, *wanted),
        _ => {
            return Error::new(ErrorKind::Unexpected, "internal", "the engine failed").with_source(error);
        }
    };
    let words = words.unwrap_or_else(|| code.to_string());
    let (kind, name, message) = match code.code {
        // SQLite has one code for all of these, and has kept the words for twenty years.
        ErrorCode::Unknown if words.starts_with("no such table: ") => {
            (ErrorKind::NotFound, "table_not_found", words)
        }
        ErrorCode::Unknown if words.starts_with("no such column: ") => {
            (ErrorKind::NotFound, "column_not_found", words)
        }
        ErrorCode::Unknown | ErrorCode::TypeMismatch | ErrorCode::ParameterOutOfRange => {
            (ErrorKind::InvalidInput, "sql_error", words)
        }
        ErrorCode::ConstraintViolation => (ErrorKind::Conflict, "constraint_violation", words),
        ErrorCode::AuthorizationForStatementDenied => (ErrorKind::InvalidInput, "sql_blocked", words),
        ErrorCode::ReadOnly => {
            let message = "this statement writes; db_query only reads, db_execute writes";
            (ErrorKind::InvalidInput, "not_read_only", message.to_owned())
        }
        ErrorCode::TooBig => {
            let message = "a string or blob is larger than a value may be, 1 MiB by default";
            (ErrorKind::InvalidInput, "too_big", message.to_owned())
        }
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => {
            (ErrorKind::Unavailable, "store_busy", "another process is writing; try again".to_owned())
        }
        ErrorCode::SchemaChanged => {
            (ErrorKind::Unavailable, "store_busy", "the tables changed meanwhile; try again".to_owned())
        }
        ErrorCode::DiskFull => {
            (ErrorKind::Unavailable, "database_full", "there is no room left in the store".to_owned())
        }
        ErrorCode::OutOfMemory => {
            let message = "this needs more memory than the engine may use; read or write less at a time";
            (ErrorKind::Unavailable, "out_of_memory", message.to_owned())
        }
        ErrorCode::CannotOpen
        | ErrorCode::PermissionDenied
        | ErrorCode::SystemIoFailure
        | ErrorCode::DatabaseCorrupt
        | ErrorCode::NotADatabase
        | ErrorCode::FileLockingProtocolFailed
        | ErrorCode::NoLargeFileSupport => return store(error),
        _ => (ErrorKind::Unexpected, "internal", "the engine failed".to_owned()),
    };
    Error::new(kind, name, message).with_source(error)
}

/// What goes wrong inside a job, before it is known whose fault it is.
#[derive(Debug)]
pub(super) enum Fault {
    Sqlite(Sqlite),
    Ours(Error),
}

impl From<Sqlite> for Fault {
    fn from(error: Sqlite) -> Self {
        Self::Sqlite(error)
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::Ours(error)
    }
}

impl From<std::io::Error> for Fault {
    fn from(error: std::io::Error) -> Self {
        Self::Ours(store(error))
    }
}

impl From<Fault> for Error {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Sqlite(error) => sqlite(error),
            Fault::Ours(error) => error,
        }
    }
}

/// Whether SQLite stopped because the progress handler told it to.
pub(super) fn interrupted(error: &Sqlite) -> bool {
    matches!(
        error,
        Sqlite::SqliteFailure(ffi::Error { code: ErrorCode::OperationInterrupted, .. }, _)
            | Sqlite::SqlInputError { error: ffi::Error { code: ErrorCode::OperationInterrupted, .. }, .. }
    )
}

pub(super) fn multiple_statements() -> Error {
    Error::new(
        ErrorKind::InvalidInput,
        "multiple_statements",
        "one statement at a time: only a closing `;`, blanks and comments may follow it",
    )
}

pub(super) fn parameter_count(given: usize, wanted: usize) -> Error {
    let message = format!("the statement has {wanted} parameters, but params has {given} values");
    Error::new(ErrorKind::InvalidInput, "params_mismatch", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind_of(code: i32) -> ErrorKind {
        sqlite(Sqlite::SqliteFailure(ffi::Error::new(code), None)).kind()
    }

    #[test]
    fn codes_map_to_what_the_caller_can_do() {
        assert_eq!(kind_of(ffi::SQLITE_ERROR), ErrorKind::InvalidInput);
        assert_eq!(kind_of(ffi::SQLITE_CONSTRAINT), ErrorKind::Conflict);
        assert_eq!(kind_of(ffi::SQLITE_AUTH), ErrorKind::InvalidInput);
        assert_eq!(kind_of(ffi::SQLITE_TOOBIG), ErrorKind::InvalidInput);
        assert_eq!(kind_of(ffi::SQLITE_BUSY), ErrorKind::Unavailable);
        assert_eq!(kind_of(ffi::SQLITE_FULL), ErrorKind::Unavailable);
        assert_eq!(kind_of(ffi::SQLITE_NOTADB), ErrorKind::Unavailable);
        assert_eq!(kind_of(ffi::SQLITE_MISUSE), ErrorKind::Unexpected);
    }
}
