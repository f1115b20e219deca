//! A site as its clients see it.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says why")]

use std::fs;
use std::os::unix::fs::symlink;

use http::Request;
use http_body_util::BodyExt;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use super::*;

/// More than two pieces, each byte of them told from its neighbours.
fn large() -> Vec<u8> {
    (0..2 * PIECE as u32 + 100)
        .flat_map(|number| (number.wrapping_mul(2_654_435_761) >> 24).to_le_bytes())
        .take(2 * PIECE + 100)
        .collect()
}

struct Fixture {
    site: Site,
    directory: tempfile::TempDir,
}

#[derive(Debug)]
struct Answer {
    status: u16,
    headers: http::HeaderMap,
    body: Vec<u8>,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

impl Fixture {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().join("site");
        for (path, content) in [
            ("index.html", "<h1>home</h1>"),
            ("404.html", "<h1>not here</h1>"),
            ("about.html", "<h1>about</h1>"),
            ("about/team.html", "team"),
            ("docs/index.html", "docs"),
            ("docs/guide.html", "guide"),
            ("both.html", "the file"),
            ("both/index.html", "the directory"),
            ("x.html/index.html", "a directory all the same"),
            ("bare/only.txt", "no index here"),
            ("app.js", "let a = 1; // plain"),
            ("app.js.br", "as brotli"),
            ("app.js.gz", "as gzip"),
            ("same.css", "same"),
            ("same.css.gz", "same"),
            ("orphan.css.br", "without a plain form"),
            ("main.3f2a1b9c.js", "hashed"),
            ("empty.txt", ""),
            ("a b/é ü+%41.txt", "strange"),
            ("numbers.txt", "0123456789"),
            ("bext.app.toml", "version = \"1\""),
            (".env", "SECRET=1"),
            (".git/config", "secret"),
            ("docs/.hidden", "secret"),
            (".well-known/security.txt", "Contact: x"),
            (".well-known/.secret", "secret"),
            ("../outside.txt", "secret"),
            ("../site-2/secret.txt", "secret"),
        ] {
            let path = root.join(path);
            fs::create_dir_all(root.join("bare")).unwrap();
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        fs::write(root.join("large.bin"), large()).unwrap();
        symlink(directory.path().join("outside.txt"), root.join("link.txt")).unwrap();
        symlink("../outside.txt", root.join("relative.txt")).unwrap();
        symlink("index.html", root.join("inside.html")).unwrap();
        symlink(directory.path(), root.join("up")).unwrap();
        symlink(directory.path().join("outside.txt"), root.join("numbers.txt.gz")).unwrap();
        let site = Site::open(root).unwrap().live_since(UNIX_EPOCH + Duration::from_millis(784_111_777_900));
        Self { site, directory }
    }

    async fn ask(&self, method: &str, uri: &str, headers: &[(&str, &str)]) -> Answer {
        let mut request = Request::builder().method(method).uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (parts, ()) = request.body(()).unwrap().into_parts();
        let (parts, body) = self.site.answer(&parts).await.into_parts();
        let body = body.collect().await.unwrap().to_bytes().to_vec();
        let answer = Answer { status: parts.status.as_u16(), headers: parts.headers, body };
        if method != "HEAD" && answer.status != 304 {
            assert_eq!(
                answer.header("content-length"),
                Some(&*answer.body.len().to_string()),
                "{method} {uri}"
            );
        }
        if answer.status != 304 {
            assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{method} {uri}");
        }
        assert!(
            !answer.body.windows(6).any(|window| window == b"secret"),
            "{method} {uri} gave a secret away"
        );
        answer
    }

