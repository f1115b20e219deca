//! Output is read as bytes come, and kept as lines.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says why")]

use std::path::Path;

use tokio::io::AsyncWriteExt;

use super::super::redact::CUT;
use super::*;
use crate::bext::engine::SecretValue;

fn redactor(name: &str, value: &str) -> Redactor {
    Redactor::new(&[(name.parse().unwrap(), SecretValue::try_from(value.to_owned()).unwrap())])
}

/// Prints these pieces, each read by itself, and returns the log without its times, and the tail.
async fn keep(pieces: &[&[u8]], redactor: Redactor) -> (Vec<String>, String) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("app.log");
    let (mut out, from_out) = tokio::io::duplex(1 << 20);
    let mut output = Output::read(from_out, tokio::io::empty(), redactor, Log::new(path.clone()));
    for piece in pieces {
        out.write_all(piece).await.unwrap();
        tokio::task::yield_now().await;
    }
    drop(out);
    let tail = output.finish().await;
    (lines_of(&path), tail)
}

fn lines_of(path: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let without_time = |line: &str| {
        let (time, rest) = line.split_once(' ').unwrap();
        assert_eq!(time.len(), "2026-01-01T00:00:00.000Z".len(), "{time}");
        time.parse::<jiff::Timestamp>().unwrap();
        rest.to_owned()
    };
    text.lines().map(without_time).collect()
}

#[tokio::test]
async fn lines_are_kept_with_their_stream() {
    let (lines, tail) =
        keep(&[b"one\ntw", b"o\r\n\n\xff\x1b[31mred\t", b"\nlast"], redactor("A", "none-of-it")).await;
    assert_eq!(lines, ["out one", "out two", "out ", "out \u{fffd}\u{1b}[31mred\t", "out last"]);
    assert_eq!(tail, "one\ntwo\n\n\u{fffd}\\u{1b}[31mred\\t\nlast");
}

#[tokio::test]
async fn secrets_are_taken_out_wherever_a_read_ends() {
    let text = b"token=hunter2-and-more.\nhunter2-and\n-more\n";
    for at in 0..text.len() {
        let (lines, tail) = keep(&[&text[..at], &text[at..]], redactor("KEY", "hunter2-and-more")).await;
        // The second is two lines, and no secret.
        assert_eq!(lines, ["out token=[secret KEY].", "out hunter2-and", "out -more"], "{at}");
        assert!(!tail.contains("hunter2-and-more"));
    }
}

#[tokio::test]
async fn a_long_line_is_cut_and_the_next_is_whole() {
    let exact = vec![b'x'; MAX_LINE];
    let mut text = exact.clone();
    text.extend_from_slice(b"\n");
    text.extend_from_slice(&vec![b'y'; 10 * MAX_LINE]);
    text.extend_from_slice(b"\nnext\n");
    let (lines, _) = keep(&[&text], redactor("A", "none-of-it")).await;
    assert_eq!(lines.len(), 3);
    assert_eq!(lines[0], format!("out {}", "x".repeat(MAX_LINE)));
    assert_eq!(lines[1], format!("out {}{CUT}", "y".repeat(MAX_LINE)));
    assert_eq!(lines[2], "out next");
}

#[tokio::test]
async fn a_secret_longer_than_a_line_is_taken_out_too() {
    let secret = "s".repeat(SecretValue::MAX_BYTES);
    let text = format!("{}{secret} and more\nnext\n", "x".repeat(MAX_LINE - 1));
    let (lines, tail) = keep(&[text.as_bytes()], redactor("BIG", &secret)).await;
    assert!(!lines.concat().contains("ss"), "part of the secret is shown");
    assert!(!tail.contains("ss"));
    assert_eq!(lines[1], "out next");
}

#[tokio::test]
async fn the_tail_is_short() {
    let many: String = (0..100).map(|number| format!("line {number}\n")).collect();
    let (lines, tail) = keep(&[many.as_bytes()], redactor("A", "none-of-it")).await;
    assert_eq!(lines.len(), 100);
    assert_eq!(tail.lines().count(), TAIL_LINES);
    assert!(tail.ends_with("line 98\nline 99"));

    let wide: String = (0..30).map(|_| format!("{}\n", "\u{1}".repeat(100))).collect();
    let (_, tail) = keep(&[wide.as_bytes()], redactor("A", "none-of-it")).await;
    assert!(tail.len() <= TAIL_BYTES && tail.len() > TAIL_BYTES / 2, "{}", tail.len());

    let long = "ä".repeat(5000);
    let (_, tail) = keep(&[long.as_bytes()], redactor("A", "none-of-it")).await;
    assert!(tail.len() <= TAIL_BYTES && tail.ends_with('…'), "{}", tail.len());
}

#[tokio::test]
async fn no_output_is_no_tail() {
    assert_eq!(keep(&[], redactor("A", "none-of-it")).await, (Vec::new(), String::new()));
}
