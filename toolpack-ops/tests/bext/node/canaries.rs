//! Canaries: begun, given all requests, ended; and rollbacks.

use toolpack_ops::ErrorKind;
use toolpack_ops::bext::engine::{AppStatus, DeployStatus, Strategy};

use super::deploys::is_alive;
use super::{Bench, refused, until};

/// The versions that so many visitors without a cookie get.
async fn visited(bench: &Bench, visitors: usize) -> Vec<String> {
    let mut versions = Vec::new();
    for _ in 0..visitors {
        versions.push(bench.get("shop", "/").await.body);
    }
    versions
}

fn count(versions: &[String], of: &str) -> usize {
    versions.iter().filter(|version| *version == of).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_canary_gets_its_part_and_is_promoted() {
    let bench = Bench::new().await;
    bench.add("shop", bench.site("shop", "1.0.0")).await;
    let error = refused(bench.canary("shop", 50).await, ErrorKind::Conflict, "nothing_live");
    assert!(error.message().contains("deploy without one first"), "{error}");
    bench.deploy("shop").await.unwrap();
    refused(bench.canary("shop", 50).await, ErrorKind::Conflict, "already_live");
    refused(bench.promote("shop").await, ErrorKind::Conflict, "no_canary");

    bench.site("shop", "1.1.0");
    let record = bench.canary("shop", 50).await.unwrap();
    assert_eq!((record.status, record.strategy), (DeployStatus::Success, Strategy::Canary));
    assert_eq!(record.version.as_str(), "1.1.0");
    let shown = bench.app("shop").await;
    assert_eq!(shown.current_version.unwrap().as_str(), "1.0.0");
    let canary = shown.canary.unwrap();
    assert_eq!((canary.version.as_str(), canary.percent.get()), ("1.1.0", 50));
    let versions = visited(&bench, 100).await;
    assert_eq!(count(&versions, "1.0.0") + count(&versions, "1.1.0"), 100);
    // Of a hundred tosses of a coin, fewer than 20 are one in a thousand million.
    assert!(count(&versions, "1.0.0") >= 20 && count(&versions, "1.1.0") >= 20, "{versions:?}");
    for version in ["1.0.0", "1.1.0"] {
        let gateway = bench.gateway().await;
        let mut answer = bench.get("shop", "/").await;
        while answer.body != version {
            answer = bench.get("shop", "/").await;
        }
        let cookie = format!("Cookie: {}\r\n", answer.cookie().unwrap());
        for _ in 0..20 {
            let again = super::http::get_with(&gateway, "shop.localhost", "/", &cookie).await;
            assert_eq!(again.body, version, "a visitor stays with it");
        }
    }

    bench.site("shop", "1.2.0");
    for another in [bench.canary("shop", 5).await, bench.deploy("shop").await] {
        let error = refused(another, ErrorKind::Conflict, "canary_running");
        assert!(
            error.message().contains("promote_canary") && error.message().contains("rollback"),
            "{error}"
        );
    }
    let record = bench.promote("shop").await.unwrap();
    assert_eq!((record.status, record.strategy), (DeployStatus::Success, Strategy::Canary));
    assert_eq!((record.version.as_str(), record.previous_version.unwrap().as_str()), ("1.1.0", "1.0.0"));
    assert_eq!(count(&visited(&bench, 20).await, "1.1.0"), 20);
    let shown = bench.app("shop").await;
    assert_eq!(shown.canary, None);
    assert_eq!(shown.previous_version.unwrap().as_str(), "1.0.0");
    refused(bench.promote("shop").await, ErrorKind::Conflict, "no_canary");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollback_ends_a_canary_and_what_is_live_stays() {
    let bench = Bench::new().await;
    bench.add("shop", bench.process("shop", "1.0.0", "")).await;
    bench.deploy("shop").await.unwrap();
    let stable = bench.get("shop", "/pid").await.body;
    bench.process("shop", "1.1.0", "");
    bench.canary("shop", 99).await.unwrap();
    let mut canary = stable.clone();
    while canary == stable {
        canary = bench.get("shop", "/pid").await.body;
    }
    let record = bench.rollback("shop", None).await.unwrap();
    assert_eq!((record.status, record.strategy), (DeployStatus::RolledBack, Strategy::Canary));
    assert_eq!((record.version.as_str(), record.previous_version.unwrap().as_str()), ("1.0.0", "1.1.0"));
    for _ in 0..20 {
        assert_eq!(bench.get("shop", "/pid").await.body, stable);
    }
    let canary = canary.parse().unwrap();
    until("the canary's process has ended", async || !is_alive(canary)).await;
    let shown = bench.app("shop").await;
    assert_eq!((shown.canary, shown.status, shown.previous_version), (None, AppStatus::Running, None));
    // It is kept, so one may go to it.
    assert_eq!(bench.rollback("shop", Some("1.1.0")).await.unwrap().version.as_str(), "1.1.0");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollback_goes_back_and_forth_without_a_build() {
    let bench = Bench::new().await;
    bench.add("shop", bench.site("shop", "1.0.0")).await;
    let error = refused(bench.rollback("shop", None).await, ErrorKind::Conflict, "no_previous_version");
    assert!(error.message().contains("deploy it first"), "{error}");
    bench.deploy("shop").await.unwrap();
    refused(bench.rollback("shop", None).await, ErrorKind::Conflict, "no_previous_version");
    for version in ["1.1.0", "1.2.0"] {
        bench.site("shop", version);
        bench.deploy("shop").await.unwrap();
    }
    // No source is needed: that is what a kept artifact is for.
    std::fs::remove_dir_all(bench.directory.path().join("sources/shop")).unwrap();
    let record = bench.rollback("shop", None).await.unwrap();
    assert_eq!((record.status, record.strategy), (DeployStatus::RolledBack, Strategy::Full));
    assert_eq!((record.version.as_str(), record.previous_version.unwrap().as_str()), ("1.1.0", "1.2.0"));
    assert_eq!(bench.get("shop", "/").await.body, "1.1.0");
    // A second one returns to the version that was just left.
    assert_eq!(bench.rollback("shop", None).await.unwrap().version.as_str(), "1.2.0");
    assert_eq!(bench.rollback("shop", Some("1.0.0")).await.unwrap().version.as_str(), "1.0.0");
    assert_eq!(bench.get("shop", "/").await.body, "1.0.0");
    refused(bench.rollback("shop", Some("v1.0.0")).await, ErrorKind::Conflict, "already_live");
    let error = refused(bench.rollback("shop", Some("0.9.0")).await, ErrorKind::NotFound, "version_not_kept");
    assert!(error.message().contains("1.0.0, 1.2.0, 1.1.0"), "{error}");
    let statuses: Vec<_> = bench.history("shop").await.iter().map(|record| record.status).collect();
    assert_eq!(statuses.iter().filter(|status| **status == DeployStatus::RolledBack).count(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollback_to_a_version_ends_a_canary_too() {
    let bench = Bench::new().await;
    bench.add("shop", bench.site("shop", "1.0.0")).await;
    bench.deploy("shop").await.unwrap();
    bench.site("shop", "1.1.0");
    bench.deploy("shop").await.unwrap();
    bench.site("shop", "1.2.0");
    bench.canary("shop", 50).await.unwrap();
    let error = refused(bench.rollback("shop", Some("1.2.0")).await, ErrorKind::Conflict, "canary_running");
    assert!(error.message().contains("promote_canary"), "{error}");
    let record = bench.rollback("shop", Some("1.0.0")).await.unwrap();
    assert_eq!((record.version.as_str(), record.previous_version.unwrap().as_str()), ("1.0.0", "1.1.0"));
    assert_eq!(count(&visited(&bench, 20).await, "1.0.0"), 20);
    assert_eq!(bench.app("shop").await.canary, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_canary_that_does_not_start_leaves_everything_as_it_was() {
    let bench = Bench::new().await;
    bench.add("shop", bench.process("shop", "1.0.0", "")).await;
    bench.deploy("shop").await.unwrap();
    bench.process("shop", "1.1.0", "exits");
    refused(bench.canary("shop", 50).await, ErrorKind::Conflict, "deploy_failed");
    let record = &bench.history("shop").await[0];
    assert_eq!((record.status, record.strategy), (DeployStatus::Failed, Strategy::Canary));
    assert_eq!(bench.app("shop").await.canary, None);
    assert_eq!(count(&visited(&bench, 10).await, "1.0.0"), 10);
}
