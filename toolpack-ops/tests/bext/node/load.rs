//! Constant load while releases come and go: no request fails, and each is answered by a version that was live.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::Bench;
use super::http::try_get;

async fn visit(
    gateway: String,
    host: &'static str,
    stop: Arc<AtomicBool>,
) -> (BTreeMap<String, usize>, Vec<String>) {
    let (mut seen, mut failures) = (BTreeMap::new(), Vec::new());
    while !stop.load(Ordering::Relaxed) {
        match try_get(&gateway, host, "/", "").await {
            Ok(answer) if answer.status == 200 => *seen.entry(answer.body).or_default() += 1,
            Ok(answer) => failures.push(format!("{}: {}", answer.status, answer.body)),
            Err(error) => failures.push(error.to_string()),
        }
    }
    (seen, failures)
}

async fn under_load(bench: &Bench, host: &'static str, work: impl AsyncFnOnce()) -> BTreeMap<String, usize> {
    let stop = Arc::new(AtomicBool::new(false));
    let gateway = bench.gateway().await;
    let visitors: Vec<_> = (0..4).map(|_| tokio::spawn(visit(gateway.clone(), host, stop.clone()))).collect();
    work().await;
    stop.store(true, Ordering::Relaxed);
    let mut all = BTreeMap::new();
    for visitor in visitors {
        let (seen, failures) = visitor.await.unwrap();
        assert_eq!(failures, Vec::<String>::new());
        for (version, count) in seen {
            *all.entry(version).or_default() += count;
        }
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn no_request_fails_while_a_process_is_released() {
    let bench = Bench::new().await;
    bench.add("api", bench.process("api", "1.0.0", "")).await;
    bench.deploy("api").await.unwrap();
    let seen = under_load(&bench, "api.localhost", async || {
        for round in 1..=4 {
            bench.process("api", &format!("1.{round}.0"), "");
            bench.deploy("api").await.unwrap();
        }
        bench.process("api", "2.0.0", "");
        bench.canary("api", 50).await.unwrap();
        bench.promote("api").await.unwrap();
        bench.process("api", "3.0.0", "exits");
        bench.deploy("api").await.unwrap_err();
        bench.rollback("api", None).await.unwrap();
    })
    .await;
    assert!(seen.keys().all(|version| version.starts_with("1.") || version == "2.0.0"), "{seen:?}");
    assert!(seen.len() >= 3, "{seen:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_request_fails_while_a_site_is_released() {
    let bench = Bench::new().await;
    bench.add("shop", bench.site("shop", "0.0.0")).await;
    bench.deploy("shop").await.unwrap();
    let seen = under_load(&bench, "shop.localhost", async || {
        for round in 1..=12 {
            bench.site("shop", &format!("0.{round}.0"));
            bench.deploy("shop").await.unwrap();
        }
    })
    .await;
    assert!(seen.values().sum::<usize>() > 50, "{seen:?}");
    assert!(seen.len() >= 3, "{seen:?}");
}
