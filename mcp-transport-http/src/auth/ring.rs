//! The keys of a store, ready to be looked up: read anew whenever its generation has changed, and before the request that
//! sees the change is decided.
//!
//! That is what makes a revocation count for the very next request, whichever process made it: the generation is raised
//! before `revoke` returns, every request reads it, and none is decided by keys of an earlier one.
//!
//! A key is looked up by its hash and by nothing else: that names its id as well as its secret. How long that takes may tell
//! something of the hashes that are there, and whoever knew all of them could make no key of it. Of ids it tells nothing,
//! since none is looked at. What is found is compared whole, and in constant time.

use std::{
    collections::HashMap,
    hash::{BuildHasherDefault, Hasher},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, RwLock, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use mcp_core::{Principal, Signal};
use tokio::{
    runtime::Handle,
    sync::Semaphore,
    time::{Instant, MissedTickBehavior},
};

use super::{
    Found,
    api_key::{KeyHash, KeyRecord},
    key_error::KeyError,
    store::KeyStore,
};

/// How often the generation is looked at for streams that are open: nobody asks on their behalf.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// For how long it may be unknown whether a key is still good before what is open with it ends.
const GRACE: Duration = Duration::from_secs(1);
/// For how long a store that failed is not asked again, so that requests do not queue for its time limit.
const REST: Duration = Duration::from_millis(500);
/// How long it is well before a failure is said in the log again.
const QUIET: Duration = Duration::from_secs(60);

/// The keys of a store.
#[derive(Debug)]
pub(super) struct Ring {
    store: Arc<dyn KeyStore>,
    known: RwLock<Arc<Known>>,
    /// Whose turn it is to read the store: one at a time, and the others find what it read.
    turn: Arc<Semaphore>,
    /// When it could not be read.
    failed: Mutex<Option<Instant>>,
    is_watched: AtomicBool,
}

/// The keys of one generation; none before the first was read.
#[derive(Debug, Default)]
pub(super) struct Known {
    generation: Option<u64>,
    keys: HashMap<KeyHash, Key, BuildHasherDefault<Hashed>>,
}

#[derive(Debug)]
struct Key {
    principal: Principal,
    revoked: Signal,
}

impl Known {
    /// Whose key this is.
    fn find(&self, hash: &KeyHash) -> Found {
        self.keys.get(hash).map_or(Found::Unknown, |key| Found::Principal(key.principal.clone()))
    }
}

impl Ring {
    pub(super) fn new(store: Arc<dyn KeyStore>) -> Arc<Self> {
        Arc::new(Self {
            store,
            known: RwLock::default(),
            turn: Arc::new(Semaphore::new(1)),
            failed: Mutex::default(),
            is_watched: AtomicBool::new(false),
        })
    }

    pub(super) fn store(&self) -> &Arc<dyn KeyStore> {
        &self.store
    }

    /// Whose key this is: at once, unless the store has changed.
    pub(super) fn find(self: &Arc<Self>, hash: KeyHash) -> Found {
        self.watch();
        match self.current(|known| known.find(&hash)) {
            Ok(Some(found)) => found,
            Ok(None) => {
                let ring = Arc::clone(self);
                Found::Later(Box::pin(async move {
                    match ring.renew().await {
                        Ok(known) => known.find(&hash),
                        Err(Unreadable) => Found::Unavailable,
                    }
                }))
            }
            Err(Unreadable) => Found::Unavailable,
        }
    }

    /// Looks at the keys if they are of the generation that the store is of; otherwise they have to be read.
    fn current<T>(&self, look: impl FnOnce(&Arc<Known>) -> T) -> Result<Option<T>, Unreadable> {
        let generation = self.store.generation().map_err(|error| self.fail(&error))?;
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        Ok((known.generation == Some(generation)).then(|| look(&known)))
    }

    /// Reads the keys, unless another has done so meanwhile.
    pub(super) async fn renew(self: &Arc<Self>) -> Result<Arc<Known>, Unreadable> {
        let turn = Arc::clone(&self.turn).acquire_owned().await.map_err(|_| Unreadable)?;
        if let Some(known) = self.current(Arc::clone)? {
            return Ok(known);
        }
        if self.failure().is_some_and(|at| at.elapsed() < REST) {
            return Err(Unreadable);
        }
        let ring = Arc::clone(self);
        let reading = tokio::task::spawn_blocking(move || {
            let read = ring.read();
            // Kept to the end also where the request that began this has gone.
            drop(turn);
            read
        });
        reading.await.unwrap_or(Err(Unreadable))
    }

    /// Reads the keys, and tells the holders of those that are no good any more.
    fn read(&self) -> Result<Arc<Known>, Unreadable> {
        // Before the records: what is written in between makes the next request read them again.
        let generation = self.store.generation().map_err(|error| self.fail(&error))?;
        let records = self.store.load().map_err(|error| self.fail(&error))?;
        let before = Arc::clone(&self.known.read().unwrap_or_else(PoisonError::into_inner));
        let good = records.into_iter().filter(KeyRecord::is_valid);
        let keys = good.map(|record| before.carry_over(record)).collect();
        let known = Arc::new(Known { generation: Some(generation), keys });
        {
            let mut place = self.known.write().unwrap_or_else(PoisonError::into_inner);
            // Where all was forgotten meanwhile, what was carried over from before is no good any more.
            if !Arc::ptr_eq(&place, &before) {
                return Err(Unreadable);
            }
            *place = Arc::clone(&known);
        }
        *self.failures() = None;
        // After the new ones are in force, so that whoever is told and tries again meets them.
        let gone = before.keys.iter().filter(|(hash, _)| !known.keys.contains_key(hash));
        gone.for_each(|(_, key)| key.revoked.raise());
        Ok(known)
    }

    /// Ends what is open with any key, since nobody knows whether one is still good. Requests ask for that themselves.
    fn forget(&self) {
        let before = std::mem::take(&mut *self.known.write().unwrap_or_else(PoisonError::into_inner));
        if before.generation.is_some() {
            tracing::error!("keys could not be read for too long: what is open with any of them ends");
            before.keys.values().for_each(|key| key.revoked.raise());
        }
    }

    fn fail(&self, error: &KeyError) -> Unreadable {
        // The first of a row of them says it for all.
        let before = self.failures().replace(Instant::now());
        if before.is_none_or(|at| at.elapsed() > QUIET) {
            let cause = std::error::Error::source(error).map(ToString::to_string);
            tracing::error!(%error, cause, "keys cannot be read, and none is taken");
        }
        Unreadable
    }

    fn failure(&self) -> Option<Instant> {
        *self.failures()
    }

    fn failures(&self) -> MutexGuard<'_, Option<Instant>> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has a task look for changes as long as the keys are in use, beginning with the first request: streams are to end
    /// with their key when no request comes.
    fn watch(self: &Arc<Self>) {
        if self.is_watched.load(Ordering::Relaxed) {
            return;
        }
        if let Ok(runtime) = Handle::try_current()
            && !self.is_watched.swap(true, Ordering::Relaxed)
        {
            runtime.spawn(Watch(Arc::downgrade(self)).look());
        }
    }
}

impl Known {
    /// A key as it is now, with the signal that its holders wait for already.
    fn carry_over(&self, record: KeyRecord) -> (KeyHash, Key) {
        let hash = record.hash;
        let revoked = self.keys.get(&hash).map_or_else(Signal::new, |key| key.revoked.clone());
        (hash, Key { principal: record.principal(revoked.clone()), revoked })
    }
}

/// The place of what is a hash already: those of the keys that are there were chosen by nobody.
#[derive(Debug, Default)]
struct Hashed(u64);

impl Hasher for Hashed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.0 = self.0.rotate_left(8) ^ u64::from(*byte));
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

/// The store could not be read, which is in the log.
#[derive(Debug)]
pub(super) struct Unreadable;

/// A task that looks for changes. Should its runtime end before the keys, the next request begins another.
struct Watch(Weak<Ring>);

impl Watch {
    async fn look(self) {
        let mut looks = tokio::time::interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut unread_since = None;
        loop {
            looks.tick().await;
            let Some(ring) = self.0.upgrade() else { return };
            let began = Instant::now();
            // Said in the log where it fails, and tried again.
            let looked = async {
                match ring.current(|_| ())? {
                    Some(()) => Ok(()),
                    None => ring.renew().await.map(|_| ()),
                }
            };
            if let Ok(Ok(())) = tokio::time::timeout(GRACE, looked).await {
                unread_since = None;
            } else if unread_since.get_or_insert(began).elapsed() >= GRACE {
                ring.forget();
            }
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if let Some(ring) = self.0.upgrade() {
            ring.is_watched.store(false, Ordering::Relaxed);
        }
    }
}
