//! What goes wrong with keys and stores of secrets, in the crate's own kinds.

use rusqlite::ErrorCode;

use super::key_id::KeyId;
use crate::error::{Error, ErrorKind, Retry};

/// The key file cannot be read or written.
pub(super) fn key_file(error: std::io::Error) -> Error {
    Error::new(ErrorKind::Unavailable, "secret_key_unavailable", "secret.key cannot be read or written")
        .with_source(error)
}

/// What the key file or the environment holds is no key.
pub(super) fn key_invalid(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidInput, "secret_key_invalid", message)
}

/// A secret was sealed under a key that is not here.
pub(super) fn key_wrong(secret: &str, wanted: &KeyId) -> Error {
    let message = format!(
        "{secret} was encrypted under the key {wanted}, which is not here; put that key back, in secret.key or in \
         BEXT_SECRET_KEY, and start the node again, or set the secret anew"
    );
    Error::new(ErrorKind::Unavailable, "secret_key_wrong", message).with_retry(Retry::Never)
}

/// A secret was changed, or moved, by something other than the node.
pub(super) fn damaged(secret: &str) -> Error {
    let message =
        format!("{secret} was changed or moved outside of the node, so it is not used; set it anew");
    Error::new(ErrorKind::Unavailable, "secret_damaged", message).with_retry(Retry::Never)
}

/// The store does not open or answer.
pub(super) fn store(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    let message = "the store of the secrets does not open or answer";
    Error::new(ErrorKind::Unavailable, "secrets_unavailable", message).with_source(error)
}

/// SQLite's own words name tables and columns and no values; they are for the log all the same.
pub(super) fn sqlite(error: rusqlite::Error) -> Error {
    let (code, message) = match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            ("store_busy", "another process is writing; try again")
        }
        Some(ErrorCode::DiskFull) => ("disk_full", "there is no room left for secrets"),
        _ => return store(error),
    };
    Error::new(ErrorKind::Unavailable, code, message).with_source(error)
}

/// Nothing random is to be had.
pub(super) fn no_randomness(error: getrandom::Error) -> Error {
    Error::new(ErrorKind::Unavailable, "no_randomness", "the system gives no random numbers")
        .with_source(error)
}
