//! Promises of [`Deploys`](crate::bext::engine::Deploys).

use std::collections::HashSet;
use std::sync::Arc;

use tokio::task::JoinSet;

use super::expect;
use super::node::{Begun, Bench, NodeHarness, Until, app_name, bare, deploy_of, release_of};
use crate::bext::engine::{
    AppRef, AppStatus, Cursor, DeployRecord, DeployStatus, FleetDeploy, InstanceId, ListDeploys, PageSize,
    Release, Removal, Strategy, Unheard,
};
use crate::error::ErrorKind::{Conflict, InvalidInput, NotFound, Unavailable};

impl Bench<'_> {
    async fn history(&self, options: ListDeploys) -> Vec<DeployRecord> {
        self.deploys().history(options).await.unwrap().deploys
    }

    /// What is live, what was before, and which canary runs, as the app itself says.
    async fn versions(&self, app: &AppRef) -> [Option<String>; 3] {
        let app = self.app(app).await;
        let canary = app.canary.map(|canary| canary.version);
        [app.current_version, app.previous_version, canary]
            .map(|version| version.map(|version| bare(&version).to_owned()))
    }
}

fn some(version: &str) -> Option<String> {
    Some(version.to_owned())
}

/// When a deploy returns, its version is what is answered, and its record says how it went.
pub async fn what_was_deployed_is_live(harness: &dyn NodeHarness) {
    let bench = Bench::open(harness).await;
    let app = bench.add("shop").await;
    let begun = Arc::new(Begun::default());
    let first = bench.deploys().deploy(deploy_of(&app, None, None), begun.clone()).await.unwrap();
    begun.wait().await;
    assert_eq!(bench.served(&app).await, "1.0.0");
    assert_eq!((&first.instance_id, &first.app, bare(&first.version)), (&app.instance, &app.app, "1.0.0"));
    assert_eq!((first.status, first.strategy), (DeployStatus::Success, Strategy::Full));
    assert_eq!(
        (&first.previous_version, first.deployed_by.as_str(), &first.error),
        (&None, "the suite", &None)
    );
    assert!(first.started_at <= first.finished_at);
    assert_eq!(bench.versions(&app).await, [some("1.0.0"), None, None]);
    assert_eq!(bench.app(&app).await.status, AppStatus::Running);

    let second = bench.next(&app, "1.1.0").await;
    assert_eq!(bench.served(&app).await, "1.1.0");
    assert_eq!(second.previous_version.as_ref().map(bare), Some("1.0.0"));
    assert_eq!(bench.versions(&app).await, [some("1.1.0"), some("1.0.0"), None]);
    assert_eq!(bench.history(ListDeploys::default()).await, [second, first]);
}

/// Without a name, the instance's only app is meant; of several or none, none.
pub async fn the_only_app_is_meant_without_a_name(harness: &dyn NodeHarness) {
    let bench = Bench::open(harness).await;
    let anonymous = || {
        let mut deploy = deploy_of(&bench.named("any"), None, None);
        deploy.release.app = None;
        deploy
    };
    let deploys = bench.deploys();
    let none = deploys.deploy(anonymous(), Arc::new(Unheard)).await;
    expect(none, NotFound, "app_not_found", "no app");
    let shop = bench.add("shop").await;
    let record = deploys.deploy(anonymous(), Arc::new(Unheard)).await.unwrap();
    assert_eq!(record.app, shop.app);
    bench.add("blog").await;
    let several = deploys.deploy(anonymous(), Arc::new(Unheard)).await;
    let error = expect(several, InvalidInput, "app_required", "several apps");
    assert!(error.message().contains("blog") && error.message().contains("shop"), "{error}");
}

