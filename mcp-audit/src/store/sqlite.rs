//! A table of lines in an SQLite database; a line is the same as in a file.
//!
//! For queries there is the view `entries`, with a column for each member of a record that is worth one.

use std::{io, path::Path, time::Duration};

use rusqlite::{Connection, OptionalExtension as _};

use super::{DATABASE, Store};
use crate::{
    head::{Head, SignedHead, StoreKind},
    line::Line,
    owner_only,
};

/// What a record says is asked for through a view, so that there is nothing beside the lines that could be changed.
const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS records (id INTEGER PRIMARY KEY AUTOINCREMENT, line TEXT NOT NULL);
CREATE VIEW IF NOT EXISTS entries AS SELECT
    line ->> 'seq' AS seq, line ->> 'time' AS time, line ->> 'event' AS event, line ->> 'call' AS call,
    line ->> 'kind' AS kind, line ->> 'subject' AS subject, line ->> 'peer' AS peer, line ->> 'method' AS method,
    line ->> 'name' AS name, line -> 'arguments' AS arguments, line ->> 'digest' AS digest,
    line ->> 'decision' AS decision, line ->> 'confirmation' AS confirmation, line ->> 'outcome' AS outcome, line ->> 'code' AS code,
    line ->> 'micros' AS micros
FROM records WHERE json_valid(line)";

/// Opens the database of a directory.
pub(crate) fn open(directory: &Path) -> io::Result<Connection> {
    let path = directory.join(DATABASE);
    // SQLite would make a file that others can read.
    owner_only::options().append(true).open(&path)?;
    let connection = Connection::open(&path).map_err(io::Error::other)?;
    connection.busy_timeout(Duration::from_secs(10)).map_err(io::Error::other)?;
    connection.pragma_update(None, "journal_mode", "WAL").map_err(io::Error::other)?;
    connection.execute_batch(SCHEMA).map_err(io::Error::other)?;
    Ok(connection)
}

/// A table of lines.
#[derive(Debug)]
pub(crate) struct SqliteStore {
    connection: Connection,
    directory: std::path::PathBuf,
}

impl SqliteStore {
    pub(crate) fn open(directory: &Path) -> io::Result<Self> {
        Ok(Self { connection: open(directory)?, directory: directory.to_owned() })
    }

    fn end(&self) -> rusqlite::Result<u64> {
        self.connection.query_row("SELECT coalesce(max(id), 0) FROM records", (), |row| row.get(0))
    }
}

impl Store for SqliteStore {
    fn kind(&self) -> StoreKind {
        StoreKind::Sqlite
    }

    fn is_empty(&mut self) -> io::Result<bool> {
        Ok(self.end().map_err(io::Error::other)? == 0)
    }

    fn is_at(&mut self, head: &SignedHead) -> io::Result<bool> {
        // A database that was taken away is still open here.
        Ok(super::is_database(&self.directory) && self.end().map_err(io::Error::other)? == head.end)
    }

    fn take_up(&mut self, head: &mut SignedHead, see: &mut dyn FnMut(&[u8])) -> io::Result<()> {
        if !super::is_database(&self.directory) {
            self.connection = open(&self.directory)?;
        }
        let mut behind = || -> rusqlite::Result<()> {
            let mut statement =
                self.connection.prepare("SELECT line FROM records WHERE id > ?1 ORDER BY id")?;
            let mut rows = statement.query([head.end])?;
            while let Some(row) = rows.next()? {
                see(row.get_ref(0)?.as_bytes().unwrap_or_default());
            }
            Ok(())
        };
        behind().map_err(io::Error::other)?;
        head.end = self.end().map_err(io::Error::other)?;
        Ok(())
    }

    fn without_head(&mut self) -> io::Result<SignedHead> {
        let look = || -> rusqlite::Result<SignedHead> {
            let mut head = SignedHead::start(StoreKind::Sqlite);
            let first = "SELECT line FROM records ORDER BY id LIMIT 1";
            let first: Option<String> = self.connection.query_row(first, (), |row| row.get(0)).optional()?;
            let first = first.as_deref().and_then(|line| Line::parse(line.as_bytes()));
            head.base = first.map_or(Head::START, |line| Head::new(line.seq.saturating_sub(1), line.prev));
            let mut statement = self.connection.prepare("SELECT line FROM records ORDER BY id DESC")?;
            let mut rows = statement.query(())?;
            while let Some(row) = rows.next()? {
                let line = Line::parse(row.get_ref(0)?.as_bytes().unwrap_or_default());
                if let Some(line) = line.filter(Line::is_whole) {
                    head.last = line.as_head();
                    break;
                }
            }
            head.end = self.end()?;
            Ok(head)
        };
        look().map_err(io::Error::other)
    }

    fn make_room(&mut self, _: &mut SignedHead) -> io::Result<bool> {
        Ok(false)
    }

    fn append(&mut self, head: &mut SignedHead, lines: &[String], durable: bool) -> io::Result<()> {
        let mut append = || -> rusqlite::Result<u64> {
            let synchronous = if durable { "FULL" } else { "NORMAL" };
            self.connection.pragma_update(None, "synchronous", synchronous)?;
            let transaction = self.connection.transaction()?;
            {
                let mut insert = transaction.prepare("INSERT INTO records (line) VALUES (?1)")?;
                for line in lines {
                    insert.execute([line])?;
                }
            }
            let end = u64::try_from(transaction.last_insert_rowid()).unwrap_or(0);
            transaction.commit()?;
            Ok(end)
        };
        head.end = append().map_err(io::Error::other)?;
        Ok(())
    }

    fn remove_old(&mut self, _: &SignedHead) -> io::Result<()> {
        Ok(())
    }
}
