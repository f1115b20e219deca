//! Requests that two readers could read differently, and such that are none: each with its one right answer.
//!
//! Most of this is hyper's doing. It is written down here so that no later version, and no option of ours, changes it
//! unnoticed.

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::client::{TestServer, call, post, within};

/// Comes after every input: whatever the server takes for a request of its own is answered before it.
const NEXT: &str = "GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";

/// The statuses of all answers to this input and the request after it, until the connection is closed.
async fn statuses(server: &TestServer, input: &[u8]) -> Vec<u16> {
    let mut client = server.connect().await;
    client.stream.write_all(&[input, NEXT.as_bytes()].concat()).await.unwrap();
    let mut answers = Vec::new();
    within(client.stream.read_to_end(&mut answers)).await.unwrap();
    let answers = String::from_utf8(answers).unwrap();
    answers.split("HTTP/1.").skip(1).map(|answer| answer[2..5].parse().unwrap()).collect()
}

/// A good request, changed.
fn changed(from: &str, to: &str) -> Vec<u8> {
    let good = post(&call("echo", json!({"message": "hi"})), &[]);
    assert_eq!(good.matches(from).count(), 1, "{from:?}");
    good.replace(from, to).into_bytes()
}

/// A good request in chunks; the framing of its body is the case's own.
fn chunked(headers: &str, frame: impl Fn(&str) -> String) -> Vec<u8> {
    let message = call("echo", json!({"message": "hi"}));
    let head = post(&message, &[("Content-Length", None)]);
    let body = message.to_string();
    let head = head.strip_suffix(&format!("\r\n{body}")).unwrap();
    format!("{head}{headers}\r\n{}", frame(&body)).into_bytes()
}

/// A body in one chunk.
fn one_chunk(body: &str) -> String {
    format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len())
}

