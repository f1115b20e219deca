//! Promises of [`Configs`].

use super::expect;
use super::node::{Bench, NodeHarness};
use crate::bext::engine::{Configs, InstanceId};
use crate::error::ErrorKind::{InvalidInput, NotFound};

impl Bench<'_> {
    fn configs(&self) -> &dyn Configs {
        &**self.engines.configs().unwrap()
    }
}

/// The configuration is TOML under a relative path, from the first start on.
pub async fn a_configuration_can_be_read(harness: &dyn NodeHarness) {
    let bench = Bench::open(harness).await;
    let config = bench.configs().read_config(&bench.instance()).await.unwrap();
    assert!(!config.path.is_empty() && !config.path.starts_with('/'), "{}", config.path);
    assert!(config.toml.parse::<toml::Table>().is_ok(), "{}", config.toml);
}

/// Read anew without a change, nothing changes, however often.
pub async fn what_has_not_changed_changes_nothing(harness: &dyn NodeHarness) {
    let bench = Bench::open(harness).await;
    let app = bench.live("shop").await;
    for _ in 0..2 {
        let change = bench.configs().reload_config(&bench.instance()).await.unwrap();
        assert!(change.changed.is_empty() && change.needs_restart.is_empty(), "{change:?}");
    }
    assert_eq!(bench.served(&app).await, "1.0.0");
}

/// A configuration with a mistake in it is refused, and everything goes on as before.
pub async fn a_mistake_keeps_what_was_in_effect(harness: &dyn NodeHarness) {
    let bench = Bench::open(harness).await;
    let app = bench.live("shop").await;
    harness.spoil_config(&bench.instance()).await;
    let error = expect(
        bench.configs().reload_config(&bench.instance()).await,
        InvalidInput,
        "config_invalid",
        "a mistake",
    );
    assert!(!error.message().contains(" /"), "no path of the server: {error}");
    assert_eq!(bench.served(&app).await, "1.0.0");
    bench.next(&app, "1.1.0").await;
    assert_eq!(bench.served(&app).await, "1.1.0");
    harness.mend_config(&bench.instance()).await;
    bench.configs().reload_config(&bench.instance()).await.unwrap();
    assert_eq!(bench.served(&app).await, "1.1.0");
}

/// An instance that is not known has none.
pub async fn an_unknown_instance_has_no_configuration(harness: &dyn NodeHarness) {
    let bench = Bench::open(harness).await;
    let id: InstanceId = "no-such-instance".parse().unwrap();
    expect(bench.configs().read_config(&id).await, NotFound, "instance_not_found", "read_config");
    expect(bench.configs().reload_config(&id).await, NotFound, "instance_not_found", "reload_config");
}
