//! Releases: no request is lost by one, one that fails changes nothing, and there is a way back.

use std::time::Duration;

use super::super::bench::Bench;
use super::super::load::{Load, Tally};
use super::super::trial::{Finding, Trouble, checks, seen};
use crate::bext::engine::{DeployStatus, ListDeploys, Version};
use crate::error::Error;

checks! {
    "a release loses no request", "requests before, during and after it, none failed" => loses_none;
    "after a release every request sees it", "the new version, 50 times" => all_new;
    "a request under way is answered by the version it began with", "200 from the old version" => under_way;
    "a release that is not healthy is refused", "deploy_failed" => unhealthy;
    "a release that fails leaves the old version", "the old version, and no request lost" => old_stays;
    "a release that failed is on record", "a record with status failed and why" => on_record;
    "one app has one release at a time", "of two at once, one app_busy" => busy;
    "a version that is not there is refused", "version_not_found" => no_such_version;
    "a rollback goes back without losing a request", "the version before, none failed" => back;
    "a second rollback returns", "the version that was left" => back_again;
    "a rollback to what is not kept is refused", "version_not_kept" => not_kept;
    "a static site is released the same way", "the new version, and no request lost" => site;
}

/// What requests saw while something was done.
async fn under_load<T>(
    bench: &Bench,
    work: impl Future<Output = Result<T, Trouble>>,
) -> Result<(T, Tally), Trouble> {
    let load = Load::start(bench.gateway, &bench.to_process("/version"));
    let done = work.await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    let tally = load.stop().await;
    Ok((done?, tally))
}

async fn live(bench: &Bench) -> Result<String, Trouble> {
    Ok(bench.ask(&bench.to_process("/version")).await?.text().trim().to_owned())
}

fn refused<T>(result: Result<T, Error>, code: &str) -> Finding {
    match result {
        Ok(_) => seen(false, "no error"),
        Err(error) => seen(error.code() == code, format!("{}: {}", error.code(), error.message())),
    }
}

async fn loses_none(bench: &Bench) -> Finding {
    let old = live(bench).await?;
    let (new, tally) = under_load(bench, bench.release_next(None)).await?;
    let both = tally.bodies.contains_key(&old) && tally.bodies.contains_key(&new);
    let good = both && tally.failures.is_empty() && tally.bodies.len() == 2;
    seen(good, format!("{}; versions seen: {:?}", tally.told(), tally.bodies.keys()))
}

async fn all_new(bench: &Bench) -> Finding {
    let new = bench.release_next(None).await?;
    let mut times = 0;
    for _ in 0..50 {
        times += usize::from(live(bench).await? == new);
    }
    seen(times == 50, format!("{times} times"))
}

async fn under_way(bench: &Bench) -> Finding {
    let slow = bench.to_process("/slow?ms=1500");
    let (answer, released) = tokio::join!(bench.ask(&slow), async {
        // The request is under way by then: the app has it.
        tokio::time::sleep(Duration::from_millis(200)).await;
        bench.release_next(None).await
    });
    released?;
    let answer = answer?;
    seen(answer.status == 200, format!("{} {:?}", answer.status, answer.text().trim()))
}

async fn unhealthy(bench: &Bench) -> Finding {
    bench.next_version(true)?;
    let result = bench.release(&bench.process, None, None).await;
    bench.next_version(false)?;
    refused(result, "deploy_failed")
}

async fn old_stays(bench: &Bench) -> Finding {
    let old = live(bench).await?;
    bench.next_version(true)?;
    let failing = async { Ok(bench.release(&bench.process, None, None).await.is_err()) };
    let result = under_load(bench, failing).await;
    bench.next_version(false)?;
    let (failed, tally) = result?;
    let only_old = tally.bodies.len() == 1 && tally.bodies.contains_key(&old);
    seen(
        failed && only_old && tally.failures.is_empty(),
        format!("{}; only the old version: {only_old}", tally.told()),
    )
}

async fn on_record(bench: &Bench) -> Finding {
    let options = ListDeploys::default()
        .with_instance(Some(bench.instance.clone()))
        .with_app(Some(bench.process.app.clone()));
    let records = bench.deploys.history(options).await?.deploys;
    let failed = records.iter().find(|record| record.status == DeployStatus::Failed);
    let why = failed.and_then(|record| record.error.clone());
    seen(why.is_some(), why.unwrap_or_else(|| format!("{} records, none of a failure", records.len())))
}

async fn busy(bench: &Bench) -> Finding {
    bench.next_version(false)?;
    let (first, second) =
        tokio::join!(bench.release(&bench.process, None, None), bench.release(&bench.process, None, None));
    let codes: Vec<&str> =
        [first, second].iter().map(|result| result.as_ref().map_or_else(Error::code, |_| "done")).collect();
    let good = codes.contains(&"done") && codes.contains(&"app_busy");
    seen(good, codes.join(" and "))
}

async fn no_such_version(bench: &Bench) -> Finding {
    let version: Version = "99.99.99".parse()?;
    refused(bench.release(&bench.process, Some(&version), None).await, "version_not_found")
}

async fn back(bench: &Bench) -> Finding {
    let old = bench.release_next(None).await?;
    let new = bench.release_next(None).await?;
    let (record, tally) =
        under_load(bench, async { Ok(bench.roll_back(&bench.process, None).await?) }).await?;
    let now = live(bench).await?;
    let good = now == old && record.status == DeployStatus::RolledBack && tally.failures.is_empty();
    seen(good, format!("from {new} to {now}; {}", tally.told()))
}

async fn back_again(bench: &Bench) -> Finding {
    let left = bench.release_next(None).await?;
    bench.roll_back(&bench.process, None).await?;
    bench.roll_back(&bench.process, None).await?;
    let now = live(bench).await?;
    seen(now == left, format!("{now}, where {left} was left"))
}

async fn not_kept(bench: &Bench) -> Finding {
    refused(bench.roll_back(&bench.process, Some("99.99.99")).await, "version_not_kept")
}

async fn site(bench: &Bench) -> Finding {
    bench.sources.write_site("1.0.1")?;
    let load = Load::start(bench.gateway, &bench.to_site("/version"));
    let released = bench.release(&bench.site, None, None).await;
    let tally = load.stop().await;
    released?;
    let now = bench.ask(&bench.to_site("/version")).await?.text();
    seen(now == "1.0.1" && tally.failures.is_empty(), format!("{now}; {}", tally.told()))
}
