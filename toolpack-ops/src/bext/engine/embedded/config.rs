//! The limits of the embedded engine.

use std::time::Duration;

use serde::Deserialize;

use crate::error::{Error, ErrorKind};

/// How much the embedded engine does for one call, and holds in all.
///
/// Unknown fields are refused. Every default is safe to start with.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct EmbeddedConfig {
    /// The longest SQL text, in characters. Default 10,000.
    pub max_sql_chars: usize,
    /// The most rows that a query returns. Default 1,000.
    pub max_rows: usize,
    /// The most bytes of rows, as JSON, that a query returns; also of keys in one page. Default 1 MiB.
    pub max_result_bytes: usize,
    /// The largest string, blob or row that a statement may make or store, in bytes. Default 1 MiB: a function of
    /// SQLite works on its arguments without a look at the clock, so their size bounds the time.
    pub max_cell_bytes: usize,
    /// The largest value of a key, in bytes. Default 1 MiB.
    pub max_kv_value_bytes: usize,
    /// How large one database, and one key-value store, may grow on disk, in bytes. Default 1 GiB.
    pub max_store_bytes: u64,
    /// After how many milliseconds a statement is ended. Default 30,000.
    pub statement_timeout_ms: u64,
    /// How many milliseconds a call waits for another process to finish writing. Default 5,000.
    pub busy_timeout_ms: u64,
    /// How many milliseconds a call waits for its turn within this process. Default 10,000.
    pub queue_timeout_ms: u64,
    /// After how many milliseconds a check of an instance gives up; half of it is slow. Default 2,000.
    pub probe_timeout_ms: u64,
    /// How many statements run at once, over all apps. Default 16.
    pub max_running: usize,
    /// How many reads run at once on one app. Default 4. (Writes run one after the other.)
    pub max_readers_per_store: usize,
    /// How many connections stay open while idle; the longest idle are closed first. Default 64.
    pub max_idle_connections: usize,
    /// The page cache of one connection, in bytes. Default 2 MiB.
    pub page_cache_bytes: usize,
    /// The most memory SQLite may take, in bytes; a statement that needs more fails. Default 512 MiB, none if 0.
    ///
    /// SQLite counts over the whole process and only ever lowers this limit, so it holds for other users of SQLite in
    /// the process too. Sorting and temporary tables stay in memory: no temporary file is ever made.
    pub process_heap_bytes: u64,
}

impl Default for EmbeddedConfig {
    fn default() -> Self {
        Self {
            max_sql_chars: 10_000,
            max_rows: 1_000,
            max_result_bytes: 1 << 20,
            max_cell_bytes: 1 << 20,
            max_kv_value_bytes: 1 << 20,
            max_store_bytes: 1 << 30,
            statement_timeout_ms: 30_000,
            busy_timeout_ms: 5_000,
            queue_timeout_ms: 10_000,
            probe_timeout_ms: 2_000,
            max_running: 16,
            max_readers_per_store: 4,
            max_idle_connections: 64,
            page_cache_bytes: 2 << 20,
            process_heap_bytes: 512 << 20,
        }
    }
}

