//! How severe a log message is, in the eight levels of RFC 5424.

use serde::{Deserialize, Serialize};

/// Severity of a log message, least severe first (RFC 5424, section 6.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// For debugging.
    Debug,
    /// General information.
    Info,
    /// Normal but worth a note.
    Notice,
    /// A warning.
    Warning,
    /// An operation failed.
    Error,
    /// A component failed.
    Critical,
    /// Action is needed at once.
    Alert,
    /// The system cannot be used.
    Emergency,
}
