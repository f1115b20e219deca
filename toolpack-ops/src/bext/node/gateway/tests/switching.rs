//! One release after another, and one beside another.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};

use tokio::sync::Notify;

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_fails_while_releases_follow_each_other() {
    const SWITCHES: usize = 60;
    const CLIENTS: usize = 8;
    let gateway = Arc::new(gateway(GatewaySettings::default()).await);
    let mut live = App::texting("ok").await;
    let mut release = live.backend("0");
    gateway.set_route(route("shop", &release));
    let is_over = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let (gateway, is_over) = (gateway.clone(), is_over.clone());
            tokio::spawn(async move {
                let mut client = client(&gateway).await;
                let mut answered = 0;
                while !is_over.load(SeqCst) {
                    // Not one that is sent again when something goes wrong.
                    let request =
                        Request::post("/").header("host", "shop.localhost").body(body::full("x")).unwrap();
                    let response = ask(&mut client, request).await;
                    let status = response.status();
                    assert_eq!((status.as_u16(), text(response).await.as_str()), (200, "ok"));
                    answered += 1;
                }
                answered
            })
        })
        .collect();
    for switch in 1..=SWITCHES {
        let next = App::texting("ok").await;
        let backend = next.backend(&switch.to_string());
        // Some requests for each.
        let before = gateway.figures().requests;
        until(|| gateway.figures().requests > before + 50).await;
        gateway.set_route(route("shop", &backend));
        assert_eq!(release.drain(PATIENCE).await, 0);
        assert_eq!(release.in_flight(), 0);
        // Who came late would find nothing.
        drop(std::mem::replace(&mut live, next));
        release = backend;
    }
    is_over.store(true, SeqCst);
    let mut answered = 0;
    for client in clients {
        answered += client.await.expect("no request fails");
    }
    assert!(answered > SWITCHES * 50, "{answered}");
    assert_eq!(gateway.figures().gateway_errors, 0);
}

#[tokio::test]
async fn draining_waits_for_what_is_under_way_and_then_cuts_it_off() {
    static BEGUN: AtomicUsize = AtomicUsize::new(0);
    static GO: Notify = Notify::const_new();
    let old = App::new(|_| async {
        BEGUN.fetch_add(1, SeqCst);
        GO.notified().await;
        Response::new(body::full("old"))
    })
    .await;
    let new = App::texting("new").await;
    let gateway = gateway(GatewaySettings::default()).await;
    let backend = old.backend("1");
    gateway.set_route(route("shop", &backend));
    let [mut first, mut second] = [client(&gateway).await, client(&gateway).await];
    let first = tokio::spawn(async move { text(ask(&mut first, get("shop.localhost", "/")).await).await });
    until(|| BEGUN.load(SeqCst) == 1).await;
    let second = tokio::spawn(async move { ask(&mut second, get("shop.localhost", "/")).await.status() });
    until(|| BEGUN.load(SeqCst) == 2).await;

    gateway.set_route(route("shop", &new.backend("2")));
    assert_eq!(fetch(&gateway, "shop.localhost", "/").await, (200, "new".to_owned()));
    let draining = tokio::spawn({
        let backend = backend.clone();
        async move { backend.drain(Duration::from_millis(200)).await }
    });
    GO.notify_one();
    assert_eq!(first.await.unwrap(), "old");
    assert_eq!(draining.await.unwrap(), 1);
    assert_eq!(second.await.unwrap(), 503);
    assert_eq!(backend.in_flight(), 0);
    // One that was drained answers nothing more, even if it is in a route.
    gateway.set_route(route("shop", &backend));
    assert_eq!(fetch(&gateway, "shop.localhost", "/").await.0, 503);
}

/// Asks once, perhaps with a cookie; gives what was answered, and the cookie that was set.
async fn visit(client: &mut Client, cookie: Option<&str>) -> (String, Option<String>) {
    let mut request = get("shop.localhost", "/");
    if let Some(cookie) = cookie {
        request.headers_mut().insert("cookie", format!("other=1; {cookie}").parse().unwrap());
    }
    let response = ask(client, request).await;
    let set = response.headers().get("set-cookie").map(|cookie| cookie.to_str().unwrap().to_owned());
    (text(response).await, set)
}

