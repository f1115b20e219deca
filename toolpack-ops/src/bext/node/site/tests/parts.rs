//! Files of which a client has something already, or wants a part.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says why")]

use super::*;

#[tokio::test]
async fn a_client_that_has_it_gets_no_content_again() {
    let fixture = Fixture::new();
    for path in ["/app.js", "/large.bin", "/empty.txt"] {
        let first = fixture.get(path).await;
        let (tag, date) = (first.header("etag").unwrap(), first.header("last-modified").unwrap());
        for condition in [("if-none-match", tag), ("if-none-match", "*"), ("if-modified-since", date)] {
            let again = fixture.ask("GET", path, &[condition, ("range", "bytes=0-1")]).await;
            assert_eq!((again.status, &*again.body), (304, &b""[..]), "{path} {condition:?}");
            for name in ["etag", "last-modified", "cache-control", "vary"] {
                assert_eq!(again.header(name), first.header(name), "{path} {condition:?}: {name}");
            }
            for name in ["content-type", "content-length", "content-encoding", "content-range"] {
                assert_eq!(again.header(name), None, "{path} {condition:?}: {name}");
            }
        }
        let changed = fixture.ask("GET", path, &[("if-none-match", "\"other\"")]).await;
        assert_eq!((changed.status, changed.body), (200, first.body.clone()), "{path}");
        let failed = fixture.ask("GET", path, &[("if-match", "\"other\""), ("if-none-match", "*")]).await;
        assert_eq!(failed.status, 412);
        let failed =
            fixture.ask("GET", path, &[("if-unmodified-since", "Sun, 06 Nov 1994 08:49:36 GMT")]).await;
        assert_eq!(failed.status, 412);
    }
    // The tag of one form is not that of another.
    let coded = fixture.ask("GET", "/app.js", &[("accept-encoding", "br")]).await;
    let answer = fixture.ask("GET", "/app.js", &[("if-none-match", coded.header("etag").unwrap())]).await;
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn a_part_of_a_file() {
    let fixture = Fixture::new();
    let whole = large();
    let size = whole.len();
    for (range, from, to) in [
        ("bytes=0-0".to_owned(), 0, 1),
        ("bytes=-1".to_owned(), size - 1, size),
        (format!("bytes={}-{}", PIECE - 1, 2 * PIECE), PIECE - 1, 2 * PIECE + 1),
        (format!("bytes={}-", PIECE), PIECE, size),
        ("bytes=1-99999999999999999999".to_owned(), 1, size),
    ] {
        let answer = fixture.ask("GET", "/large.bin", &[("range", &range)]).await;
        assert_eq!(answer.status, 206, "{range}");
        assert_eq!(
            answer.header("content-range"),
            Some(&*format!("bytes {from}-{}/{size}", to - 1)),
            "{range}"
        );
        assert!(answer.body == whole[from..to], "{range}");
    }
    let answer = fixture.get("/large.bin").await;
    assert!(answer.status == 200 && answer.body == whole);
    for path in ["/large.bin", "/numbers.txt"] {
        let answer = fixture.ask("GET", path, &[("range", "bytes=9999999-")]).await;
        assert_eq!(answer.status, 416);
        let length = fixture.get(path).await.body.len();
        assert_eq!(answer.header("content-range"), Some(&*format!("bytes */{length}")));
        assert_eq!(answer.header("etag"), None);
    }
    for range in ["bytes=5-1", "lines=0-1", "bytes=", "bytes=a-", "bytes=0-,0-,0-", "bytes=0-6,3-9"] {
        let answer = fixture.ask("GET", "/numbers.txt", &[("range", range)]).await;
        assert_eq!(
            (answer.status, answer.text(), answer.header("content-range")),
            (200, "0123456789", None),
            "{range}"
        );
    }
    let answer = fixture.ask("GET", "/empty.txt", &[("range", "bytes=0-")]).await;
    assert_eq!((answer.status, answer.text()), (200, ""));
}

#[tokio::test]
async fn several_parts_of_a_file() {
    let fixture = Fixture::new();
    let answer = fixture.ask("GET", "/numbers.txt", &[("range", "bytes=7-, 0-1,1-2")]).await;
    assert_eq!((answer.status, answer.header("content-range")), (206, None));
    let boundary =
        answer.header("content-type").unwrap().strip_prefix("multipart/byteranges; boundary=").unwrap();
    let part = |range: &str, content: &str| {
        format!(
            "--{boundary}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Range: bytes {range}/10\r\n\r\n{content}\r\n"
        )
    };
    let expected =
        [part("7-9", "789"), part("0-1", "01"), part("1-2", "12"), format!("--{boundary}--\r\n")].concat();
    assert_eq!(answer.text(), expected);

    // One that is too far is left out, and two pieces come as they would alone.
    let range = format!("bytes=0-{PIECE},{}-,99999999-", 2 * PIECE);
    let answer = fixture.ask("GET", "/large.bin", &[("range", &range)]).await;
    assert_eq!(answer.status, 206);
    let parts = [("0-65536", 0..=PIECE), ("131072-131171", 2 * PIECE..=2 * PIECE + 99)];
    let boundary =
        answer.header("content-type").unwrap().strip_prefix("multipart/byteranges; boundary=").unwrap();
    let mut expected = Vec::new();
    for (number, (range, bytes)) in parts.into_iter().enumerate() {
        let line_end = if number == 0 { "" } else { "\r\n" };
        let media = "Content-Type: application/octet-stream";
        let opening =
            format!("{line_end}--{boundary}\r\n{media}\r\nContent-Range: bytes {range}/131172\r\n\r\n");
        expected.extend_from_slice(opening.as_bytes());
        expected.extend_from_slice(&large()[bytes]);
    }
    expected.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
    assert!(answer.body == expected);
}

#[tokio::test]
async fn a_part_is_sent_only_of_the_content_that_the_client_has() {
    let fixture = Fixture::new();
    let first = fixture.get("/numbers.txt").await;
    let (tag, date) = (first.header("etag").unwrap(), first.header("last-modified").unwrap());
    let weak = format!("W/{tag}");
    for (validator, status) in [
        (tag, 206),
        (date, 206),
        (&*weak, 200),
        ("\"other\"", 200),
        ("*", 200),
        ("Sun, 06 Nov 1994 08:49:38 GMT", 200),
        ("Sun, 06 Nov 1994 08:49:36 GMT", 200),
    ] {
        let answer =
            fixture.ask("GET", "/numbers.txt", &[("range", "bytes=2-3"), ("if-range", validator)]).await;
        assert_eq!(answer.status, status, "{validator}");
        assert_eq!(answer.text(), if status == 206 { "23" } else { "0123456789" });
        // A range that cannot be satisfied does not count, either, if it is of other content.
        let answer =
            fixture.ask("GET", "/numbers.txt", &[("range", "bytes=99-"), ("if-range", validator)]).await;
        assert_eq!(answer.status, if status == 206 { 416 } else { 200 }, "{validator}");
    }
}
