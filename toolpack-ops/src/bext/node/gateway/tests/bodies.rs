//! Bodies: streamed both ways, held to limits, with what follows them.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use futures_util::StreamExt;
use http_body::Frame;
use http_body_util::StreamBody;
use tokio::sync::mpsc;

use super::*;
use crate::bext::node::body::BodyError;

/// A body that is written piece by piece.
fn pieces() -> (mpsc::Sender<Frame<Bytes>>, Body) {
    let (sender, receiver) = mpsc::channel::<Frame<Bytes>>(1);
    let frames = futures_util::stream::unfold(receiver, |mut receiver| async move {
        let frame = receiver.recv().await?;
        Some((Ok::<_, BodyError>(frame), receiver))
    });
    (sender, StreamBody::new(frames).boxed_unsync())
}

fn piece(text: &'static str) -> Frame<Bytes> {
    Frame::data(Bytes::from_static(text.as_bytes()))
}

/// One that says back each piece of a request as it comes.
async fn echo() -> App {
    App::new(|request| async move { Response::new(request.into_body().map_err(Into::into).boxed_unsync()) })
        .await
}

#[tokio::test]
async fn pieces_go_through_as_they_come_both_ways() {
    let app = echo().await;
    let gateway = gateway_to(&app, GatewaySettings::default()).await;
    let (sender, body) = pieces();
    let request = Request::post("/").header("host", "shop.localhost").body(body).unwrap();
    let mut answer = ask(&mut client(&gateway).await, request).await.into_body();
    for text in ["one", "two", "three"] {
        sender.send(piece(text)).await.unwrap();
        // Each comes back before the next is written.
        let frame = tokio::time::timeout(PATIENCE, answer.frame()).await.unwrap().unwrap().unwrap();
        assert_eq!(frame.into_data().unwrap(), text);
    }
    assert_eq!(gateway.figures().in_flight, 1);
    drop(sender);
    assert!(answer.frame().await.is_none());
    until(|| gateway.figures().in_flight == 0).await;
    assert_eq!(gateway.figures().response_bytes, 11);
}

#[tokio::test]
async fn who_does_not_read_is_not_written_to() {
    static WRITTEN: AtomicUsize = AtomicUsize::new(0);
    const CHUNK: usize = 64 << 10;
    const CHUNKS: usize = 1024;
    let app = App::new(|_| async {
        let chunks = futures_util::stream::iter(0..CHUNKS).map(|_| {
            WRITTEN.fetch_add(1, SeqCst);
            Ok::<_, BodyError>(Frame::data(Bytes::from_static(&[7; CHUNK])))
        });
        Response::new(StreamBody::new(chunks).boxed_unsync())
    })
    .await;
    let gateway = gateway_to(&app, GatewaySettings::default()).await;
    let mut body = ask(&mut client(&gateway).await, get("shop.localhost", "/")).await.into_body();
    body.frame().await.unwrap().unwrap();
    // It stands still when what lies between is full; that is far from all.
    let mut last = 0;
    loop {
        tokio::time::sleep(Duration::from_millis(200)).await;
        let written = WRITTEN.load(SeqCst);
        if written == last {
            break;
        }
        last = written;
    }
    assert!(last < CHUNKS * 3 / 4, "{last} of {CHUNKS} chunks were taken for a client that takes none");
    let rest = body.collect().await.unwrap().to_bytes().len();
    assert!(rest < CHUNK * CHUNKS && rest > CHUNK * (CHUNKS - 16), "{rest}");
    assert_eq!(gateway.figures().response_bytes, (CHUNK * CHUNKS) as u64);
}

