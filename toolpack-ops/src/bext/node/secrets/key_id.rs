//! Which key: an id that follows from the key, and says nothing of it.

use std::fmt;

/// Which key something was encrypted with: 16 hexadecimal digits that follow from the key, and say nothing of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct KeyId(String);

impl KeyId {
    pub(super) fn of(key: &[u8]) -> Self {
        let derived = blake3::derive_key("bext 2026 id of a key of secrets", key);
        Self(derived[..8].iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// An id as it is stored.
    pub(super) fn stored(text: String) -> Self {
        Self(text)
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
