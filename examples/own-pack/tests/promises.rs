//! The promises of bext's key-value engines, over the pockets that replace one.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use own_pack::{
    drawer::Drawer,
    pockets::{MAX_VALUE_BYTES, Pockets},
};
use tempfile::{TempDir, tempdir};
use toolpack::bext::engine::{
    Clock, Engines, InstanceId, Timestamp,
    embedded::{Embedded, EmbeddedConfig},
    suite::{Harness, Limits, PROMISES},
};

/// A clock that stands still until it is moved.
#[derive(Debug)]
struct Hand(AtomicI64);

impl Clock for Hand {
    fn now(&self) -> Timestamp {
        Timestamp::from_unix_millis(self.0.load(Ordering::SeqCst))
    }
}

#[derive(Debug)]
struct InFolder {
    folder: TempDir,
    clock: Arc<Hand>,
}

#[async_trait]
impl Harness for InFolder {
    async fn open(&self) -> Engines {
        let bext = self.folder.path().join("bext");
        let engines = Engines::of(Embedded::open(bext, EmbeddedConfig::default()).await.unwrap());
        let drawer = Drawer::open(self.folder.path()).unwrap();
        let pockets = Pockets::new(drawer, Arc::clone(&engines.instances), self.clock.clone());
        engines.with_key_value(Arc::new(pockets))
    }

    fn advance(&self, by: Duration) {
        self.clock.0.fetch_add(by.as_millis() as i64, Ordering::SeqCst);
    }

    fn instance(&self) -> InstanceId {
        "local".parse().unwrap()
    }

    fn limits(&self) -> Limits {
        let config = EmbeddedConfig::default();
        Limits {
            max_sql_chars: config.max_sql_chars,
            max_rows: config.max_rows,
            max_result_bytes: config.max_result_bytes,
            statement_timeout: Duration::from_millis(config.statement_timeout_ms),
            max_kv_value_bytes: MAX_VALUE_BYTES,
        }
    }

    async fn clean_up(self: Box<Self>) {}
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_pockets_keep_what_every_key_value_engine_promises() {
    let promises = PROMISES.iter().filter(|promise| promise.name.starts_with("key_value::"));
    for promise in promises {
        let harness =
            InFolder { folder: tempdir().unwrap(), clock: Arc::new(Hand(AtomicI64::new(1_767_225_600_000))) };
        (promise.check)(&harness).await;
    }
}
