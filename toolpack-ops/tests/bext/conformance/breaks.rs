//! For each suite, something that is not as it should be, and the check that finds it.

use toolpack_ops::bext::engine::InstanceUrl;

use super::proxy::{Alteration, Proxy};
use super::wrapped::{Careless, Elsewhere, Leaky, Talkative};
use super::*;

/// Where the gateway of `local` answers.
async fn gateway(bench: &Bench) -> std::net::SocketAddr {
    let url = bench.node.resolve(&"local".parse().unwrap()).await.unwrap().url.unwrap();
    url.as_str().strip_prefix("http://").unwrap().parse().unwrap()
}

/// Engines whose gateway is behind a proxy.
async fn behind(bench: &Bench, alteration: Alteration) -> (Engines, Proxy) {
    let proxy = Proxy::start(gateway(bench).await, alteration).await;
    let url: InstanceUrl = format!("http://{}", proxy.address).parse().unwrap();
    let instances = Arc::new(Elsewhere(bench.node.clone(), url));
    (bench.engines().with_instances(instances), proxy)
}

/// Runs a suite and demands that this check, and no other, fails.
async fn finds(engines: Engines, suite: &str, check: &str) {
    let report = run(&Checks::new(engines).with_command(command()), on("local", Some(suite))).await;
    let failed = with(&report, Outcome::Failed);
    let names: Vec<&str> = failed.iter().map(|failed| failed.name.as_str()).collect();
    assert_eq!(names, [check], "{failed:#?}");
    assert_eq!(with(&report, Outcome::Partial), Vec::<&Check>::new());
}

macro_rules! altered {
    ($($test:ident: $suite:literal, $field:ident $from:literal => $to:literal, $check:literal;)*) => {
        $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $test() {
            let bench = Bench::new().await;
            let alteration = Alteration { $field: Some(($from, $to)), ..Default::default() };
            let (engines, _proxy) = behind(&bench, alteration).await;
            finds(engines, $suite, $check).await;
        })*
    };
}

altered! {
    a_wildcard_that_is_ignored: "routing", request "host: a.wild." => "host: a.wilder.",
        "a wildcard stands for one label";
    a_validator_that_is_weakened: "static_files", answer "etag: \"" => "etag: W/\"",
        "a file has a strong validator";
    a_query_that_is_changed: "requests", request "/bytes?n=1234" => "/bytes?n=1235",
        "path and query reach the app unchanged";
    a_subprotocol_that_is_lost: "websocket", answer "sec-websocket-protocol: echo.v1\r\n" => "",
        "a subprotocol is agreed on";
    a_header_that_is_missing: "headers", answer "\"via\"" => "\"vya\"",
        "the gateway says that it was on the way";
    an_environment_that_is_inherited: "processes", request "name=HOME" => "name=PATH",
        "a process is given no environment of the node's";
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_is_held_back() {
    let bench = Bench::new().await;
    let (engines, _proxy) = behind(&bench, Alteration { holds_answers: true, ..Default::default() }).await;
    let report = run(&Checks::new(engines).with_command(command()), on("local", Some("streaming"))).await;
    let failed: Vec<&str> =
        with(&report, Outcome::Failed).iter().map(|failed| failed.name.as_str()).collect();
    assert_eq!(failed, ["an answer is passed on as it comes", "a request is passed on as it comes"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn limits_of_time_are_found_and_what_is_said_of_them() {
    let limits = "[gateway]\nresponse_timeout = \"1s\"\nheader_timeout = \"1s\"\n";
    let bench = Bench::with(limits, NodeConfig::default()).await;
    let report = run(&bench.checks(), on("local", Some("timeouts"))).await;
    assert!(report.checks.iter().all(|check| check.outcome == Outcome::Passed), "{report:#?}");
    let answer = Some(("HTTP/1.1 504", "HTTP/1.1 500"));
    let (engines, _proxy) = behind(&bench, Alteration { answer, ..Default::default() }).await;
    finds(engines, "timeouts", "an app that does not answer is given up on").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_is_held_open_by_half_a_request() {
    let limits = "[gateway]\nresponse_timeout = \"1s\"\nheader_timeout = \"2m\"\n";
    let bench = Bench::with(limits, NodeConfig::default()).await;
    finds(bench.engines(), "timeouts", "a request that does not end is cut off").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_is_lost_in_a_release() {
    let bench = Bench::new().await;
    let (engines, proxy) = behind(&bench, Alteration::default()).await;
    let node = bench.node.clone();
    let careless = Careless { node, percent: None, cut: Some(proxy.cut.clone()), deploys: Mutex::default() };
    finds(engines.with_deploys(Arc::new(careless)), "releases", "a release loses no request").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_canary_that_gets_too_much() {
    let bench = Bench::new().await;
    let node = bench.node.clone();
    let careless = Careless { node, percent: Some(60), cut: None, deploys: Mutex::default() };
    let engines = bench.engines().with_deploys(Arc::new(careless));
    finds(engines, "canary", "a canary gets its part of the requests").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_secret_that_leaks() {
    let bench = Bench::new().await;
    let leaky = Arc::new(Leaky(bench.node.clone(), Mutex::default()));
    let engines = bench.engines().with_secrets(leaky.clone()).with_configs(leaky);
    finds(engines, "secrets", "values of secrets are in nothing that can be read").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_that_were_not_asked_for() {
    let bench = Bench::new().await;
    let engines = bench.engines().with_key_value(Arc::new(Talkative(bench.node.clone())));
    finds(engines, "data", "keys are listed by what they begin with").await;
}
