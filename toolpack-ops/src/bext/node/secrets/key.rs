//! A key that secrets are encrypted with.

use std::fmt;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret, ExposeSecretMut, SecretBox};

use super::error;
use super::key_id::KeyId;
use crate::error::Error;

pub(super) const KEY_BYTES: usize = 32;

/// The most keys at once. Each but the current one is there only until every store is encrypted anew.
pub(super) const MAX_KEYS: usize = 16;

/// One key. It is wiped when dropped.
pub(super) struct Key {
    pub(super) id: KeyId,
    bytes: SecretBox<[u8; KEY_BYTES]>,
}

impl Key {
    /// One that nobody could guess.
    pub(super) fn random() -> Result<Self, Error> {
        let mut bytes = SecretBox::new(Box::new([0; KEY_BYTES]));
        getrandom::fill(bytes.expose_secret_mut()).map_err(error::no_randomness)?;
        Ok(Self::of_bytes(bytes))
    }

    pub(super) fn of_bytes(bytes: SecretBox<[u8; KEY_BYTES]>) -> Self {
        Self { id: KeyId::of(bytes.expose_secret()), bytes }
    }

    /// That of 32 bytes as base64, none for any other text.
    pub(super) fn of_base64(text: &[u8]) -> Option<Self> {
        let decoded = Zeroizing::new(BASE64_STANDARD.decode(text).ok()?);
        if decoded.len() != KEY_BYTES {
            return None;
        }
        let mut bytes = SecretBox::new(Box::new([0; KEY_BYTES]));
        bytes.expose_secret_mut().copy_from_slice(&decoded);
        Some(Self::of_bytes(bytes))
    }

    pub(super) fn base64(&self) -> Zeroizing<String> {
        Zeroizing::new(BASE64_STANDARD.encode(self.bytes()))
    }

    pub(super) fn bytes(&self) -> &[u8; KEY_BYTES] {
        self.bytes.expose_secret()
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({})", self.id)
    }
}