/// A version, an app or an instance that is not there is refused, and nothing changes.
pub async fn an_unknown_version_is_refused(harness: &dyn NodeHarness) {
    let bench = Bench::open(harness).await;
    let app = bench.live("shop").await;
    let unknown = bench.try_deploy(&app, Some("9.9.9"), None).await;
    expect(unknown, NotFound, "version_not_found", "a version that the source has not");
    let near = bench.try_deploy(&bench.named("shpo"), None, None).await;
    let error = expect(near, NotFound, "app_not_found", "an app that there is not");
    assert!(error.message().contains("shop"), "{error}");
    let nowhere = AppRef::new("no-such-instance".parse().unwrap(), app.app.clone());
    let code = "instance_not_found";
    expect(bench.try_deploy(&nowhere, Some("9.9.9"), None).await, NotFound, code, "deploy");
    expect(bench.try_rollback(&nowhere, None).await, NotFound, code, "rollback");
    expect(bench.try_promote(&nowhere).await, NotFound, code, "promote_canary");
    let of_nowhere = ListDeploys::default().with_instance(Some(nowhere.instance));
    expect(bench.deploys().history(of_nowhere).await, NotFound, code, "history");
    assert_eq!(bench.served(&app).await, "1.0.0");
    assert_eq!(bench.versions(&app).await, [some("1.0.0"), None, None]);
}

/// A version that stays unhealthy gets no request; what was live stays, and a record says why.
pub async fn a_failed_deploy_keeps_the_old_version(harness: &dyn NodeHarness) {
    let bench = Bench::open(harness).await;
    let app = bench.live("shop").await;
    harness.unhealthy("shop", "1.1.0").await;
    let failed = bench.try_deploy(&app, None, None).await;
    let error = expect(failed, Conflict, "deploy_failed", "an unhealthy version");
    assert_eq!(bench.served(&app).await, "1.0.0");
    assert_eq!(bench.versions(&app).await, [some("1.0.0"), None, None]);
    assert_eq!(bench.app(&app).await.status, AppStatus::Running);
    let newest = bench.history(ListDeploys::default()).await.remove(0);
    assert_eq!((newest.status, bare(&newest.version)), (DeployStatus::Failed, "1.1.0"));
    assert!(newest.error.is_some_and(|why| !why.is_empty()), "{error}");
    // It is in nobody's way.
    bench.next(&app, "1.2.0").await;
    assert_eq!(bench.versions(&app).await, [some("1.2.0"), some("1.0.0"), None]);
}

/// Of an app whose only deploy failed, nothing is live.
pub async fn a_failed_first_deploy_leaves_nothing_live(harness: &dyn NodeHarness) {
    let bench = Bench::open(harness).await;
    let app = bench.add("shop").await;
    harness.unhealthy("shop", "1.0.0").await;
    expect(bench.try_deploy(&app, None, None).await, Conflict, "deploy_failed", "an unhealthy version");
    assert_eq!(bench.versions(&app).await, [None, None, None]);
    assert!(bench.page(&app).await.status >= 400);
    assert_eq!(bench.history(ListDeploys::default()).await.len(), 1);
}

/// While an app is being released, other releases and its removal are refused as busy; other apps are not.
pub async fn a_second_release_meanwhile_is_refused(harness: &dyn NodeHarness) {
    let bench = Bench::open(harness).await;
    let (app, other) = (bench.live("shop").await, bench.live("blog").await);
    harness.unhealthy("shop", "1.1.0").await;
    let begun = Arc::new(Begun::default());
    let engine = bench.engines.deploys().unwrap().clone();
    let (deploy, heard) = (deploy_of(&app, None, None), begun.clone());
    let first = tokio::spawn(async move { engine.deploy(deploy, heard).await });
    begun.wait().await;
    assert_eq!(bench.app(&app).await.status, AppStatus::Deploying);
    expect(bench.try_deploy(&app, None, None).await, Unavailable, "app_busy", "deploy");
    expect(bench.try_rollback(&app, None).await, Unavailable, "app_busy", "rollback");
    expect(bench.apps().remove_app(&app, Removal::KeepData).await, Unavailable, "app_busy", "remove_app");
    bench.next(&other, "1.1.0").await;
    assert_eq!((bench.served(&app).await, bench.served(&other).await), ("1.0.0".into(), "1.1.0".into()));
    expect(first.await.unwrap(), Conflict, "deploy_failed", "the first");
    bench.next(&app, "1.2.0").await;
}

