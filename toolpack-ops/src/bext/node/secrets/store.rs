//! `secrets.sqlite`: the secrets of one instance. SQLite sees names, and values only as they are sealed.

use std::fs::OpenOptions;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, OptionalExtension, Row, Transaction, TransactionBehavior, params};

use super::environment::{self, ENTRY_BYTES, MAX_ENVIRONMENT_BYTES, MAX_SECRETS};
use super::error;
use super::key_id::KeyId;
use super::keys::SecretKey;
use super::seal::{self, OVERHEAD_BYTES, Place};
use crate::bext::engine::{
    AppName, Cursor, ListSecrets, SecretInfo, SecretName, SecretPage, SecretValue, Timestamp,
};
use crate::bext::node::private_file;
use crate::error::{Error, ErrorKind};

const FILE: &str = "secrets.sqlite";
const LIST_NAME: &str = "secrets";

/// The version of the tables, kept in `user_version`.
const VERSION: i32 = 1;

const SCHEMA: &str = "
    -- The app is empty for what the whole instance has. Times are milliseconds since 1970. A sealed value is its nonce
    -- and what is encrypted, and is bound to the rest of its row.
    CREATE TABLE secret (
        app TEXT NOT NULL,
        name TEXT NOT NULL,
        updated_at INTEGER NOT NULL,
        key_id TEXT NOT NULL,
        sealed BLOB NOT NULL,
        PRIMARY KEY (app, name)
    ) STRICT, WITHOUT ROWID;
    PRAGMA user_version = 1;
";

/// The secrets of one instance. Its methods block.
#[derive(Debug)]
pub(crate) struct SecretStore {
    instance: String,
    key: SecretKey,
    connection: Mutex<Connection>,
}

impl SecretStore {
    /// The store in `secrets.sqlite` of the directory of an instance; both are made on first start. What is encrypted under
    /// an older key is encrypted anew under the current one; what no key opens stays as it is.
    ///
    /// Errors: `secrets_unavailable`; `store_version` for a file of a later version.
    pub(crate) fn open(instance: &Path, key: SecretKey) -> Result<Self, Error> {
        private_file::make_dir(instance).map_err(error::store)?;
        let path = instance.join(FILE);
        make_empty(&path).map_err(error::store)?;
        let mut connection = connect(&path).map_err(error::store)?;
        let transaction = begin(&mut connection)?;
        match transaction.query_row("PRAGMA user_version", [], |row| row.get(0)).map_err(error::sqlite)? {
            0 => transaction.execute_batch(SCHEMA).map_err(error::sqlite)?,
            VERSION => {}
            version => {
                let message =
                    format!("the store of secrets has version {version}, this node needs {VERSION}");
                return Err(Error::new(ErrorKind::Unsupported, "store_version", message));
            }
        }
        transaction.commit().map_err(error::sqlite)?;
        let instance = instance.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let store = Self { instance, key, connection: Mutex::new(connection) };
        store.encrypt_anew()?;
        Ok(store)
    }

    /// Whether there is a store in the directory of an instance.
    pub(super) fn is_in(instance: &Path) -> bool {
        instance.join(FILE).is_file()
    }

