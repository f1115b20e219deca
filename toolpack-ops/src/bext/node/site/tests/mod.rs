//! A site as its clients see it.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says why")]

mod parts;
mod paths;
mod wire;

use std::fs;
use std::os::unix::fs::symlink;

use http::Request;
use http_body_util::BodyExt;

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
