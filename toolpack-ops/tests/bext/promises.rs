//! Every promise of the suite, on the embedded engine, each as a test of its own.

use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use toolpack_ops::bext::engine::embedded::{Embedded, EmbeddedConfig};
use toolpack_ops::bext::engine::suite::{Harness, Limits, PROMISES};
use toolpack_ops::bext::engine::{Engines, InstanceId};

use super::clock::Hand;

#[derive(Debug)]
struct OnDisk {
    directory: TempDir,
    clock: Arc<Hand>,
    config: EmbeddedConfig,
}

impl OnDisk {
    fn new() -> Self {
        Self {
            directory: tempfile::tempdir().unwrap(),
            clock: Arc::default(),
            config: EmbeddedConfig::default()
                .with_max_sql_chars(2_000)
                .with_max_rows(20)
                .with_max_result_bytes(10_000)
                .with_statement_timeout_ms(1_500)
                .with_max_kv_value_bytes(100_000),
        }
    }
}

#[async_trait::async_trait]
impl Harness for OnDisk {
    async fn open(&self) -> Engines {
        let opened =
            Embedded::open_with_clock(self.directory.path(), self.config.clone(), self.clock.clone());
        Engines::of(opened.await.unwrap())
    }

    fn advance(&self, by: Duration) {
        self.clock.advance(by);
    }

    fn instance(&self) -> InstanceId {
        "local".parse().unwrap()
    }

    fn limits(&self) -> Limits {
        Limits {
            max_sql_chars: self.config.max_sql_chars,
            max_rows: self.config.max_rows,
            max_result_bytes: self.config.max_result_bytes,
            statement_timeout: Duration::from_millis(self.config.statement_timeout_ms),
            max_kv_value_bytes: self.config.max_kv_value_bytes,
        }
    }

    async fn clean_up(self: Box<Self>) {
        self.directory.close().unwrap();
    }
}

/// A suite that finds nothing is worth nothing: this engine's keys never expire.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broken_promise_is_found() {
    let mut broken = Vec::new();
    for promise in PROMISES.iter().filter(|promise| promise.name.starts_with("key_value::a")) {
        let check = async { (promise.check)(&Stopped(OnDisk::new())).await };
        if tokio::spawn(check).await.is_err() {
            broken.push(promise.name);
        }
    }
    assert_eq!(broken, ["key_value::an_expired_key_is_absent"]);
}

#[derive(Debug)]
struct Stopped(OnDisk);

#[async_trait::async_trait]
impl Harness for Stopped {
    async fn open(&self) -> Engines {
        self.0.open().await
    }

    fn advance(&self, _: Duration) {}

    fn instance(&self) -> InstanceId {
        self.0.instance()
    }

    fn limits(&self) -> Limits {
        self.0.limits()
    }

    async fn clean_up(self: Box<Self>) {}
}

macro_rules! tests {
    ($($group:ident { $($promise:ident)* })*) => {
        $(mod $group {
            use toolpack_ops::bext::engine::suite::{Harness, $group as promises};

            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $promise() {
                let harness = Box::new(super::OnDisk::new());
                promises::$promise(&*harness).await;
                harness.clean_up().await;
            })*
        })*
    };
}

toolpack_ops::bext_promises!(tests);
