//! An engine of the host's own for somebody else's tools: bext's keys and values in a section of our [`Drawer`].
//!
//! The suite of bext's promises runs over it: see `tests/promises.rs`.

use std::{collections::BTreeMap, io, sync::Arc};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use toolpack::bext::engine::{
    AppRef, Clock, Cursor, Deleted, Entry, Error, ErrorKind, Instances, Key, KeyPage, KeyValue, ListKeys,
    SetKey, Timestamp, Written,
};

use crate::drawer::Drawer;

/// The section of the drawer, and the name of the list in cursors.
const SECTION: &str = "pockets";

/// The largest value, in bytes: the whole drawer is written for each change.
pub const MAX_VALUE_BYTES: usize = 100_000;

/// The keys and values of apps, beside the reading list on disk.
#[derive(Clone, Debug)]
pub struct Pockets {
    drawer: Drawer,
    instances: Arc<dyn Instances>,
    clock: Arc<dyn Clock>,
}

/// All pockets, by app; the keys of a map are in the order of their bytes, as the trait wants it.
type Contents = BTreeMap<String, BTreeMap<String, Pocket>>;

#[derive(Serialize, Deserialize)]
struct Pocket {
    value: String,
    expires_at_ms: Option<i64>,
}

impl Pocket {
    fn is_live(&self, now: Timestamp) -> bool {
        self.expires_at_ms.is_none_or(|end| end > now.unix_millis())
    }
}

impl Pockets {
    /// In this drawer, for the apps of these instances.
    pub fn new(drawer: Drawer, instances: Arc<dyn Instances>, clock: Arc<dyn Clock>) -> Self {
        Self { drawer, instances, clock }
    }

    /// The pockets of an app as they are now. That the instance is there comes first, as the trait promises.
    async fn of(&self, app: &AppRef) -> Result<BTreeMap<String, Pocket>, Error> {
        self.instances.resolve(&app.instance).await?;
        let mut contents: Contents = self.drawer.read(SECTION).await.map_err(unavailable)?;
        let mut pockets = contents.remove(&app.to_string()).unwrap_or_default();
        let now = self.clock.now();
        pockets.retain(|_, pocket| pocket.is_live(now));
        Ok(pockets)
    }

    /// Changes the pockets of an app; those whose time has come are swept out on the way.
    async fn change<R: Send + 'static>(
        &self,
        app: &AppRef,
        change: impl FnOnce(&mut BTreeMap<String, Pocket>, Timestamp) -> R + Send + 'static,
    ) -> Result<R, Error> {
        self.instances.resolve(&app.instance).await?;
        let (app, clock) = (app.to_string(), Arc::clone(&self.clock));
        let change = move |contents: &mut Contents| {
            let now = clock.now();
            let pockets = contents.entry(app).or_default();
            pockets.retain(|_, pocket| pocket.is_live(now));
            change(pockets, now)
        };
        self.drawer.change(SECTION, change).await.map_err(unavailable)
    }
}

#[async_trait]
impl KeyValue for Pockets {
    async fn get(&self, app: &AppRef, key: &Key) -> Result<Option<Entry>, Error> {
        let pocket = self.of(app).await?.remove(key.as_str());
        Ok(pocket.map(|Pocket { value, expires_at_ms }| Entry {
            value,
            expires_at: expires_at_ms.map(Timestamp::from_unix_millis),
        }))
    }

    async fn set(&self, app: &AppRef, key: &Key, options: SetKey) -> Result<Written, Error> {
        self.instances.resolve(&app.instance).await?;
        let (key, value) = (String::from(key.clone()), String::from(options.value));
        if value.len() > MAX_VALUE_BYTES {
            let message = format!("the value has {} bytes; at most {MAX_VALUE_BYTES} are kept", value.len());
            return Err(Error::new(ErrorKind::InvalidInput, "value_too_large", message));
        }
        self.change(app, move |pockets, now| {
            let expires_at = options.ttl.map(|ttl| now.plus(ttl.duration()));
            pockets.insert(key, Pocket { value, expires_at_ms: expires_at.map(Timestamp::unix_millis) });
            Written { expires_at }
        })
        .await
    }

    async fn delete(&self, app: &AppRef, key: &Key) -> Result<Deleted, Error> {
        let key = key.clone();
        let delete = move |pockets: &mut BTreeMap<String, Pocket>, _| pockets.remove(key.as_str()).is_some();
        Ok(Deleted { deleted: self.change(app, delete).await? })
    }

    async fn list(&self, app: &AppRef, options: ListKeys) -> Result<KeyPage, Error> {
        let pockets = self.of(app).await?;
        let prefix = options.prefix.as_str();
        let after = match &options.cursor {
            Some(cursor) => cursor.place(SECTION)?,
            None => Vec::new(),
        };
        // A place outside the prefix is one of another list.
        if options.cursor.is_some() && !after.starts_with(prefix.as_bytes()) {
            return Err(Cursor::invalid());
        }
        let fits = |key: &&String| key.starts_with(prefix) && key.as_bytes() > after.as_slice();
        let mut keys: Vec<&String> = pockets.keys().filter(fits).take(options.limit.get() + 1).collect();
        let is_last = keys.len() <= options.limit.get();
        keys.truncate(options.limit.get());
        let next_cursor = keys.last().filter(|_| !is_last).map(|key| Cursor::after(SECTION, key.as_bytes()));
        let keys = keys.into_iter().map(|key| key.parse()).collect::<Result<_, _>>()?;
        Ok(KeyPage { keys, next_cursor })
    }
}

fn unavailable(cause: io::Error) -> Error {
    Error::new(ErrorKind::Unavailable, "store_unavailable", "the drawer cannot be reached").with_source(cause)
}
