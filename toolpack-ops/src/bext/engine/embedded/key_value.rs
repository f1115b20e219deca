//! Keys and values of apps.

use std::sync::Arc;

use async_trait::async_trait;
use rusqlite::{OptionalExtension, params};

use super::database::vanished;
use super::job::Job;
use super::place::{Access, StoreFile};
use super::{Embedded, Shared};
use crate::bext::engine::{
    AppRef, Cursor, Deleted, Entry, Key, KeyPage, KeyValue, ListKeys, SetKey, Timestamp, Written,
};
use crate::error::{Error, ErrorKind};

const GET: &str =
    "SELECT value, expires_at FROM kv WHERE key = ?1 AND (expires_at IS NULL OR expires_at > ?2)";
const SET: &str = "INSERT INTO kv (key, expires_at, value) VALUES (?1, ?2, ?3)
    ON CONFLICT (key) DO UPDATE SET expires_at = excluded.expires_at, value = excluded.value";
// Each write sweeps a few of the keys whose time has come, the oldest first: more than it can add, so they get fewer.
const SWEEP: &str = "DELETE FROM kv WHERE key IN
    (SELECT key FROM kv WHERE expires_at <= ?1 ORDER BY expires_at LIMIT 32)";
const DELETE: &str = "DELETE FROM kv WHERE key = ?1 AND (expires_at IS NULL OR expires_at > ?2)";
const LIST: &str = "SELECT key FROM kv WHERE key >= ?1 AND key > ?2 AND key < ?3
    AND (expires_at IS NULL OR expires_at > ?4) ORDER BY key LIMIT ?5";

const LIST_NAME: &str = "keys";

#[async_trait]
impl KeyValue for Embedded {
    async fn get(&self, app: &AppRef, key: &Key) -> Result<Option<Entry>, Error> {
        let key = key.clone();
        let place = (StoreFile::Keys, Access::Read);
        self.on_store("kv_get", app, place, move |shared, app, job| get(shared, app, job, &key)).await
    }

    async fn set(&self, app: &AppRef, key: &Key, options: SetKey) -> Result<Written, Error> {
        let key = key.clone();
        let place = (StoreFile::Keys, Access::Write);
        self.on_store("kv_set", app, place, move |shared, app, job| set(shared, app, job, &key, options))
            .await
    }

    async fn delete(&self, app: &AppRef, key: &Key) -> Result<Deleted, Error> {
        let key = key.clone();
        let place = (StoreFile::Keys, Access::Write);
        self.on_store("kv_delete", app, place, move |shared, app, job| delete(shared, app, job, &key)).await
    }

    async fn list(&self, app: &AppRef, options: ListKeys) -> Result<KeyPage, Error> {
        let place = (StoreFile::Keys, Access::Read);
        self.on_store("kv_list", app, place, move |shared, app, job| list(shared, app, job, &options)).await
    }
}

fn get(shared: &Shared, app: &AppRef, job: &Arc<Job>, key: &Key) -> Result<Option<Entry>, Error> {
    shared.registry.resolve(&app.instance)?;
    let Some(mut lease) = shared.stores.lease(app, StoreFile::Keys, Access::Read)? else { return Ok(None) };
    let now = shared.clock.now().unix_millis();
    let result = lease.store.read(job, |connection, _| {
        let mut statement = connection.prepare(GET)?;
        let entry = statement.query_row(params![key.as_str().as_bytes(), now], |row| {
            let expires_at: Option<i64> = row.get(1)?;
            Ok(Entry { value: row.get(0)?, expires_at: expires_at.map(Timestamp::from_unix_millis) })
        });
        Ok(entry.optional()?)
    });
    shared.stores.give_back(lease);
    result
}