    async fn get(&self, uri: &str) -> Answer {
        self.ask("GET", uri, &[]).await
    }
}

#[tokio::test]
async fn a_file_with_all_that_is_said_of_it() {
    let fixture = Fixture::new();
    let answer = fixture.get("/about.html").await;
    assert_eq!((answer.status, answer.text()), (200, "<h1>about</h1>"));
    assert_eq!(answer.header("content-type"), Some("text/html; charset=utf-8"));
    let hash = blake3::hash(b"<h1>about</h1>").to_hex();
    assert_eq!(answer.header("etag"), Some(&*format!("\"{}\"", &hash[..32])));
    assert_eq!(answer.header("last-modified"), Some("Sun, 06 Nov 1994 08:49:37 GMT"));
    assert_eq!(answer.header("cache-control"), Some("public, max-age=0, must-revalidate"));
    assert_eq!(answer.header("accept-ranges"), Some("bytes"));
    assert_eq!(answer.header("vary"), None);
    assert_eq!(answer.header("content-encoding"), None);
    let hashed = fixture.get("/main.3f2a1b9c.js").await;
    assert_eq!(hashed.header("cache-control"), Some("public, max-age=31536000, immutable"));
}

#[tokio::test]
async fn which_file_a_path_means() {
    let fixture = Fixture::new();
    for (path, status, content) in [
        ("/", 200, "<h1>home</h1>"),
        ("/?a=b", 200, "<h1>home</h1>"),
        ("/index.html", 200, "<h1>home</h1>"),
        ("/index", 200, "<h1>home</h1>"),
        ("http://example.org/about", 200, "<h1>about</h1>"),
        ("/about", 200, "<h1>about</h1>"),
        ("/about/", 404, "<h1>not here</h1>"),
        ("/about/team", 200, "team"),
        ("/docs/", 200, "docs"),
        ("/docs/guide", 200, "guide"),
        ("/both", 200, "the file"),
        ("/both/", 200, "the directory"),
        ("/x.html/", 200, "a directory all the same"),
        ("/x", 404, "<h1>not here</h1>"),
        ("/bare", 404, "<h1>not here</h1>"),
        ("/bare/", 404, "<h1>not here</h1>"),
        ("/about.html/", 404, "<h1>not here</h1>"),
        ("/about.html/x", 404, "<h1>not here</h1>"),
        ("/a%20b/%C3%A9%20%C3%BC+%2541.txt", 200, "strange"),
        ("/a%20b/%c3%a9%20%c3%bc%2b%2541.txt", 200, "strange"),
        ("/a%20b/%C3%A9%20%C3%BC+A.txt", 404, "<h1>not here</h1>"),
        ("/.well-known/security.txt", 200, "Contact: x"),
        ("/empty.txt", 200, ""),
        ("/orphan.css", 404, "<h1>not here</h1>"),
        ("/orphan.css.br", 200, "without a plain form"),
        ("/About.html", 404, "<h1>not here</h1>"),
        ("/404.html", 200, "<h1>not here</h1>"),
        ("/404", 200, "<h1>not here</h1>"),
    ] {
        let answer = fixture.get(path).await;
        assert_eq!((answer.status, answer.text()), (status, content), "{path}");
    }
}

#[tokio::test]
async fn a_directory_is_shown_under_its_slash() {
    let fixture = Fixture::new();
    for (path, location) in [
        ("/docs", "/docs/"),
        ("/docs?a=b&c", "/docs/?a=b&c"),
        ("/x.html", "/x.html/"),
        ("/%64ocs", "/%64ocs/"),
    ] {
        let answer = fixture.get(path).await;
        assert_eq!((answer.status, answer.header("location")), (308, Some(location)), "{path}");
        assert_eq!(answer.header("cache-control"), Some("public, max-age=0, must-revalidate"));
    }
    // It would lead to a host of that name.
    for path in ["//docs", "//docs/..", "/%2fdocs", "/\\docs"] {
        assert_eq!(fixture.get(path).await.status, 404, "{path}");
    }
}

#[tokio::test]
async fn nothing_leaves_the_site_and_nothing_hidden_is_shown() {
    let fixture = Fixture::new();
    for path in [
        "/../outside.txt",
        "/..",
        "/%2e%2e/outside.txt",
        "/%2E%2E/outside.txt",
        "/.%2e/outside.txt",
        "/..%2foutside.txt",
        "/..%2Foutside.txt",
        "/%2e%2e%2foutside.txt",
        "/docs/../../outside.txt",
        "/docs/%2e%2e/%2e%2e/outside.txt",
        "/docs/..%2f..%2foutside.txt",
        "/..%5coutside.txt",
        "/..\\outside.txt",
        "/%5c..%5coutside.txt",
        "/%252e%252e/outside.txt",
        "/..%252foutside.txt",
        "/%c0%ae%c0%ae/outside.txt",
        "/%c0%ae%c0%ae%c0%afoutside.txt",
        "/%e0%80%ae%e0%80%ae/outside.txt",
        "/..;/outside.txt",
        "/.../outside.txt",
        "/..%00/outside.txt",
        "/outside.txt%00.html",
        "/about.html%00",
        "/%00",
        "/../site-2/secret.txt",
        "/..%2fsite-2/secret.txt",
        "/%2foutside.txt",
        "//outside.txt",
        "/./about.html",
        "/docs/./index.html",
        "/docs//index.html",
        "/about.html%0a",
        // Links, whether or not they lead out.
        "/link.txt",
        "/relative.txt",
        "/inside.html",
        "/inside",
        "/up/outside.txt",
        "/up/",
        "/up",
        "/up/site/about.html",
        // What is not for the world.
        "/.env",
        "/%2eenv",
        "/.git/config",
        "/.git",
        "/.git/",
        "/docs/.hidden",
        "/.well-known/.secret",
        "/.well-known",
        "/.well-known/",
        "/.well-known/../.env",
        "/bext.app.toml",
        "/bext.app.tom%6c",
        "/BEXT.APP.TOML",
        "/bext.app.toml/",
    ] {
        let answer = fixture.get(path).await;
        assert_eq!((answer.status, answer.text()), (404, "<h1>not here</h1>"), "{path}");
    }
    for path in ["/%", "/%2", "/%zz/x", "/%u002e%u002e/outside.txt", "/%%32%65%%32%65/outside.txt"] {
        assert_eq!(fixture.get(path).await.status, 400, "{path}");
    }
    let long = format!("/{}", "a".repeat(5000));
    assert_eq!(fixture.get(&long).await.status, 404);
    assert_eq!(fixture.get(&"/a".repeat(5000)).await.status, 404);
    // A compressed form that is a link is none.
    let answer = fixture.ask("GET", "/numbers.txt", &[("accept-encoding", "gzip")]).await;
    assert_eq!((answer.text(), answer.header("content-encoding")), ("0123456789", None));
}

#[tokio::test]
async fn what_is_no_regular_file_is_not_there_and_holds_nobody_up() {
    let fixture = Fixture::new();
    let root = fixture.directory.path().join("site");
    rustix::fs::mkfifoat(rustix::fs::CWD, root.join("pipe"), rustix::fs::Mode::from_raw_mode(0o600)).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(root.join("socket")).unwrap();
    for path in ["/pipe", "/socket", "/pipe/x", "/socket/x"] {
        assert_eq!(fixture.get(path).await.status, 404, "{path}");
    }
}

#[tokio::test]
async fn without_a_page_of_its_own_a_site_says_so_in_a_sentence() {
    let fixture = Fixture::new();
    fs::remove_file(fixture.directory.path().join("site/404.html")).unwrap();
    let answer = fixture.get("/nothing").await;
    assert_eq!((answer.status, answer.text()), (404, "there is no such page\n"));
    assert_eq!(answer.header("content-type"), Some("text/plain; charset=utf-8"));
}

#[tokio::test]
async fn the_page_for_what_is_missing_has_no_conditions_and_no_ranges() {
    let fixture = Fixture::new();
    let headers = [("range", "bytes=0-1"), ("if-none-match", "*"), ("if-match", "\"x\"")];
    let answer = fixture.ask("GET", "/nothing", &headers).await;
    assert_eq!((answer.status, answer.text()), (404, "<h1>not here</h1>"));
    assert_eq!(answer.header("content-type"), Some("text/html; charset=utf-8"));
    assert_eq!((answer.header("etag"), answer.header("last-modified")), (None, None));
}

#[tokio::test]
async fn other_methods_are_refused_with_those_there_are() {
    let fixture = Fixture::new();
    for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "get", "BREW"] {
        for path in ["/", "/nothing", "/../x", "/%"] {
            let answer = fixture.ask(method, path, &[]).await;
            assert_eq!((answer.status, answer.header("allow")), (405, Some("GET, HEAD")), "{method} {path}");
        }
    }
}

