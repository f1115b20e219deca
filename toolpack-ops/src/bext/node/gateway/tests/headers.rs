//! Which headers go through, which do not, and which the gateway writes.

use super::*;

#[tokio::test]
async fn an_app_is_told_where_a_request_comes_from_by_the_gateway_alone() {
    let app = App::mirror().await;
    let gateway = gateway_to(&app, GatewaySettings::default()).await;
    let seen = say(
        &gateway,
        "GET /path?query HTTP/1.1\r\nHost: Shop.localhost:99\r\nX-Forwarded-For: 6.6.6.6\r\nX_Forwarded_For: 6.6.6.6\r\n\
         X-Forwarded-Host: evil.test\r\nX-Forwarded-Proto: https\r\nForwarded: for=6.6.6.6\r\nX-Real-IP: 6.6.6.6\r\n\
         Connection: close, X-Forwarded-For, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: 1\r\nTE: trailers, gzip\r\n\
         Proxy-Authorization: x\r\nAccept: a\r\nAccept: b\r\n\r\n",
    )
    .await;
    let (head, seen) = seen.split_once("\r\n\r\n").unwrap();
    assert!(head.contains("via: 1.1 bext"), "{head}");
    let mut lines: Vec<_> = seen.lines().collect();
    assert_eq!(lines.remove(0), "GET /path?query HTTP/1.1");
    lines.sort_unstable();
    assert_eq!(
        lines,
        [
            "accept: a",
            "accept: b",
            "connection: te",
            "forwarded: for=127.0.0.1;host=\"Shop.localhost:99\";proto=http",
            "host: Shop.localhost:99",
            "te: trailers",
            "via: 1.1 bext",
            "x-forwarded-for: 127.0.0.1",
            "x-forwarded-host: Shop.localhost:99",
            "x-forwarded-proto: http",
        ]
    );
}

#[tokio::test]
async fn what_a_response_says_to_its_own_hop_stays_there() {
    let app = App::saying(
        "HTTP/1.1 200 OK\r\nConnection: close, x-hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\nProxy-Authenticate: Basic\r\n\
         Set-Cookie: a=1\r\nSet-Cookie: b=2\r\nVia: 1.1 inner\r\nX-Kept: yes\r\nContent-Length: 2\r\n\r\nhi",
    )
    .await;
    let gateway = gateway_to(&app, GatewaySettings::default()).await;
    let mut client = client(&gateway).await;
    for _ in 0..2 {
        let response = ask(&mut client, get("shop.localhost", "/")).await;
        let headers = response.headers();
        for gone in ["connection", "x-hop", "keep-alive", "proxy-authenticate"] {
            assert!(!headers.contains_key(gone), "{gone}: {headers:?}");
        }
        assert_eq!(headers.get_all("set-cookie").iter().count(), 2);
        assert_eq!(headers.get_all("via").iter().collect::<Vec<_>>(), ["1.1 inner", "1.1 bext"]);
        assert_eq!(headers["x-kept"], "yes");
        assert_eq!(text(response).await, "hi");
    }
}

#[tokio::test]
async fn no_request_is_smuggled_within_another() {
    // Says back every byte that comes to it, so that it shows how requests are framed.
    let app = App::raw(|mut stream| async move {
        let head = read_head(&mut stream).await;
        let mut rest = vec![0; 4096];
        // What was framed by a length or in chunks comes with, or soon after, its head.
        let read = match head.contains("transfer-encoding: chunked") {
            true => {
                let mut all = Vec::new();
                while !all.ends_with(b"0\r\n\r\n") {
                    let read = stream.read(&mut rest).await.unwrap();
                    assert_ne!(read, 0);
                    all.extend_from_slice(&rest[..read]);
                }
                all
            }
            false => Vec::new(),
        };
        let seen = format!("{head}{}", String::from_utf8_lossy(&read));
        let answer =
            format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{seen}", seen.len());
        let _ = stream.write_all(answer.as_bytes()).await;
    })
    .await;
    let gateway = gateway_to(&app, GatewaySettings::default()).await;

    // With both framings chunks count, and the length goes no further: an app cannot take it for the truth.
    for lengths in [
        "Content-Length: 4\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 4",
        "Content-Length: 4\r\nTransfer-Encoding: chunked\r\nContent-Length: 4",
    ] {
        let request = format!(
            "POST / HTTP/1.1\r\nHost: shop.localhost\r\nConnection: close\r\n{lengths}\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
        );
        let seen = say(&gateway, request).await;
        let (_, seen) = seen.split_once("\r\n\r\n").unwrap();
        assert!(seen.contains("transfer-encoding: chunked") && !seen.contains("content-length"), "{seen}");
        assert!(seen.ends_with("3\r\nabc\r\n0\r\n\r\n"), "{seen}");
    }
    for refused in [
        "Content-Length: 3\r\nContent-Length: 4",
        "Content-Length: +3",
        "Content-Length: 3, 4",
        "Transfer-Encoding: chunked, identity",
        "Transfer-Encoding: xchunked",
        "Transfer-Encoding : chunked",
        " X-Folded: 1",
        "X-Bad\r: 1",
        "X-Null: a\0b",
        "X-Line: a\rHost: evil.test",
    ] {
        let request =
            format!("POST / HTTP/1.1\r\nHost: shop.localhost\r\nConnection: close\r\n{refused}\r\n\r\nabc");
        let answer = say(&gateway, request).await;
        assert!(answer.starts_with("HTTP/1.1 400"), "{refused:?}: {answer}");
    }
    for unknown in
        ["Transfer-Encoding: gzip, chunked", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"]
    {
        let request = format!(
            "POST / HTTP/1.1\r\nHost: shop.localhost\r\nConnection: close\r\n{unknown}\r\n\r\n0\r\n\r\n"
        );
        let answer = say(&gateway, request).await;
        assert!(answer.starts_with("HTTP/1.1 501"), "{unknown:?}: {answer}");
    }
    // A line that ends within a value begins the next header, for everyone alike.
    let seen = say(&gateway, "GET / HTTP/1.1\r\nHost: shop.localhost\r\nX: a\nHost: evil.test\r\n\r\n").await;
    assert!(seen.starts_with("HTTP/1.1 400"), "{seen}");
}

#[tokio::test]
async fn a_body_that_holds_a_request_is_a_body() {
    let app = App::new(|request| async move {
        let path = request.uri().path().to_owned();
        let length = request.into_body().collect().await.unwrap().to_bytes().len();
        Response::new(body::full(format!("{path} {length}\n")))
    })
    .await;
    let gateway = gateway_to(&app, GatewaySettings::default()).await;
    let inner = "GET /inner HTTP/1.1\r\nHost: shop.localhost\r\n\r\n";
    let outer = format!(
        "POST /outer HTTP/1.1\r\nHost: shop.localhost\r\nContent-Length: {}\r\n\r\n{inner}",
        inner.len()
    );
    let last = "GET /last HTTP/1.1\r\nHost: shop.localhost\r\nConnection: close\r\n\r\n";
    let answers = say(&gateway, format!("{outer}{last}")).await;
    assert!(
        answers.contains(&format!("/outer {}\n", inner.len())) && answers.contains("/last 0\n"),
        "{answers}"
    );
    assert!(!answers.contains("/inner"), "{answers}");
}
