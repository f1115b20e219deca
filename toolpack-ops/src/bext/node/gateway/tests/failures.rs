//! What the gateway says and does when something is wrong: with an app, with a client, or with how much there
//! is.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use tokio::sync::Notify;

use super::*;

/// An address where nothing listens.
async fn nowhere() -> SocketAddr {
    TcpListener::bind(ANYWHERE).await.unwrap().local_addr().unwrap()
}

#[tokio::test]
async fn an_app_that_does_not_listen_is_502_without_its_address() {
    let address = nowhere().await;
    let gateway = gateway(GatewaySettings::default()).await;
    gateway.set_route(route("shop", &backend_at(address, "1")));
    let (status, text) = fetch(&gateway, "shop.localhost", "/").await;
    assert_eq!(status, 502);
    assert_eq!(text, "the app shop does not accept connections; list_apps says how it is\n");
    assert_eq!(gateway.figures().gateway_errors, 1);
}

#[tokio::test]
async fn an_app_that_speaks_no_http_or_nothing_at_all_is_502() {
    for (said, expected) in
        [("SSH-2.0-nope\r\n", "not valid HTTP"), ("", "closed the connection"), ("HTTP/1.1 200", "closed")]
    {
        let app = App::saying(said).await;
        let gateway = gateway_to(&app, GatewaySettings::default()).await;
        let (status, text) = fetch(&gateway, "shop.localhost", "/").await;
        assert_eq!(status, 502);
        assert!(text.contains(expected) && !text.contains("127.0.0.1"), "{said}: {text}");
    }
    let app =
        App::saying("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n").await;
    let gateway = gateway_to(&app, GatewaySettings::default()).await;
    assert_eq!(fetch(&gateway, "shop.localhost", "/").await.0, 502);
}

#[tokio::test]
async fn an_app_that_takes_too_long_is_504() {
    let app = App::new(|_| std::future::pending()).await;
    let gateway = gateway_to(
        &app,
        GatewaySettings { response_timeout: Duration::from_millis(50), ..Default::default() },
    )
    .await;
    let (status, text) = fetch(&gateway, "shop.localhost", "/").await;
    assert_eq!(status, 504);
    assert!(text.contains("took too long"), "{text}");
    let figures = gateway.figures();
    assert_eq!((figures.requests, figures.gateway_errors, figures.in_flight), (1, 1, 0));
}

#[tokio::test]
async fn a_request_waits_for_an_app_that_is_being_started_again() {
    let app = App::texting("back").await;
    let gateway =
        gateway(GatewaySettings { start_timeout: Duration::from_millis(50), ..Default::default() }).await;
    let (address, watched) = watch::channel(None);
    gateway
        .set_route(route("shop", &Arc::new(Backend::new(&"1".parse().unwrap(), Target::Process(watched)))));
    let response = ask(&mut client(&gateway).await, get("shop.localhost", "/")).await;
    assert_eq!(response.status(), 503);
    assert_eq!(response.headers()["retry-after"], "1");
    // Whether it is being started again or has failed for good: this is true of both.
    assert_eq!(text(response).await, "the app shop does not run at the moment; list_apps says why\n");

    gateway.set_settings(GatewaySettings::default());
    let mut client = client(&gateway).await;
    let waiting = tokio::spawn(async move { text(ask(&mut client, get("shop.localhost", "/")).await).await });
    until(|| gateway.figures().in_flight == 1).await;
    address.send_replace(Some(app.address));
    assert_eq!(waiting.await.unwrap(), "back");
}

#[tokio::test]
async fn an_app_that_has_just_ended_is_found_where_it_is_next() {
    let app = App::texting("moved").await;
    let (address, watched) = watch::channel(Some(nowhere().await));
    let gateway = gateway(GatewaySettings::default()).await;
    gateway
        .set_route(route("shop", &Arc::new(Backend::new(&"1".parse().unwrap(), Target::Process(watched)))));
    let mut client = client(&gateway).await;
    let request = Request::post("/").header("host", "shop.localhost").body(body::full("kept")).unwrap();
    let waiting = tokio::spawn(async move { text(ask(&mut client, request).await).await });
    until(|| gateway.figures().in_flight == 1).await;
    address.send_replace(None);
    address.send_replace(Some(app.address));
    assert_eq!(waiting.await.unwrap(), "moved");
}

