//! Canaries: a part of the requests, the same one for a visitor, and an end either way.

use std::collections::BTreeMap;

use super::super::bench::Bench;
use super::super::client::Connection;
use super::super::trial::{Finding, Trouble, checks, seen};
use crate::bext::engine::{Percent, Strategy};

checks! {
    "a canary gets its part of the requests", "some 25 of 100, by 400 visitors" => share;
    "what was live before gets the rest", "two versions, and no other" => rest;
    "a visitor stays with a version", "one version, 20 times" => sticky;
    "an app does not see the cookie that keeps a visitor", "no cookie but its own" => cookie;
    "a second canary is refused", "canary_running" => second;
    "a rollback ends a canary", "the version before, for each of 50" => ended;
    "a promoted canary gets all requests", "the canary's version, for each of 50" => promoted;
    "there is nothing to promote without a canary", "no_canary" => none;
}

const PERCENT: u64 = 25;

/// The versions that so many visitors without a cookie see.
async fn visitors(bench: &Bench, count: usize) -> Result<BTreeMap<String, usize>, Trouble> {
    let mut versions = BTreeMap::new();
    let mut connection = Connection::open(bench.gateway).await?;
    for _ in 0..count {
        let answer = connection.ask(&bench.to_process("/version")).await?;
        *versions.entry(answer.text().trim().to_owned()).or_default() += 1;
    }
    Ok(versions)
}

/// Begins a canary, beside a version that is live. Says both, the live one first.
async fn begin(bench: &Bench) -> Result<(String, String), Trouble> {
    let stable = bench.release_next(None).await?;
    let canary = bench.release_next(Some(Percent::try_from(PERCENT)?)).await?;
    Ok((stable, canary))
}

/// What a check found, once its canary has ended.
async fn end(bench: &Bench, finding: Finding) -> Finding {
    bench.roll_back(&bench.process, None).await?;
    finding
}

async fn share(bench: &Bench) -> Finding {
    const VISITORS: usize = 400;
    let (_, canary) = begin(bench).await?;
    let versions = visitors(bench, VISITORS).await?;
    let got = versions.get(&canary).copied().unwrap_or(0);
    // Five standard deviations of a fair choice: sqrt(400 * 0.25 * 0.75) is 8.7.
    end(bench, seen((57..=143).contains(&got), format!("{got} of {VISITORS}"))).await
}

async fn rest(bench: &Bench) -> Finding {
    let (stable, canary) = begin(bench).await?;
    let versions = visitors(bench, 100).await?;
    let good = versions.len() == 2 && versions.contains_key(&stable) && versions.contains_key(&canary);
    end(bench, seen(good, format!("{versions:?}"))).await
}

async fn sticky(bench: &Bench) -> Finding {
    begin(bench).await?;
    let first = bench.ask(&bench.to_process("/version")).await?;
    let cookie = first.header("set-cookie").split(';').next().unwrap_or_default().to_owned();
    let mut same = 0;
    for _ in 0..20 {
        let answer = bench.ask(&bench.to_process("/version").header("cookie", cookie.clone())).await?;
        same += usize::from(answer.body == first.body);
    }
    end(
        bench,
        seen(
            same == 20 && !cookie.is_empty(),
            format!("{same} times, with a cookie: {}", !cookie.is_empty()),
        ),
    )
    .await
}

async fn cookie(bench: &Bench) -> Finding {
    begin(bench).await?;
    let first = bench.ask(&bench.to_process("/version")).await?;
    let cookie = first.header("set-cookie").split(';').next().unwrap_or_default().to_owned();
    let answer =
        bench.ask(&bench.to_process("/headers").header("cookie", format!("own=1; {cookie}"))).await?;
    let pairs: Vec<(String, String)> = serde_json::from_slice(&answer.body)?;
    let cookies: Vec<&str> = pairs
        .iter()
        .filter(|(name, _)| name.eq_ignore_ascii_case("cookie"))
        .map(|(_, value)| value.as_str())
        .collect();
    end(bench, seen(cookies == ["own=1"], format!("{cookies:?}"))).await
}

async fn second(bench: &Bench) -> Finding {
    begin(bench).await?;
    bench.next_version(false)?;
    let result = bench.release(&bench.process, None, Some(Percent::try_from(PERCENT)?)).await;
    let code = result.as_ref().map_or_else(crate::error::Error::code, |_| "done");
    end(bench, seen(code == "canary_running", code)).await
}

async fn ended(bench: &Bench) -> Finding {
    let (stable, _) = begin(bench).await?;
    bench.roll_back(&bench.process, None).await?;
    let versions = visitors(bench, 50).await?;
    seen(versions == BTreeMap::from([(stable, 50)]), format!("{versions:?}"))
}

async fn promoted(bench: &Bench) -> Finding {
    let (_, canary) = begin(bench).await?;
    let record = bench.promote(&bench.process).await?;
    let versions = visitors(bench, 50).await?;
    let good = versions == BTreeMap::from([(canary, 50)]) && record.strategy == Strategy::Canary;
    seen(good, format!("{versions:?}"))
}

async fn none(bench: &Bench) -> Finding {
    let result = bench.promote(&bench.process).await;
    let code = result.as_ref().map_or_else(crate::error::Error::code, |_| "done");
    seen(code == "no_canary", code)
}
