//! Secrets at rest: encrypted with XChaCha20-Poly1305 under a key that only its owner can read.
//!
//! ```text
//! secret.key                       the keys, unless BEXT_SECRET_KEY has them: the current one first
//! instances/ID/secrets.sqlite      the secrets of an instance, each sealed by itself
//! ```
//!
//! A value is bound to its place: the instance, the app, the name and the time it was set. A row that was changed, or
//! copied to another place, does not open. That an earlier row of the very same place was put back cannot be seen.
//!
//! Everything here blocks. Whoever uses it is alone with the data directory: it holds the lock of the node.

mod environment;
mod error;
mod key;
mod key_file;
mod key_id;
mod keys;
mod rotation;
mod seal;
mod store;

pub(crate) use environment::is_of_shells;
pub(crate) use keys::SecretKey;
pub(crate) use store::SecretStore;

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