/// A deploy that nobody waits for any more changes nothing, and the app can be deployed again.
pub async fn a_dropped_deploy_changes_nothing(harness: &dyn NodeHarness) {
    let bench = Bench::open(harness).await;
    let app = bench.live("shop").await;
    harness.unhealthy("shop", "1.1.0").await;
    let begun = Arc::new(Begun::default());
    let engine = bench.engines.deploys().unwrap().clone();
    let (deploy, heard) = (deploy_of(&app, None, None), begun.clone());
    let dropped = tokio::spawn(async move { engine.deploy(deploy, heard).await });
    begun.wait().await;
    dropped.abort();
    assert!(dropped.await.is_err_and(|error| error.is_cancelled()));
    assert_eq!(bench.served(&app).await, "1.0.0");
    let until = Until::new("the app is no longer busy");
    while bench.app(&app).await.status != AppStatus::Running {
        until.next().await;
    }
    assert_eq!(bench.versions(&app).await, [some("1.0.0"), None, None]);
    harness.site("shop", "1.2.0").await;
    let until = Until::new("the app can be deployed again");
    while let Err(error) = bench.try_deploy(&app, None, None).await {
        assert_eq!(error.code(), "app_busy", "{error}");
        until.next().await;
    }
    assert_eq!(bench.served(&app).await, "1.2.0");
}

/// Of many deploys at once, each is done or refused as busy, and there is a record of each that is done.
pub async fn of_deploys_at_once_none_is_half_done(harness: &dyn NodeHarness) {
    let bench = Bench::open(harness).await;
    let app = bench.add("shop").await;
    let mut deploys = JoinSet::new();
    for _ in 0..8 {
        let (engine, deploy) = (bench.engines.deploys().unwrap().clone(), deploy_of(&app, None, None));
        deploys.spawn(async move { engine.deploy(deploy, Arc::new(Unheard)).await });
    }
    let mut done = HashSet::new();
    while let Some(deploy) = deploys.join_next().await {
        match deploy.unwrap() {
            Ok(record) => assert!(done.insert(record.id), "each record has an id of its own"),
            Err(error) => assert_eq!((error.kind(), error.code()), (Unavailable, "app_busy"), "{error}"),
        }
    }
    assert!(!done.is_empty());
    assert_eq!(bench.served(&app).await, "1.0.0");
    let recorded: HashSet<String> =
        bench.history(ListDeploys::default()).await.into_iter().map(|record| record.id).collect();
    assert_eq!(recorded, done);
}

/// A rollback goes to the version before, without its source; a second one returns.
pub async fn a_rollback_returns_and_returns_again(harness: &dyn NodeHarness) {
    let bench = Bench::open(harness).await;
    let app = bench.live("shop").await;
    bench.next(&app, "1.1.0").await;
    let back = bench.try_rollback(&app, None).await.unwrap();
    assert_eq!((back.status, bare(&back.version)), (DeployStatus::RolledBack, "1.0.0"));
    assert_eq!(back.previous_version.as_ref().map(bare), Some("1.1.0"));
    assert_eq!(bench.served(&app).await, "1.0.0");
    assert_eq!(bench.versions(&app).await, [some("1.0.0"), some("1.1.0"), None]);
    bench.try_rollback(&app, None).await.unwrap();
    assert_eq!(bench.served(&app).await, "1.1.0");
    assert_eq!(bench.versions(&app).await, [some("1.1.0"), some("1.0.0"), None]);
    assert_eq!(bench.history(ListDeploys::default()).await.len(), 4);
}

