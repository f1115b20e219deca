//! Sealed state: what a client carries between two rounds of questions, and can neither read nor change.
//!
//! XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha), with what the state is bound to as associated data. Its nonces are
//! random: 192 bits are enough for that.

use std::fmt;

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use chacha20poly1305::{
    KeyInit, XChaCha20Poly1305, XNonce,
    aead::{Aead, Payload},
};
use sha2::{Digest as _, Sha256};

const KEY_BYTES: usize = 32;
const KEY_ID_BYTES: usize = 4;
const NONCE_BYTES: usize = 24;

/// A key under which the state of questions is sealed.
///
/// All processes that serve the same clients need the same one. Whoever has it can answer questions in other people's
/// place, so it is kept like a password.
#[derive(Clone)]
pub struct SealKey {
    /// Tells which of several keys a state was sealed with.
    id: [u8; KEY_ID_BYTES],
    cipher: XChaCha20Poly1305,
}

impl fmt::Debug for SealKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealKey")
    }
}

/// A text that is no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a key is 32 bytes in base64, 44 characters, as `openssl rand -base64 32` prints them")]
pub struct SealKeyError;

impl SealKey {
    /// A key of 32 bytes that nobody could guess.
    pub fn new(key: [u8; KEY_BYTES]) -> Self {
        let mut hash = Sha256::new();
        hash.update(b"toolpack seal key id");
        hash.update(key);
        let mut id = [0; KEY_ID_BYTES];
        id.copy_from_slice(&hash.finalize()[..KEY_ID_BYTES]);
        Self { id, cipher: XChaCha20Poly1305::new(&key.into()) }
    }

    /// A key as configuration has it: 32 bytes in base64, as `openssl rand -base64 32` prints them.
    ///
    /// # Errors
    ///
    /// A text that is none.
    pub fn from_base64(text: &str) -> Result<Self, SealKeyError> {
        let bytes = STANDARD.decode(text.trim()).map_err(|_| SealKeyError)?;
        bytes.try_into().map(Self::new).map_err(|_| SealKeyError)
    }

    /// A key that no other process has.
    pub(crate) fn random() -> Result<Self, getrandom::Error> {
        random().map(Self::new)
    }
}

/// Seals state and opens it again.
#[derive(Debug)]
pub(crate) struct Sealer {
    /// The first seals, all open.
    keys: Vec<SealKey>,
}

impl Sealer {
    pub(crate) fn new(keys: Vec<SealKey>) -> Self {
        Self { keys }
    }

    /// Seals a state: key id, nonce and ciphertext in base64url.
    pub(crate) fn seal(&self, state: &[u8], bound_to: &[u8]) -> Option<String> {
        let key = self.keys.first()?;
        let nonce: [u8; NONCE_BYTES] = random().ok()?;
        let payload = Payload { msg: state, aad: bound_to };
        let sealed = key.cipher.encrypt(&XNonce::from(nonce), payload).ok()?;
        Some(URL_SAFE_NO_PAD.encode([&key.id[..], &nonce, &sealed].concat()))
    }

    /// Opens a state; `None` for whatever was not sealed so.
    pub(crate) fn open(&self, text: &str, bound_to: &[u8]) -> Option<Vec<u8>> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (id, rest) = bytes.split_first_chunk::<KEY_ID_BYTES>()?;
        let (nonce, sealed) = rest.split_first_chunk::<NONCE_BYTES>()?;
        let payload = || Payload { msg: sealed, aad: bound_to };
        self.keys
            .iter()
            .filter(|key| key.id == *id)
            .find_map(|key| key.cipher.decrypt(&XNonce::from(*nonce), payload()).ok())
    }
}

/// Bytes that nobody could guess.
pub(super) fn random<const N: usize>() -> Result<[u8; N], getrandom::Error> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map(|()| bytes)
}

/// An id that nobody could guess.
pub(crate) fn random_id() -> Result<String, String> {
    let bytes: [u8; 16] = random().map_err(|error| error.to_string())?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on says why")]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_sealed_under_a_known_key_for_the_same_purpose_opens() {
        let (old, new) = (SealKey::new([1; 32]), SealKey::new([2; 32]));
        let before = Sealer::new(vec![old.clone()]);
        let after = Sealer::new(vec![new, old]);
        let sealed = before.seal(b"state", b"purpose").unwrap();
        assert_eq!(after.open(&sealed, b"purpose").as_deref(), Some(b"state".as_slice()));
        assert_eq!(before.open(&after.seal(b"state", b"purpose").unwrap(), b"purpose"), None);
        assert_eq!(after.open(&sealed, b"another"), None);
        for index in 0..sealed.len() {
            let mut changed = sealed.clone().into_bytes();
            changed[index] = if changed[index] == b'A' { b'B' } else { b'A' };
            assert_eq!(after.open(&String::from_utf8(changed).unwrap(), b"purpose"), None, "byte {index}");
            assert_eq!(after.open(&sealed[..index], b"purpose"), None, "{index} bytes");
        }
        assert_ne!(before.seal(b"state", b"purpose").unwrap(), sealed);
    }

    #[test]
    fn a_key_is_32_bytes_of_base64_and_shows_nothing() {
        let text = STANDARD.encode([7; 32]);
        let key = SealKey::from_base64(&format!("{text}\n")).unwrap();
        assert_eq!(key.id, SealKey::new([7; 32]).id);
        assert_eq!(format!("{key:?}"), "SealKey");
        for text in ["", "short", &STANDARD.encode([7; 31]), &STANDARD.encode([7; 33]), "!!"] {
            assert_eq!(SealKey::from_base64(text).unwrap_err(), SealKeyError);
        }
    }
}