/// Answers the first request of a connection, and closes it on the second, as a server does whose patience is
/// over just then.
async fn forgetful(seen: &'static AtomicUsize) -> App {
    App::raw(move |mut stream| async move {
        read_head(&mut stream).await;
        seen.fetch_add(1, SeqCst);
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await.unwrap();
        if !read_head(&mut stream).await.is_empty() {
            seen.fetch_add(1, SeqCst);
        }
    })
    .await
}

#[tokio::test]
async fn a_get_is_sent_again_over_a_fresh_connection_and_a_post_is_not() {
    static SEEN: AtomicUsize = AtomicUsize::new(0);
    let app = forgetful(&SEEN).await;
    let gateway = gateway_to(&app, GatewaySettings::default()).await;
    let mut client = client(&gateway).await;
    assert_eq!(text(ask(&mut client, get("shop.localhost", "/")).await).await, "ok");
    assert_eq!(text(ask(&mut client, get("shop.localhost", "/")).await).await, "ok");
    assert_eq!(SEEN.load(SeqCst), 3);
    let request = Request::post("/").header("host", "shop.localhost").body(body::empty()).unwrap();
    assert_eq!(ask(&mut client, request).await.status(), 502);
    assert_eq!(SEEN.load(SeqCst), 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_get_fails_where_an_app_closes_connections_without_a_word() {
    let app = App::raw(|mut stream| async move {
        for _ in 0..3 {
            if read_head(&mut stream).await.is_empty() {
                return;
            }
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
        }
    })
    .await;
    let gateway = Arc::new(gateway_to(&app, GatewaySettings::default()).await);
    let clients: Vec<_> = (0..4)
        .map(|_| {
            let gateway = gateway.clone();
            tokio::spawn(async move {
                let mut client = client(&gateway).await;
                for _ in 0..300 {
                    assert_eq!(text(ask(&mut client, get("shop.localhost", "/")).await).await, "ok");
                }
            })
        })
        .collect();
    for client in clients {
        client.await.expect("no request fails");
    }
    assert_eq!(gateway.figures().gateway_errors, 0);
}

#[tokio::test]
async fn a_connection_to_an_app_is_used_again_for_so_long() {
    static CONNECTIONS: AtomicUsize = AtomicUsize::new(0);
    let app = App::raw(|mut stream| async move {
        CONNECTIONS.fetch_add(1, SeqCst);
        while !read_head(&mut stream).await.is_empty() {
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi").await.unwrap();
        }
    })
    .await;
    let gateway =
        gateway_to(&app, GatewaySettings { pool_idle_timeout: PATIENCE, ..Default::default() }).await;
    for _ in 0..3 {
        assert_eq!(fetch(&gateway, "shop.localhost", "/").await, (200, "hi".to_owned()));
    }
    assert_eq!(CONNECTIONS.load(SeqCst), 1);
    gateway.set_settings(GatewaySettings { pool_idle_timeout: Duration::ZERO, ..Default::default() });
    for _ in 0..3 {
        assert_eq!(fetch(&gateway, "shop.localhost", "/").await, (200, "hi".to_owned()));
    }
    assert_eq!(CONNECTIONS.load(SeqCst), 4);
}

#[tokio::test]
async fn a_client_that_goes_away_takes_its_request_with_it() {
    static ENDED: AtomicUsize = AtomicUsize::new(0);
    struct Told;
    impl Drop for Told {
        fn drop(&mut self) {
            ENDED.fetch_add(1, SeqCst);
        }
    }
    static BEGUN: Notify = Notify::const_new();
    let app = App::new(|_| async {
        let _told = Told;
        BEGUN.notify_one();
        std::future::pending().await
    })
    .await;
    let gateway = gateway_to(&app, GatewaySettings::default()).await;
    let mut stream = connect(&gateway).await;
    stream.write_all(b"GET / HTTP/1.1\r\nHost: shop.localhost\r\n\r\n").await.unwrap();
    BEGUN.notified().await;
    drop(stream);
    until(|| ENDED.load(SeqCst) == 1).await;
    until(|| gateway.figures().in_flight == 0).await;
}

#[tokio::test]
async fn too_many_requests_are_refused_and_those_under_way_are_not() {
    static GO: Notify = Notify::const_new();
    let app = App::new(|_| async {
        GO.notified().await;
        Response::new(body::full("done"))
    })
    .await;
    let gateway = gateway_to(&app, GatewaySettings { max_in_flight: 1, ..Default::default() }).await;
    let mut first = client(&gateway).await;
    let first = tokio::spawn(async move { text(ask(&mut first, get("shop.localhost", "/")).await).await });
    until(|| gateway.figures().in_flight == 1).await;
    let response = ask(&mut client(&gateway).await, get("shop.localhost", "/")).await;
    assert_eq!(response.status(), 503);
    assert!(response.headers().contains_key("retry-after"));
    GO.notify_one();
    assert_eq!(first.await.unwrap(), "done");
}

#[tokio::test]
async fn more_connections_than_there_may_be_wait() {
    let app = App::texting("hi").await;
    let gateway = gateway_to(&app, GatewaySettings { max_connections: 1, ..Default::default() }).await;
    let first = connect(&gateway).await;
    until(|| gateway.figures().connections == 1).await;
    let mut second = client(&gateway).await;
    let second = tokio::spawn(async move { ask(&mut second, get("shop.localhost", "/")).await.status() });
    tokio::task::yield_now().await;
    assert_eq!(gateway.figures().connections, 1);
    drop(first);
    assert_eq!(second.await.unwrap(), 200);
}

#[tokio::test]
async fn a_head_that_is_too_large_is_431_and_one_that_does_not_end_is_closed() {
    let app = App::texting("hi").await;
    let settings = GatewaySettings {
        max_header_bytes: 8 << 10,
        header_timeout: Duration::from_millis(50),
        keep_alive: Duration::from_millis(100),
        ..Default::default()
    };
    let gateway = gateway_to(&app, settings).await;
    let answer = say(
        &gateway,
        format!("GET / HTTP/1.1\r\nHost: shop.localhost\r\nX: {}\r\n\r\n", "x".repeat(16 << 10)),
    );
    assert!(answer.await.starts_with("HTTP/1.1 431"));
    // Nothing, half a preface of HTTP/2, half a head: each is an end.
    for begun in ["", "PRI * HTTP/2.0\r\n", "GET / HTTP/1.1\r\nHost: shop"] {
        assert_eq!(say(&gateway, begun).await, "", "{begun:?}");
    }
    // So is silence after a response, and half a head there.
    for begun in ["", "GET /"] {
        let answer = say(&gateway, format!("GET / HTTP/1.1\r\nHost: shop.localhost\r\n\r\n{begun}")).await;
        assert!(answer.ends_with("hi"), "{answer}");
    }
    until(|| gateway.figures().connections == 0).await;
}

#[tokio::test]
async fn a_client_that_does_not_take_its_response_is_let_go() {
    let app = App::new(|_| async { Response::new(body::full(vec![7; 64 << 20])) }).await;
    let short = Duration::from_millis(50);
    let settings = GatewaySettings {
        start_timeout: short,
        connect_timeout: short,
        response_timeout: short,
        idle_timeout: short,
        ..Default::default()
    };
    let gateway = gateway_to(&app, settings).await;
    let mut stream = connect(&gateway).await;
    stream.write_all(b"GET / HTTP/1.1\r\nHost: shop.localhost\r\n\r\n").await.unwrap();
    until(|| gateway.figures().requests == 1).await;
    until(|| gateway.figures().in_flight == 0 && gateway.figures().connections == 0).await;
}

#[tokio::test]
async fn no_setting_is_too_large_or_too_small_to_serve_with() {
    let app = App::texting("hi").await;
    for (time, count) in [(Duration::MAX, usize::MAX), (PATIENCE, 0)] {
        let settings = GatewaySettings {
            header_timeout: time,
            keep_alive: time,
            connect_timeout: time,
            start_timeout: time,
            response_timeout: time,
            idle_timeout: time,
            websocket_idle_timeout: time,
            pool_idle_timeout: time,
            max_body_bytes: count as u64,
            max_header_bytes: count,
            max_connections: count,
            max_in_flight: count as u64,
        };
        let gateway = gateway_to(&app, settings).await;
        assert_eq!(fetch(&gateway, "shop.localhost", "/").await, (200, "hi".to_owned()));
        let request = Request::post("/").header("host", "shop.localhost").body(body::full("x")).unwrap();
        let status = ask(&mut client(&gateway).await, request).await.status();
        assert_eq!(status, if count == 0 { 413 } else { 200 });
    }
}