#[tokio::test]
async fn every_input_has_one_answer() {
    let te = "Transfer-Encoding: chunked\r\n";
    let length = |header: &str| changed("Content-Length: ", &format!("{header}\r\nContent-Length: "));
    let get = |line: &str| format!("{line}\r\nHost: localhost\r\n\r\n").into_bytes();
    // What is answered: the input, then, where the connection is still in order, the request after it.
    let cases: Vec<(&str, Vec<u8>, &[u16])> = vec![
        ("a good request", changed("hi", "ho"), &[200, 200]),
        // Where a body ends.
        ("two lengths", length("Content-Length: 5"), &[400]),
        ("a list of lengths", changed("Content-Length: ", "Content-Length: 5, "), &[400]),
        ("a length with a sign", changed("Content-Length: ", "Content-Length: +"), &[400]),
        ("a length below nothing", changed("Content-Length: ", "Content-Length: -"), &[400]),
        ("a length in hexadecimal", changed("Content-Length: ", "Content-Length: 0x"), &[400]),
        (
            "a length beyond all numbers",
            changed("Content-Length: ", "Content-Length: 99999999999999999999"),
            &[400],
        ),
        ("an empty length", length("Content-Length: "), &[400]),
        ("a good request in chunks", chunked(te, one_chunk), &[200, 200]),
        // Read by its chunks, and nothing after it on this connection (RFC 9112, section 6.3).
        ("chunks after a length", chunked(&format!("Content-Length: 3\r\n{te}"), one_chunk), &[200]),
        ("chunks before a length", chunked(&format!("{te}Content-Length: 3\r\n"), one_chunk), &[200]),
        ("an encoding that is none", chunked("Transfer-Encoding: xchunked\r\n", one_chunk), &[400]),
        ("an encoding after the chunks", chunked("Transfer-Encoding: chunked, gzip\r\n", one_chunk), &[400]),
        (
            "chunks in two headers",
            chunked(&format!("Transfer-Encoding: identity\r\n{te}"), one_chunk),
            &[200, 200],
        ),
        ("an encoding with a tab", chunked("Transfer-Encoding:\tchunked\r\n", one_chunk), &[200, 200]),
        (
            "an encoding with a vertical tab",
            chunked("Transfer-Encoding: \u{b}chunked\r\n", one_chunk),
            &[400],
        ),
        (
            "chunks in HTTP/1.0",
            {
                let text = String::from_utf8(chunked(te, one_chunk)).unwrap();
                text.replace("HTTP/1.1", "HTTP/1.0").into_bytes()
            },
            &[400],
        ),
        ("a chunk whose size is none", chunked(te, |_| "zz\r\n".to_owned()), &[400]),
        (
            "a chunk whose size is beyond all numbers",
            chunked(te, |_| "ffffffffffffffffff\r\n".to_owned()),
            &[400],
        ),
        ("a chunk whose size has a sign", chunked(te, |body| format!("+{}", one_chunk(body))), &[400]),
        ("a chunk whose size has a prefix", chunked(te, |body| format!("0x{}", one_chunk(body))), &[400]),
        (
            "a chunk with a bare line feed",
            chunked(te, |body| format!("{:x}\n{body}\r\n0\r\n\r\n", body.len())),
            &[400],
        ),
        (
            "a chunk longer than its size",
            chunked(te, |body| format!("{:x}\r\n{body}xx\r\n0\r\n\r\n", body.len())),
            &[400],
        ),
        (
            "a chunk with an extension",
            chunked(te, |body| format!("{:x};a=b\r\n{body}\r\n0\r\n\r\n", body.len())),
            &[200, 200],
        ),
        (
            "an extension with a bare line feed",
            chunked(te, |body| format!("{:x};a\nb\r\n{body}\r\n0\r\n\r\n", body.len())),
            &[400],
        ),
        (
            "chunks with a trailer",
            chunked(te, |body| format!("{:x}\r\n{body}\r\n0\r\nHost: evil\r\n\r\n", body.len())),
            &[200, 200],
        ),
        // Where a header ends.
        ("a folded header", changed("Mcp-Name: ", "Mcp-Name:\r\n "), &[400]),
        ("a blank before the colon", changed("Mcp-Name:", "Mcp-Name :"), &[400]),
        ("a header without a colon", changed("Mcp-Name: ", "Mcp-Name "), &[400]),
        ("a header without a name", changed("Mcp-Name: ", ": x\r\nMcp-Name: "), &[400]),
        ("a NUL in a value", changed("Mcp-Name: ", "X: a\0b\r\nMcp-Name: "), &[400]),
        ("a carriage return in a value", changed("Mcp-Name: ", "X: a\rb\r\nMcp-Name: "), &[400]),
        ("a NUL in a name", changed("Mcp-Name: ", "X\0: a\r\nMcp-Name: "), &[400]),
        // A bare line feed ends a line, as RFC 9112, section 2.2, lets it: there is no other way to read one.
        ("bare line feeds", b"GET /health HTTP/1.1\nHost: x\n\n".to_vec(), &[200, 200]),
        ("lines before a request", b"\r\n\r\nGET /health HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(), &[200, 200]),
        // Whom it is for.
        ("two hosts", changed("Host: localhost", "Host: localhost\r\nHost: localhost"), &[400, 200]),
        ("no host", changed("Host: localhost\r\n", ""), &[400, 200]),
        ("an absolute target", get("GET http://localhost/health HTTP/1.1"), &[200, 200]),
        ("an absolute target elsewhere", changed("/mcp", "http://evil.example.com/mcp"), &[403, 200]),
        (
            "an absolute target that its host denies",
            {
                let text = String::from_utf8(changed("/mcp", "http://localhost/mcp")).unwrap();
                text.replace("Host: localhost", "Host: evil.example.com").into_bytes()
            },
            &[200, 200],
        ),
        ("a target without a path", get("GET mcp HTTP/1.1"), &[404, 200]),
        ("the server itself", get("OPTIONS * HTTP/1.1"), &[404, 200]),
        ("a tunnel", get("CONNECT localhost:80 HTTP/1.1"), &[404, 200]),
        ("a target too long", get(&format!("GET /{} HTTP/1.1", "x".repeat(16 << 10))), &[404, 200]),
        // What it is at all.
        ("a blank in the target", get("GET /health /x HTTP/1.1"), &[400]),
        ("two blanks", get("GET  /health HTTP/1.1"), &[400]),
        ("HTTP/1.0", get("GET /health HTTP/1.0"), &[200]),
        ("HTTP/1.0 that stays", get("GET /health HTTP/1.0\r\nConnection: keep-alive"), &[200, 200]),
        ("HTTP/0.9", b"GET /health\r\n".to_vec(), &[400]),
        ("HTTP/1.2", get("GET /health HTTP/1.2"), &[400]),
        ("HTTP/3", get("GET /health HTTP/3"), &[400]),
        ("nearly the preface of HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSX\r\n\r\n".to_vec(), &[400]),
        ("a method that is none", get("GE(T /health HTTP/1.1"), &[400]),
        ("TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec(), &[400]),
        (
            "an upgrade",
            changed(
                "Mcp-Name: ",
                "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: \r\nMcp-Name: ",
            ),
            &[200, 200],
        ),
    ];
    let server = TestServer::start().await;
    let mut wrong = Vec::new();
    for (what, input, expected) in cases {
        let found = statuses(&server, &input).await;
        if found != expected {
            wrong.push(format!("{what}: {found:?}, expected {expected:?}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
