//! Why a log cannot be opened, written or read.

use std::{fmt, io, path::Path};

/// What failed, of what, and why.
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    message: String,
    source: Option<io::Error>,
}

/// What can be done about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// There is no log, or no key.
    NotFound,
    /// The configuration has to change.
    InvalidInput,
    /// The disk, or what is on it, does not let us; another time it may.
    Unavailable,
}

impl Error {
    pub(crate) fn not_found(directory: &Path) -> Self {
        let message = format!("there is no audit in {}", directory.display());
        Self { kind: ErrorKind::NotFound, message, source: None }
    }

    pub(crate) fn no_key(path: &Path) -> Self {
        let message = format!("there is no key of an audit at {}", path.display());
        Self { kind: ErrorKind::NotFound, message, source: None }
    }

    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self { kind: ErrorKind::InvalidInput, message: message.into(), source: None }
    }

    /// Of reading or writing the audit in a directory.
    pub(crate) fn of(directory: &Path) -> impl Fn(io::Error) -> Self + '_ {
        move |source| Self {
            kind: ErrorKind::Unavailable,
            message: format!("the audit in {} cannot be used", directory.display()),
            source: Some(source),
        }
    }

    /// What can be done about it.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_ref().map(|source| source as &(dyn std::error::Error + 'static))
    }
}
