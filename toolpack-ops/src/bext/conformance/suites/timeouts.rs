//! Limits of time, and that one slow request holds up no other.

use std::time::{Duration, Instant};

use super::super::bench::Bench;
use super::super::client::{begin, send_raw, status_of};
use super::super::finding::{Finding, partial, seen};
use super::super::trial::checks;

checks! {
    "an answer that takes a while is waited for", "200 after at least 300 ms" => slow;
    "slow requests hold up no other", "200 for another one, before any of 8 that take 5 s" => others, Waits;
    "a request that does not end is cut off", "408 or a closed connection, within 12 s" => half, Waits;
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
    let started = Instant::now();
    let slow = (0..8).map(|_| async {
        let answer = bench.ask(&bench.to_slow("/slow?ms=5000")).await;
        (answer.is_ok(), started.elapsed())
    });
    let quick = async {
        // The slow ones are under way by then; if they are not, the check is easier, and no less true.
        tokio::time::sleep(Duration::from_millis(500)).await;
        let answer = bench.ask(&bench.to_slow("/version")).await?;
        Ok::<_, super::super::finding::Trouble>((answer.status, started.elapsed()))
    };
    let (slow, quick) = tokio::join!(futures_util::future::join_all(slow), quick);
    let (status, took) = quick?;
    let answered = slow.iter().filter(|(good, _)| *good).count();
    let good = status == 200 && answered == 8 && slow.iter().all(|(_, later)| took < *later);
    seen(good, format!("{status} after {} ms, and answers to {answered} of 8 slow ones", took.as_millis()))
}

async fn half(bench: &Bench) -> Finding {
    let started = Instant::now();
    let request = format!("GET /version HTTP/1.1\r\nHost: {}\r\nX-Half", Bench::host(&bench.slow));
    let (answer, closed) = send_raw(bench.gateway, request.as_bytes(), WAIT).await?;
    let took = started.elapsed().as_secs();
    let text = match (closed, status_of(&answer)) {
        (false, 0) => format!("still open after {took} s"),
        (false, status) => format!("{status}, and still open after {took} s"),
        (true, 0) => format!("closed after {took} s"),
        (true, status) => format!("{status}, and closed after {took} s"),
    };
    seen(closed && matches!(status_of(&answer), 0 | 408), text)
}

async fn hangs(bench: &Bench) -> Finding {
    let ask = bench.to_slow("/hang");
    match tokio::time::timeout(WAIT, begin(bench.gateway, &ask)).await {
        Ok(response) => {
            let status = response?.status();
            seen(status == 504, status)
        }
        // The usual limit is a minute: a live instance is not set otherwise for the sake of a check.
        Err(_) => partial(format!("its limit is longer than the {} s that this check waits", WAIT.as_secs())),
    }
}
