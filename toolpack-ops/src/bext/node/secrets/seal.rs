//! One value, sealed: encrypted, and bound to the place that it is of.

use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{KeyInit, XChaCha20Poly1305, XNonce};
use secrecy::SecretString;
use secrecy::zeroize::Zeroizing;

use super::error;
use super::key::Key;
use crate::bext::engine::{SecretValue, Timestamp};
use crate::error::{Error, ErrorKind};

/// How values are sealed; part of what each is bound to.
const FORMAT: &str = "bext secret 1";

const NONCE_BYTES: usize = 24;
const TAG_BYTES: usize = 16;

/// How many bytes a sealed value has beside the value.
pub(super) const OVERHEAD_BYTES: u64 = (NONCE_BYTES + TAG_BYTES) as u64;

/// What a value is of. It cannot be read as that of another place.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<'a> {
    pub(super) instance: &'a str,
    /// Empty for those of the whole instance: no app has an empty name.
    pub(super) app: &'a str,
    pub(super) name: &'a str,
    pub(super) updated_at: Timestamp,
}

impl Place<'_> {
    /// Each text with its length before it, so that no two places are the same bytes.
    fn bytes(&self, key: &Key) -> Vec<u8> {
        let mut bytes = Vec::new();
        for text in [FORMAT, key.id.as_str(), self.instance, self.app, self.name] {
            bytes.extend_from_slice(&(text.len() as u64).to_le_bytes());
            bytes.extend_from_slice(text.as_bytes());
        }
        bytes.extend_from_slice(&self.updated_at.unix_millis().to_le_bytes());
        bytes
    }
}

/// A random nonce, and the value encrypted under the key.
pub(super) fn seal(key: &Key, place: &Place<'_>, value: &SecretValue) -> Result<Vec<u8>, Error> {
    // 192 bits: random ones do not meet, however many values there are.
    let mut nonce = [0; NONCE_BYTES];
    getrandom::fill(&mut nonce).map_err(error::no_randomness)?;
    let payload = Payload { msg: value.expose().as_bytes(), aad: &place.bytes(key) };
    // The cause says nothing, by design; a value of 64 KiB is far from what could fail.
    let encrypted = cipher(key)
        .encrypt(&XNonce::from(nonce), payload)
        .map_err(|_| Error::new(ErrorKind::Unexpected, "internal", "the secret could not be encrypted"))?;
    Ok([nonce.as_slice(), &encrypted].concat())
}

/// The value; none if it was sealed under another key, for another place, or changed since.
pub(super) fn open(key: &Key, place: &Place<'_>, sealed: &[u8]) -> Option<SecretValue> {
    let (nonce, encrypted) = sealed.split_first_chunk::<NONCE_BYTES>()?;
    let payload = Payload { msg: encrypted, aad: &place.bytes(key) };
    let bytes = Zeroizing::new(cipher(key).decrypt(&XNonce::from(*nonce), payload).ok()?);
    // Exactly as large as it is, so that no copy is left behind where it would have been cut to size.
    let text = std::str::from_utf8(&bytes).ok()?;
    let mut exact = String::with_capacity(text.len());
    exact.push_str(text);
    SecretValue::try_from(SecretString::from(exact)).ok()
}

fn cipher(key: &Key) -> XChaCha20Poly1305 {
    XChaCha20Poly1305::new(key.bytes().into())
}
