//! Bodies that are passed on as they come.

use std::time::{Duration, Instant};

use http_body_util::BodyExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::super::bench::Bench;
use super::super::client::begin;
use super::super::trial::{Finding, Trouble, checks, seen};

checks! {
    "an answer is passed on as it comes", "the first piece long before the last" => answer;
    "a request is passed on as it comes", "what was sent first is back before the rest is sent" => request;
    "an answer in many pieces comes whole", "200 pieces" => pieces;
}

async fn answer(bench: &Bench) -> Finding {
    let started = Instant::now();
    let response = begin(bench.gateway, &bench.to_process("/chunks?n=4&ms=150")).await?;
    let mut body = response.into_body();
    let first = body.frame().await.transpose()?.is_some().then(|| started.elapsed());
    body.collect().await?;
    let last = started.elapsed();
    let good = first.is_some_and(|first| first + Duration::from_millis(200) < last);
    seen(
        good,
        format!(
            "first after {:?} ms, last after {} ms",
            first.map(|first| first.as_millis()),
            last.as_millis()
        ),
    )
}

async fn request(bench: &Bench) -> Finding {
    let mut stream = TcpStream::connect(bench.gateway).await?;
    let host = Bench::host(&bench.process);
    let head = format!(
        "POST /echo HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(format!("{head}5\r\nfirst\r\n").as_bytes()).await?;
    let early = read_until(&mut stream, "first").await?;
    stream.write_all(b"4\r\nlast\r\n0\r\n\r\n").await?;
    let late = read_until(&mut stream, "last").await?;
    seen(early && late, format!("the first part came back at once: {early}, the last: {late}"))
}

/// Reads until a word has come; says whether it did in time.
async fn read_until(stream: &mut TcpStream, word: &str) -> Result<bool, Trouble> {
    let mut read = Vec::new();
    let reading = async {
        let mut piece = [0; 4096];
        while !String::from_utf8_lossy(&read).contains(word) {
            match stream.read(&mut piece).await? {
                0 => return Ok(false),
                count => read.extend_from_slice(&piece[..count]),
            }
        }
        Ok(true)
    };
    tokio::time::timeout(Duration::from_secs(5), reading).await.unwrap_or(Ok(false))
}

async fn pieces(bench: &Bench) -> Finding {
    let answer = bench.ask(&bench.to_process("/chunks?n=200&ms=0")).await?;
    let text = answer.text();
    let lines = text.lines().count();
    seen(lines == 200, format!("{} and {lines} pieces", answer.status))
}
