//! Runs that come to their end: what they find, and what they say meanwhile.

use toolpack_ops::bext::engine::{Deploy, NewApp, Release};
use toolpack_ops::{Error, ErrorKind};

use super::wrapped::Noting;
use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_passes_them_and_nothing_is_left() {
    let bench = Bench::new().await;
    let before = bench.traces().await;
    let sources = Arc::new(Mutex::default());
    let engines = bench.engines().with_apps(Arc::new(Noting(bench.node.clone(), sources.clone())));
    let heard = Arc::new(Heard::default());
    let checks = Checks::new(engines).with_command(command());
    let report = checks.run(on("local", None), heard.clone()).await.unwrap();

    assert_eq!(with(&report, Outcome::Failed), Vec::<&Check>::new());
    let partial = with(&report, Outcome::Partial);
    assert!(
        partial.iter().all(|check| check.name == "an app that does not answer is given up on"),
        "{partial:#?}"
    );
    let (passed, total) = (report.count(Outcome::Passed), report.checks.len());
    assert!(passed >= 100 && passed + partial.len() == total, "{passed} of {total}");
    assert!((report.score() - passed as f64 * 100.0 / total as f64).abs() < 1e-9);
    for check in &report.checks {
        assert!(!check.expected.is_empty() && !check.seen.is_empty(), "{check:?}");
        // A name of this file's process or a path of its machine says nothing to who reads it.
        assert!(!check.seen.contains("/tmp/"), "{check:?}");
    }
    bench.has_again(&before).await;
    let sources = sources.lock().unwrap().clone();
    assert_eq!(sources.len(), 4);
    for source in sources {
        assert!(!Path::new(&source).parent().unwrap().exists(), "{source}");
    }

    let stages = heard.0.lock().unwrap().clone();
    let total = report.checks.len() as u64 + 1;
    let expected: Vec<u64> = (0..=total).collect();
    assert_eq!(stages.iter().map(|(done, ..)| *done).collect::<Vec<_>>(), expected);
    assert!(stages.iter().all(|(_, of, doing)| *of == total && !doing.is_empty()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_command_only_processes_are_not_looked_at() {
    let bench = Bench::new().await;
    let before = bench.traces().await;
    let report = run(&Checks::new(bench.engines()), on("local", None)).await;
    let of_processes = [
        "requests",
        "streaming",
        "websocket",
        "timeouts",
        "headers",
        "releases",
        "canary",
        "processes",
        "secrets",
    ];
    for check in &report.checks {
        if of_processes.contains(&check.suite.as_str()) {
            assert_eq!(check.outcome, Outcome::Partial, "{check:?}");
            assert!(check.seen.contains("gave no command"), "{check:?}");
        } else {
            assert_eq!(check.outcome, Outcome::Passed, "{check:?}");
        }
    }
    let passed = report.count(Outcome::Passed);
    assert!(passed > 40 && report.score() < 60.0, "{passed}, {}", report.score());
    bench.has_again(&before).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn runs_at_once_do_not_disturb_each_other() {
    let bench = Bench::new().await;
    let before = bench.traces().await;
    let checks = bench.checks();
    let (first, second, elsewhere) = tokio::join!(
        run(&checks, on("local", None)),
        run(&checks, on("local", None)),
        run(&checks, on("other", Some("releases"))),
    );
    for report in [&first, &second, &elsewhere] {
        assert_eq!(with(report, Outcome::Failed), Vec::<&Check>::new());
        assert!(report.count(Outcome::Partial) <= 1);
    }
    assert_eq!(first.checks.len(), second.checks.len());
    assert_eq!(elsewhere.instance.as_str(), "other");
    bench.has_again(&before).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_suite_runs_by_itself() {
    let bench = Bench::new().await;
    let checks = bench.checks();
    let unknown = checks.run(on("local", Some("rooting")), Arc::new(Unheard)).await;
    let error: Error = unknown.unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::NotFound, "suite_not_found"));
    let (_, names) = error.message().split_once("there are ").unwrap();
    let names: Vec<&str> = names.split(", ").collect();
    assert_eq!(names.len(), 12);
    // What the whole run takes longest for is in the other tests; this is about what one suite needs of another.
    for suite in names.into_iter().filter(|suite| *suite != "timeouts") {
        let report = run(&checks, on("local", Some(suite))).await;
        assert!(!report.checks.is_empty() && report.checks.iter().all(|check| check.suite == suite));
        assert_eq!(with(&report, Outcome::Failed), Vec::<&Check>::new(), "{suite}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_instance_of_the_newest_deploy_is_meant_without_one() {
    let bench = Bench::new().await;
    let checks = bench.checks();
    let unnamed = || RunChecks { instance: None, ..on("local", Some("headers")) };
    assert_eq!(run(&checks, unnamed()).await.instance.as_str(), "local");
    let public = bench.directory.path().join("shop/public");
    std::fs::create_dir_all(&public).unwrap();
    std::fs::write(public.join("index.html"), "shop").unwrap();
    let source = bench.directory.path().join("shop").to_str().unwrap().to_owned();
    // One that is named as a scratch app is, such as one that a killed run left, does not count.
    for (instance, name) in [("other", "shop"), ("local", "conformance-site-01234567")] {
        let (instance, name) = (instance.parse().unwrap(), name.parse().unwrap());
        let new = NewApp::new(toolpack_ops::bext::engine::AppName::clone(&name), source.parse().unwrap());
        bench.node.add_app(&instance, new).await.unwrap();
        let release = Release { instance, app: Some(name), by: "test".to_owned() };
        let newest = Deploy { release, version: None, canary: None };
        bench.node.deploy(newest, Arc::new(Unheard)).await.unwrap();
    }
    assert_eq!(run(&checks, unnamed()).await.instance.as_str(), "other");
}