/// A rollback may name any version that is kept; the two last ones are.
pub async fn a_rollback_finds_a_kept_version(harness: &dyn NodeHarness) {
    let bench = Bench::open(harness).await;
    let app = bench.live("shop").await;
    bench.next(&app, "1.1.0").await;
    bench.next(&app, "1.2.0").await;
    let unknown = bench.try_rollback(&app, Some("9.9.9")).await;
    let error = expect(unknown, NotFound, "version_not_kept", "a version that is not kept");
    assert!(error.message().contains("1.1.0"), "{error}");
    assert_eq!(bench.served(&app).await, "1.2.0");
    bench.try_rollback(&app, Some("1.1.0")).await.unwrap();
    assert_eq!(bench.served(&app).await, "1.1.0");
}

/// Without an earlier version there is nothing to go back to.
pub async fn a_rollback_without_an_earlier_version_is_refused(harness: &dyn NodeHarness) {
    let bench = Bench::open(harness).await;
    let app = bench.add("shop").await;
    let code = "no_previous_version";
    expect(bench.try_rollback(&app, None).await, Conflict, code, "of an app that was never deployed");
    bench.deploy(&app).await;
    expect(bench.try_rollback(&app, None).await, Conflict, code, "of an app that was deployed once");
    assert_eq!(bench.served(&app).await, "1.0.0");
}

/// A canary gets its part of the visitors; promoted, it gets all of them.
pub async fn a_canary_gets_its_part_and_then_all(harness: &dyn NodeHarness) {
    let bench = Bench::open(harness).await;
    let app = bench.live("shop").await;
    expect(bench.try_promote(&app).await, Conflict, "no_canary", "promote without a canary");
    harness.site("shop", "1.1.0").await;
    let record = bench.try_deploy(&app, None, Some(50)).await.unwrap();
    assert_eq!((record.strategy, record.status), (Strategy::Canary, DeployStatus::Success));
    assert_eq!(bench.versions(&app).await, [some("1.0.0"), None, some("1.1.0")]);
    assert_eq!(bench.app(&app).await.canary.map(|canary| canary.percent.get()), Some(50));
    let mut served = HashSet::new();
    // That of 64 visitors all see the same is as likely as guessing a key of 63 bits.
    for _ in 0..64 {
        served.insert(bench.served(&app).await);
    }
    assert_eq!(served, HashSet::from(["1.0.0".to_owned(), "1.1.0".to_owned()]));
    let second = bench.try_deploy(&app, None, Some(10)).await;
    expect(second, Conflict, "canary_running", "a second canary");

    let promoted = bench.try_promote(&app).await.unwrap();
    assert_eq!((bare(&promoted.version), promoted.strategy), ("1.1.0", Strategy::Canary));
    assert_eq!(promoted.status, DeployStatus::Success);
    assert_eq!(bench.versions(&app).await, [some("1.1.0"), some("1.0.0"), None]);
    for _ in 0..8 {
        assert_eq!(bench.served(&app).await, "1.1.0");
    }
    expect(bench.try_promote(&app).await, Conflict, "no_canary", "promote a second time");
}

/// A rollback ends a canary, and what was live stays, as does what it would go back to.
pub async fn a_rollback_ends_a_canary(harness: &dyn NodeHarness) {
    let bench = Bench::open(harness).await;
    let app = bench.live("shop").await;
    bench.next(&app, "1.1.0").await;
    harness.site("shop", "1.2.0").await;
    bench.try_deploy(&app, None, Some(99)).await.unwrap();
    let ended = bench.try_rollback(&app, None).await.unwrap();
    assert_eq!((ended.status, ended.strategy), (DeployStatus::RolledBack, Strategy::Canary));
    assert_eq!(bench.versions(&app).await, [some("1.1.0"), some("1.0.0"), None]);
    for _ in 0..8 {
        assert_eq!(bench.served(&app).await, "1.1.0");
    }
    bench.try_rollback(&app, None).await.unwrap();
    assert_eq!(bench.served(&app).await, "1.0.0");
}

/// A canary runs beside something; where nothing is live it is refused, and nothing becomes live.
pub async fn a_canary_needs_something_live_beside_it(harness: &dyn NodeHarness) {
    let bench = Bench::open(harness).await;
    let app = bench.add("shop").await;
    expect(bench.try_deploy(&app, None, Some(50)).await, Conflict, "nothing_live", "a canary of nothing");
    assert_eq!(bench.versions(&app).await, [None, None, None]);
    assert!(bench.page(&app).await.status >= 400);
}

