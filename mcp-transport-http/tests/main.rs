//! The transport as its clients see it: over real connections, byte by byte where it matters.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says why")]

mod admission;
mod answers;
mod client;
mod cors;
mod frames;
mod hostile;
mod http2;
#[cfg(feature = "sqlite")]
mod key_files;
mod keys;
mod limits;
mod mounting;
mod pipelines;
mod rates;
mod refusals;
mod revocation;
mod sessions;
mod smuggling;
mod streams;
mod tools;