#[tokio::test]
async fn head_has_the_headers_of_get_and_no_body() {
    let fixture = Fixture::new();
    for path in
        ["/", "/app.js", "/large.bin", "/empty.txt", "/docs", "/nothing", "/.env", "/%", "/main.3f2a1b9c.js"]
    {
        for headers in
            [&[][..], &[("accept-encoding", "br, gzip")], &[("if-none-match", "*")], &[("if-match", "\"x\"")]]
        {
            let get = fixture.ask("GET", path, headers).await;
            let head = fixture.ask("HEAD", path, headers).await;
            assert_eq!((head.status, &head.headers), (get.status, &get.headers), "{path} {headers:?}");
            assert_eq!(head.body, b"");
        }
    }
    // There are no ranges of a HEAD.
    let head = fixture.ask("HEAD", "/numbers.txt", &[("range", "bytes=0-1")]).await;
    assert_eq!((head.status, head.header("content-length")), (200, Some("10")));
    let head = fixture.ask("HEAD", "/numbers.txt", &[("range", "bytes=99-")]).await;
    assert_eq!(head.status, 200);
}

#[tokio::test]
async fn the_best_form_that_the_client_takes() {
    let fixture = Fixture::new();
    let mut tags = Vec::new();
    for (accepts, coding, content) in [
        ("gzip, deflate, br", Some("br"), "as brotli"),
        ("gzip;q=1, br;q=0.5", Some("gzip"), "as gzip"),
        ("br;q=0, *;q=0.1", Some("gzip"), "as gzip"),
        ("identity, br;q=0.5", None, "let a = 1; // plain"),
        ("zstd", None, "let a = 1; // plain"),
        ("", None, "let a = 1; // plain"),
    ] {
        let answer = fixture.ask("GET", "/app.js", &[("accept-encoding", accepts)]).await;
        assert_eq!((answer.status, answer.header("content-encoding"), answer.text()), (200, coding, content));
        assert_eq!(answer.header("content-type"), Some("text/javascript; charset=utf-8"));
        assert_eq!(answer.header("vary"), Some("Accept-Encoding"));
        tags.push((coding, answer.header("etag").unwrap().to_owned()));
    }
    for (coding, tag) in &tags {
        for (other_coding, other_tag) in &tags {
            assert_eq!(coding == other_coding, tag == other_tag, "{coding:?} {other_coding:?}");
        }
    }
    // Two forms have two tags even if their bytes are the same.
    let plain = fixture.get("/same.css").await;
    let coded = fixture.ask("GET", "/same.css", &[("accept-encoding", "gzip")]).await;
    assert_ne!(plain.header("etag"), coded.header("etag"));
    assert_eq!(coded.header("content-encoding"), Some("gzip"));
    // A range is one of the form that is sent.
    let headers = [("accept-encoding", "br"), ("range", "bytes=3-")];
    let answer = fixture.ask("GET", "/app.js", &headers).await;
    assert_eq!((answer.status, answer.text()), (206, "brotli"));
    assert_eq!(
        (answer.header("content-encoding"), answer.header("content-range")),
        (Some("br"), Some("bytes 3-8/9"))
    );
    // Asked for by its own name, a compressed file is a file.
    let answer = fixture.ask("GET", "/app.js.gz", &[("accept-encoding", "gzip")]).await;
    assert_eq!(
        (answer.header("content-type"), answer.header("content-encoding")),
        (Some("application/gzip"), None)
    );
}

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

