//! Which file a path means, and that no path leads anywhere else.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says why")]

use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use super::*;

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
