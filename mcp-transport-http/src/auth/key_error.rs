//! Why something could not be done with keys.

use std::error::Error;

/// Why something could not be done with keys.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// What was asked for cannot be; it says what would be right.
    #[error("{0}")]
    Invalid(String),
    /// There is a key of this id already.
    #[error("there is a key with this id already")]
    Taken,
    /// The store failed.
    #[error("{what}")]
    Store {
        /// What did not work.
        what: String,
        /// Why not.
        source: Box<dyn Error + Send + Sync>,
    },
}

impl KeyError {
    /// The store failed: what did not work, and why.
    pub fn store(what: impl Into<String>, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Store { what: what.into(), source: source.into() }
    }
}
