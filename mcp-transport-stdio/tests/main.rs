//! Sockets as their clients see them: over real connections, line by line.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says why")]

mod client;
mod ending;
mod files;
mod limits;
mod serving;
mod tools;
