//! The keys of a data directory: one is current, older ones are still read.

use std::ffi::OsString;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use secrecy::zeroize::Zeroizing;

use super::key::{Key, MAX_KEYS};
use super::key_id::KeyId;
use super::{error, key_file};
use crate::error::Error;

/// The variable of the environment that has the keys in place of `secret.key`.
pub(super) const VARIABLE: &str = "BEXT_SECRET_KEY";

/// The keys of a data directory. Cloning it is cheap.
#[derive(Clone)]
pub(crate) struct SecretKey {
    // The current one first; never empty.
    keys: Arc<[Key]>,
}

impl SecretKey {
    /// The keys of a data directory: from `BEXT_SECRET_KEY`, or from `secret.key`, which is made on first start with one.
    ///
    /// The variable has 32 bytes as base64; several of them are separated by commas, the current one first. With it, no
    /// file is made, and the keys of one that exists are read for what was encrypted earlier.
    ///
    /// Errors: `secret_key_invalid`, `secret_key_exposed` for a file that others can read, `secret_key_unavailable`.
    pub(crate) fn of(root: &Path) -> Result<Self, Error> {
        Self::of_variable(root, std::env::var_os(VARIABLE))
    }

    /// As [`of`](Self::of), with what the variable has.
    pub(super) fn of_variable(root: &Path, variable: Option<OsString>) -> Result<Self, Error> {
        let file = key_file::path(root);
        let keys = match variable.filter(|text| !text.is_empty()) {
            Some(text) => {
                let text = Zeroizing::new(text.into_encoded_bytes());
                let mut keys = of_text(&text)?;
                keys.extend(key_file::read(&file)?.unwrap_or_default());
                keys
            }
            None => key_file::read_or_make(&file)?,
        };
        Ok(Self::of_keys(keys))
    }

    pub(super) fn of_keys(keys: Vec<Key>) -> Self {
        Self { keys: keys.into() }
    }

    /// The key that secrets are encrypted with.
    pub(super) fn current(&self) -> &Key {
        // Every way to make one has a key at least.
        &self.keys[0]
    }

    pub(super) fn get(&self, id: &KeyId) -> Option<&Key> {
        self.keys.iter().find(|key| key.id == *id)
    }

    pub(super) fn keys(&self) -> &[Key] {
        &self.keys
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey(..)")
    }
}

/// The keys of the variable.
fn of_text(text: &[u8]) -> Result<Vec<Key>, Error> {
    let keys: Option<Vec<Key>> =
        text.split(|byte| *byte == b',').map(|key| Key::of_base64(key.trim_ascii())).collect();
    keys.filter(|keys| keys.len() <= MAX_KEYS).ok_or_else(|| {
        error::key_invalid(format!(
            "{VARIABLE} is not 32 bytes as base64, as `openssl rand -base64 32` prints them; several keys are separated by \
             commas, the current one first"
        ))
    })
}
