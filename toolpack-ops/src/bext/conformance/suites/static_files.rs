//! How files are served (RFC 9110: types, validators, conditions, ranges, codings).

use std::time::Duration;

use http::Method;

use super::super::bench::Bench;
use super::super::client::{send_raw, status_of};
use super::super::finding::{Finding, seen};
use super::super::scratch::{LARGE_BYTES, SCRIPT, large_byte};
use super::super::trial::checks;

checks! {
    "a page has its type and charset", "text/html; charset=utf-8" => html;
    "a style sheet has its type", "text/css" => css;
    "a script has its type", "text/javascript" => script;
    "JSON has its type", "application/json" => json;
    "an image in SVG has its type", "image/svg+xml" => svg;
    "a file comes whole", "300000 bytes, each as it was written" => whole;
    "an empty file is empty", "200 and no bytes" => empty;
    "a name with a space is found", "200" => space;
    "a directory gives its index", "its page, under the path with a slash" => index;
    "a path of a directory without its slash is led there", "301 or 308 to the path with a slash" => slash;
    "what is missing is 404 with the site's own page", "404 and the page" => missing;
    "HEAD has the headers of GET and no body", "the same length and validator, no bytes" => head;
    "another method is refused", "405 that allows GET and HEAD" => method;
    "a file has a strong validator", "an ETag without W/" => etag;
    "a validator that holds saves the body", "304 without a body" => not_modified;
    "a validator that does not hold gets the file", "200" => modified;
    "a date that holds saves the body", "304" => since;
    "a condition that fails is said", "412" => precondition;
    "a range gives its bytes", "206, bytes 10-19, these bytes" => range;
    "a range from the end gives the last bytes", "206 and the last 5 bytes" => suffix;
    "a range past the end is refused", "416 and the length" => past;
    "a range of another version gives the whole file", "200" => if_range;
    "a compressed form is served to whoever takes it", "gzip, and Vary on Accept-Encoding" => compressed;
    "whoever takes no compressed form gets none", "the plain file" => plain;
    "no path leads out of the site", "no 200" => outside;
    "the manifest is not served", "404" => manifest;
}

async fn has_type(bench: &Bench, path: &str, want: &str) -> Finding {
    let answer = bench.ask(&bench.to_site(path)).await?;
    let found = answer.header("content-type").to_owned();
    seen(answer.status == 200 && found.starts_with(want), format!("{} {found}", answer.status))
}

async fn html(bench: &Bench) -> Finding {
    has_type(bench, "/", "text/html; charset=utf-8").await
}

async fn css(bench: &Bench) -> Finding {
    has_type(bench, "/style.css", "text/css").await
}

async fn script(bench: &Bench) -> Finding {
    has_type(bench, "/app.js", "text/javascript").await
}

async fn json(bench: &Bench) -> Finding {
    has_type(bench, "/data.json", "application/json").await
}

async fn svg(bench: &Bench) -> Finding {
    has_type(bench, "/image.svg", "image/svg+xml").await
}

async fn whole(bench: &Bench) -> Finding {
    let answer = bench.ask(&bench.to_site("/large.bin")).await?;
    let good = answer.body.iter().enumerate().all(|(position, byte)| *byte == large_byte(position));
    seen(answer.body.len() == LARGE_BYTES && good, format!("{} bytes, as written: {good}", answer.body.len()))
}

async fn empty(bench: &Bench) -> Finding {
    let answer = bench.ask(&bench.to_site("/empty.txt")).await?;
    seen(
        answer.status == 200 && answer.body.is_empty(),
        format!("{} and {} bytes", answer.status, answer.body.len()),
    )
}

async fn space(bench: &Bench) -> Finding {
    let answer = bench.ask(&bench.to_site("/a%20name.txt")).await?;
    seen(answer.status == 200, answer.status)
}

async fn index(bench: &Bench) -> Finding {
    let answer = bench.ask(&bench.to_site("/sub/")).await?;
    seen(answer.status == 200 && answer.text().contains("below"), answer.status)
}

async fn slash(bench: &Bench) -> Finding {
    let answer = bench.ask(&bench.to_site("/sub")).await?;
    let location = answer.header("location").to_owned();
    let good = matches!(answer.status.as_u16(), 301 | 308) && location.ends_with("/sub/");
    seen(good, format!("{} {location}", answer.status))
}

async fn missing(bench: &Bench) -> Finding {
    let answer = bench.ask(&bench.to_site("/not-there")).await?;
    let own = answer.text().contains("nothing here");
    seen(answer.status == 404 && own, format!("{}, its own page: {own}", answer.status))
}

async fn head(bench: &Bench) -> Finding {
    let got = bench.ask(&bench.to_site("/style.css")).await?;
    let answer = bench.ask(&bench.to_site("/style.css").method(Method::HEAD)).await?;
    let same = ["content-length", "etag", "content-type", "last-modified"]
        .iter()
        .all(|name| answer.header(name) == got.header(name));
    seen(same && answer.body.is_empty(), format!("the same headers: {same}, {} bytes", answer.body.len()))
}