    /// What an app is given: those of the instance, and its own before them; ordered by name.
    ///
    /// Errors: `secret_key_wrong`, `secret_damaged`: then nothing is given.
    pub(crate) fn for_app(&self, app: &AppName) -> Result<Vec<(SecretName, SecretValue)>, Error> {
        let connection = self.connection();
        let mut given = connection
            .prepare(
                "SELECT app, name, updated_at, key_id, sealed FROM secret WHERE app = ?1 OR (app = '' AND name NOT IN
                 (SELECT name FROM secret WHERE app = ?1)) ORDER BY name",
            )
            .map_err(error::sqlite)?;
        let mut rows = given.query([app.as_str()]).map_err(error::sqlite)?;
        let mut secrets = Vec::new();
        while let Some(row) = rows.next().map_err(error::sqlite)? {
            let sealed = Sealed::of(row).map_err(error::sqlite)?;
            let value = self.value(&sealed)?;
            secrets.push((secret_name(sealed.name)?, value));
        }
        Ok(secrets)
    }

    /// One page of names. No key is needed for it.
    pub(crate) fn list(&self, app: Option<&AppName>, options: &ListSecrets) -> Result<SecretPage, Error> {
        let after = match &options.cursor {
            None => String::new(),
            Some(cursor) => {
                let place = String::from_utf8(cursor.place(LIST_NAME)?).map_err(|_| Cursor::invalid())?;
                SecretName::try_from(place).map_err(|_| Cursor::invalid())?.into()
            }
        };
        let limit = options.limit.get();
        let connection = self.connection();
        let mut page = connection
            .prepare(
                "SELECT name, updated_at FROM secret WHERE app = ?1 AND name > ?2 ORDER BY name LIMIT ?3",
            )
            .map_err(error::sqlite)?;
        // One more than is wanted tells whether there is another page.
        let mut rows = page.query(params![place_of(app), after, limit as i64 + 1]).map_err(error::sqlite)?;
        let mut secrets: Vec<SecretInfo> = Vec::new();
        let mut next_cursor = None;
        while let Some(row) = rows.next().map_err(error::sqlite)? {
            if secrets.len() == limit {
                next_cursor =
                    secrets.last().map(|last| Cursor::after(LIST_NAME, last.name.as_str().as_bytes()));
                break;
            }
            let name = secret_name(row.get(0).map_err(error::sqlite)?)?;
            let updated_at = Timestamp::from_unix_millis(row.get(1).map_err(error::sqlite)?);
            secrets.push(SecretInfo { name, updated_at });
        }
        Ok(SecretPage { secrets, next_cursor })
    }

    /// Sets one, of an app or of the whole instance.
    ///
    /// Errors: `secret_reserved`; `too_many_secrets` beyond 1,000 of an app or of the instance; `secrets_too_large` if an
    /// app would be given more than 512 KiB of names and values.
    pub(crate) fn set(
        &self,
        app: Option<&AppName>,
        name: &SecretName,
        value: &SecretValue,
        now: Timestamp,
    ) -> Result<(), Error> {
        environment::check_name(name)?;
        let app = place_of(app);
        let key = self.key.current();
        let place = Place { instance: &self.instance, app, name: name.as_str(), updated_at: now };
        let sealed = seal::seal(key, &place, value)?;
        let mut connection = self.connection();
        let transaction = begin(&mut connection)?;
        transaction
            .execute(
                "INSERT OR REPLACE INTO secret (app, name, updated_at, key_id, sealed) VALUES (?1, ?2, ?3, ?4, ?5)",
                params![app, name.as_str(), now.unix_millis(), key.id.as_str(), sealed],
            )
            .map_err(error::sqlite)?;
        // Counted with it; on an error the transaction is undone as it is dropped.
        check_limits(&transaction, app)?;
        transaction.commit().map_err(error::sqlite)
    }

    /// Deletes one, and says whether there was one.
    pub(crate) fn delete(&self, app: Option<&AppName>, name: &SecretName) -> Result<bool, Error> {
        let deleted = self
            .connection()
            .execute("DELETE FROM secret WHERE app = ?1 AND name = ?2", [place_of(app), name.as_str()]);
        deleted.map(|rows| rows > 0).map_err(error::sqlite)
    }

    /// Deletes all of an app.
    pub(crate) fn forget(&self, app: &AppName) -> Result<(), Error> {
        let deleted = self.connection().execute("DELETE FROM secret WHERE app = ?1", [app.as_str()]);
        deleted.map(drop).map_err(error::sqlite)
    }

    /// What is encrypted under another key than the current one, for people, and under which.
    pub(super) fn under_other_keys(&self) -> Result<Vec<(String, KeyId)>, Error> {
        let connection = self.connection();
        let mut others = connection
            .prepare("SELECT app, name, key_id FROM secret WHERE key_id <> ?1 ORDER BY app, name")
            .map_err(error::sqlite)?;
        let found = others
            .query_map([self.key.current().id.as_str()], |row| {
                let (app, name): (String, String) = (row.get(0)?, row.get(1)?);
                Ok((self.described(&app, &name), KeyId::stored(row.get(2)?)))
            })
            .and_then(Iterator::collect);
        found.map_err(error::sqlite)
    }

    /// Encrypts under the current key what is encrypted under an older one, all or nothing.
    fn encrypt_anew(&self) -> Result<(), Error> {
        let current = self.key.current();
        let mut connection = self.connection();
        let transaction = begin(&mut connection)?;
        // Names first, and one value at a time: there may be many, and each is in memory for a moment only.
        let places: Vec<(String, String)> = transaction
            .prepare("SELECT app, name FROM secret WHERE key_id <> ?1")
            .and_then(|mut old| {
                old.query_map([current.id.as_str()], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
            })
            .map_err(error::sqlite)?;
        let (mut done, mut left) = (0u64, 0u64);
        for (app, name) in &places {
            let found = transaction
                .query_row(
                    "SELECT app, name, updated_at, key_id, sealed FROM secret WHERE app = ?1 AND name = ?2",
                    [app, name],
                    Sealed::of,
                )
                .optional();
            let Some(old) = found.map_err(error::sqlite)? else { continue };
            let Ok(value) = self.value(&old) else {
                left += 1;
                continue;
            };
            let sealed = seal::seal(current, &old.place(&self.instance), &value)?;
            transaction
                .execute(
                    "UPDATE secret SET key_id = ?3, sealed = ?4 WHERE app = ?1 AND name = ?2",
                    params![app, name, current.id.as_str(), sealed],
                )
                .map_err(error::sqlite)?;
            done += 1;
        }
        transaction.commit().map_err(error::sqlite)?;
        if left > 0 {
            tracing::warn!(instance = self.instance, secrets = left, "secrets that no key opens");
        }
        if done > 0 {
            // What was encrypted under the old key is not to stay in the journal either.
            let emptied = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
            emptied.map_err(error::sqlite)?;
            tracing::info!(
                instance = self.instance,
                secrets = done,
                "secrets encrypted under the current key"
            );
        }
        Ok(())
    }

    fn value(&self, sealed: &Sealed) -> Result<SecretValue, Error> {
        let described = || self.described(&sealed.app, &sealed.name);
        let key =
            self.key.get(&sealed.key_id).ok_or_else(|| error::key_wrong(&described(), &sealed.key_id))?;
        let value = seal::open(key, &sealed.place(&self.instance), &sealed.bytes);
        value.ok_or_else(|| error::damaged(&described()))
    }

    fn described(&self, app: &str, name: &str) -> String {
        let instance = &self.instance;
        match app {
            "" => format!("the secret {name} of the instance {instance}"),
            app => format!("the secret {name} of the app {app} on {instance}"),
        }
    }

    fn connection(&self) -> MutexGuard<'_, Connection> {
        // A transaction that a panic cut off was undone as it was dropped.
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A row.
struct Sealed {
    app: String,
    name: String,
    updated_at: Timestamp,
    key_id: KeyId,
    bytes: Vec<u8>,
}

impl Sealed {
    /// Of the columns `app, name, updated_at, key_id, sealed`.
    fn of(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            app: row.get(0)?,
            name: row.get(1)?,
            updated_at: Timestamp::from_unix_millis(row.get(2)?),
            key_id: KeyId::stored(row.get(3)?),
            bytes: row.get(4)?,
        })
    }

    fn place<'a>(&'a self, instance: &'a str) -> Place<'a> {
        Place { instance, app: &self.app, name: &self.name, updated_at: self.updated_at }
    }
}