/// Records are of every release, newest first, also of what failed, and may be asked for by instance and app.
pub async fn records_come_newest_first_with_failures(harness: &dyn NodeHarness) {
    let bench = Bench::open(harness).await;
    let other = harness.other_instance();
    let (shop, blog) = (bench.live("shop").await, bench.live("blog").await);
    let elsewhere = bench.add_on(&other, "shop", "shop").await;
    bench.deploy(&elsewhere).await;
    harness.unhealthy("shop", "1.1.0").await;
    expect(bench.try_deploy(&shop, None, None).await, Conflict, "deploy_failed", "an unhealthy version");
    bench.next(&shop, "1.2.0").await;
    bench.try_rollback(&shop, None).await.unwrap();

    let told = |records: Vec<DeployRecord>| -> Vec<String> {
        let line =
            |record: DeployRecord| format!("{} {} {:?}", record.app, bare(&record.version), record.status);
        records.into_iter().map(line).collect()
    };
    let of_shop = ["shop 1.0.0 RolledBack", "shop 1.2.0 Success", "shop 1.1.0 Failed"];
    let everywhere = told(bench.history(ListDeploys::default()).await);
    let older = ["shop 1.0.0 Success", "blog 1.0.0 Success", "shop 1.0.0 Success"];
    assert_eq!(everywhere, [of_shop, older].concat());
    let here = ListDeploys::default().with_instance(Some(shop.instance.clone()));
    let want = [&of_shop[..], &older[1..]].concat();
    assert_eq!(told(bench.history(here.clone()).await), want);
    let of_app = here.with_app(Some(shop.app.clone()));
    assert_eq!(told(bench.history(of_app).await), [&of_shop[..], &older[2..]].concat());
    let of_blog = ListDeploys::default().with_app(Some(blog.app));
    assert_eq!(told(bench.history(of_blog).await), ["blog 1.0.0 Success"]);
    let ids: HashSet<String> =
        bench.history(ListDeploys::default()).await.into_iter().map(|record| record.id).collect();
    assert_eq!(ids.len(), 6);
}

