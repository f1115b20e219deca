//! Keys in a file of SQLite, shared by all processes that open its directory.

use std::{
    fs::{DirBuilder, OpenOptions},
    io,
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::Path,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant, SystemTime},
};

use rusqlite::{Connection, ErrorCode, Row, Transaction, TransactionBehavior, params, types::Type};

use super::{
    api_key::{Granted, KeyHash, KeyRecord},
    generation::Generation,
    key_error::KeyError,
    store::KeyStore,
};

/// How long another process may hold the file.
const BUSY_TIME: Duration = Duration::from_secs(5);
/// The form of the table that this program knows.
const VERSION: i64 = 1;
/// Times are milliseconds since 1970; scopes and tenants are lists in JSON, or the word `every`.
const SCHEMA: &str = "
    CREATE TABLE keys (
        id TEXT PRIMARY KEY,
        name TEXT NOT NULL,
        kind TEXT NOT NULL,
        hash BLOB NOT NULL,
        scopes TEXT NOT NULL,
        tenants TEXT NOT NULL,
        created INTEGER NOT NULL,
        expires INTEGER,
        revoked INTEGER
    ) STRICT, WITHOUT ROWID";

/// Keys in the file `keys.db` of a directory, beside `keys.generation`, which tells servers of every change.
///
/// Both files are for their owner alone. Any number of processes may open the directory and make, list and revoke keys in
/// it while servers run over it. What was written is there after a power cut. Neither file is to be removed or replaced
/// while a server runs: it would not notice.
#[derive(Debug)]
pub struct SqliteKeys {
    connection: Mutex<Connection>,
    generation: Generation,
}

impl SqliteKeys {
    /// Opens the keys of a directory. It and the files are made where they are missing, for their owner alone.
    ///
    /// # Errors
    ///
    /// [`KeyError::Store`]: no files can be made there, what is there is no such file, or a newer version made it.
    pub fn open(directory: impl AsRef<Path>) -> Result<Self, KeyError> {
        let directory = directory.as_ref();
        let path = directory.join("keys.db");
        let failed = |source: Box<dyn std::error::Error + Send + Sync>| {
            KeyError::store(format!("the keys in {} cannot be opened", directory.display()), source)
        };
        let opened = || -> io::Result<Generation> {
            DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
            make_for_owner(directory, &path)?;
            Generation::open(&directory.join("keys.generation"))
        };
        let generation = opened().map_err(|error| failed(error.into()))?;
        let connection = connect(&path).map_err(failed)?;
        Ok(Self { connection: Mutex::new(connection), generation })
    }

    /// Writes in a transaction, and raises the generation in it if `write` says that something has changed.
    ///
    /// The generation is raised before the commit: should the process end in between, servers read the keys in vain, and
    /// never miss a change. They cannot read too early, since [`load`](KeyStore::load) waits for this transaction.
    fn write<T>(
        &self,
        what: &'static str,
        write: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
        has_changed: impl FnOnce(&T) -> bool,
    ) -> Result<T, KeyError> {
        let failed = |error: rusqlite::Error| KeyError::store(what, error);
        let mut connection = self.lock();
        let transaction =
            connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
        let written = write(&transaction).map_err(failed)?;
        if has_changed(&written) {
            self.generation.raise().map_err(|error| KeyError::store(what, error))?;
            transaction.commit().map_err(failed)?;
            drop(connection);
            Generation::settle();
        }
        Ok(written)
    }

    fn lock(&self) -> MutexGuard<'_, Connection> {
        // A transaction that a panic leaves behind is rolled back when dropped.
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl KeyStore for SqliteKeys {
    fn load(&self) -> Result<Vec<KeyRecord>, KeyError> {
        let load = |transaction: &Transaction<'_>| {
            let mut rows = transaction.prepare(
                "SELECT id, name, kind, hash, scopes, tenants, created, expires, revoked FROM keys",
            )?;
            rows.query_map([], record)?.collect()
        };
        self.write("keys cannot be read", load, |_| false)
    }

