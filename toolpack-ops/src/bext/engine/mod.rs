//! What an engine of this pack can do: three small traits, and the types that go in and come out.
//!
//! | trait | what |
//! |---|---|
//! | [`Instances`] | the instances an engine knows, and whether they answer |
//! | [`Database`] | one SQL database for each app |
//! | [`KeyValue`] | one key-value store for each app |
//!
//! The traits are object-safe and held as `Arc<dyn …>`, all of them together as [`Engines`]. Every method is required, so that a wrapper cannot lose one.
//! [`embedded`] is the engine that needs nothing else; `suite` (feature `suite`) holds the promises that every
//! engine keeps.
//!
//! # What every method promises
//!
//! - An instance that is not known fails with `NotFound`, code `instance_not_found`, before anything else is looked
//!   at, be it the statement, the cursor or the size of a value.
//! - An app that has stored nothing reads as empty, and reading does not store anything.
//! - What returned success is durable: killing the process loses nothing of it.
//! - Dropping the future cancels: a write is then either undone or complete, never half done.
//! - Any number of calls may run at once, from several processes too, where the engine has a shared store.
//!
//! A method returns its error and does not log it: whoever tells the caller of it does, as the tools do.
//!
//! There is no SQL here and no type of a vendor.

mod database;
pub mod embedded;
mod instances;
mod key_value;
mod names;
mod paging;
#[cfg(feature = "suite")]
pub mod suite;
mod text;
mod time;

pub use database::{Cell, Changes, Database, Param, Rows, Statement};
pub use instances::{Instance, InstanceHealth, InstancePage, InstanceStatus, Instances, ListInstances};
pub use key_value::{
    Deleted, Entry, Key, KeyPage, KeyPrefix, KeyValue, KeyValueText, ListKeys, SetKey, Ttl, Written,
};
pub use names::{AppName, AppRef, InstanceId, InstanceUrl};
pub use paging::{Cursor, PageSize};
pub use time::{Clock, SystemClock, Timestamp};

pub use crate::error::{Error, ErrorKind, Retry};

use std::sync::Arc;

/// The engines of the pack: one for each trait, or one that is all of them.
///
/// It is the state of every tool; cloning it is cheap.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Engines {
    /// The instances.
    pub instances: Arc<dyn Instances>,
    /// The databases.
    pub database: Arc<dyn Database>,
    /// The key-value stores.
    pub key_value: Arc<dyn KeyValue>,
}

impl Engines {
    /// One engine for everything, such as [`Embedded`](embedded::Embedded).
    pub fn of(engine: impl Instances + Database + KeyValue) -> Self {
        let engine = Arc::new(engine);
        Self { instances: engine.clone(), database: engine.clone(), key_value: engine }
    }

    /// Another engine for the instances.
    #[must_use]
    pub fn with_instances(mut self, instances: Arc<dyn Instances>) -> Self {
        self.instances = instances;
        self
    }

    /// Another engine for the databases.
    #[must_use]
    pub fn with_database(mut self, database: Arc<dyn Database>) -> Self {
        self.database = database;
        self
    }

    /// Another engine for the key-value stores.
    #[must_use]
    pub fn with_key_value(mut self, key_value: Arc<dyn KeyValue>) -> Self {
        self.key_value = key_value;
        self
    }
}

/// A value that its type refuses.
fn invalid_argument(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidInput, "invalid_argument", message)
}
