//! A site over connections, where the framing of its answers shows.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says why")]

use std::convert::Infallible;
use std::net::SocketAddr;

use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;

/// Serves over HTTP/1.1 and HTTP/2, until the runtime of the test ends.
async fn serve(site: Site) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let site = site.clone();
            let service = service_fn(move |request: Request<hyper::body::Incoming>| {
                let site = site.clone();
                async move { Ok::<_, Infallible>(site.answer(&request.into_parts().0).await) }
            });
            tokio::spawn(async move {
                let _ = auto::Builder::new(TokioExecutor::new())
                    .serve_connection(TokioIo::new(stream), service)
                    .await;
            });
        }
    });
    address
}

#[tokio::test]
async fn answers_without_a_body_leave_the_connection_in_step() {
    let fixture = Fixture::new();
    let mut stream = TcpStream::connect(serve(fixture.site.clone()).await).await.unwrap();
    for request in [
        "HEAD /large.bin HTTP/1.1\r\nHost: a",
        "GET /numbers.txt HTTP/1.1\r\nHost: a\r\nIf-None-Match: *",
        "HEAD /nothing HTTP/1.1\r\nHost: a",
        "GET /empty.txt HTTP/1.1\r\nHost: a",
        "GET /../outside.txt HTTP/1.1\r\nHost: a",
        "GET /numbers.txt HTTP/1.1\r\nHost: a\r\nRange: bytes=3-5\r\nConnection: close",
    ] {
        stream.write_all(format!("{request}\r\n\r\n").as_bytes()).await.unwrap();
    }
    let mut answers = String::new();
    stream.read_to_string(&mut answers).await.unwrap();
    let statuses: Vec<&str> = answers.split("HTTP/1.1 ").skip(1).map(|answer| &answer[..3]).collect();
    assert_eq!(statuses, ["200", "304", "404", "200", "404", "206"]);
    let bodies: Vec<&str> =
        answers.split("HTTP/1.1 ").skip(1).map(|answer| answer.split_once("\r\n\r\n").unwrap().1).collect();
    assert_eq!(bodies, ["", "", "", "", "<h1>not here</h1>", "345"]);
    assert!(answers.contains("content-length: 131172\r\n"), "{answers}");
    assert!(!answers.contains("transfer-encoding"), "{answers}");
}

#[tokio::test]
async fn http_2_has_the_same_content() {
    let fixture = Fixture::new();
    let stream = TcpStream::connect(serve(fixture.site.clone()).await).await.unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    for (method, range) in
        [("GET", "bytes=0-"), ("GET", "bytes=65530-131080"), ("GET", "bytes=0-1,131170-"), ("HEAD", "")]
    {
        let request = Request::builder().method(method).uri("http://a/large.bin").header("range", range);
        let response =
            sender.send_request(request.body(http_body_util::Empty::<Bytes>::new()).unwrap()).await.unwrap();
        let expected = fixture.ask(method, "/large.bin", &[("range", range)]).await;
        assert_eq!(response.status(), expected.status, "{range}");
        assert_eq!(response.headers()["content-length"], expected.headers["content-length"], "{range}");
        let body = response.into_body().collect().await.unwrap().to_bytes();
        assert!(body == expected.body, "{method} {range}");
    }
}

#[tokio::test]
async fn a_client_that_does_not_read_has_little_of_a_file_read_for_it() {
    let fixture = Fixture::new();
    let path = fixture.directory.path().join("site/huge.bin");
    // Nothing but a hole, which costs no disk.
    File::create(&path).unwrap().set_len(256 * 1024 * 1024).unwrap();
    let (parts, ()) = Request::get("/huge.bin").body(()).unwrap().into_parts();
    let key = FileKey {
        path: "huge.bin".into(),
        coding: None,
        length: 256 * 1024 * 1024,
        modified: fs::metadata(&path).unwrap().modified().ok(),
    };
    // Its tag is known, as after the first request.
    fixture.site.shelf.tags.of_content(key, b"as if it had been read");
    let mut body = fixture.site.answer(&parts).await.into_body();
    let mut read = 0;
    for _ in 0..4 {
        read += body.frame().await.unwrap().unwrap().into_data().unwrap().len();
    }
    assert_eq!(read, 4 * PIECE);
    // What the file has lost since is not made up for.
    File::options().write(true).open(&path).unwrap().set_len(read as u64).unwrap();
    assert!(body.frame().await.unwrap().is_err());
    assert!(body.frame().await.is_none());
}
