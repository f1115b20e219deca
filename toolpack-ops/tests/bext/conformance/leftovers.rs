//! Runs that do not come to their end.

use tokio::sync::watch;
use toolpack_ops::bext::engine::NewApp;

use super::*;

/// Says at which stage a run is.
#[derive(Debug)]
struct At(watch::Sender<u64>);

impl Stages for At {
    fn reached(&self, done: u64, _: u64, _: &str) {
        self.0.send_replace(done);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_that_is_cancelled_leaves_nothing() {
    let bench = Bench::new().await;
    let before = bench.traces().await;
    let checks = bench.checks();
    // Within the making of the apps, and within checks of one kind or another; the last has a canary.
    for (suite, stage) in [(None, 0), (None, 1), (None, 30), (Some("releases"), 3), (Some("canary"), 1)] {
        let (at, mut reached) = watch::channel(0);
        let stages = Arc::new(At(at));
        let mut run = Box::pin(checks.run(on("local", suite), stages));
        tokio::select! {
            report = run.as_mut() => panic!("it came to its end: {report:?}"),
            reached = reached.wait_for(|done| *done >= stage) => drop(reached.unwrap()),
        }
        // A little further, so that it is in the midst of what comes next.
        let further = tokio::time::timeout(Duration::from_millis(30), run.as_mut()).await;
        assert!(further.is_err(), "it came to its end");
        drop(run);
        bench.has_again(&before).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_killed_run_left_is_removed_and_what_is_under_way_is_not() {
    let bench = Bench::new().await;
    let local: InstanceId = "local".parse().unwrap();
    let left = tempfile::Builder::new().prefix("bext-conformance-").tempdir().unwrap();
    let gone = tempfile::Builder::new().prefix("bext-conformance-").tempdir().unwrap();
    let mine = bench.directory.path().join("mine");
    // As a run has it that another process makes.
    let lock = std::fs::File::create(left.path().join("new")).unwrap();
    lock.lock().unwrap();
    std::fs::rename(left.path().join("new"), left.path().join("lock")).unwrap();
    for (source, name) in [
        (left.path().join("site"), "conformance-site-01234567"),
        (gone.path().join("site"), "conformance-other-01234567"),
        (mine.clone(), "conformance-site-89abcdef"),
        (mine, "conformance-mine"),
    ] {
        std::fs::create_dir_all(source.join("public")).unwrap();
        let source = source.to_str().unwrap().parse().unwrap();
        bench.node.add_app(&local, NewApp::new(name.parse().unwrap(), source)).await.unwrap();
    }
    let names = async || {
        let apps = bench.node.list_apps(&local, ListApps::default()).await.unwrap().apps;
        apps.into_iter().map(|app| app.name.to_string()).collect::<Vec<_>>()
    };
    gone.close().unwrap();
    let checks = Checks::new(bench.engines());
    assert_eq!(checks.sweep().await.unwrap(), 1);
    // What has another source than a run has, or another name, is somebody's.
    let somebodys = ["conformance-mine", "conformance-site-89abcdef"];
    let found = names().await;
    assert_eq!(found, ["conformance-mine", "conformance-site-01234567", "conformance-site-89abcdef"]);
    run(&checks, on("local", Some("headers"))).await;
    assert_eq!(names().await.len(), 3, "it is at work still");
    assert!(left.path().exists());
    drop(lock);
    // By the next run, as by a sweep, and at once.
    run(&checks, on("local", Some("headers"))).await;
    assert_eq!(names().await, somebodys);
    assert!(!left.path().exists());
    assert_eq!(checks.sweep().await.unwrap(), 0);
}
