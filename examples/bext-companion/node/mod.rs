//! The node: the process that has the engine of a data directory, and serves whoever connects to its socket.
//!
//! ```text
//! node.sock   where fronts (`--mcp`, `--http`) and `node stop|status` ask for something, in one line of JSON
//! node.lock   locked by the node
//! node.json   which process has the engine
//! node.log    what it logs, and node.log.1 what it logged before
//! ```
//!
//! Policy, limits and audit are here alone, and keys are looked up here. A front copies bytes, and makes the first key for the
//! person to whom it shows it.

mod about;
mod clients;
mod control;
mod directory;
mod log;
mod opening;
mod process;
mod socket;
mod start_lock;

pub(crate) use self::{
    about::{About, Record, build},
    control::run,
    log::Log,
    opening::{Answer, Opening, Started, Want},
    socket::connect,
    start_lock::StartLock,
};
