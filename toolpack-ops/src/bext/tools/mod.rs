//! The tools: what a caller may ask for, each a struct of its arguments over [`Engines`](super::engine::Engines).
//!
//! They hold no SQL of their own and know no engine but by its traits. What an engine refuses, they say to the caller
//! in the engine's words, with the argument at fault.

mod error;
mod instances;
mod key_value;
mod progress;
mod sql;

pub use instances::{InstanceList, ListInstances, ListedInstance};
pub use key_value::{KeyList, KvDelete, KvGet, KvList, KvSet, KvValue, KvWritten};
pub use sql::{DbExecute, DbQuery, Executed};
