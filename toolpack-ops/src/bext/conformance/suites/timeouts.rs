//! Limits of time, and that one slow request holds up no other.

use std::time::{Duration, Instant};

use super::super::bench::Bench;
use super::super::client::{begin, send_raw, status_of};
use super::super::trial::{Finding, checks, partial, seen};

checks! {
    "an answer that takes a while is waited for", "200 after 300 ms" => slow;
    "a slow request holds up no other", "others answered meanwhile" => others;
    "a request that does not end is cut off", "408 or the end, within 12 s" => half, Waits;
    "an app that does not answer is given up on", "504" => hangs, Waits;
}

/// How long a check waits for a limit of time.
const WAIT: Duration = Duration::from_secs(12);

async fn slow(bench: &Bench) -> Finding {
    let started = Instant::now();
    let answer = bench.ask(&bench.to_process("/slow?ms=300")).await?;
    let took = started.elapsed();
    seen(
        answer.status == 200 && took >= Duration::from_millis(300),
        format!("{} after {} ms", answer.status, took.as_millis()),
    )
}

async fn others(bench: &Bench) -> Finding {
    let mut slow = Vec::new();
    for _ in 0..8 {
        slow.push(bench.to_process("/slow?ms=1000"));
    }
    let started = Instant::now();
    let waiting = futures_util::future::join_all(slow.iter().map(|ask| bench.ask(ask)));
    let quick = async {
        let answer = bench.ask(&bench.to_process("/version")).await;
        (answer.map(|answer| answer.status.as_u16()).unwrap_or(0), started.elapsed())
    };
    let (slow, (status, took)) = tokio::join!(waiting, quick);
    let answered = slow.iter().flatten().filter(|answer| answer.status == 200).count();
    let good = status == 200 && took < Duration::from_millis(800) && answered == 8;
    seen(good, format!("{status} after {} ms, and {answered} of 8 slow ones", took.as_millis()))
}

async fn half(bench: &Bench) -> Finding {
    let started = Instant::now();
    let request = format!("GET /version HTTP/1.1\r\nHost: {}\r\nX-Half", Bench::host(&bench.process));
    let (answer, closed) = send_raw(bench.gateway, request.as_bytes(), WAIT).await?;
    let status = status_of(&answer);
    let took = started.elapsed().as_secs();
    seen(closed && matches!(status, 0 | 408), format!("status {status}, closed: {closed}, after {took} s"))
}

async fn hangs(bench: &Bench) -> Finding {
    let ask = bench.to_process("/hang");
    match tokio::time::timeout(WAIT, begin(bench.gateway, &ask)).await {
        Ok(response) => {
            let status = response?.status();
            seen(status == 504, status)
        }
        // The usual limit is a minute: a live instance is not set otherwise for the sake of a check.
        Err(_) => partial(format!("its limit is longer than the {} s that this check waits", WAIT.as_secs())),
    }
}
