//! Processes of apps: started again when they end by themselves, and given no more than they need.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::super::bench::Bench;
use super::super::client::Answer;
use super::super::trial::{Finding, Trouble, checks, seen};
use crate::bext::engine::ListApps;

checks! {
    "a process that ends by itself is started again", "another process, within 10 s" => again;
    "a request during a restart is answered", "200, or 502 or 503 that says what to look at" => meanwhile;
    "an app whose process runs is listed as running", "running" => listed;
    "a process is given no environment of the node's", "no HOME" => environment;
    "a release ends the process before", "another process" => replaced;
}

async fn pid(bench: &Bench) -> Result<Answer, Trouble> {
    bench.ask(&bench.to_process("/pid")).await
}

/// Has the process end, and waits until another one answers.
async fn crash(bench: &Bench) -> Result<(String, String), Trouble> {
    let before = pid(bench).await?.text();
    // It may end before its answer is out.
    let _ = bench.ask(&bench.to_process("/crash")).await;
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let now = pid(bench).await?;
        if (now.status == 200 && now.text() != before) || Instant::now() > deadline {
            return Ok((before, now.text()));
        }
        sleep(Duration::from_millis(20)).await;
    }
}

async fn again(bench: &Bench) -> Finding {
    let (before, now) = crash(bench).await?;
    let good = now != before && now.trim().parse::<u32>().is_ok();
    seen(good, format!("process {} before, {} after", before.trim(), now.trim()))
}

async fn meanwhile(bench: &Bench) -> Finding {
    let _ = bench.ask(&bench.to_process("/crash")).await;
    let answer = bench.ask(&bench.to_process("/version")).await?;
    let told = answer.text();
    let good = match answer.status.as_u16() {
        200 => true,
        502 | 503 => told.contains(bench.process.app.as_str()),
        _ => false,
    };
    crash(bench).await?;
    seen(good, format!("{} {:?}", answer.status, told.trim()))
}

async fn listed(bench: &Bench) -> Finding {
    let mut options = ListApps::default();
    loop {
        let page = bench.apps().list_apps(&bench.instance, options).await?;
        if let Some(app) = page.apps.iter().find(|app| app.name == bench.process.app) {
            return seen(app.status == crate::bext::engine::AppStatus::Running, format!("{:?}", app.status));
        }
        match page.next_cursor {
            Some(cursor) => options = ListApps::default().with_cursor(Some(cursor)),
            None => return seen(false, "it is not listed"),
        }
    }
}

async fn environment(bench: &Bench) -> Finding {
    let told = bench.ask(&bench.to_process("/env?name=HOME")).await?.text();
    let value: serde_json::Value = serde_json::from_str(&told)?;
    seen(value["set"] == false, format!("HOME is set: {}", value["set"]))
}

async fn replaced(bench: &Bench) -> Finding {
    let before = pid(bench).await?.text();
    bench.release_next(None).await?;
    let now = pid(bench).await?.text();
    seen(before != now, format!("process {} before, {} after", before.trim(), now.trim()))
}
