//! Deploys: what they switch, what a failed one leaves, what they say while they run.

use std::sync::Arc;

use toolpack_ops::ErrorKind;
use toolpack_ops::bext::engine::{
    AppStatus, Apps, Cursor, Deploy, DeployStatus, Deploys, ListDeploys, PageSize, Release, Removal, Runtime,
    Strategy, Unheard,
};
use toolpack_ops::bext::node::{RunKind, RunState};

use super::{Bench, Heard, app, app_ref, local, newest, refused, release, until};

#[tokio::test(flavor = "multi_thread")]
async fn a_site_is_served_from_its_deploy_on() {
    let bench = Bench::new().await;
    let added = bench.add("shop", bench.site("shop", "1.0.0")).await;
    assert_eq!(
        (added.status, added.runtime, added.current_version),
        (AppStatus::Stopped, Runtime::Static, None)
    );
    assert_eq!(bench.get("shop", "/").await.status, 404);

    let heard = Arc::new(Heard::default());
    let record = bench.node.deploy(newest("shop"), heard.clone()).await.unwrap();
    assert_eq!(record.version.as_str(), "1.0.0");
    assert_eq!((record.status, record.strategy), (DeployStatus::Success, Strategy::Full));
    assert_eq!((record.previous_version.as_ref(), record.deployed_by.as_str()), (None, "test"));
    assert!(record.started_at <= record.finished_at);
    let stages = heard.all();
    assert_eq!(stages.iter().map(|stage| stage.0).collect::<Vec<_>>(), [0, 1, 2, 3, 4], "{stages:?}");
    assert!(stages[2].2.contains("1.0.0"), "{stages:?}");

    let answer = bench.get("shop", "/").await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "1.0.0"));
    let shown = bench.app("shop").await;
    assert_eq!((shown.status, shown.current_version), (AppStatus::Running, Some(record.version.clone())));
    assert_eq!(bench.history("shop").await, [record]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_version_takes_over_and_the_one_before_is_remembered() {
    let bench = Bench::new().await;
    bench.add("shop", bench.process("shop", "1.0.0", "")).await;
    bench.deploy("shop").await.unwrap();
    let old: u32 = bench.get("shop", "/pid").await.body.parse().unwrap();
    bench.process("shop", "1.1.0", "");
    let record = bench.deploy("shop").await.unwrap();
    assert_eq!(record.previous_version.unwrap().as_str(), "1.0.0");
    assert_eq!(bench.get("shop", "/").await.body, "1.1.0");
    let shown = bench.app("shop").await;
    assert_eq!(shown.previous_version.unwrap().as_str(), "1.0.0");
    until("the old process has ended", async || !is_alive(old)).await;

    // The same once more: started anew, and not its own predecessor.
    let before: u32 = bench.get("shop", "/pid").await.body.parse().unwrap();
    let record = bench.deploy("shop").await.unwrap();
    assert_eq!(record.version.as_str(), "1.1.0");
    assert_ne!(bench.get("shop", "/pid").await.body, before.to_string());
    assert_eq!(bench.app("shop").await.previous_version.unwrap().as_str(), "1.0.0");
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_under_way_are_answered_by_what_they_began_with() {
    let bench = Bench::new().await;
    bench.add("shop", bench.process("shop", "1.0.0", "")).await;
    bench.deploy("shop").await.unwrap();
    let (gateway, go) = (bench.gateway().await, bench.directory.path().join("go"));
    let path = format!("/wait?{}", go.display());
    let waiting = tokio::spawn(async move { super::http::get(&gateway, "shop.localhost", &path).await });
    until("the request is under way", async || in_flight(&bench).await == 1).await;
    bench.process("shop", "1.1.0", "");
    bench.deploy("shop").await.unwrap();
    assert_eq!(bench.get("shop", "/").await.body, "1.1.0");
    // And a third meanwhile: what drains holds up nobody.
    bench.process("shop", "1.2.0", "");
    bench.deploy("shop").await.unwrap();
    assert!(!waiting.is_finished());
    std::fs::write(go, "").unwrap();
    let answer = waiting.await.unwrap();
    assert_eq!((answer.status, answer.body.as_str()), (200, "1.0.0"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_does_not_start_stays_out_and_leaves_nothing() {
    let bench = Bench::new().await;
    bench.add("shop", bench.process("shop", "1.0.0", "")).await;
    let live = bench.deploy("shop").await.unwrap();
    for (version, behaviour, word) in [("1.1.0", "exits", "no 1.1.0 today"), ("1.2.0", "sick", "500")] {
        bench.process("shop", version, behaviour);
        let error = refused(bench.deploy("shop").await, ErrorKind::Conflict, "deploy_failed");
        assert!(error.message().contains(version) && error.message().contains(word), "{error}");
        assert_eq!(bench.get("shop", "/").await.body, "1.0.0");
        let newest = &bench.history("shop").await[0];
        assert_eq!((newest.status, newest.version.as_str()), (DeployStatus::Failed, version));
        assert_eq!(newest.previous_version.as_ref(), Some(&live.version));
        assert!(newest.error.as_ref().unwrap().contains(word), "{newest:?}");
        assert_eq!(bench.artifacts(), 1);
        let run = &bench.node.runs(&local(), None, PageSize::default()).await.unwrap()[0];
        assert_eq!((run.kind, run.state, &run.id), (RunKind::Deploy, RunState::Undone, &newest.id));
        assert_eq!(
            run.steps.iter().map(|step| step.name.as_str()).collect::<Vec<_>>(),
            ["resolve", "artifact", "start"]
        );
    }
    let shown = bench.app("shop").await;
    assert_eq!((shown.status, shown.current_version), (AppStatus::Running, Some(live.version)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_site_that_does_not_answer_its_health_check_stays_out() {
    let bench = Bench::new().await;
    // Nothing lies at /, which nobody said was to be looked at.
    let source = [("bext.app.toml", "version = \"1.0.0\"\n"), ("public/up.txt", "up")];
    bench.add("shop", bench.source("shop", &source)).await;
    bench.deploy("shop").await.unwrap();
    assert_eq!(bench.get("shop", "/up.txt").await.body, "up");
    let manifest =
        |version: &str, path: &str| format!("version = \"{version}\"\n[health]\npath = \"{path}\"\n");
    bench.source("shop", &[("bext.app.toml", &manifest("1.1.0", "/")), ("public/up.txt", "new")]);
    let error = refused(bench.deploy("shop").await, ErrorKind::Conflict, "deploy_failed");
    assert!(error.message().contains("1.1.0 did not start: GET / was answered with 404"), "{error}");
    let failed = &bench.history("shop").await[0];
    assert_eq!((failed.status, failed.version.as_str()), (DeployStatus::Failed, "1.1.0"));
    assert_eq!((bench.get("shop", "/up.txt").await.body.as_str(), bench.artifacts()), ("up", 1));
    bench.source("shop", &[("bext.app.toml", &manifest("1.2.0", "/up.txt"))]);
    bench.deploy("shop").await.unwrap();
    assert_eq!(bench.get("shop", "/up.txt").await.body, "new");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_is_not_there_is_a_failed_deploy() {
    let bench = Bench::new().await;
    bench.add("shop", bench.site("shop", "1.0.0")).await;
    let deploy = Deploy { version: Some("9.9.9".parse().unwrap()), ..newest("shop") };
    let error = bench.node.deploy(deploy, Arc::new(Unheard)).await;
    let error = refused(error, ErrorKind::NotFound, "version_not_found");
    assert!(error.message().contains("1.0.0"), "{error}");
    let record = &bench.history("shop").await[0];
    assert_eq!((record.status, record.version.as_str()), (DeployStatus::Failed, "9.9.9"));
    assert_eq!(bench.app("shop").await.status, AppStatus::Stopped);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deploy_that_is_given_up_leaves_nothing_and_keeps_others_out_while_it_runs() {
    let bench = Bench::new().await;
    bench.add("shop", bench.process("shop", "1.0.0", "")).await;
    bench.deploy("shop").await.unwrap();
    bench.process("shop", "1.1.0", "sick");
    let heard = Arc::new(Heard::default());
    let deploying = {
        let (node, heard) = (bench.node.clone(), heard.clone());
        tokio::spawn(async move { node.deploy(newest("shop"), heard).await })
    };
    until("it waits for the health check", async || heard.all().iter().any(|stage| stage.0 == 2)).await;
    refused(bench.deploy("shop").await, ErrorKind::Unavailable, "app_busy");
    refused(bench.rollback("shop", None).await, ErrorKind::Unavailable, "app_busy");
    refused(
        bench.node.remove_app(&app_ref("shop"), Removal::KeepData).await,
        ErrorKind::Unavailable,
        "app_busy",
    );
    assert_eq!(bench.app("shop").await.status, AppStatus::Deploying);
    deploying.abort();
    until("it is undone", async || bench.history("shop").await.len() == 2).await;
    let record = &bench.history("shop").await[0];
    assert_eq!((record.status, record.error.as_deref()), (DeployStatus::Failed, Some("it was cancelled")));
    until("it is out of the way", async || bench.app("shop").await.status == AppStatus::Running).await;
    assert_eq!(bench.get("shop", "/").await.body, "1.0.0");
    until("its artifact is gone", async || bench.artifacts() == 1).await;
    bench.process("shop", "1.2.0", "");
    assert_eq!(bench.deploy("shop").await.unwrap().version.as_str(), "1.2.0");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_name_the_only_app_is_meant() {
    let bench = Bench::new().await;
    let unnamed = || Deploy { release: Release { app: None, ..release("any") }, version: None, canary: None };
    let none = bench.node.deploy(unnamed(), Arc::new(Unheard)).await;
    refused(none, ErrorKind::NotFound, "app_not_found");
    bench.add("shop", bench.site("shop", "1.0.0")).await;
    let record = bench.node.deploy(unnamed(), Arc::new(Unheard)).await.unwrap();
    assert_eq!(record.app, app("shop"));
    bench.add("blog", bench.site("blog", "2.0.0")).await;
    let error = bench.node.deploy(unnamed(), Arc::new(Unheard)).await;
    let error = refused(error, ErrorKind::InvalidInput, "app_required");
    assert!(error.message().contains("blog, shop"), "{error}");
    let error = refused(bench.deploy("shpo").await, ErrorKind::NotFound, "app_not_found");
    assert!(error.message().contains("did you mean shop?"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn history_pages_from_the_newest_on_and_knows_apps_that_are_gone() {
    let bench = Bench::new().await;
    bench.add("shop", bench.site("shop", "1.0.0")).await;
    bench.add("blog", bench.site("blog", "1.0.0")).await;
    let mut made = Vec::new();
    for round in 0..3 {
        bench.site("shop", &format!("1.0.{round}"));
        made.push(bench.deploy("shop").await.unwrap().id);
        made.push(bench.deploy("blog").await.unwrap().id);
    }
    made.reverse();
    let mut seen = Vec::new();
    let mut cursor = None;
    loop {
        let options = ListDeploys::default().with_limit(PageSize::try_from(4).unwrap()).with_cursor(cursor);
        let page = bench.node.history(options).await.unwrap();
        seen.extend(page.deploys.into_iter().map(|record| record.id));
        cursor = page.next_cursor;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(seen, made);
    bench.node.remove_app(&app_ref("blog"), Removal::KeepData).await.unwrap();
    assert_eq!(bench.history("blog").await.len(), 3);
    let unknown = ListDeploys::default().with_app(Some(app("never")));
    refused(bench.node.history(unknown).await, ErrorKind::NotFound, "app_not_found");
    let foreign = ListDeploys::default().with_cursor(Some(Cursor::after("apps", b"shop")));
    refused(bench.node.history(foreign).await, ErrorKind::InvalidInput, "invalid_cursor");
}

#[tokio::test(flavor = "multi_thread")]
async fn artifacts_are_kept_as_many_as_the_configuration_has_it() {
    let bench = Bench::new().await;
    bench.add("shop", bench.site("shop", "1.0.0")).await;
    for round in 0..10 {
        bench.site("shop", &format!("1.0.{round}"));
        bench.deploy("shop").await.unwrap();
    }
    // The live one, the one before, and five more.
    until("the others are gone", async || bench.artifacts() == 7).await;
    let error = refused(bench.rollback("shop", Some("1.0.2")).await, ErrorKind::NotFound, "version_not_kept");
    assert!(error.message().contains("1.0.9, 1.0.8, 1.0.7"), "{error}");
    assert_eq!(bench.rollback("shop", Some("v1.0.3")).await.unwrap().version.as_str(), "1.0.3");
    assert_eq!(bench.get("shop", "/").await.body, "1.0.3");
}

pub(super) async fn in_flight(bench: &Bench) -> u64 {
    use toolpack_ops::bext::engine::Instances;
    bench.node.metrics(&local()).await.unwrap().in_flight
}

/// Whether a process is there that is no zombie.
pub(super) fn is_alive(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(')').is_some_and(|(_, rest)| !rest.trim_start().starts_with('Z'))
}
