//! The key under which heads and records are signed, and its file.

use std::{fmt, fs, io, path::Path};

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::{
    hash::{Hash, parse_hex, write_hex},
    owner_only,
};

/// Signs what was written here.
#[derive(Clone)]
pub(crate) struct Key(Hmac<Sha256>);

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key")
    }
}

impl Key {
    fn new(bytes: [u8; 32]) -> Self {
        // The key of an HMAC is one block, filled up with zeros.
        let mut block = [0; 64];
        block[..bytes.len()].copy_from_slice(&bytes);
        Self(Hmac::new(&block.into()))
    }

    /// The key of a file, if it is there: 64 hexadecimal digits.
    pub(crate) fn read(path: &Path) -> io::Result<Option<Self>> {
        let text = match fs::read(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let bytes = parse_hex(text.trim_ascii_end());
        let no_key = || io::Error::new(io::ErrorKind::InvalidData, "a key is 64 hexadecimal digits");
        bytes.map(Self::new).map(Some).ok_or_else(no_key)
    }

    /// One that nobody could guess, with the text of its file.
    pub(crate) fn make() -> io::Result<(Self, String)> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).map_err(io::Error::other)?;
        let mut text = String::with_capacity(65);
        // A text takes whatever is written to it.
        let _ = write_hex(&mut text, &bytes);
        text.push('\n');
        Ok((Self::new(bytes), text))
    }

    /// Puts the text of a new key into its file, for the owner alone.
    pub(crate) fn keep(path: &Path, text: &str) -> io::Result<()> {
        owner_only::replace(path, text.as_bytes(), true)
    }

    /// Signs the body of a head.
    pub(crate) fn sign_head(&self, body: &[u8]) -> Hash {
        Hash(self.sign(b"head", body))
    }

    /// Signs the hash of a record.
    pub(crate) fn seal(&self, hash: &Hash) -> Seal {
        let mut seal = [0; 16];
        seal.copy_from_slice(&self.sign(b"record", &hash.0)[..16]);
        Seal(seal)
    }

    /// Signs a digest of arguments: without the key nobody can try what was in them.
    pub(crate) fn digest(&self, digest: &[u8; 32]) -> String {
        let mut text = String::with_capacity(32);
        // A text takes whatever is written to it.
        let _ = write_hex(&mut text, &self.sign(b"arguments", digest)[..16]);
        text
    }

    /// What is signed is told apart by a word, so that none can be taken for another.
    fn sign(&self, what: &[u8], bytes: &[u8]) -> [u8; 32] {
        let mut mac = self.0.clone();
        mac.update(what);
        mac.update(&[0]);
        mac.update(bytes);
        mac.finalize().into_bytes().into()
    }
}

/// Half of an HMAC-SHA256, which is enough for what is compared and not searched for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seal(pub(crate) [u8; 16]);
