//! The tables of `state.sqlite`, and how those of an earlier version become those of this one.

use std::path::Path;
use std::time::Duration;

use rusqlite::Connection;
use rusqlite::config::DbConfig;

use super::Fault;
use crate::error::{Error, ErrorKind};

/// What brings a store from each version to the next; the number of the last is in its `user_version`.
///
/// Each is applied once, in a transaction, and never changed after it was released: what is new is a further one.
const STEPS: &[&str] = &["
    -- Times are milliseconds since 1970.
    CREATE TABLE apps (
        name TEXT PRIMARY KEY,
        source TEXT NOT NULL,
        runtime TEXT NOT NULL,
        -- Whether somebody chose the runtime; else it is what the newest release says.
        runtime_chosen INTEGER NOT NULL,
        created_at INTEGER NOT NULL,
        updated_at INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE domains (
        domain TEXT PRIMARY KEY,
        app TEXT NOT NULL REFERENCES apps (name)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX domains_of_app ON domains (app);
    CREATE TABLE releases (
        id INTEGER PRIMARY KEY,
        app TEXT NOT NULL REFERENCES apps (name),
        version TEXT NOT NULL,
        artifact TEXT NOT NULL,
        runtime TEXT NOT NULL,
        made_at INTEGER NOT NULL,
        -- Counts up with each release that begins to be used; which was used last is what is kept longest.
        used INTEGER NOT NULL,
        UNIQUE (app, version, artifact)
    ) STRICT;
    CREATE TABLE routes (
        app TEXT PRIMARY KEY REFERENCES apps (name),
        live INTEGER NOT NULL REFERENCES releases (id),
        previous INTEGER REFERENCES releases (id),
        canary INTEGER REFERENCES releases (id),
        percent INTEGER,
        CHECK ((canary IS NULL) = (percent IS NULL))
    ) STRICT, WITHOUT ROWID;
    -- What became of each release, and stays when the app is gone.
    CREATE TABLE records (
        id TEXT PRIMARY KEY,
        app TEXT NOT NULL,
        version TEXT NOT NULL,
        previous_version TEXT,
        action TEXT NOT NULL,
        status TEXT NOT NULL,
        strategy TEXT NOT NULL,
        duration_ms INTEGER NOT NULL,
        started_at INTEGER NOT NULL,
        finished_at INTEGER NOT NULL,
        deployed_by TEXT NOT NULL,
        error TEXT
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX records_of_app ON records (app, id);
    CREATE TABLE runs (
        id TEXT PRIMARY KEY,
        kind TEXT NOT NULL,
        subject TEXT NOT NULL,
        parent TEXT,
        state TEXT NOT NULL,
        data TEXT NOT NULL,
        error TEXT,
        started_at INTEGER NOT NULL,
        finished_at INTEGER
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX runs_unfinished ON runs (id) WHERE finished_at IS NULL;
    CREATE TABLE steps (
        run TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
        position INTEGER NOT NULL,
        name TEXT NOT NULL,
        state TEXT NOT NULL,
        data TEXT NOT NULL,
        started_at INTEGER NOT NULL,
        finished_at INTEGER,
        PRIMARY KEY (run, position)
    ) STRICT, WITHOUT ROWID;
"];

/// Opens the file with tables of this version, and makes them where there are none.
pub(super) fn open(path: &Path) -> Result<Connection, Fault> {
    let mut connection = Connection::open(path)?;
    #[cfg(unix)]
    std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
    connection.busy_timeout(Duration::from_secs(5))?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_FKEY, true)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    // What a caller was told is on the disk, so a power cut loses nothing of it.
    connection.pragma_update(None, "synchronous", "FULL")?;
    migrate(&mut connection, STEPS)?;
    Ok(connection)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on says why")]
pub(super) fn in_memory() -> Connection {
    let mut connection = Connection::open_in_memory().unwrap();
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_FKEY, true).unwrap();
    migrate(&mut connection, STEPS).unwrap();
    connection
}

fn migrate(connection: &mut Connection, steps: &[&str]) -> Result<(), Fault> {
    let found: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    let known = i64::try_from(steps.len()).unwrap_or(i64::MAX);
    if !(0..=known).contains(&found) {
        let message = format!(
            "the state of the instance has version {found}, this node knows up to {known}; run a newer one"
        );
        return Err(Error::new(ErrorKind::Unsupported, "store_version", message).into());
    }
    for (version, step) in (1..).zip(steps).skip(usize::try_from(found).unwrap_or(usize::MAX)) {
        let transaction = connection.transaction()?;
        transaction.execute_batch(step)?;
        transaction.pragma_update(None, "user_version", version)?;
        transaction.commit()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on says why")]

    use super::*;

    #[test]
    fn each_step_is_applied_once_and_a_newer_store_is_refused() {
        let mut connection = Connection::open_in_memory().unwrap();
        let first = "CREATE TABLE a (x INTEGER) STRICT";
        migrate(&mut connection, &[first]).unwrap();
        migrate(&mut connection, &[first]).unwrap();
        migrate(&mut connection, &[first, "ALTER TABLE a ADD COLUMN y INTEGER"]).unwrap();
        connection.execute("INSERT INTO a (x, y) VALUES (1, 2)", []).unwrap();
        let error = Error::from(migrate(&mut connection, &[first]).unwrap_err());
        assert_eq!(error.code(), "store_version");
        assert!(error.message().contains("version 2, this node knows up to 1"), "{error}");
    }

    #[test]
    fn a_step_that_fails_leaves_the_version_before() {
        let mut connection = Connection::open_in_memory().unwrap();
        let steps = ["CREATE TABLE a (x INTEGER)", "CREATE TABLE b (x INTEGER); CREATE TABLE a (x INTEGER)"];
        migrate(&mut connection, &steps).unwrap_err();
        let version: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0)).unwrap();
        assert_eq!(version, 1);
        assert!(connection.prepare("SELECT x FROM b").is_err());
    }
}