/// Refuses more than may be, of what is set now.
fn check_limits(transaction: &Transaction<'_>, app: &str) -> Result<(), Error> {
    let whose = |app: &str| match app {
        "" => "the instance".to_owned(),
        app => format!("the app {app}"),
    };
    let number = |sql: &str, app: &str| -> Result<u64, Error> {
        let number: i64 = transaction.query_row(sql, [app], |row| row.get(0)).map_err(error::sqlite)?;
        Ok(u64::try_from(number).unwrap_or(0))
    };
    if number("SELECT count(*) FROM secret WHERE app = ?1", app)? > MAX_SECRETS {
        let message =
            format!("{} has {MAX_SECRETS} secrets already; delete one that is not used", whose(app));
        return Err(Error::new(ErrorKind::Conflict, "too_many_secrets", message));
    }
    // What the instance has, every app is given.
    let mut apps = vec![app.to_owned()];
    if app.is_empty() {
        let all = transaction.prepare("SELECT DISTINCT app FROM secret").and_then(|mut all| {
            all.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<Vec<String>>>()
        });
        apps = all.map_err(error::sqlite)?;
    }
    let sum = format!(
        "SELECT coalesce(sum(length(CAST(name AS BLOB)) + length(sealed) - {OVERHEAD_BYTES} + {ENTRY_BYTES}), 0)
         FROM secret WHERE app = ?1 OR (app = '' AND name NOT IN (SELECT name FROM secret WHERE app = ?1))"
    );
    for app in apps {
        let bytes = number(&sum, &app)?;
        if bytes > MAX_ENVIRONMENT_BYTES {
            let message = format!(
                "with it, {} would be given {bytes} bytes of secrets, and {MAX_ENVIRONMENT_BYTES} is the most; have it \
                 read what is large from a file",
                match app.as_str() {
                    "" => "every app of the instance".to_owned(),
                    app => whose(app),
                }
            );
            return Err(Error::new(ErrorKind::Conflict, "secrets_too_large", message));
        }
    }
    Ok(())
}

/// How an app stands in a row.
fn place_of(app: Option<&AppName>) -> &str {
    app.map_or("", AppName::as_str)
}

fn secret_name(text: String) -> Result<SecretName, Error> {
    // A row that has another is none of ours.
    SecretName::try_from(text).map_err(error::store)
}

fn begin(connection: &mut Connection) -> Result<Transaction<'_>, Error> {
    // Immediate: one that began with reading may not be let write later.
    connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(error::sqlite)
}

/// Makes the file for its owner only, before SQLite would; the files that SQLite puts beside it are as it is.
fn make_empty(path: &Path) -> std::io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        opened => opened.map(drop),
    }
}

fn connect(path: &Path) -> rusqlite::Result<Connection> {
    // No URI: a path is a path.
    let connection = Connection::open_with_flags(
        path,
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )?;
    connection.busy_timeout(Duration::from_secs(5))?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    // FULL: each change is on the disk before it returns. secure_delete: what was replaced is overwritten.
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "secure_delete", true)?;
    connection.pragma_update(None, "cell_size_check", true)?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    Ok(connection)
}