    fn insert(&self, key: &KeyRecord) -> Result<(), KeyError> {
        let insert = |transaction: &Transaction<'_>| {
            transaction.execute(
                "INSERT INTO keys (id, name, kind, hash, scopes, tenants, created, expires, revoked)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) ON CONFLICT (id) DO NOTHING",
                params![
                    key.id,
                    key.name,
                    key.kind.as_str(),
                    key.hash.as_bytes(),
                    granted_as_text(&key.scopes),
                    granted_as_text(&key.tenants),
                    to_millis(key.created),
                    key.expires.map(to_millis),
                    key.revoked.map(to_millis),
                ],
            )
        };
        match self.write("a key cannot be kept", insert, |&rows| rows > 0)? {
            0 => Err(KeyError::Taken),
            _ => Ok(()),
        }
    }

    fn revoke(&self, id: &str, at: SystemTime) -> Result<bool, KeyError> {
        let revoke = |transaction: &Transaction<'_>| {
            transaction.execute(
                "UPDATE keys SET revoked = ?2 WHERE id = ?1 AND revoked IS NULL",
                params![id, to_millis(at)],
            )
        };
        Ok(self.write("a key cannot be revoked", revoke, |&rows| rows > 0)? > 0)
    }

    fn generation(&self) -> Result<u64, KeyError> {
        self.generation
            .read()
            .map_err(|error| KeyError::store("the generation of keys cannot be read", error))
    }
}

/// Makes an empty file for its owner alone, unless there is one: SQLite would make it readable for everybody. What it puts
/// beside it has the mode of the file itself.
///
/// It is made elsewhere and linked here, because a file of SQLite must not be opened and closed by others in this process:
/// closing any descriptor of a file lets go of all locks that the process holds on it.
fn make_for_owner(directory: &Path, path: &Path) -> io::Result<()> {
    if path.try_exists()? {
        return Ok(());
    }
    let number = getrandom::u64().map_err(io::Error::from)?;
    let elsewhere = directory.join(format!("keys.db.{number:016x}"));
    drop(OpenOptions::new().write(true).create_new(true).mode(0o600).open(&elsewhere)?);
    let linked = std::fs::hard_link(&elsewhere, path);
    std::fs::remove_file(&elsewhere)?;
    match linked {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        linked => linked,
    }
}

fn connect(path: &Path) -> Result<Connection, Box<dyn std::error::Error + Send + Sync>> {
    let mut connection = Connection::open(path)?;
    connection.busy_timeout(BUSY_TIME)?;
    let since = Instant::now();
    loop {
        // Of two processes that turn it on at once one is refused without a wait, whatever the time limit.
        match connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get::<_, String>(0)) {
            Err(error) if is_busy(&error) && since.elapsed() < BUSY_TIME => {
                std::thread::sleep(Duration::from_millis(5));
            }
            Err(error) => return Err(error.into()),
            Ok(mode) if mode == "wal" => break,
            Ok(mode) => return Err(format!("its journal is {mode}, and cannot be a log").into()),
        }
    }
    connection.pragma_update(None, "synchronous", "FULL")?;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    match transaction.query_row("PRAGMA user_version", [], |row| row.get::<_, i64>(0))? {
        0 => {
            transaction.execute_batch(SCHEMA)?;
            transaction.pragma_update(None, "user_version", VERSION)?;
            transaction.commit()?;
        }
        VERSION => drop(transaction),
        newer => return Err(format!("it is of version {newer}, and {VERSION} is the newest known").into()),
    }
    Ok(connection)
}

fn is_busy(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}

fn record(row: &Row<'_>) -> rusqlite::Result<KeyRecord> {
    let kind: String = row.get(2)?;
    Ok(KeyRecord {
        id: row.get(0)?,
        name: row.get(1)?,
        kind: kind.parse().map_err(|error| unreadable(2, error))?,
        hash: KeyHash::from_bytes(row.get(3)?),
        scopes: granted(row, 4)?,
        tenants: granted(row, 5)?,
        created: from_millis(row.get(6)?),
        expires: row.get::<_, Option<i64>>(7)?.map(from_millis),
        revoked: row.get::<_, Option<i64>>(8)?.map(from_millis),
    })
}

/// What stands for whichever there are: a word, so that nothing grants everything by being left out.
const EVERY: &str = "every";

fn granted_as_text(granted: &Granted) -> String {
    match granted {
        Granted::Every => EVERY.to_owned(),
        Granted::These(names) => serde_json::Value::from(names.as_slice()).to_string(),
    }
}

fn granted(row: &Row<'_>, column: usize) -> rusqlite::Result<Granted> {
    let names: String = row.get(column)?;
    if names == EVERY {
        return Ok(Granted::Every);
    }
    serde_json::from_str(&names).map(Granted::These).map_err(|error| unreadable(column, error))
}

fn unreadable(column: usize, error: impl std::error::Error + Send + Sync + 'static) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, Type::Text, Box::new(error))
}

fn to_millis(at: SystemTime) -> i64 {
    let since = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

fn from_millis(millis: i64) -> SystemTime {
    let since = Duration::from_millis(u64::try_from(millis).unwrap_or_default());
    SystemTime::UNIX_EPOCH.checked_add(since).unwrap_or(SystemTime::UNIX_EPOCH)
}