fn set(shared: &Shared, app: &AppRef, job: &Arc<Job>, key: &Key, options: SetKey) -> Result<Written, Error> {
    shared.registry.resolve(&app.instance)?;
    let max = shared.stores.config().max_kv_value_bytes;
    let value = options.value.as_str();
    if value.len() > max {
        let message = format!("the value has {} bytes; at most {max} are kept under a key", value.len());
        return Err(Error::new(ErrorKind::InvalidInput, "value_too_large", message));
    }
    let mut lease = match shared.stores.lease(app, StoreFile::Keys, Access::Write)? {
        Some(lease) => lease,
        None => {
            shared.stores.create(app, StoreFile::Keys)?;
            shared.stores.lease(app, StoreFile::Keys, Access::Write)?.ok_or_else(vanished)?
        }
    };
    let result = lease.store.write(job, |connection, _| {
        // Asked with the lock in hand, so that of two writes the later one does not expire by an earlier clock.
        let now = shared.clock.now();
        let expires_at = options.ttl.map(|ttl| now.plus(ttl.duration()));
        connection.prepare(SWEEP)?.execute([now.unix_millis()])?;
        let row = params![key.as_str().as_bytes(), expires_at.map(Timestamp::unix_millis), value];
        connection.prepare(SET)?.execute(row)?;
        Ok(Written { expires_at })
    });
    shared.stores.give_back(lease);
    result
}

fn delete(shared: &Shared, app: &AppRef, job: &Arc<Job>, key: &Key) -> Result<Deleted, Error> {
    shared.registry.resolve(&app.instance)?;
    let Some(mut lease) = shared.stores.lease(app, StoreFile::Keys, Access::Write)? else {
        return Ok(Deleted { deleted: false });
    };
    let result = lease.store.write(job, |connection, _| {
        let now = shared.clock.now().unix_millis();
        let deleted = connection.prepare(DELETE)?.execute(params![key.as_str().as_bytes(), now])? > 0;
        connection.prepare(SWEEP)?.execute([now])?;
        Ok(Deleted { deleted })
    });
    shared.stores.give_back(lease);
    result
}

fn list(shared: &Shared, app: &AppRef, job: &Arc<Job>, options: &ListKeys) -> Result<KeyPage, Error> {
    shared.registry.resolve(&app.instance)?;
    let prefix = options.prefix.as_str().as_bytes();
    // No key is empty, so the empty place stands before all of them.
    let after = options.cursor.as_ref().map_or(Ok(Vec::new()), |cursor| cursor.place(LIST_NAME))?;
    if !after.is_empty() && !after.starts_with(prefix) {
        return Err(Cursor::invalid());
    }
    let Some(mut lease) = shared.stores.lease(app, StoreFile::Keys, Access::Read)? else {
        return Ok(KeyPage { keys: Vec::new(), next_cursor: None });
    };
    let now = shared.clock.now().unix_millis();
    let limit = options.limit.get();
    let max_bytes = shared.stores.config().max_result_bytes;
    let result = lease.store.read(job, |connection, _| {
        let mut statement = connection.prepare(LIST)?;
        let mut rows = statement.query(params![prefix, after, end_of(prefix), now, limit as i64 + 1])?;
        let mut keys: Vec<Key> = Vec::new();
        let mut bytes = 0;
        let mut more = false;
        while let Some(row) = rows.next()? {
            let key = row.get_ref(0)?.as_blob().map_err(rusqlite::Error::from)?;
            bytes += key.len() + 3;
            // At least one key a page, so that the pages come to an end.
            if keys.len() == limit || (bytes > max_bytes && !keys.is_empty()) {
                more = true;
                break;
            }
            keys.push(Key::try_from(String::from_utf8_lossy(key).into_owned())?);
        }
        let last = keys.last().filter(|_| more);
        let next_cursor = last.map(|key| Cursor::after(LIST_NAME, key.as_str().as_bytes()));
        Ok(KeyPage { keys, next_cursor })
    });
    shared.stores.give_back(lease);
    result
}

/// The first bytes after all keys that start with the prefix.
///
/// Keys are UTF-8, in which no byte is 0xff: so the last byte of a prefix can always be one more, and 0xff stands
/// after every key.
fn end_of(prefix: &[u8]) -> Vec<u8> {
    let mut end = prefix.to_vec();
    match end.last_mut() {
        Some(last) => *last += 1,
        None => end.push(0xff),
    }
    end
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_prefix_is_after_every_key_of_it() {
        for prefix in ["", "a", "ä", "\u{10ffff}", "a\u{7f}", "\0"] {
            let end = end_of(prefix.as_bytes());
            let largest = format!("{prefix}\u{10ffff}\u{10ffff}");
            assert!(largest.as_bytes() < end.as_slice(), "{prefix:?}");
        }
        assert!("b".as_bytes() >= end_of(b"a").as_slice());
    }
}
