//! One connection to one file of one app, set up so that the text of a statement cannot leave it or wear it out.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::limits::Limit;
use rusqlite::{Connection, OpenFlags};

use super::authorizer::Watch;
use super::config::EmbeddedConfig;
use super::error::{self, Fault};
use super::guard;
use super::job::Job;
use super::place::{Access, StoreFile};
use crate::error::{Error, ErrorKind};

/// The version of the tables in `kv.sqlite`, kept in its `user_version`. Data files belong to their apps.
const KEYS_VERSION: i32 = 1;

const KEYS_SCHEMA: &str = "
    -- Keys are blobs: compared byte by byte, whatever is in them. Times are milliseconds since 1970.
    CREATE TABLE kv (key BLOB PRIMARY KEY, expires_at INTEGER, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
    CREATE INDEX kv_expiry ON kv (expires_at) WHERE expires_at IS NOT NULL;
    PRAGMA user_version = 1;
";

const PAGE_BYTES: i64 = 4096;
const STEPS_BETWEEN_LOOKS: i32 = 1000;

#[derive(Debug)]
pub(super) struct Store {
    connection: Connection,
    watch: Arc<Watch>,
    broken: bool,
}

impl Store {
    /// Opens a file that exists.
    pub(super) fn open(
        path: &Path,
        file: StoreFile,
        access: Access,
        config: &EmbeddedConfig,
    ) -> Result<Self, Error> {
        let access_flag = match access {
            Access::Read => OpenFlags::SQLITE_OPEN_READ_ONLY,
            Access::Write => OpenFlags::SQLITE_OPEN_READ_WRITE,
        };
        // No CREATE: a file is made whole by `create` or not at all. No URI: a path is a path.
        let flags = access_flag | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags).map_err(error::store)?;
        let store = Self::set_up(connection, file, access, config).map_err(error::store)?;
        if file == StoreFile::Keys {
            let version: i32 = store
                .connection
                .query_row("PRAGMA user_version", [], |row| row.get(0))
                .map_err(error::store)?;
            if version != KEYS_VERSION {
                let message =
                    format!("the key-value store has version {version}, this engine needs {KEYS_VERSION}");
                return Err(Error::new(ErrorKind::Unsupported, "store_version", message));
            }
        }
        Ok(store)
    }

    /// The database of an app that has stored nothing.
    pub(super) fn empty(access: Access, config: &EmbeddedConfig) -> Result<Self, Error> {
        let connection = Connection::open_in_memory().map_err(error::store)?;
        Self::set_up(connection, StoreFile::Data, access, config).map_err(error::store)
    }

    /// Makes a new, empty store at a path of no file.
    ///
    /// Journal mode WAL is kept in the file, so it is set here, where nobody else is: to change it needs the file for
    /// oneself.
    pub(super) fn create(path: &Path, file: StoreFile) -> Result<(), Fault> {
        let connection = Connection::open(path)?;
        connection.busy_timeout(Duration::from_secs(1))?;
        pragma(&connection, "page_size", PAGE_BYTES)?;
        pragma(&connection, "journal_mode", "WAL")?;
        if file == StoreFile::Keys {
            connection.execute_batch(KEYS_SCHEMA)?;
        } else {
            // Writes the first page; a file of no bytes would forget its journal mode.
            pragma(&connection, "user_version", 0)?;
            connection.execute_batch("VACUUM")?;
        }
        connection.close().map_err(|(_, error)| Fault::Sqlite(error))
    }

    fn set_up(
        mut connection: Connection,
        file: StoreFile,
        access: Access,
        config: &EmbeddedConfig,
    ) -> rusqlite::Result<Self> {
        connection.busy_timeout(Duration::from_millis(config.busy_timeout_ms))?;
        for (option, on) in [
            (DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true),
            (DbConfig::SQLITE_DBCONFIG_ENABLE_FKEY, true),
            (DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false),
            (DbConfig::SQLITE_DBCONFIG_WRITABLE_SCHEMA, false),
            // Else "no_such_column" is quietly a string.
            (DbConfig::SQLITE_DBCONFIG_DQS_DDL, false),
            (DbConfig::SQLITE_DBCONFIG_DQS_DML, false),
            (DbConfig::SQLITE_DBCONFIG_ENABLE_FTS3_TOKENIZER, false),
            (DbConfig::SQLITE_DBCONFIG_ENABLE_ATTACH_CREATE, false),
            (DbConfig::SQLITE_DBCONFIG_ENABLE_ATTACH_WRITE, false),
        ] {
            connection.set_db_config(option, on)?;
        }
        // FULL: each commit is on the disk before it returns, so a power cut loses nothing either.
        pragma(&connection, "synchronous", "FULL")?;
        pragma(&connection, "temp_store", "MEMORY")?;
        pragma(&connection, "mmap_size", 0)?;
        pragma(&connection, "cell_size_check", true)?;
        pragma(&connection, "recursive_triggers", false)?;
        pragma(&connection, "journal_size_limit", 16 << 20)?;
        // A negative size counts KiB instead of pages.
        pragma(&connection, "cache_size", -((config.page_cache_bytes / 1024) as i64))?;
        let max_bytes = i64::try_from(config.max_store_bytes).unwrap_or(i64::MAX);
        pragma(&connection, "max_page_count", max_bytes / PAGE_BYTES)?;
        pragma(&connection, "query_only", access == Access::Read)?;
        let longest = match file {
            StoreFile::Data => config.max_cell_bytes,
            // A row has the key and a header beside the value.
            StoreFile::Keys => config.max_kv_value_bytes + 8192,
        };
        for (limit, value) in [
            (Limit::SQLITE_LIMIT_LENGTH, clamp(longest)),
            (Limit::SQLITE_LIMIT_SQL_LENGTH, clamp(config.max_sql_chars.saturating_mul(4).max(10_000))),
            (Limit::SQLITE_LIMIT_COLUMN, 500),
            (Limit::SQLITE_LIMIT_EXPR_DEPTH, 200),
            (Limit::SQLITE_LIMIT_COMPOUND_SELECT, 200),
            (Limit::SQLITE_LIMIT_VDBE_OP, 250_000),
            (Limit::SQLITE_LIMIT_FUNCTION_ARG, 100),
            (Limit::SQLITE_LIMIT_ATTACHED, 0),
            // A pattern of `%a%a%a…` costs its length for every byte of the text.
            (Limit::SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 1000),
            (Limit::SQLITE_LIMIT_VARIABLE_NUMBER, 1000),
            (Limit::SQLITE_LIMIT_TRIGGER_DEPTH, 32),
            (Limit::SQLITE_LIMIT_WORKER_THREADS, 0),
        ] {
            connection.set_limit(limit, value)?;
        }
        let watch = Arc::new(Watch::default());
        let judge = watch.clone();
        connection.authorizer(Some(move |context: rusqlite::hooks::AuthContext<'_>| {
            judge.authorize(context, access)
        }))?;
        if access == Access::Write {
            let witness = watch.clone();
            connection.update_hook(Some(move |action, _: &str, table: &str, _: i64| {
                witness.updated(action, table);
            }))?;
        }
        Ok(Self { connection, watch, broken: false })
    }

    /// Works with the connection until the job is ended.
    pub(super) fn read<T>(
        &mut self,
        job: &Arc<Job>,
        work: impl FnOnce(&Connection, &Arc<Watch>) -> Result<T, Fault>,
    ) -> Result<T, Error> {
        let result = self.supervised(job, work);
        self.settle(job, result)
    }

    /// Works in a transaction that is kept if the work succeeds and the job was not ended by then.
    pub(super) fn write<T>(
        &mut self,
        job: &Arc<Job>,
        work: impl FnOnce(&Connection, &Arc<Watch>) -> Result<T, Fault>,
    ) -> Result<T, Error> {
        let result = self.supervised(job, |connection, watch| {
            // IMMEDIATE: the lock is taken at once, so that what is read in here is not out of date at the commit.
            connection.execute_batch("BEGIN IMMEDIATE")?;
            let value = work(connection, watch)?;
            job.begin_commit()?;
            connection.execute_batch("COMMIT")?;
            Ok(value)
        });
        self.settle(job, result)
    }

    /// Lowers the limit of the memory that SQLite takes in this process.
    pub(super) fn limit_process_heap(&self, bytes: u64) -> Result<(), Error> {
        let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
        pragma(&self.connection, "hard_heap_limit", bytes).map_err(error::store)
    }

    /// Whether the next job may have this connection.
    pub(super) fn is_fit(&self) -> bool {
        !self.broken && self.connection.is_autocommit()
    }

    fn supervised<T>(
        &mut self,
        job: &Arc<Job>,
        work: impl FnOnce(&Connection, &Arc<Watch>) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        if job.should_stop() {
            return Err(job.ended().into());
        }
        let watched = job.clone();
        self.connection.progress_handler(STEPS_BETWEEN_LOOKS, Some(move || watched.should_stop()))?;
        let result = work(&self.connection, &self.watch);
        // Gone before the rollback, which must not be interrupted.
        self.connection.progress_handler(0, None::<fn() -> bool>)?;
        if result.is_err() && !self.connection.is_autocommit() {
            self.broken |= self.connection.execute_batch("ROLLBACK").is_err();
        }
        result
    }

    fn settle<T>(&mut self, job: &Job, result: Result<T, Fault>) -> Result<T, Error> {
        let denied = self.watch.take_denied();
        result.map_err(|fault| {
            let error = match (fault, denied) {
                (Fault::Sqlite(error), _) if error::interrupted(&error) => job.ended().with_source(error),
                (Fault::Sqlite(error), Some(denied)) => {
                    guard::blocked(format!("{denied} is blocked")).with_source(error)
                }
                (fault, _) => fault.into(),
            };
            // A connection that failed for a reason of its own may fail again.
            self.broken |= matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Unexpected);
            error
        })
    }
}

/// Sets a pragma, whether or not it answers with a row.
pub(super) fn pragma(
    connection: &Connection,
    name: &str,
    value: impl rusqlite::ToSql,
) -> rusqlite::Result<()> {
    connection.pragma_update_and_check(None, name, value, |_| Ok(())).or_else(|error| match error {
        rusqlite::Error::QueryReturnedNoRows => Ok(()),
        error => Err(error),
    })
}

fn clamp(value: usize) -> i32 {
    i32::try_from(value).unwrap_or(i32::MAX)
}