#[tokio::test]
async fn large_bodies_arrive_as_they_were_with_a_length_and_without() {
    let app = echo().await;
    let gateway = gateway_to(&app, GatewaySettings::default()).await;
    // No part of it is like another.
    let sent: Vec<u8> =
        (0..2_000_000_u32).flat_map(|number| number.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    let bytes = Bytes::from(sent.clone());
    let in_pieces: Vec<_> =
        bytes.chunks(70_001).map(|chunk| Ok::<_, BodyError>(Frame::data(bytes.slice_ref(chunk)))).collect();
    let mut client = client(&gateway).await;
    for body in
        [body::full(bytes.clone()), StreamBody::new(futures_util::stream::iter(in_pieces)).boxed_unsync()]
    {
        let request = Request::put("/").header("host", "shop.localhost").body(body).unwrap();
        let got = ask(&mut client, request).await.into_body().collect().await.unwrap().to_bytes();
        assert!(got == sent, "{} bytes of {}", got.len(), sent.len());
    }
}

#[tokio::test]
async fn an_app_may_answer_before_it_has_the_whole_request() {
    let app = App::raw(|mut stream| async move {
        read_head(&mut stream).await;
        let _ = stream.write_all(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\nno").await;
        read_all(&mut stream).await;
    })
    .await;
    let backend = app.backend("1");
    let gateway = gateway(GatewaySettings::default()).await;
    gateway.set_route(route("shop", &backend));
    let mut unfinished = Vec::new();
    for _ in 0..2 {
        let (sender, body) = pieces();
        let request = Request::post("/").header("host", "shop.localhost").body(body).unwrap();
        let mut client = client(&gateway).await;
        let response = ask(&mut client, request).await;
        assert_eq!(response.status(), 401);
        assert_eq!(text(response).await, "no");
        // Its connection has more to say, so the next request does not wait for it.
        assert_eq!(backend.in_flight(), 0);
        unfinished.push((sender, client));
    }
}

#[tokio::test]
async fn a_client_that_goes_away_within_a_response_takes_it_with_it() {
    let (sender, body) = pieces();
    let body = Arc::new(std::sync::Mutex::new(Some(body)));
    let app = App::new(move |_| {
        let body = body.lock().unwrap().take().unwrap();
        async { Response::new(body) }
    })
    .await;
    let backend = app.backend("1");
    let gateway = gateway(GatewaySettings::default()).await;
    gateway.set_route(route("shop", &backend));
    let mut answer = ask(&mut client(&gateway).await, get("shop.localhost", "/")).await.into_body();
    sender.send(piece("one")).await.unwrap();
    answer.frame().await.unwrap().unwrap();
    assert_eq!(backend.in_flight(), 1);
    drop(answer);
    tokio::time::timeout(PATIENCE, sender.closed()).await.expect("the app is told");
    until(|| backend.in_flight() == 0 && gateway.figures().in_flight == 0).await;
}

#[tokio::test]
async fn trailers_pass_both_ways() {
    let app = App::new(|request| async move {
        assert_eq!(request.headers()["te"], "trailers");
        let collected = request.into_body().collect().await.unwrap();
        assert!(!collected.trailers().unwrap().contains_key("x-real-ip"));
        let sum = collected.trailers().unwrap()["x-sum"].clone();
        let (sender, body) = pieces();
        tokio::spawn(async move {
            sender.send(piece("data")).await.unwrap();
            let trailers = [("x-sum".parse().unwrap(), sum)].into_iter().collect();
            sender.send(Frame::trailers(trailers)).await.unwrap();
        });
        Response::builder().header("trailer", "x-sum").body(body).unwrap()
    })
    .await;
    let gateway = gateway_to(&app, GatewaySettings::default()).await;
    let answer = say(
        &gateway,
        "POST / HTTP/1.1\r\nHost: shop.localhost\r\nTE: trailers\r\nTrailer: x-sum, x-real-ip\r\nTransfer-Encoding: chunked\r\n\
         Connection: close\r\n\r\n3\r\nabc\r\n0\r\nX-Sum: 42\r\nX-Real-IP: 6.6.6.6\r\n\r\n",
    )
    .await;
    assert!(answer.contains("4\r\ndata\r\n0\r\nx-sum: 42\r\n"), "{answer}");
}

#[tokio::test]
async fn a_client_may_wait_until_its_body_is_wanted() {
    let app = echo().await;
    let gateway = gateway_to(&app, GatewaySettings::default()).await;
    let mut stream = connect(&gateway).await;
    let head = "POST / HTTP/1.1\r\nHost: shop.localhost\r\nExpect: 100-continue\r\nContent-Length: 4\r\nConnection: close\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    assert_eq!(read_head(&mut stream).await, "HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(b"body").await.unwrap();
    assert!(read_all(&mut stream).await.ends_with("body"));
    // Of a body that is too large nothing is wanted.
    let head = "POST / HTTP/1.1\r\nHost: shop.localhost\r\nExpect: 100-continue\r\nContent-Length: 999999999\r\n\r\n";
    assert!(say(&gateway, head).await.starts_with("HTTP/1.1 413"));
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused_however_it_comes() {
    let app = App::new(|request| async move {
        let body = request.into_body().collect().await;
        Response::new(body::full(format!("{}", body.map_or(0, |body| body.to_bytes().len()))))
    })
    .await;
    let gateway = gateway_to(&app, GatewaySettings { max_body_bytes: 8, ..Default::default() }).await;
    let post = |text: &str| {
        let request = Request::post("/").header("host", "shop.localhost");
        request.body(body::full(text.to_owned())).unwrap()
    };
    assert_eq!(text(ask(&mut client(&gateway).await, post("12345678")).await).await, "8");
    let refused = ask(&mut client(&gateway).await, post("123456789")).await;
    assert_eq!(refused.status(), 413);
    assert!(text(refused).await.contains("max_body_bytes"));

    let (sender, body) = pieces();
    let request = Request::post("/").header("host", "shop.localhost").body(body).unwrap();
    let mut client = client(&gateway).await;
    let answer = tokio::spawn(async move { ask(&mut client, request).await.status() });
    sender.send(piece("12345678")).await.unwrap();
    sender.send(piece("9")).await.unwrap();
    assert_eq!(answer.await.unwrap(), 413);
    assert_eq!(gateway.figures().gateway_errors, 0);

    // Changed settings count for the next request.
    gateway.set_settings(GatewaySettings { max_body_bytes: 9, ..Default::default() });
    assert_eq!(text(ask(&mut super::client(&gateway).await, post("123456789")).await).await, "9");
}

#[tokio::test]
async fn a_head_has_the_length_and_no_body() {
    for (response, length) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", Some("5")),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", None),
        ("HTTP/1.1 304 Not Modified\r\nETag: \"a\"\r\n\r\n", None),
        ("HTTP/1.1 204 No Content\r\n\r\n", None),
    ] {
        let app = App::saying(response).await;
        let gateway = gateway_to(&app, GatewaySettings::default()).await;
        let request = Request::head("/").header("host", "shop.localhost").body(body::empty()).unwrap();
        let response = ask(&mut client(&gateway).await, request).await;
        assert_eq!(response.headers().get("content-length").map(|length| length.to_str().unwrap()), length);
        assert_eq!(text(response).await, "");
    }
}

#[tokio::test]
async fn a_body_without_a_length_ends_with_its_connection() {
    let app = App::saying("HTTP/1.0 200 OK\r\n\r\nuntil the end").await;
    let gateway = gateway_to(&app, GatewaySettings::default()).await;
    let mut client = client(&gateway).await;
    for _ in 0..2 {
        // The connection of the client goes on.
        assert_eq!(text(ask(&mut client, get("shop.localhost", "/")).await).await, "until the end");
    }
}

#[tokio::test]
async fn a_body_that_breaks_off_does_not_look_complete() {
    for response in [
        "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
    ] {
        let app = App::saying(response).await;
        let gateway = gateway_to(&app, GatewaySettings::default()).await;
        let response = ask(&mut client(&gateway).await, get("shop.localhost", "/")).await;
        assert!(response.into_body().collect().await.is_err());
        until(|| gateway.figures().in_flight == 0).await;
    }
}

#[tokio::test]
async fn bodies_may_be_silent_for_so_long() {
    let settings = GatewaySettings { idle_timeout: Duration::from_millis(50), ..Default::default() };
    // An app that falls silent in the middle.
    let app = App::raw(|mut stream| async move {
        read_head(&mut stream).await;
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf").await;
        read_all(&mut stream).await;
    })
    .await;
    let gateway = gateway_to(&app, settings.clone()).await;
    let response = ask(&mut client(&gateway).await, get("shop.localhost", "/")).await;
    assert!(tokio::time::timeout(PATIENCE, response.into_body().collect()).await.unwrap().is_err());

    // A client that does.
    let app = App::new(|request| async move {
        let _ = request.into_body().collect().await;
        Response::new(body::empty())
    })
    .await;
    let gateway = gateway_to(&app, settings).await;
    let answer =
        say(&gateway, "POST / HTTP/1.1\r\nHost: shop.localhost\r\nContent-Length: 10\r\n\r\nhalf").await;
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
}

#[tokio::test]
async fn no_request_follows_a_body_that_an_app_may_not_have_read() {
    static CONNECTIONS: AtomicUsize = AtomicUsize::new(0);
    // Takes the body of a POST alone, as servers do that expect none with other methods: any other is the next
    // request to it. That one takes long, so that its answer comes when the next visitor waits for his.
    let app = App::raw(|mut stream| async move {
        CONNECTIONS.fetch_add(1, SeqCst);
        loop {
            let head = read_head(&mut stream).await;
            let Some(line) = head.lines().next() else { return };
            let has_body = head.contains(&format!("content-length: {}\r\n", BODY.len()));
            let is_taken = line.starts_with("POST ");
            if has_body && is_taken {
                stream.read_exact(&mut [0; BODY.len()]).await.unwrap();
            }
            let said = if line.starts_with("HEAD ") { "" } else { line };
            let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{said}", line.len());
            stream.write_all(answer.as_bytes()).await.unwrap();
            if has_body && !is_taken {
                assert_eq!(read_head(&mut stream).await, BODY);
                if stream.read_u8().await.is_err() {
                    return;
                }
                let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nGET /inner";
                stream.write_all(answer).await.unwrap();
            }
        }
    })
    .await;
    const BODY: &str = "GET /inner HTTP/1.1\r\nHost: shop.localhost\r\n\r\n";
    let gateway = gateway_to(&app, GatewaySettings::default()).await;
    let mut client = client(&gateway).await;
    let mut connections = 0;
    for (method, length, is_used_again) in [
        ("POST", BODY.len(), true),
        ("GET", 0, true),
        ("GET", BODY.len(), false),
        ("HEAD", BODY.len(), false),
        ("DELETE", BODY.len(), false),
        ("OPTIONS", BODY.len(), false),
        ("TRACE", BODY.len(), false),
        ("PROPFIND", BODY.len(), false),
        ("DELETE", 0, true),
    ] {
        let request = Request::builder().method(method).uri("/outer").header("host", "shop.localhost");
        let request = request.body(body::full(&BODY[..length])).unwrap();
        let seen = text(ask(&mut client, request).await).await;
        let expected = if method == "HEAD" { String::new() } else { format!("{method} /outer HTTP/1.1") };
        assert_eq!(seen, expected);
        // The next visitor gets his own answer.
        let seen = text(ask(&mut client, get("shop.localhost", "/victim")).await).await;
        assert_eq!(seen, "GET /victim HTTP/1.1", "after {method} with {length} bytes");
        connections += usize::from(connections == 0 || !is_used_again);
        assert_eq!(CONNECTIONS.load(SeqCst), connections, "after {method} with {length} bytes");
    }
}

#[tokio::test]
async fn chunks_that_are_none_are_400_and_a_body_that_ends_early_is_408() {
    let app = App::new(|request| async move {
        let _ = request.into_body().collect().await;
        Response::new(body::empty())
    })
    .await;
    let settings = GatewaySettings { idle_timeout: Duration::from_millis(50), ..Default::default() };
    let gateway = gateway_to(&app, settings).await;
    for chunks in [
        "zz\r\nabc\r\n0\r\n\r\n",
        "-3\r\nabc\r\n0\r\n\r\n",
        "3\r\nabcdef\r\n0\r\n\r\n",
        "fffffffffffffffff\r\nabc\r\n0\r\n\r\n",
        "3\nabc\n0\n\n",
    ] {
        let request =
            format!("POST / HTTP/1.1\r\nHost: shop.localhost\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}");
        let answer = say(&gateway, request).await;
        assert!(answer.starts_with("HTTP/1.1 400"), "{chunks:?}: {answer}");
        assert!(answer.contains("chunk") && answer.contains("hexadecimal"), "{chunks:?}: {answer}");
    }
    assert_eq!(gateway.figures().gateway_errors, 0);
    let half = "POST / HTTP/1.1\r\nHost: shop.localhost\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nabc";
    assert!(say(&gateway, half).await.starts_with("HTTP/1.1 408"));
}
