//! The promises that every engine keeps, as code to run against one.
//!
//! A promise is an async function over a [`Harness`] that panics if the engine breaks it. [`PROMISES`] names them all;
//! [`bext_promises!`](crate::bext_promises) gives the same list to a macro of one's own, to make a test of each:
//!
//! ```ignore
//! macro_rules! tests {
//!     ($($group:ident { $($promise:ident)* })*) => {
//!         $(mod $group {
//!             $(#[tokio::test(flavor = "multi_thread")]
//!             async fn $promise() {
//!                 let harness = super::MyHarness::new();
//!                 toolpack_ops::bext::engine::suite::$group::$promise(&harness).await;
//!             })*
//!         })*
//!     };
//! }
//! toolpack_ops::bext_promises!(tests);
//! ```
//!
//! Groups that need applications which run have their promises over a [`NodeHarness`], and a macro of their own:
//! [`bext_node_promises!`](crate::bext_node_promises), and [`NODE_PROMISES`].
//!
//! Promises use a multi-threaded tokio runtime, and each wants a harness of its own with nothing stored.

// A promise that is broken panics; that is how it says so.
#![allow(clippy::unwrap_used, reason = "a promise that is broken panics, as a test does")]

pub mod apps;
pub mod configs;
pub mod conformance;
pub mod database;
pub mod deploys;
pub mod instances;
pub mod key_value;
mod node;
pub mod secrets;

use std::fmt;
use std::pin::Pin;
use std::time::Duration;

use async_trait::async_trait;

pub use node::{Answered, NODE_PROMISES, NodeHarness, NodePromise};

use super::{AppRef, Changes, Engines, InstanceId, Rows, Statement};
use crate::error::{Error, ErrorKind};

/// Where engines come from.
#[async_trait]
pub trait Harness: fmt::Debug + Send + Sync + 'static {
    /// Opens one more engine over the same data, as another process would.
    ///
    /// The suite restarts by dropping all engines and opening another.
    async fn open(&self) -> Engines;

    /// Moves the clock of all engines forward.
    fn advance(&self, by: Duration);

    /// An instance that is there from the start.
    fn instance(&self) -> InstanceId;

    /// The limits that the engines were opened with.
    fn limits(&self) -> Limits;

    /// Removes the data.
    async fn clean_up(self: Box<Self>);
}

/// Limits of an engine, which the suite goes up to and beyond; best small, to be quick.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The longest SQL text, in characters.
    pub max_sql_chars: usize,
    /// The most rows of a query; at least 3.
    pub max_rows: usize,
    /// The most bytes of rows, as JSON.
    pub max_result_bytes: usize,
    /// The longest time of a statement; at least a second.
    pub statement_timeout: Duration,
    /// The largest value of a key, in bytes; less than 1 MiB.
    pub max_kv_value_bytes: usize,
}

/// A check under way.
pub type Checking<'h> = Pin<Box<dyn Future<Output = ()> + Send + 'h>>;

/// A promise by its name.
#[derive(Clone, Copy)]
pub struct Promise {
    /// Such as `key_value::an_expired_key_is_absent`.
    pub name: &'static str,
    /// Panics if the promise is broken.
    pub check: for<'h> fn(&'h dyn Harness) -> Checking<'h>,
}

impl fmt::Debug for Promise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// Hands the names of all promises to a macro, by group: `instances { … } database { … } key_value { … }`.
#[macro_export]
macro_rules! bext_promises {
    ($then:ident) => {
        $then! {
            instances {
                the_first_start_has_a_healthy_instance
                an_unknown_instance_is_refused_before_anything_else
                pages_have_limits_and_cursors
                checks_store_nothing
                a_check_is_made_now
            }
            database {
                an_app_without_data_reads_as_empty
                a_write_is_seen_by_every_later_read
                params_are_bound_by_type_and_never_as_text
                params_are_as_many_as_the_statement_has
                cells_keep_their_types
                rows_past_the_limit_are_cut
                bytes_past_the_limit_are_cut
                a_long_text_is_refused
                an_endless_statement_is_ended_and_undone
                a_query_never_writes
                execute_returns_no_rows
                one_statement_and_nothing_after_it
                drop_and_truncate_are_blocked
                nothing_leaves_the_database
                transactions_cannot_be_held_open
                a_failed_statement_changes_nothing
                errors_name_the_fault
                apps_share_no_data
                first_writes_race_to_one_database
                concurrent_writers_lose_nothing
                a_reader_sees_whole_statements
                a_dropped_write_is_undone
                dropped_queries_give_way
                writes_survive_a_restart
            }
            key_value {
                a_key_is_absent_until_it_is_set
                a_set_replaces_value_and_expiry
                an_expired_key_is_absent
                deleting_says_whether_there_was_a_key
                any_text_is_a_key_and_a_value
                a_value_over_the_limit_is_refused
                keys_are_listed_by_prefix_in_byte_order
                pages_hold_every_key_once
                a_cursor_is_a_place_not_a_count
                a_foreign_cursor_is_refused
                apps_share_no_keys
                sql_does_not_reach_the_keys
                first_sets_race_to_one_store
                of_concurrent_deletes_one_succeeds
                a_reader_sees_whole_values
                keys_survive_a_restart
            }
        }
    };
}

macro_rules! list_promises {
    ($($group:ident { $($promise:ident)* })*) => {
        /// All promises.
        pub const PROMISES: &[Promise] = &[$($(Promise {
            name: concat!(stringify!($group), "::", stringify!($promise)),
            check: |harness| Box::pin($group::$promise(harness)),
        }),*),*];
    };
}

bext_promises!(list_promises);

/// An app of the harness's instance.
fn app(harness: &dyn Harness, name: &str) -> AppRef {
    AppRef::new(harness.instance(), name.parse().unwrap())
}

fn expect<T: fmt::Debug>(result: Result<T, Error>, kind: ErrorKind, code: &str, of: &str) -> Error {
    let error = result.expect_err(of);
    assert_eq!((error.kind(), error.code()), (kind, code), "{of}: {error:?}");
    assert!(!error.message().is_empty() && !error.message().ends_with('.'), "{of}: {error}");
    error
}

impl Engines {
    async fn query(&self, app: &AppRef, sql: &str) -> Rows {
        self.database.query(app, Statement::new(sql)).await.expect(sql)
    }

    async fn execute(&self, app: &AppRef, sql: &str) -> Changes {
        self.database.execute(app, Statement::new(sql)).await.expect(sql)
    }

    async fn query_fails(&self, app: &AppRef, sql: &str, kind: ErrorKind, code: &str) -> Error {
        expect(self.database.query(app, Statement::new(sql)).await, kind, code, sql)
    }

    async fn execute_fails(&self, app: &AppRef, sql: &str, kind: ErrorKind, code: &str) -> Error {
        expect(self.database.execute(app, Statement::new(sql)).await, kind, code, sql)
    }
}
