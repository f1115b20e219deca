//! Where keys are kept: the trait, and a store in memory.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::SystemTime,
};

use super::{
    api_key::{KeyRecord, to_the_millisecond},
    key_error::KeyError,
};

/// Keeps the records of API keys.
///
/// Every method may be called from several threads at once, and by several processes over one store. All but
/// [`generation`](Self::generation) may block; they are called on threads for that.
pub trait KeyStore: std::fmt::Debug + Send + Sync + 'static {
    /// Every record, in any order, also of keys that have expired or were revoked. It holds what was written by any
    /// [`insert`](Self::insert) or [`revoke`](Self::revoke) that returned before this was called.
    ///
    /// Where this, or [`generation`](Self::generation), fails for more than a second, or takes as long, the streams and
    /// sessions of all keys end: a key may have been revoked meanwhile.
    ///
    /// # Errors
    ///
    /// [`KeyError::Store`].
    fn load(&self) -> Result<Vec<KeyRecord>, KeyError>;

    /// Keeps a record; it is durable, and the generation raised, when this returns.
    ///
    /// # Errors
    ///
    /// [`KeyError::Taken`] where there is one of its id, and then nothing has changed; [`KeyError::Store`].
    fn insert(&self, key: &KeyRecord) -> Result<(), KeyError>;

    /// Marks a key as revoked at this time; that is durable, and the generation raised, when this returns. True where
    /// that made a difference: false of a key that was revoked before, whose time stays as it is, and of one that is not
    /// there.
    ///
    /// # Errors
    ///
    /// [`KeyError::Store`].
    fn revoke(&self, id: &str, at: SystemTime) -> Result<bool, KeyError>;

    /// A number that is another one after each `insert` and `revoke` that changed something, by whichever process: one that
    /// never was before, since whoever asks may have missed those in between. It is read at each request,
    /// on an async thread: it must not block, and cost no more than reading a few bytes.
    ///
    /// # Errors
    ///
    /// [`KeyError::Store`]; no key is taken then.
    fn generation(&self) -> Result<u64, KeyError>;
}

impl<K: KeyStore + ?Sized> KeyStore for Arc<K> {
    fn load(&self) -> Result<Vec<KeyRecord>, KeyError> {
        (**self).load()
    }

    fn insert(&self, key: &KeyRecord) -> Result<(), KeyError> {
        (**self).insert(key)
    }

    fn revoke(&self, id: &str, at: SystemTime) -> Result<bool, KeyError> {
        (**self).revoke(id, at)
    }

    fn generation(&self) -> Result<u64, KeyError> {
        (**self).generation()
    }
}

/// Keys in memory, which end with the process: for tests.
#[derive(Debug, Default)]
pub struct MemoryKeys {
    records: Mutex<HashMap<String, KeyRecord>>,
    generation: AtomicU64,
}

impl MemoryKeys {
    /// Without any keys.
    pub fn new() -> Self {
        Self::default()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, KeyRecord>> {
        // Nothing in here panics with the lock held.
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl KeyStore for MemoryKeys {
    fn load(&self) -> Result<Vec<KeyRecord>, KeyError> {
        Ok(self.lock().values().cloned().collect())
    }

    fn insert(&self, key: &KeyRecord) -> Result<(), KeyError> {
        match self.lock().entry(key.id.clone()) {
            Entry::Occupied(_) => return Err(KeyError::Taken),
            Entry::Vacant(place) => place.insert(key.clone()),
        };
        self.generation.fetch_add(1, Ordering::Release);
        Ok(())
    }

    fn revoke(&self, id: &str, at: SystemTime) -> Result<bool, KeyError> {
        let mut records = self.lock();
        let Some(record) = records.get_mut(id).filter(|known| known.revoked.is_none()) else {
            return Ok(false);
        };
        record.revoked = Some(to_the_millisecond(at));
        self.generation.fetch_add(1, Ordering::Release);
        Ok(true)
    }

    fn generation(&self) -> Result<u64, KeyError> {
        Ok(self.generation.load(Ordering::Acquire))
    }
}