#[tokio::test]
async fn a_file_that_changes_has_another_tag() {
    let fixture = Fixture::new();
    let path = fixture.directory.path().join("site/numbers.txt");
    let before = fixture.get("/numbers.txt").await;
    fs::write(&path, "9876543210").unwrap();
    fs::File::options().write(true).open(&path).unwrap().set_modified(UNIX_EPOCH).unwrap();
    let after =
        fixture.ask("GET", "/numbers.txt", &[("if-none-match", before.header("etag").unwrap())]).await;
    assert_eq!((after.status, after.text()), (200, "9876543210"));
}

#[tokio::test]
async fn a_site_needs_its_directory_once() {
    let fixture = Fixture::new();
    let error = Site::open(fixture.directory.path().join("nothing")).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::NotFound);
    let error = Site::open(fixture.directory.path().join("outside.txt")).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::NotADirectory);
    // What was live is still answered with if the directory is moved away, and never something else in its place.
    fs::rename(fixture.directory.path().join("site"), fixture.directory.path().join("moved")).unwrap();
    fs::create_dir(fixture.directory.path().join("site")).unwrap();
    fs::write(fixture.directory.path().join("site/about.html"), "another").unwrap();
    assert_eq!(fixture.get("/about").await.text(), "<h1>about</h1>");
}

#[tokio::test]
async fn dates_that_http_cannot_say_are_brought_near() {
    let fixture = Fixture::new();
    for (time, date) in [
        (UNIX_EPOCH - Duration::from_secs(1), "Thu, 01 Jan 1970 00:00:00 GMT"),
        (UNIX_EPOCH + Duration::from_secs(1 << 40), "Fri, 31 Dec 9999 23:59:59 GMT"),
    ] {
        let fixture =
            Fixture { site: fixture.site.clone().live_since(time), directory: tempfile::tempdir().unwrap() };
        assert_eq!(fixture.get("/about").await.header("last-modified"), Some(date));
    }
}

#[test]
fn no_path_and_no_header_brings_it_down_or_gives_a_secret_away() {
    let fixture = Fixture::new();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let path = "/([.a-z%25ef0\\\\;~-]|%2e|%2f|\\.\\./|outside\\.txt|/|up/|docs/|%00){0,12}";
    let inputs = (path, "(bytes=)?[-0-9, ]{0,20}", "[ -~]{0,20}");
    let mut runner = TestRunner::new(ProptestConfig::with_cases(500));
    let outcome = runner.run(&inputs, |(path, range, tag)| {
        let headers =
            [("range", &*range), ("if-range", &*tag), ("if-none-match", &*tag), ("accept-encoding", &*tag)];
        prop_assume!(path.parse::<http::Uri>().is_ok());
        let answer = runtime.block_on(fixture.ask("GET", &path, &headers));
        prop_assert!([200, 206, 304, 308, 400, 404, 416].contains(&answer.status), "{}: {:?}", path, answer);
        Ok(())
    });
    outcome.unwrap();
}
