//! A record of every call that shows what was changed in it.
//!
//! [`AuditLog`] is an [`Audit`](mcp_core::Audit): given to a server, it writes down who did what, from where, with which
//! arguments (without secrets), whether it was allowed, agreed to and done, and how long that took. [`verify`](verify())
//! says whether the log is still the one that was written, or where it breaks and how.
//!
//! ```
//! use mcp_audit::{AuditConfig, AuditLog, tail, verify};
//! use mcp_core::{Annotations, Empty, Server, Text, testing::Client, tool_fn};
//! use serde_json::json;
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let data = tempfile::tempdir()?;
//! # let directory = data.path().join("audit");
//! let log = AuditLog::open(AuditConfig::new(&directory).required())?;
//! let wipe = tool_fn("wipe", Annotations::destructive(), async |_: Empty, _| Ok(Text::new("wiped")));
//! let client = Client::new(Server::new("demo", "1.0.0").audit(log).add(wipe)).await;
//! client.call("wipe", json!({})).await;
//!
//! let report = verify(&directory)?;
//! assert!(report.is_whole(), "{report}");
//! assert_eq!(report.records, 2); // that it began, and that it ended
//! println!("{}", tail(&directory, 1)?[0]);
//! # Ok(()) }
//! ```
//!
//! # How it holds
//!
//! A record is a line of JSON with its number, the hash of the record before it, its own hash, and a signature over that.
//! Beside the log there is a small file, the head: which record is the last, signed with a key that only the owner can
//! read. A record that was changed does not fit its hash, one that is missing leaves a gap, and where the end is missing,
//! the head says so. A process that dies leaves at most records behind the head, and half a line, of which nobody was
//! told that they were written; the next writer goes on from there. Where a writer meets damage, it goes on from what the
//! head says, so that the damage shows for ever.
//!
//! Whoever has the key and may write to the directory can make up another log. Against that, keep what
//! [`AuditLog::head`] says somewhere else from time to time, and hold it against the log with [`Verify::expecting`].
//!
//! Several processes may write to one directory: they take turns, under a lock.
//!
//! # Features
//!
//! | feature | |
//! |---|---|
//! | `sqlite` | `Sink::Sqlite`: the same records in a database, to be queried |

mod chain;
mod config;
mod error;
mod fields;
mod hash;
mod head;
mod key;
mod line;
mod lines;
mod log;
mod owner_only;
mod proof;
mod queue;
mod report;
mod store;
mod tail;
mod traced;
mod verify;
mod writer;

pub use self::{
    config::{AuditConfig, Durability, Sink},
    error::{Error, ErrorKind},
    head::{Head, NoHead},
    log::AuditLog,
    proof::digest_of,
    report::{Damage, DamageKind, Place, Report},
    tail::{Record, tail},
    verify::{Verify, verify},
};

/// The signed head.
const HEAD: &str = "audit.head";
/// The key that signs it, unless it is elsewhere.
const KEY: &str = "audit.key";
/// Held by whoever writes.
const LOCK: &str = "audit.lock";
