//! Canaries: a part of the requests, the same one for a visitor, and an end either way.

use std::collections::BTreeMap;

use super::super::bench::Bench;
use super::super::client::Connection;
use super::super::finding::{Finding, Trouble, seen};
use super::super::trial::checks;
use crate::bext::engine::Percent;

checks! {
    "a canary gets its part of the requests", "57 to 143 of 400 visitors, at 25 percent" => share;
    "what was live before gets the rest", "it and the canary, and no other version" => rest;
    "a visitor stays with a version", "one version, 20 times" => sticky;
    "an app does not see the cookie that keeps a visitor", "Cookie: own=1" => cookie;
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

/// Begins a canary beside what is live; says both versions, the live one first.
async fn begin(bench: &Bench) -> Result<(String, String), Trouble> {
    let stable = bench.live(&bench.process).await?;
    let canary = bench.release_next(Some(Percent::try_from(PERCENT)?)).await?;
    Ok((stable, canary))
}

/// Ends the canary that a check has begun, whatever it found.
async fn end(bench: &Bench, finding: Finding) -> Finding {
    let ended = bench.roll_back(&bench.process, None).await;
    let finding = finding?;
    ended?;
    Ok(finding)
}

/// What a visitor sees at first: the version, and the cookie that keeps it there.
async fn first_visit(bench: &Bench) -> Result<(String, String), Trouble> {
    let answer = bench.ask(&bench.to_process("/version")).await?;
    let cookie = answer.header("set-cookie").split(';').next().unwrap_or_default().to_owned();
    Ok((answer.text().trim().to_owned(), cookie))
}

fn told(versions: &BTreeMap<String, usize>) -> String {
    let each: Vec<String> =
        versions.iter().map(|(version, times)| format!("{version} {times} times")).collect();
    each.join(", ")
}

async fn share(bench: &Bench) -> Finding {
    const VISITORS: usize = 400;
    let (_, canary) = begin(bench).await?;
    let versions = visitors(bench, VISITORS).await;
    let finding = versions.and_then(|versions| {
        let got = versions.get(&canary).copied().unwrap_or(0);
        // Five standard deviations of a fair choice: sqrt(400 * 0.25 * 0.75) is 8.7.
        seen((57..=143).contains(&got), format!("{got} of {VISITORS}"))
    });
    end(bench, finding).await
}

async fn rest(bench: &Bench) -> Finding {
    let (stable, canary) = begin(bench).await?;
    // That one of them is never chosen has a chance of 1 in 10^12.
    let versions = visitors(bench, 100).await;
    let finding = versions.and_then(|versions| {
        let good = versions.len() == 2 && versions.contains_key(&stable) && versions.contains_key(&canary);
        seen(good, told(&versions))
    });
    end(bench, finding).await
}

async fn sticky(bench: &Bench) -> Finding {
    begin(bench).await?;
    let finding = async {
        let (first, cookie) = first_visit(bench).await?;
        if cookie.is_empty() {
            return seen(false, "no cookie");
        }
        let mut same = 0;
        for _ in 0..20 {
            let answer = bench.ask(&bench.to_process("/version").header("cookie", cookie.clone())).await?;
            same += usize::from(answer.text().trim() == first);
        }
        seen(same == 20, format!("{first}, and the same {same} times of 20 with its cookie"))
    };
    let finding = finding.await;
    end(bench, finding).await
}

async fn cookie(bench: &Bench) -> Finding {
    begin(bench).await?;
    let finding = async {
        let (_, cookie) = first_visit(bench).await?;
        let ask = bench.to_process("/headers").header("cookie", format!("own=1; {cookie}"));
        let pairs: Vec<(String, String)> = serde_json::from_slice(&bench.ask(&ask).await?.body)?;
        let cookies: Vec<&str> = pairs
            .iter()
            .filter(|(name, _)| name.eq_ignore_ascii_case("cookie"))
            .map(|(_, value)| value.as_str())
            .collect();
        let told = if cookie.is_empty() {
            "no cookie was set".to_owned()
        } else {
            format!("Cookie: {}", cookies.join("; "))
        };
        seen(cookies == ["own=1"] && !cookie.is_empty(), told)
    };
    let finding = finding.await;
    end(bench, finding).await
}

async fn second(bench: &Bench) -> Finding {
    begin(bench).await?;
    let finding = async {
        bench.write_next().await?;
        let result = bench.release(&bench.process, None, Some(Percent::try_from(PERCENT)?)).await;
        let code = result.as_ref().map_or_else(crate::error::Error::code, |_| "no error");
        seen(code == "canary_running", code)
    };
    let finding = finding.await;
    end(bench, finding).await
}

async fn ended(bench: &Bench) -> Finding {
    let (stable, _) = begin(bench).await?;
    bench.roll_back(&bench.process, None).await?;
    let versions = visitors(bench, 50).await?;
    let text = format!("{}, where {stable} was live before", told(&versions));
    seen(versions == BTreeMap::from([(stable, 50)]), text)
}

async fn promoted(bench: &Bench) -> Finding {
    let (_, canary) = begin(bench).await?;
    // A canary that could not be promoted is ended by whoever puts the app right after a check that failed.
    bench.promote(&bench.process).await?;
    let versions = visitors(bench, 50).await?;
    let text = format!("{}, where {canary} was the canary", told(&versions));
    seen(versions == BTreeMap::from([(canary, 50)]), text)
}

async fn none(bench: &Bench) -> Finding {
    let result = bench.promote(&bench.process).await;
    let code = result.as_ref().map_or_else(crate::error::Error::code, |_| "no error");
    seen(code == "no_canary", code)
}