macro_rules! setters {
    ($($(#[$doc:meta])* $setter:ident = $field:ident: $type:ty;)*) => {
        impl EmbeddedConfig {
            $($(#[$doc])*
            #[must_use]
            pub fn $setter(mut self, $field: $type) -> Self {
                self.$field = $field;
                self
            })*
        }
    };
}

setters! {
    /// Sets [`EmbeddedConfig::max_sql_chars`].
    with_max_sql_chars = max_sql_chars: usize;
    /// Sets [`EmbeddedConfig::max_rows`].
    with_max_rows = max_rows: usize;
    /// Sets [`EmbeddedConfig::max_result_bytes`].
    with_max_result_bytes = max_result_bytes: usize;
    /// Sets [`EmbeddedConfig::max_cell_bytes`].
    with_max_cell_bytes = max_cell_bytes: usize;
    /// Sets [`EmbeddedConfig::max_kv_value_bytes`].
    with_max_kv_value_bytes = max_kv_value_bytes: usize;
    /// Sets [`EmbeddedConfig::max_store_bytes`].
    with_max_store_bytes = max_store_bytes: u64;
    /// Sets [`EmbeddedConfig::statement_timeout_ms`].
    with_statement_timeout_ms = statement_timeout_ms: u64;
    /// Sets [`EmbeddedConfig::busy_timeout_ms`].
    with_busy_timeout_ms = busy_timeout_ms: u64;
    /// Sets [`EmbeddedConfig::queue_timeout_ms`].
    with_queue_timeout_ms = queue_timeout_ms: u64;
    /// Sets [`EmbeddedConfig::probe_timeout_ms`].
    with_probe_timeout_ms = probe_timeout_ms: u64;
    /// Sets [`EmbeddedConfig::max_running`].
    with_max_running = max_running: usize;
    /// Sets [`EmbeddedConfig::max_readers_per_store`].
    with_max_readers_per_store = max_readers_per_store: usize;
    /// Sets [`EmbeddedConfig::max_idle_connections`].
    with_max_idle_connections = max_idle_connections: usize;
    /// Sets [`EmbeddedConfig::page_cache_bytes`].
    with_page_cache_bytes = page_cache_bytes: usize;
    /// Sets [`EmbeddedConfig::process_heap_bytes`].
    with_process_heap_bytes = process_heap_bytes: u64;
}

impl EmbeddedConfig {
    pub(super) fn statement_timeout(&self) -> Duration {
        Duration::from_millis(self.statement_timeout_ms)
    }

    /// Refuses limits under which nothing could work, or that SQLite cannot count.
    pub(super) fn check(&self) -> Result<(), Error> {
        const SQLITE_MAX: usize = 1_000_000_000;
        // Half a minute is what callers are promised at most; the others only keep the arithmetic far from overflow.
        let ranges = [
            ("max_sql_chars", self.max_sql_chars as u64, 1, 1_000_000),
            ("max_rows", self.max_rows as u64, 1, 1_000_000),
            ("max_result_bytes", self.max_result_bytes as u64, 1, SQLITE_MAX as u64),
            ("max_cell_bytes", self.max_cell_bytes as u64, 1024, SQLITE_MAX as u64),
            ("max_kv_value_bytes", self.max_kv_value_bytes as u64, 1, (SQLITE_MAX / 2) as u64),
            ("max_store_bytes", self.max_store_bytes, 1 << 16, 1 << 43),
            ("statement_timeout_ms", self.statement_timeout_ms, 1, 30_000),
            ("busy_timeout_ms", self.busy_timeout_ms, 1, 30_000),
            ("queue_timeout_ms", self.queue_timeout_ms, 1, 600_000),
            ("probe_timeout_ms", self.probe_timeout_ms, 1, 30_000),
            ("max_running", self.max_running as u64, 1, 1_024),
            ("max_readers_per_store", self.max_readers_per_store as u64, 1, 1_024),
            ("max_idle_connections", self.max_idle_connections as u64, 0, 4_096),
            ("page_cache_bytes", self.page_cache_bytes as u64, 1 << 16, 1 << 30),
            ("process_heap_bytes", self.process_heap_bytes, 0, 1 << 43),
        ];
        for (name, value, min, max) in ranges {
            if !(min..=max).contains(&value) {
                let message = format!("{name} must be {min} to {max}, not {value}");
                return Err(Error::new(ErrorKind::InvalidInput, "invalid_config", message));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on says why")]

    use super::*;

    #[test]
    fn a_config_states_only_what_differs() {
        let config: EmbeddedConfig = toml::from_str("max_rows = 5").unwrap();
        assert_eq!(config, EmbeddedConfig::default().with_max_rows(5));
        assert!(toml::from_str::<EmbeddedConfig>("max_row = 5").is_err());
    }

    #[test]
    fn limits_that_cannot_work_are_refused() {
        assert!(EmbeddedConfig::default().check().is_ok());
        let error = EmbeddedConfig::default().with_statement_timeout_ms(30_001).check().unwrap_err();
        assert_eq!(error.message(), "statement_timeout_ms must be 1 to 30000, not 30001");
        assert!(EmbeddedConfig::default().with_max_rows(0).check().is_err());
    }
}
