//! The transport as its clients see it: over real connections, byte by byte where it matters.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says why")]

mod answers;
mod client;
mod hostile;
mod limits;
mod mounting;
mod refusals;
mod sessions;
mod streams;
mod tools;
