//! Which app a request is led to.

use super::*;
use crate::bext::engine::DomainName;

#[tokio::test]
async fn a_request_is_led_by_its_host() {
    let (shop, blog, all) =
        (App::texting("shop").await, App::texting("blog").await, App::texting("all").await);
    let gateway = gateway(GatewaySettings::default()).await;
    let domains =
        |names: &[&str]| -> Vec<DomainName> { names.iter().map(|name| name.parse().unwrap()).collect() };
    gateway.set_route(Route { domains: domains(&["example.com"]), ..route("shop", &shop.backend("1")) });
    gateway
        .set_route(Route { domains: domains(&["blog.example.com"]), ..route("my_blog", &blog.backend("1")) });
    gateway.set_route(Route { domains: domains(&["*.example.com"]), ..route("all", &all.backend("1")) });

    for (host, expected) in [
        ("shop.localhost", Some("shop")),
        ("SHOP.LOCALHOST:1234", Some("shop")),
        ("shop.localhost.", Some("shop")),
        ("my_blog.localhost", Some("blog")),
        ("example.com", Some("shop")),
        ("Blog.Example.com:80", Some("blog")),
        ("other.example.com", Some("all")),
        ("a.b.example.com", None),
        ("shop.example.org", None),
        ("localhost", None),
        ("shop", None),
        ("x.shop.localhost", None),
        ("127.0.0.1", None),
        ("[::1]", None),
    ] {
        let (status, text) = fetch(&gateway, host, "/").await;
        match expected {
            Some(expected) => assert_eq!((status, text.as_str()), (200, expected), "{host}"),
            None => {
                assert_eq!(status, 404, "{host}");
                assert!(text.contains("list_domains") && !text.contains("shop"), "{text}");
            }
        }
    }
    gateway.remove_route(&"all".parse().unwrap());
    assert_eq!(fetch(&gateway, "other.example.com", "/").await.0, 404);
    assert_eq!(fetch(&gateway, "blog.example.com", "/").await.0, 200);
}

#[tokio::test]
async fn a_request_names_one_host() {
    let app = App::mirror().await;
    let gateway = gateway_to(&app, GatewaySettings::default()).await;
    for head in [
        "GET / HTTP/1.1\r\n",
        "GET / HTTP/1.1\r\nHost:\r\n",
        "GET / HTTP/1.1\r\nHost: shop.localhost\r\nHost: shop.localhost\r\n",
        "GET / HTTP/1.1\r\nHost: shop.localhost\r\nHost: other.localhost\r\n",
        "GET / HTTP/1.1\r\nHost: user@shop.localhost\r\n",
        "GET / HTTP/1.1\r\nHost: shop.localhost/x\r\n",
        "GET / HTTP/1.1\r\nHost: shop.localhost, other.localhost\r\n",
        "GET http://shop.localhost/ HTTP/1.1\r\nHost: other.localhost\r\n",
        "GET / HTTP/1.0\r\n",
    ] {
        let answer = say(&gateway, format!("{head}Connection: close\r\n\r\n")).await;
        assert!(answer.starts_with("HTTP/1.") && answer[9..].starts_with("400"), "{head}: {answer}");
    }
    // An address in place of a path names it as well.
    let answer = say(
        &gateway,
        "GET http://shop.localhost/a?b HTTP/1.1\r\nHost: shop.localhost\r\nConnection: close\r\n\r\n",
    );
    assert!(answer.await.contains("GET /a?b HTTP/1.1\n"));
    let answer =
        say(&gateway, "OPTIONS * HTTP/1.1\r\nHost: shop.localhost\r\nConnection: close\r\n\r\n").await;
    assert!(answer.contains("OPTIONS * HTTP/1.1\n"), "{answer}");
    // So may an old client.
    let answer = say(&gateway, "GET /old HTTP/1.0\r\nHost: shop.localhost\r\n\r\n").await;
    assert!(answer.contains("GET /old HTTP/1.1\n"), "{answer}");
}

#[tokio::test]
async fn the_gateway_says_that_it_is_well_on_every_host() {
    let gateway = gateway(GatewaySettings::default()).await;
    for request in ["GET /__bext/health HTTP/1.1\r\nHost: whatever", "GET /__bext/health?x HTTP/1.0"] {
        let answer = say(&gateway, format!("{request}\r\nConnection: close\r\n\r\n")).await;
        assert!(answer.contains(" 200 OK") && answer.ends_with("{\"status\":\"ok\"}\n"), "{answer}");
    }
    let answer = say(&gateway, "POST /__bext/health HTTP/1.0\r\n\r\n").await;
    assert!(answer.contains(" 405 ") && answer.contains("allow: GET, HEAD"), "{answer}");
}

#[tokio::test]
async fn whoever_asks_for_json_is_refused_in_json() {
    let gateway = gateway(GatewaySettings::default()).await;
    let request =
        Request::get("/").header("host", "a.test").header("accept", "text/html, application/json;q=0.9");
    let response = ask(&mut client(&gateway).await, request.body(body::empty()).unwrap()).await;
    assert_eq!(response.headers()["content-type"], "application/json");
    let json: serde_json::Value = serde_json::from_str(&text(response).await).unwrap();
    assert_eq!(json["error"]["code"], "unknown_host");
}