async fn method(bench: &Bench) -> Finding {
    let answer = bench.ask(&bench.to_site("/").method(Method::POST)).await?;
    let allow = answer.header("allow").to_owned();
    let good = answer.status == 405 && allow.contains("GET") && allow.contains("HEAD");
    seen(good, format!("{}, Allow: {allow}", answer.status))
}

async fn etag(bench: &Bench) -> Finding {
    let answer = bench.ask(&bench.to_site("/style.css")).await?;
    let etag = answer.header("etag");
    seen(etag.len() > 2 && etag.starts_with('"'), format!("ETag: {etag}"))
}

async fn not_modified(bench: &Bench) -> Finding {
    let etag = bench.ask(&bench.to_site("/style.css")).await?.header("etag").to_owned();
    let answer = bench.ask(&bench.to_site("/style.css").header("if-none-match", etag)).await?;
    seen(
        answer.status == 304 && answer.body.is_empty(),
        format!("{} and {} bytes", answer.status, answer.body.len()),
    )
}

async fn modified(bench: &Bench) -> Finding {
    let answer = bench.ask(&bench.to_site("/style.css").header("if-none-match", "\"another\"")).await?;
    seen(answer.status == 200, answer.status)
}

async fn since(bench: &Bench) -> Finding {
    let modified = bench.ask(&bench.to_site("/style.css")).await?.header("last-modified").to_owned();
    let answer = bench.ask(&bench.to_site("/style.css").header("if-modified-since", modified)).await?;
    seen(answer.status == 304, answer.status)
}

async fn precondition(bench: &Bench) -> Finding {
    let answer = bench.ask(&bench.to_site("/style.css").header("if-match", "\"another\"")).await?;
    seen(answer.status == 412, answer.status)
}

async fn range(bench: &Bench) -> Finding {
    let answer = bench.ask(&bench.to_site("/large.bin").header("range", "bytes=10-19")).await?;
    let bytes: Vec<u8> = (10..20).map(large_byte).collect();
    let told = answer.header("content-range").to_owned();
    let good = answer.status == 206 && answer.body == bytes && told == format!("bytes 10-19/{LARGE_BYTES}");
    seen(good, format!("{} {told}", answer.status))
}

async fn suffix(bench: &Bench) -> Finding {
    let answer = bench.ask(&bench.to_site("/large.bin").header("range", "bytes=-5")).await?;
    let bytes: Vec<u8> = (LARGE_BYTES - 5..LARGE_BYTES).map(large_byte).collect();
    seen(
        answer.status == 206 && answer.body == bytes,
        format!("{} and {} bytes", answer.status, answer.body.len()),
    )
}

async fn past(bench: &Bench) -> Finding {
    let answer = bench.ask(&bench.to_site("/large.bin").header("range", "bytes=300000-")).await?;
    let told = answer.header("content-range").to_owned();
    seen(
        answer.status == 416 && told == format!("bytes */{LARGE_BYTES}"),
        format!("{} {told}", answer.status),
    )
}

async fn if_range(bench: &Bench) -> Finding {
    let ask = bench.to_site("/large.bin").header("range", "bytes=0-4").header("if-range", "\"another\"");
    let answer = bench.ask(&ask).await?;
    seen(answer.status == 200 && answer.body.len() == LARGE_BYTES, answer.status)
}

async fn compressed(bench: &Bench) -> Finding {
    let answer = bench.ask(&bench.to_site("/app.js").header("accept-encoding", "gzip")).await?;
    let (coding, vary) = (answer.header("content-encoding"), answer.header("vary"));
    let good = coding == "gzip" && vary.to_ascii_lowercase().contains("accept-encoding");
    seen(good, format!("Content-Encoding: {coding}, Vary: {vary}"))
}

async fn plain(bench: &Bench) -> Finding {
    let answer = bench.ask(&bench.to_site("/app.js").header("accept-encoding", "gzip;q=0")).await?;
    seen(answer.text() == SCRIPT, format!("Content-Encoding: {:?}", answer.header("content-encoding")))
}

async fn outside(bench: &Bench) -> Finding {
    let host = Bench::host(&bench.site);
    let mut got_out = Vec::new();
    for path in [
        "/../outside.txt",
        "/%2e%2e/outside.txt",
        "/sub/..%2f..%2foutside.txt",
        "/..%5coutside.txt",
        "//outside.txt",
    ] {
        let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        let (answer, _) = send_raw(bench.gateway, request.as_bytes(), Duration::from_secs(5)).await?;
        if status_of(&answer) == 200 || answer.contains("not to be served") {
            got_out.push(path);
        }
    }
    seen(got_out.is_empty(), if got_out.is_empty() { "none did".to_owned() } else { got_out.join(", ") })
}

async fn manifest(bench: &Bench) -> Finding {
    let answer = bench.ask(&bench.to_site("/bext.app.toml")).await?;
    seen(answer.status == 404, answer.status)
}