#[tokio::test]
async fn a_canary_has_its_share_and_keeps_its_visitors() {
    let answer_with = |name: &'static str| {
        App::new(move |request| async move {
            let cookie = request.headers().get("cookie").map(|cookie| cookie.to_str().unwrap().to_owned());
            assert!(cookie.is_none_or(|cookie| cookie == "other=1"));
            Response::new(body::full(name))
        })
    };
    let (stable, canary) = (answer_with("stable").await, answer_with("canary").await);
    let gateway = gateway(GatewaySettings::default()).await;
    let (stable, canary) = (stable_of(&stable), canary.backend("2"));
    let with = |percent: u64| Route {
        canary: Some((percent.try_into().unwrap(), canary.clone())),
        ..route("shop", &stable)
    };
    let mut client = client(&gateway).await;
    let mut cookies = HashMap::new();
    for percent in [1, 20, 50, 99] {
        gateway.set_route(with(percent));
        let mut seen = 0;
        for _ in 0..1000 {
            let (name, set) = visit(&mut client, None).await;
            seen += u64::from(name == "canary");
            let set = set.expect("who has no cookie is given one");
            assert!(set.ends_with("; Path=/; HttpOnly; SameSite=Lax") && !set.contains("Domain"), "{set}");
            cookies.insert(name, set.split(';').next().unwrap().to_owned());
        }
        // Five times what chance alone would allow for, and no more.
        let expected = percent * 10;
        let bound = 5.0 * (1000.0 * (percent as f64 / 100.0) * (1.0 - percent as f64 / 100.0)).sqrt();
        assert!(seen.abs_diff(expected) as f64 <= bound, "{percent}: {seen}");
    }
    let label = cookies["canary"].strip_prefix("bext-release-shop=").unwrap();
    assert!(label.len() == 12 && label.bytes().all(|byte| byte.is_ascii_hexdigit()), "{label}");
    for (name, cookie) in &cookies {
        for _ in 0..50 {
            assert_eq!(visit(&mut client, Some(cookie)).await, (name.clone(), None));
        }
    }
    // Who keeps to a release that is not there any more, or never was, is new.
    for cookie in ["bext-release-shop=0123456789ab", "bext-release-shop=", "bext-release-other=1"] {
        assert!(visit(&mut client, Some(cookie)).await.1.is_some(), "{cookie}");
    }
    // Without a canary there is nothing to keep to.
    gateway.set_route(route("shop", &canary));
    assert_eq!(visit(&mut client, Some(&cookies["stable"])).await, ("canary".to_owned(), None));
    assert_eq!(visit(&mut client, None).await.1, None);
}

fn stable_of(app: &App) -> Arc<Backend> {
    app.backend("1")
}

#[tokio::test]
async fn a_gateway_that_closes_answers_what_is_under_way() {
    static GO: Notify = Notify::const_new();
    let app = App::new(|_| async {
        GO.notified().await;
        Response::new(body::full("answered"))
    })
    .await;
    let gateway = gateway_to(&app, GatewaySettings::default()).await;
    let address = gateway.local_addr();
    let mut idle = connect(&gateway).await;
    until(|| gateway.figures().connections == 1).await;
    let mut busy = client(&gateway).await;
    let busy = tokio::spawn(async move { text(ask(&mut busy, get("shop.localhost", "/")).await).await });
    until(|| gateway.figures().in_flight == 1).await;
    let closing = tokio::spawn(gateway.close(PATIENCE));
    // A connection on which nothing is under way ends at once.
    assert_eq!(read_all(&mut idle).await, "");
    assert!(TcpStream::connect(address).await.is_err());
    assert!(!closing.is_finished());
    GO.notify_one();
    assert_eq!(busy.await.unwrap(), "answered");
    tokio::time::timeout(PATIENCE, closing).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_gateway_that_is_dropped_or_out_of_time_stops_at_once() {
    let app = App::new(|_| std::future::pending()).await;
    for is_closed in [true, false] {
        let gateway = gateway_to(&app, GatewaySettings::default()).await;
        let address = gateway.local_addr();
        let mut stream = connect(&gateway).await;
        stream.write_all(b"GET / HTTP/1.1\r\nHost: shop.localhost\r\n\r\n").await.unwrap();
        until(|| gateway.figures().in_flight == 1).await;
        if is_closed {
            gateway.close(Duration::from_millis(1)).await;
            assert!(TcpStream::connect(address).await.is_err());
        } else {
            drop(gateway);
        }
        assert_eq!(read_all(&mut stream).await, "");
    }
}
