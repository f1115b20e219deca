//! Requests that an app gets as they were sent, and answers that come back as they were given.

use std::time::Duration;

use bytes::Bytes;
use http::Method;

use super::super::bench::Bench;
use super::super::client::{Connection, ask_http2, send_raw};
use super::super::finding::{Finding, seen};
use super::super::trial::checks;

checks! {
    "a small request is answered by the app", "200 and its version" => small;
    "each method reaches the app", "its own answer to PUT, PATCH, DELETE and OPTIONS" => methods;
    "a HEAD reaches the app and has no body", "200 and no bytes" => head;
    "path and query reach the app unchanged", "the number of bytes that the query asks for" => query;
    "the app's status comes back", "418" => status;
    "a body of 8 MiB comes back whole", "8388608 bytes, the same" => large;
    "a body in chunks arrives whole", "the bytes of all chunks" => chunked;
    "whoever waits for 100 Continue gets it", "100, then 200" => expect;
    "one connection serves several requests", "three answers" => keep_alive;
    "HTTP/2 is served", "200 over HTTP/2" => http2;
    "many requests at the same time are each answered", "64 times 200" => many;
}

async fn small(bench: &Bench) -> Finding {
    let answer = bench.ask(&bench.to_process("/version")).await?;
    seen(
        answer.status == 200 && !answer.body.is_empty(),
        format!("{} {:?}", answer.status, answer.text().trim()),
    )
}

async fn methods(bench: &Bench) -> Finding {
    let mut told = Vec::new();
    let mut good = true;
    for method in [Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS] {
        let answer = bench.ask(&bench.to_process("/echo").method(method.clone()).body("said")).await?;
        good &= answer.status == 200 && answer.text() == "said";
        told.push(format!("{method} {}", answer.status.as_u16()));
    }
    seen(good, told.join(", "))
}

async fn head(bench: &Bench) -> Finding {
    let answer = bench.ask(&bench.to_process("/version").method(Method::HEAD)).await?;
    seen(
        answer.status == 200 && answer.body.is_empty(),
        format!("{} and {} bytes", answer.status, answer.body.len()),
    )
}

async fn query(bench: &Bench) -> Finding {
    let answer = bench.ask(&bench.to_process("/bytes?n=1234&other=%2Fa%20b")).await?;
    seen(answer.body.len() == 1234, format!("{} bytes", answer.body.len()))
}

async fn status(bench: &Bench) -> Finding {
    let answer = bench.ask(&bench.to_process("/status?code=418")).await?;
    seen(answer.status == 418, answer.status)
}

async fn large(bench: &Bench) -> Finding {
    let body: Bytes = (0..8_usize << 20).map(|position| (position % 253) as u8).collect();
    let answer = bench.ask(&bench.to_process("/echo").method(Method::POST).body(body.clone())).await?;
    let same = answer.body == body;
    seen(same, format!("{} and {} bytes, the same: {same}", answer.status, answer.body.len()))
}

async fn chunked(bench: &Bench) -> Finding {
    let head = format!("POST /echo HTTP/1.1\r\nHost: {}\r\n", Bench::host(&bench.process));
    let request = format!(
        "{head}Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n5\r\nabcde\r\n3\r\nfgh\r\n0\r\n\r\n"
    );
    let (answer, _) = send_raw(bench.gateway, request.as_bytes(), Duration::from_secs(10)).await?;
    // The answer may be in chunks, too.
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    let letters: String = body.chars().filter(char::is_ascii_lowercase).filter(|c| *c <= 'h').collect();
    seen(letters == "abcdefgh", format!("{body:?}"))
}

async fn expect(bench: &Bench) -> Finding {
    let host = Bench::host(&bench.process);
    let request = format!(
        "POST /echo HTTP/1.1\r\nHost: {host}\r\nContent-Length: 4\r\nExpect: 100-continue\r\nConnection: close\r\n\r\nsaid"
    );
    let (answer, _) = send_raw(bench.gateway, request.as_bytes(), Duration::from_secs(10)).await?;
    let good =
        answer.starts_with("HTTP/1.1 100") && answer.contains("HTTP/1.1 200") && answer.contains("said");
    seen(good, answer.lines().filter(|line| line.starts_with("HTTP/")).collect::<Vec<_>>().join(", "))
}

async fn keep_alive(bench: &Bench) -> Finding {
    let mut connection = Connection::open(bench.gateway).await?;
    let mut answers = 0;
    for _ in 0..3 {
        answers += usize::from(connection.ask(&bench.to_process("/version")).await?.status == 200);
    }
    seen(answers == 3, format!("{answers} answers"))
}

async fn http2(bench: &Bench) -> Finding {
    let answer = ask_http2(bench.gateway, &bench.to_process("/version")).await?;
    seen(answer.status == 200, answer.status)
}

async fn many(bench: &Bench) -> Finding {
    let asks = (0..64).map(|_| async { bench.ask(&bench.to_process("/version")).await });
    let answers = futures_util::future::join_all(asks).await;
    let good = answers.iter().flatten().filter(|answer| answer.status == 200).count();
    seen(good == 64, format!("{good} times 200"))
}
