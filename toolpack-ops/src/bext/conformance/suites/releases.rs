//! Releases: no request is lost by one, one that fails changes nothing, and there is a way back.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::super::bench::Bench;
use super::super::client::{Ask, Conversation, PATIENCE};
use super::super::finding::{Finding, Trouble, seen};
use super::super::load::{Load, Tally};
use super::super::trial::checks;
use crate::bext::engine::{AppRef, DeployStatus, ListDeploys, Version};
use crate::error::Error;

checks! {
    "a release loses no request", "both versions seen by requests before, during and after it, and none failed" => loses_none;
    "after a release every request sees it", "the new version, 50 times" => all_new;
    "a request under way is answered by the version it began with", "what it sends after the release comes back" => under_way;
    "a release that is not healthy is refused", "deploy_failed" => unhealthy;
    "a release that fails leaves the old version", "the old version alone, and no request failed" => old_stays;
    "a release that failed is on record", "a record with status failed that says why" => on_record;
    "one app has one release at a time", "of two at once, one done and one app_busy" => busy;
    "a version that is not there is refused", "version_not_found" => no_such_version;
    "a rollback goes back without losing a request", "the version before, and no request failed" => back;
    "a second rollback returns", "the version that was left" => back_again;
    "a rollback to what is not kept is refused", "version_not_kept" => not_kept;
    "a static site is released the same way", "the new version, and no request failed" => site;
}

/// What requests for the version of an app saw while something was done.
async fn under_load<T>(
    bench: &Bench,
    app: &AppRef,
    work: impl Future<Output = Result<T, Trouble>>,
) -> Result<(T, Tally), Trouble> {
    let load = Load::start(bench.gateway, &Ask::get(Bench::host(app), "/version")).await;
    let done = work.await;
    let tally = load.stop().await;
    Ok((done?, tally))
}

fn refused<T>(result: Result<T, Error>, code: &str) -> Finding {
    match result {
        Ok(_) => seen(false, "no error"),
        Err(error) => seen(error.code() == code, format!("{}: {}", error.code(), error.message())),
    }
}

async fn loses_none(bench: &Bench) -> Finding {
    let old = bench.live(&bench.process).await?;
    let (new, tally) = under_load(bench, &bench.process, bench.release_next(None)).await?;
    let both = tally.bodies.contains_key(&old) && tally.bodies.contains_key(&new);
    let good = both && tally.failures.is_empty() && tally.bodies.len() == 2;
    seen(good, format!("{}; versions seen: {}", tally.told(), tally.seen()))
}

async fn all_new(bench: &Bench) -> Finding {
    let new = bench.release_next(None).await?;
    let mut times = 0;
    for _ in 0..50 {
        times += usize::from(bench.live(&bench.process).await? == new);
    }
    seen(times == 50, format!("{new}, {times} times of 50"))
}

async fn under_way(bench: &Bench) -> Finding {
    let old = bench.live(&bench.process).await?;
    let mut conversation = Conversation::begin(bench.gateway, &Bench::host(&bench.process)).await?;
    let before = conversation.is_answered("before").await?;
    // An engine may say that a release is complete only when the old version has nothing under way any more.
    let (released, after) = tokio::join!(bench.release_next(None), async {
        let deadline = Instant::now() + PATIENCE;
        while bench.live(&bench.process).await? == old && Instant::now() < deadline {
            sleep(Duration::from_millis(10)).await;
        }
        conversation.is_answered("after").await
    });
    released?;
    let after = after?;
    seen(before && after, format!("what was sent before came back: {before}, after: {after}"))
}

async fn unhealthy(bench: &Bench) -> Finding {
    refused(bench.release_ailing().await?, "deploy_failed")
}

async fn old_stays(bench: &Bench) -> Finding {
    let old = bench.live(&bench.process).await?;
    let (result, tally) = under_load(bench, &bench.process, bench.release_ailing()).await?;
    let only_old = tally.bodies.len() == 1 && tally.bodies.contains_key(&old);
    seen(
        result.is_err() && only_old && tally.failures.is_empty(),
        format!("{}; versions seen: {}, where {old} was live", tally.told(), tally.seen()),
    )
}

async fn on_record(bench: &Bench) -> Finding {
    let failed = bench.release_ailing().await?.is_err();
    let options = ListDeploys::default()
        .with_instance(Some(bench.instance.clone()))
        .with_app(Some(bench.process.app.clone()));
    let newest = bench.deploys.history(options).await?.deploys.into_iter().next();
    let Some(newest) = newest else { return seen(false, "no record of the app") };
    let why = newest.error.unwrap_or_default();
    let good = failed && newest.status == DeployStatus::Failed && !why.is_empty();
    seen(good, format!("{:?} {why}", newest.status).to_lowercase())
}

async fn busy(bench: &Bench) -> Finding {
    let mut told = String::new();
    // The first may be over before the second has begun, if somebody else has the machine.
    for _ in 0..3 {
        bench.write_next().await?;
        let release = || bench.release(&bench.process, None, None);
        let (first, second) = tokio::join!(release(), release());
        let codes = [first, second].map(|result| result.map_or_else(|error| error.code(), |_| "done"));
        told = codes.join(" and ");
        if codes.contains(&"app_busy") {
            return seen(codes.contains(&"done"), told);
        }
    }
    seen(false, told)
}

async fn no_such_version(bench: &Bench) -> Finding {
    let version: Version = "99.99.99".parse()?;
    refused(bench.release(&bench.process, Some(&version), None).await, "version_not_found")
}

async fn back(bench: &Bench) -> Finding {
    let old = bench.live(&bench.process).await?;
    let new = bench.release_next(None).await?;
    let rolling_back = async { Ok(bench.roll_back(&bench.process, None).await?) };
    let (record, tally) = under_load(bench, &bench.process, rolling_back).await?;
    let now = bench.live(&bench.process).await?;
    let good = now == old && record.status == DeployStatus::RolledBack && tally.failures.is_empty();
    seen(good, format!("from {new} to {now}, where {old} was before; {}", tally.told()))
}

async fn back_again(bench: &Bench) -> Finding {
    let left = bench.write_site(&bench.other).await?;
    bench.release(&bench.other, None, None).await?;
    bench.roll_back(&bench.other, None).await?;
    let between = bench.live(&bench.other).await?;
    bench.roll_back(&bench.other, None).await?;
    let now = bench.live(&bench.other).await?;
    seen(now == left && between != left, format!("from {left} to {between} and to {now}"))
}

async fn not_kept(bench: &Bench) -> Finding {
    refused(bench.roll_back(&bench.process, Some("99.99.99")).await, "version_not_kept")
}

async fn site(bench: &Bench) -> Finding {
    let new = bench.write_site(&bench.site).await?;
    let releasing = async { Ok(bench.release(&bench.site, None, None).await?) };
    let (_, tally) = under_load(bench, &bench.site, releasing).await?;
    let good = tally.bodies.contains_key(&new) && tally.failures.is_empty();
    let now = bench.live(&bench.site).await?;
    seen(good && now == new, format!("{now}, where {new} is new; {}", tally.told()))
}
