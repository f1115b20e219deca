//! Bodies that are passed on as they come.

use std::time::{Duration, Instant};

use http_body_util::BodyExt;

use super::super::bench::Bench;
use super::super::client::{Conversation, begin};
use super::super::finding::{Finding, seen};
use super::super::trial::checks;

checks! {
    "an answer is passed on as it comes", "the first of 3 pieces at least 1 s before the last" => answer, Waits;
    "a request is passed on as it comes", "each part is back before the next is sent" => request;
    "an answer in many pieces comes whole", "200 and 200 pieces" => pieces;
}

async fn answer(bench: &Bench) -> Finding {
    // Two seconds lie between the first and the last, and a machine that is busy may take one of them.
    let response = begin(bench.gateway, &bench.to_slow("/chunks?n=3&ms=1000")).await?;
    let mut body = response.into_body();
    let first = body.frame().await.transpose()?.is_some();
    let since = Instant::now();
    body.collect().await?;
    let took = since.elapsed();
    seen(
        first && took >= Duration::from_secs(1),
        format!("a first piece: {first}, {} ms before the last", took.as_millis()),
    )
}

async fn request(bench: &Bench) -> Finding {
    let mut conversation = Conversation::begin(bench.gateway, &Bench::host(&bench.process)).await?;
    let mut answered = 0;
    for part in ["first", "second", "third"] {
        if !conversation.is_answered(part).await? {
            break;
        }
        answered += 1;
    }
    seen(answered == 3, format!("{answered} of 3 parts came back at once"))
}

async fn pieces(bench: &Bench) -> Finding {
    let answer = bench.ask(&bench.to_process("/chunks?n=200&ms=0")).await?;
    let text = answer.text();
    let lines = text.lines().count();
    seen(answer.status == 200 && lines == 200, format!("{} and {lines} pieces", answer.status))
}
