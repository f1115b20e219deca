//! The crate's one error: what went wrong, where, and what the caller can do about it.
//!
//! An error speaks to two audiences. [`Error::message`] is for the caller of a tool, who can correct the call: it
//! names the value at fault and never holds a path, the caller's SQL or a cause. [`std::error::Error::source`] is for
//! the log.

use std::error::Error as StdError;
use std::fmt;

/// What kind of failure this is; callers match on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The named thing does not exist.
    NotFound,
    /// A thing of that name exists already.
    AlreadyExists,
    /// The request contradicts what is stored, as when a constraint of a table fails.
    Conflict,
    /// The request itself is wrong and must be changed.
    InvalidInput,
    /// The caller may not do this.
    PermissionDenied,
    /// Too many requests.
    RateLimited,
    /// The engine cannot answer now, or has no room left.
    Unavailable,
    /// This engine, or this version of it, cannot do this at all.
    Unsupported,
    /// A time limit ended the work; nothing of it was kept.
    TimedOut,
    /// The caller went away; nothing of the work was kept.
    Cancelled,
    /// Nothing the caller did; see the source in the log.
    Unexpected,
}

/// Whether the same request may succeed another time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Retry {
    /// The same request fails the same way.
    Never,
    /// The same request may succeed later.
    Later,
}

/// A failed operation of an engine.
///
/// `Display` says this level only; causes are in [`source`](StdError::source).
pub struct Error {
    kind: ErrorKind,
    code: &'static str,
    operation: &'static str,
    subject: String,
    message: String,
    retry: Retry,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Error {
    /// An error with a stable snake_case `code` and a message for the caller: lower case, no final dot.
    ///
    /// It may be retried later if its kind is `RateLimited` or `Unavailable`; see [`Error::with_retry`].
    pub fn new(kind: ErrorKind, code: &'static str, message: impl Into<String>) -> Self {
        let retry = match kind {
            ErrorKind::RateLimited | ErrorKind::Unavailable => Retry::Later,
            _ => Retry::Never,
        };
        Self {
            kind,
            code,
            operation: "",
            subject: String::new(),
            message: message.into(),
            retry,
            source: None,
        }
    }

    /// Says which operation failed, on what.
    #[must_use]
    pub fn at(mut self, operation: &'static str, subject: impl fmt::Display) -> Self {
        self.operation = operation;
        self.subject = subject.to_string();
        self
    }

    /// Replaces the answer to "may I try again".
    #[must_use]
    pub fn with_retry(mut self, retry: Retry) -> Self {
        self.retry = retry;
        self
    }

    /// Attaches the cause, for the log.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// What kind of failure this is.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// A stable name of the very failure, such as `instance_not_found`.
    pub fn code(&self) -> &'static str {
        self.code
    }

    /// The operation that failed, such as `db_query`; empty where a value was refused before any operation.
    pub fn operation(&self) -> &'static str {
        self.operation
    }

    /// What the operation was on, such as `local/default`; empty where nothing is concerned.
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// What to tell the caller.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Whether the same request may succeed another time.
    pub fn retry(&self) -> Retry {
        self.retry
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.operation, self.subject.as_str()) {
            ("", _) => f.write_str(&self.message),
            (operation, "") => write!(f, "{operation}: {}", self.message),
            (operation, subject) => write!(f, "{operation} {subject}: {}", self.message),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("kind", &self.kind)
            .field("code", &self.code)
            .field("operation", &self.operation)
            .field("subject", &self.subject)
            .field("message", &self.message)
            .field("retry", &self.retry)
            .field("source", &self.source)
            .finish()
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_ref().map(|source| source.as_ref() as &(dyn StdError + 'static))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn display_is_one_level_and_the_cause_is_the_source() {
        let error = Error::new(ErrorKind::Unavailable, "store_unavailable", "the store does not open")
            .at("db_query", "local/default")
            .with_source(std::io::Error::other("/secret/path"));
        assert_eq!(error.to_string(), "db_query local/default: the store does not open");
        assert_eq!(error.retry(), Retry::Later);
        let source = StdError::source(&error).map(ToString::to_string);
        assert_eq!(source.as_deref(), Some("/secret/path"));
    }

    #[test]
    fn a_refused_value_has_no_operation() {
        let error = Error::new(ErrorKind::InvalidInput, "invalid_argument", "a key has 1 to 512 characters");
        assert_eq!(error.to_string(), "a key has 1 to 512 characters");
        assert_eq!(error.retry(), Retry::Never);
    }
}