/// Pages hold every record once, over several instances too; a cursor of another list is refused.
pub async fn records_come_in_pages(harness: &dyn NodeHarness) {
    let bench = Bench::open(harness).await;
    let elsewhere = bench.add_on(&harness.other_instance(), "shop", "shop").await;
    let here = bench.add("shop").await;
    for _ in 0..3 {
        bench.deploy(&here).await;
        bench.deploy(&elsewhere).await;
    }
    let all = bench.history(ListDeploys::default()).await;
    assert_eq!(all.len(), 6);
    let (mut paged, mut cursor) = (Vec::new(), None);
    loop {
        let options = ListDeploys::default().with_limit(PageSize::of::<2>()).with_cursor(cursor);
        let page = bench.deploys().history(options).await.unwrap();
        assert!((1..=2).contains(&page.deploys.len()));
        if paged.is_empty() {
            // One that is newer than what was seen shifts no page.
            bench.deploy(&here).await;
        }
        paged.extend(page.deploys);
        cursor = page.next_cursor;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(paged, all);
    let foreign = ListDeploys::default().with_cursor(Some(Cursor::after("another list", b"a")));
    expect(bench.deploys().history(foreign).await, InvalidInput, "invalid_cursor", "a foreign cursor");
}

fn fleet(instances: &[InstanceId]) -> FleetDeploy {
    FleetDeploy {
        instances: instances.to_vec(),
        app: Some(app_name("shop")),
        version: None,
        by: "the suite".to_owned(),
    }
}

/// Each instance of a fleet is deployed by itself: one that fails undoes no other, and says why.
pub async fn a_fleet_is_deployed_each_by_itself(harness: &dyn NodeHarness) {
    let bench = Bench::open(harness).await;
    let instances = [harness.other_instance(), harness.instance()];
    let there = bench.add_on(&instances[0], "shop", "shop-there").await;
    let here = bench.add("shop").await;
    let result = bench.deploys().fleet_deploy(fleet(&instances), Arc::new(Unheard)).await.unwrap();
    let ids: Vec<&InstanceId> = result.results.iter().map(|(id, _)| id).collect();
    assert_eq!(ids, [&instances[0], &instances[1]], "in the order that was asked for");
    assert!(result.results.iter().all(|(_, result)| result.is_ok()), "{result:?}");
    assert_eq!((bench.page(&there).await.status, bench.served(&here).await), (200, "1.0.0".to_owned()));

    harness.site("shop", "1.1.0").await;
    harness.unhealthy("shop-there", "1.1.0").await;
    let result = bench.deploys().fleet_deploy(fleet(&instances), Arc::new(Unheard)).await.unwrap();
    let [(_, failed), (_, done)] = &result.results[..] else { panic!("{result:?}") };
    assert!(failed.as_ref().is_err_and(|why| !why.is_empty()), "{failed:?}");
    assert_eq!(done.as_ref().map(|record| bare(&record.version)), Ok("1.1.0"));
    assert_eq!(bench.page(&there).await.body.trim(), "shop-there 1.0.0");
    assert_eq!(bench.served(&here).await, "1.1.0");
}

/// An id that is not known is refused before any instance is deployed.
pub async fn a_fleet_is_checked_before_it_is_deployed(harness: &dyn NodeHarness) {
    let bench = Bench::open(harness).await;
    let app = bench.add("shop").await;
    let instances = [app.instance.clone(), "no-such-instance".parse().unwrap()];
    let refused = bench.deploys().fleet_deploy(fleet(&instances), Arc::new(Unheard)).await;
    expect(refused, NotFound, "instance_not_found", "an instance that there is not");
    assert_eq!(bench.app(&app).await.status, AppStatus::Stopped);
    assert!(bench.history(ListDeploys::default()).await.is_empty());
}

/// After a restart the same version is live, its record is there, and a rollback still has its artifact.
pub async fn releases_survive_a_restart(harness: &dyn NodeHarness) {
    let bench = Bench::open(harness).await;
    let app = bench.live("shop").await;
    bench.next(&app, "1.1.0").await;
    let (before, records) = (bench.versions(&app).await, bench.history(ListDeploys::default()).await);
    let bench = bench.restart().await;
    assert_eq!(bench.versions(&app).await, before);
    assert_eq!(bench.history(ListDeploys::default()).await, records);
    let until = Until::new("it answers again");
    loop {
        let answer = bench.page(&app).await;
        if answer.status == 200 {
            break;
        }
        until.next_after(&answer).await;
    }
    assert_eq!(bench.served(&app).await, "1.1.0");
    let release = Release { app: None, ..release_of(&app) };
    let rollback = crate::bext::engine::Rollback { release, version: None };
    bench.deploys().rollback(rollback, Arc::new(Unheard)).await.unwrap();
    assert_eq!(bench.served(&app).await, "1.0.0");
}

/// After a restart a canary still gets its part, and can be promoted.
pub async fn a_canary_survives_a_restart(harness: &dyn NodeHarness) {
    let bench = Bench::open(harness).await;
    let app = bench.live("shop").await;
    harness.site("shop", "1.1.0").await;
    bench.try_deploy(&app, None, Some(50)).await.unwrap();
    let before = bench.app(&app).await.canary;
    let bench = bench.restart().await;
    assert!(before.is_some());
    assert_eq!(bench.app(&app).await.canary, before);
    let (until, mut served) = (Until::new("both answer again"), HashSet::new());
    while !(served.contains("shop 1.0.0") && served.contains("shop 1.1.0")) {
        served.insert(bench.page(&app).await.body.trim().to_owned());
        until.next().await;
    }
    bench.try_promote(&app).await.unwrap();
    assert_eq!(bench.served(&app).await, "1.1.0");
}
