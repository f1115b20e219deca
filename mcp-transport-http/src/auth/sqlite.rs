//! Keys in a file of SQLite, shared by all processes that open its directory.

use std::{
    fs::{DirBuilder, Metadata, OpenOptions, Permissions},
    hash::{BuildHasher as _, RandomState},
    io,
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant, SystemTime},
};

use rusqlite::{
    Connection, ErrorCode, OpenFlags, Row, Transaction, TransactionBehavior, config::DbConfig, params,
    types::Type,
};

use super::{
    api_key::{Granted, KeyHash, KeyRecord},
    generation::Generation,
    key_error::KeyError,
    store::KeyStore,
};

/// How long another process may hold the file against whoever writes.
const BUSY_TIME: Duration = Duration::from_secs(5);
/// And against whoever reads, for whom requests wait: readers wait only while the file is opened for the first time or
/// brought in order after a crash.
const READ_TIME: Duration = Duration::from_millis(500);
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
/// it while servers run over it. What was written is there after a power cut.
///
/// Where others may read or write the files, that is taken from them when they are opened, and said in the log.
///
/// Neither file is to be removed or replaced while a server runs, but where that happens it is noticed with the next
/// request. A server begins `keys.generation` anew, and reads the keys; it reads a `keys.db` that was put in the place of
/// another, and takes no key as long as there is none or what is there cannot be read.
#[derive(Debug)]
pub struct SqliteKeys {
    path: PathBuf,
    /// What writes; whoever reads opens the file anew, so that they read what has the name, and nothing from before.
    writer: Mutex<Writer>,
    generation: Generation,
    /// What is told of the file to whoever asks for the generation is hashed under these.
    looks: RandomState,
}

#[derive(Debug)]
struct Writer {
    connection: Connection,
    /// The file that it was opened as.
    identity: (u64, u64),
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
            let generation = directory.join("keys.generation");
            let opened = Generation::open(&generation)?;
            for file in [&path, &directory.join("keys.db-wal"), &directory.join("keys.db-shm"), &generation] {
                keep_for_owner(file)?;
            }
            Ok(opened)
        };
        let generation = opened().map_err(|error| failed(error.into()))?;
        let writer = Writer::open(&path).map_err(failed)?;
        Ok(Self { path, writer: Mutex::new(writer), generation, looks: RandomState::new() })
    }

    /// Writes in a transaction, and raises the generation if `write` says that others have to know.
    ///
    /// It is raised before the commit, so that servers look even if this process ends right after it; and once more after
    /// it, for those that looked in between: readers do not wait for this transaction.
    fn write<T>(
        &self,
        what: &'static str,
        write: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
        is_to_be_told: impl FnOnce(&T) -> bool,
    ) -> Result<T, KeyError> {
        let failed = |error: rusqlite::Error| KeyError::store(what, error);
        let unfit = |error: io::Error| KeyError::store(what, error);
        let mut writer = self.lock();
        writer.reopen_if_replaced(&self.path).map_err(|error| KeyError::store(what, error))?;
        let transaction =
            writer.connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
        let written = write(&transaction).map_err(failed)?;
        if is_to_be_told(&written) {
            self.generation.raise().map_err(unfit)?;
            transaction.commit().map_err(failed)?;
            self.generation.raise().map_err(unfit)?;
            drop(writer);
            Generation::settle();
        }
        Ok(written)
    }

    /// What there is to see of the file from outside: another number where it is another file, or one that was cut or
    /// written over. A write of this crate's may change it, too, which does no harm.
    fn look(&self) -> io::Result<u64> {
        let seen = std::fs::metadata(&self.path)?;
        Ok(self.looks.hash_one((identity(&seen), seen.len(), seen.mtime(), seen.mtime_nsec())))
    }

    fn lock(&self) -> MutexGuard<'_, Writer> {
        // A transaction that a panic leaves behind is rolled back when dropped.
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for SqliteKeys {
    fn drop(&mut self) {
        self.lock().abandon_if_replaced(&self.path);
    }
}

impl Writer {
    fn open(path: &Path) -> Result<Self, Failure> {
        let identity = identity(&std::fs::metadata(path)?);
        Ok(Self { connection: connect(path)?, identity })
    }

    /// Goes on with the file that has the name now; with none where there is none.
    fn reopen_if_replaced(&mut self, path: &Path) -> Result<(), Failure> {
        if self.abandon_if_replaced(path) {
            *self = Self::open(path)?;
            tracing::warn!(path = %path.display(), "the keys were replaced");
        }
        Ok(())
    }

    /// Keeps the connection to a file that is not there any more from taking the log of another that has its name with it
    /// when it is closed; whether it is one.
    fn abandon_if_replaced(&self, path: &Path) -> bool {
        let is_same = std::fs::metadata(path).is_ok_and(|metadata| identity(&metadata) == self.identity);
        if !is_same
            && let Err(error) =
                self.connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)
        {
            tracing::error!(%error, "a file of keys that was replaced could not be let go of");
        }
        !is_same
    }
}

impl KeyStore for SqliteKeys {
    fn load(&self) -> Result<Vec<KeyRecord>, KeyError> {
        let load = || -> Result<_, Failure> {
            // Not a file that is made for this: where there is none, that is no answer.
            let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
            let mut connection = Connection::open_with_flags(&self.path, flags)?;
            connection.busy_timeout(READ_TIME)?;
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Deferred)?;
            check_version(&transaction)?;
            let mut rows = transaction.prepare(
                "SELECT id, name, kind, hash, scopes, tenants, created, expires, revoked FROM keys",
            )?;
            let records = rows.query_map([], record)?.collect::<rusqlite::Result<_>>()?;
            Ok(records)
        };
        load().map_err(|error| KeyError::store("keys cannot be read", error))
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
        // Others are told also of one that was revoked before: whoever did that may have ended before they could.
        Ok(self.write("a key cannot be revoked", revoke, |_| true)? > 0)
    }

    fn generation(&self) -> Result<u64, KeyError> {
        self.generation
            .read(|| self.look())
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

/// Takes a file that is there from all but its owner.
fn keep_for_owner(file: &Path) -> io::Result<()> {
    let mode = match std::fs::metadata(file) {
        Ok(metadata) => metadata.permissions().mode() & 0o777,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    if mode & 0o077 == 0 {
        return Ok(());
    }
    let (path, was) = (file.display(), format!("{mode:03o}"));
    match std::fs::set_permissions(file, Permissions::from_mode(mode & 0o700)) {
        Ok(()) => {
            tracing::warn!(%path, was, "others could read or write a file of keys; now its owner alone can")
        }
        Err(error) => tracing::warn!(%path, was, %error, "others can read or write a file of keys"),
    }
    Ok(())
}

/// Which file it is, among those that are there.
fn identity(metadata: &Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}

/// Why a file of keys is of no use.
type Failure = Box<dyn std::error::Error + Send + Sync>;

fn connect(path: &Path) -> Result<Connection, Failure> {
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
            return Ok(connection);
        }
        _ => check_version(&transaction)?,
    }
    drop(transaction);
    Ok(connection)
}

/// Whether the file has the form that this program knows.
fn check_version(connection: &Connection) -> Result<(), Failure> {
    match connection.query_row("PRAGMA user_version", [], |row| row.get::<_, i64>(0))? {
        VERSION => Ok(()),
        0 => Err("it holds no keys".into()),
        newer => Err(format!("it is of version {newer}, and {VERSION} is the newest known").into()),
    }
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
