//! Turns: how many calls may work at once, on one store and in all.
//!
//! Writers of one store wait here in order instead of at SQLite's lock, which knows no order and is polled. The lock
//! still decides between processes.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::config::EmbeddedConfig;
use super::place::{Access, StoreFile};
use crate::bext::engine::AppRef;
use crate::error::{Error, ErrorKind};

/// Gates that nobody uses are forgotten when there are more than this.
const KEPT: usize = 256;

#[derive(Debug)]
pub(super) struct Gates {
    overall: Arc<Semaphore>,
    readers: usize,
    wait: Duration,
    stores: Mutex<HashMap<(AppRef, StoreFile, Access), Arc<Semaphore>>>,
}

/// A turn, until it is dropped.
#[derive(Debug)]
pub(super) struct Turn {
    _store: OwnedSemaphorePermit,
    _overall: OwnedSemaphorePermit,
}

impl Gates {
    pub(super) fn new(config: &EmbeddedConfig) -> Self {
        Self {
            overall: Arc::new(Semaphore::new(config.max_running)),
            readers: config.max_readers_per_store,
            wait: Duration::from_millis(config.queue_timeout_ms),
            stores: Mutex::default(),
        }
    }

    /// Waits for a turn on a store.
    pub(super) async fn enter(&self, app: &AppRef, file: StoreFile, access: Access) -> Result<Turn, Error> {
        let gate = self.gate(app, file, access);
        let both = async {
            // The store first: those who wait for a busy store do not use up the turns of the others.
            let store = gate.acquire_owned().await?;
            let overall = self.overall.clone().acquire_owned().await?;
            Ok::<_, tokio::sync::AcquireError>(Turn { _store: store, _overall: overall })
        };
        match timeout(self.wait, both).await {
            Ok(Ok(turn)) => Ok(turn),
            Ok(Err(closed)) => {
                Err(Error::new(ErrorKind::Unexpected, "internal", "the engine failed").with_source(closed))
            }
            Err(_) => {
                let message = "too many calls are waiting for this store; try again";
                Err(Error::new(ErrorKind::Unavailable, "store_busy", message))
            }
        }
    }

    fn gate(&self, app: &AppRef, file: StoreFile, access: Access) -> Arc<Semaphore> {
        // The map is whole at any moment, so a panic elsewhere leaves it good.
        let mut stores = self.stores.lock().unwrap_or_else(PoisonError::into_inner);
        if stores.len() > KEPT {
            stores.retain(|_, gate| Arc::strong_count(gate) > 1);
        }
        let turns = match access {
            Access::Read => self.readers,
            Access::Write => 1,
        };
        stores.entry((app.clone(), file, access)).or_insert_with(|| Arc::new(Semaphore::new(turns))).clone()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on says why")]

    use super::*;

    fn app(name: &str) -> AppRef {
        AppRef::new("local".parse().unwrap(), name.parse().unwrap())
    }

    #[tokio::test(start_paused = true)]
    async fn writers_of_one_store_take_turns_and_others_do_not_wait() {
        let gates = Gates::new(&EmbeddedConfig::default());
        let first = gates.enter(&app("a"), StoreFile::Data, Access::Write).await.unwrap();
        let second = gates.enter(&app("a"), StoreFile::Data, Access::Write).await.unwrap_err();
        assert_eq!(second.code(), "store_busy");
        gates.enter(&app("a"), StoreFile::Keys, Access::Write).await.unwrap();
        gates.enter(&app("a"), StoreFile::Data, Access::Read).await.unwrap();
        gates.enter(&app("b"), StoreFile::Data, Access::Write).await.unwrap();
        drop(first);
        gates.enter(&app("a"), StoreFile::Data, Access::Write).await.unwrap();
    }

    #[tokio::test]
    async fn gates_are_forgotten() {
        let gates = Gates::new(&EmbeddedConfig::default());
        for n in 0..(KEPT * 2) {
            gates.enter(&app(&n.to_string()), StoreFile::Data, Access::Read).await.unwrap();
        }
        assert!(gates.stores.lock().unwrap().len() <= KEPT + 1);
    }
}
