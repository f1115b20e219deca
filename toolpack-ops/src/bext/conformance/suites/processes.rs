//! Processes of apps: started again when they end by themselves, and given no more than they need.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::super::bench::Bench;
use super::super::finding::{Finding, Trouble, seen};
use super::super::trial::checks;
use crate::bext::engine::AppStatus;

checks! {
    "a process that ends by itself is started again", "another process, within 10 s" => again;
    "a request during a restart is answered", "200, or 502 or 503 that names the app" => meanwhile;
    "an app whose process runs is listed as running", "running" => listed;
    "a process is given no environment of the node's", "no HOME" => environment;
    "a release ends the process before", "another process" => replaced;
}

/// How long a restart may take.
const RESTART_TIME: Duration = Duration::from_secs(10);

/// Which process answers; none while none does.
async fn pid(bench: &Bench) -> Result<Option<u32>, Trouble> {
    let answer = bench.ask(&bench.to_process("/pid")).await?;
    Ok(answer.text().trim().parse().ok().filter(|_| answer.status == 200))
}

/// Has the process end.
async fn crash(bench: &Bench) {
    // It may end before its answer is out.
    let _ = bench.ask(&bench.to_process("/crash")).await;
}

/// Waits until another process answers; says which, if one does in time.
async fn another(bench: &Bench, before: Option<u32>) -> Result<Option<u32>, Trouble> {
    let deadline = Instant::now() + RESTART_TIME;
    loop {
        let now = pid(bench).await?;
        if now.is_some() && now != before {
            return Ok(now);
        }
        if Instant::now() > deadline {
            return Ok(None);
        }
        sleep(Duration::from_millis(20)).await;
    }
}

fn told(before: Option<u32>, after: Option<u32>) -> String {
    let word = |pid: Option<u32>| pid.map_or_else(|| "none".to_owned(), |pid| pid.to_string());
    format!("process {} before, {} after", word(before), word(after))
}

async fn again(bench: &Bench) -> Finding {
    let before = pid(bench).await?;
    crash(bench).await;
    let after = another(bench, before).await?;
    seen(before.is_some() && after.is_some(), told(before, after))
}

async fn meanwhile(bench: &Bench) -> Finding {
    let before = pid(bench).await?;
    crash(bench).await;
    let answer = bench.ask(&bench.to_process("/version")).await?;
    another(bench, before).await?;
    let told = answer.text();
    let good = match answer.status.as_u16() {
        200 => true,
        502 | 503 => told.contains(bench.process.app.as_str()),
        _ => false,
    };
    seen(good, format!("{} {:?}", answer.status, told.trim()))
}

async fn listed(bench: &Bench) -> Finding {
    match bench.listed(&bench.process).await? {
        Some(app) => seen(app.status == AppStatus::Running, format!("{:?}", app.status).to_lowercase()),
        None => seen(false, "it is not listed"),
    }
}

async fn environment(bench: &Bench) -> Finding {
    let told = bench.ask(&bench.to_process("/env?name=HOME")).await?.text();
    let value: serde_json::Value = serde_json::from_str(&told)?;
    seen(value["set"] == false, format!("HOME is set: {}", value["set"]))
}

async fn replaced(bench: &Bench) -> Finding {
    let before = pid(bench).await?;
    bench.release_next(None).await?;
    let after = pid(bench).await?;
    seen(before.is_some() && after.is_some() && before != after, told(before, after))
}
