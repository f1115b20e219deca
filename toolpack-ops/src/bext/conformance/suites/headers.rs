//! What the gateway adds to a request, what it takes away, and what it does not believe.

use std::time::Duration;

use super::super::bench::Bench;
use super::super::client::{Ask, send_raw, status_of};
use super::super::finding::{Finding, Trouble, seen};
use super::super::trial::checks;

checks! {
    "an app learns who asks", "X-Forwarded-For: 127.0.0.1" => forwarded_for;
    "an app learns how it was asked", "X-Forwarded-Proto: http and X-Forwarded-Host" => forwarded_host;
    "X-Forwarded-For of a client is not believed", "no trace of it" => forged_for;
    "Forwarded of a client is not believed", "no trace of it" => forged_forwarded;
    "X-Real-IP of a client is not believed", "no trace of it" => forged_real_ip;
    "an app sees the host that was asked for", "the same host" => host;
    "headers of one hop are not passed on", "neither Keep-Alive nor Proxy-Connection" => one_hop;
    "what Connection names is not passed on", "no X-Only-Here" => named;
    "the gateway says that it was on the way", "Via" => via;
    "headers of the client's own are passed on", "each of them, in order" => own;
    "two lengths in one request are refused", "400" => two_lengths;
    "a length beside chunks is not passed on", "400, or only one request seen" => smuggled;
    "headers without end are refused", "431 or 400" => endless;
}

/// The headers that the app sees, in lower case.
async fn headers(bench: &Bench, ask: &Ask) -> Result<Vec<(String, String)>, Trouble> {
    let answer = bench.ask(ask).await?;
    let pairs: Vec<(String, String)> = serde_json::from_slice(&answer.body)
        .map_err(|error| format!("{} and no list of headers: {error}", answer.status))?;
    Ok(pairs.into_iter().map(|(name, value)| (name.to_ascii_lowercase(), value)).collect())
}

fn values(headers: &[(String, String)], name: &str) -> String {
    let values: Vec<&str> =
        headers.iter().filter(|(known, _)| known == name).map(|(_, value)| value.as_str()).collect();
    values.join(", ")
}

async fn forwarded_for(bench: &Bench) -> Finding {
    let headers = headers(bench, &bench.to_process("/headers")).await?;
    let value = values(&headers, "x-forwarded-for");
    seen(value == "127.0.0.1" || value == "::1", format!("X-Forwarded-For: {value}"))
}

async fn forwarded_host(bench: &Bench) -> Finding {
    let headers = headers(bench, &bench.to_process("/headers")).await?;
    let (proto, host) = (values(&headers, "x-forwarded-proto"), values(&headers, "x-forwarded-host"));
    seen(
        proto == "http" && host == Bench::host(&bench.process),
        format!("X-Forwarded-Proto: {proto}, X-Forwarded-Host: {host}"),
    )
}

async fn forged(bench: &Bench, name: &'static str, value: &str) -> Finding {
    let headers = headers(bench, &bench.to_process("/headers").header(name, value)).await?;
    let found = headers.iter().find(|(_, found)| found.contains("203.0.113.7"));
    seen(found.is_none(), found.map_or("none".to_owned(), |(name, value)| format!("{name}: {value}")))
}

async fn forged_for(bench: &Bench) -> Finding {
    forged(bench, "x-forwarded-for", "203.0.113.7").await
}

async fn forged_forwarded(bench: &Bench) -> Finding {
    forged(bench, "forwarded", "for=203.0.113.7;proto=https").await
}

async fn forged_real_ip(bench: &Bench) -> Finding {
    forged(bench, "x-real-ip", "203.0.113.7").await
}

async fn host(bench: &Bench) -> Finding {
    let headers = headers(bench, &bench.to_process("/headers")).await?;
    let host = values(&headers, "host");
    seen(host == Bench::host(&bench.process), format!("Host: {host}"))
}

async fn one_hop(bench: &Bench) -> Finding {
    let ask = bench
        .to_process("/headers")
        .header("keep-alive", "timeout=5")
        .header("proxy-connection", "keep-alive");
    let headers = headers(bench, &ask).await?;
    let found: Vec<_> = headers
        .iter()
        .filter(|(name, _)| matches!(name.as_str(), "keep-alive" | "proxy-connection"))
        .collect();
    let names: Vec<&str> = found.iter().map(|(name, _)| name.as_str()).collect();
    seen(found.is_empty(), if found.is_empty() { "neither".to_owned() } else { names.join(" and ") })
}

async fn named(bench: &Bench) -> Finding {
    let ask = bench.to_process("/headers").header("connection", "x-only-here").header("x-only-here", "1");
    let value = values(&headers(bench, &ask).await?, "x-only-here");
    seen(value.is_empty(), if value.is_empty() { "none".to_owned() } else { format!("X-Only-Here: {value}") })
}

async fn via(bench: &Bench) -> Finding {
    let value = values(&headers(bench, &bench.to_process("/headers")).await?, "via");
    seen(value.starts_with("1.1 "), format!("Via: {value}"))
}

async fn own(bench: &Bench) -> Finding {
    let ask = bench.to_process("/headers").header("x-own", "first").header("x-own", "second");
    let value = values(&headers(bench, &ask).await?, "x-own");
    seen(value == "first, second", format!("X-Own: {value}"))
}

async fn raw(bench: &Bench, head: &str) -> Result<(u16, String), Trouble> {
    let request = format!("POST /echo HTTP/1.1\r\nHost: {}\r\n{head}", Bench::host(&bench.process));
    let (answer, _) = send_raw(bench.gateway, request.as_bytes(), Duration::from_secs(5)).await?;
    Ok((status_of(&answer), answer))
}

async fn two_lengths(bench: &Bench) -> Finding {
    let (status, _) =
        raw(bench, "Content-Length: 4\r\nContent-Length: 5\r\nConnection: close\r\n\r\nsaid!").await?;
    seen(status == 400, status)
}

async fn smuggled(bench: &Bench) -> Finding {
    let hidden = "GET /status?code=418 HTTP/1.1\r\nHost: hidden.test\r\nConnection: close\r\n\r\n";
    let head = format!(
        "Content-Length: {}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{hidden}",
        hidden.len() + 5
    );
    let (status, answer) = raw(bench, &head).await?;
    // Behind the end of the chunks a further request may stand, if it is answered as one: what matters is that the app is
    // not handed it as a part of the first.
    seen(
        status == 400 || !answer.contains("418"),
        format!("{status}, hidden request answered: {}", answer.contains("418")),
    )
}

async fn endless(bench: &Bench) -> Finding {
    let many = format!("X-Large: {}\r\n", "a".repeat(8000)).repeat(64);
    let (status, _) = raw(bench, &format!("{many}Content-Length: 0\r\nConnection: close\r\n\r\n")).await?;
    seen(matches!(status, 400 | 431), status)
}
