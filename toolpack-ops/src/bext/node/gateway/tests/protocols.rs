//! WebSockets and other upgrades; HTTP/2.

use futures_util::{SinkExt, StreamExt};
use hyper_util::rt::TokioExecutor;
use tokio_tungstenite::tungstenite::Message;

use super::*;

/// Takes one upgrade, and says back what it hears, as it hears it.
async fn parrot() -> App {
    App::raw(|mut stream| async move {
        let head = read_head(&mut stream).await;
        let upgrade = head.lines().find(|line| line.starts_with("upgrade: ")).map(str::to_owned);
        let Some(upgrade) = upgrade else {
            let _ = stream
                .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nplain")
                .await;
            return;
        };
        let answer =
            format!("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\n{upgrade}\r\n\r\nfirst");
        stream.write_all(answer.as_bytes()).await.unwrap();
        let (mut read, mut write) = stream.split();
        let _ = tokio::io::copy(&mut read, &mut write).await;
    })
    .await
}

const UPGRADE: &[u8] = b"GET /chat HTTP/1.1\r\nHost: shop.localhost\r\nConnection: keep-alive, Upgrade\r\nUpgrade: parrot\r\n\r\n";

async fn upgraded(gateway: &Gateway) -> TcpStream {
    let mut stream = connect(gateway).await;
    stream.write_all(UPGRADE).await.unwrap();
    let head = read_head(&mut stream).await;
    assert!(head.starts_with("HTTP/1.1 101 ") && head.contains("upgrade: parrot"), "{head}");
    let mut first = [0; 5];
    stream.read_exact(&mut first).await.unwrap();
    assert_eq!(&first, b"first");
    stream
}

#[tokio::test]
async fn what_was_upgraded_goes_both_ways_and_is_under_way() {
    let app = parrot().await;
    let backend = app.backend("1");
    let gateway = gateway(GatewaySettings::default()).await;
    gateway.set_route(route("shop", &backend));
    let mut stream = upgraded(&gateway).await;
    for said in ["one", "two"] {
        stream.write_all(said.as_bytes()).await.unwrap();
        let mut heard = [0; 3];
        stream.read_exact(&mut heard).await.unwrap();
        assert_eq!(heard, said.as_bytes());
    }
    until(|| gateway.figures().in_flight == 1).await;
    assert_eq!(backend.in_flight(), 1);
    // One half may end before the other.
    stream.write_all(b"last").await.unwrap();
    stream.shutdown().await.unwrap();
    assert_eq!(read_all(&mut stream).await, "last");
    until(|| gateway.figures().in_flight == 0 && backend.in_flight() == 0).await;
}

#[tokio::test]
async fn what_a_client_says_before_it_is_answered_reaches_the_app() {
    let app = parrot().await;
    let gateway = gateway_to(&app, GatewaySettings::default()).await;
    let mut stream = connect(&gateway).await;
    stream.write_all(&[UPGRADE, b"early"].concat()).await.unwrap();
    read_head(&mut stream).await;
    let mut heard = [0; 10];
    stream.read_exact(&mut heard).await.unwrap();
    assert_eq!(&heard, b"firstearly");
}

#[tokio::test]
async fn a_websocket_works() {
    let app = App::raw(|stream| async move {
        let mut socket = tokio_tungstenite::accept_async(stream).await.unwrap();
        while let Some(Ok(message)) = socket.next().await {
            if message.is_text() {
                socket.send(message).await.unwrap();
            }
        }
    })
    .await;
    let gateway = gateway_to(&app, GatewaySettings::default()).await;
    let stream = connect(&gateway).await;
    let (mut socket, _) = tokio_tungstenite::client_async("ws://shop.localhost/", stream).await.unwrap();
    let large = "x".repeat(1 << 20);
    socket.send(Message::text(large.clone())).await.unwrap();
    assert_eq!(socket.next().await.unwrap().unwrap(), Message::text(large));
    socket.close(None).await.unwrap();
    while socket.next().await.is_some() {}
    drop(socket);
    until(|| gateway.figures().in_flight == 0).await;
}

#[tokio::test]
async fn what_was_upgraded_ends_when_it_is_silent_drained_or_the_gateway_closes() {
    let app = parrot().await;
    let gateway = gateway(GatewaySettings::default()).await;
    let backend = app.backend("1");
    gateway.set_route(route("shop", &backend));

    let mut stream = upgraded(&gateway).await;
    gateway.remove_route(&"shop".parse().unwrap());
    assert_eq!(backend.drain(Duration::ZERO).await, 1);
    assert_eq!(read_all(&mut stream).await, "");

    gateway.set_route(route("shop", &app.backend("2")));
    let settings =
        GatewaySettings { websocket_idle_timeout: Duration::from_millis(50), ..Default::default() };
    gateway.set_settings(settings);
    let mut stream = upgraded(&gateway).await;
    assert_eq!(read_all(&mut stream).await, "");

    gateway.set_settings(GatewaySettings::default());
    let mut stream = upgraded(&gateway).await;
    until(|| gateway.figures().connections == 0).await;
    gateway.close(Duration::from_millis(20)).await;
    assert_eq!(read_all(&mut stream).await, "");
}

#[tokio::test]
async fn an_upgrade_to_http2_goes_no_further() {
    let app = parrot().await;
    let gateway = gateway_to(&app, GatewaySettings::default()).await;
    let answer = say(
        &gateway,
        "GET / HTTP/1.1\r\nHost: shop.localhost\r\nConnection: close, Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n\
         HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n",
    );
    assert!(answer.await.starts_with("HTTP/1.1 200"));
    let answer = say(
        &gateway,
        "CONNECT shop.localhost:80 HTTP/1.1\r\nHost: shop.localhost:80\r\nConnection: close\r\n\r\n",
    )
    .await;
    assert!(answer.starts_with("HTTP/1.1 501"), "{answer}");
}

#[tokio::test]
async fn http2_is_spoken_by_whoever_begins_with_it() {
    let app = App::new(|request| async move {
        let all = |name| request.headers().get_all(name).iter().collect::<Vec<_>>();
        let seen = format!("{:?} {:?}", all("host"), all("cookie"));
        let via = request.headers()["via"].clone();
        let body = request.into_body().collect().await.unwrap().to_bytes();
        let answer = [seen.as_bytes(), b" ", &body[..]].concat();
        Response::builder().header("x-via", via).body(body::full(answer)).unwrap()
    })
    .await;
    let gateway = gateway_to(&app, GatewaySettings::default()).await;
    let stream = TokioIo::new(connect(&gateway).await);
    let (mut client, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), stream).await.unwrap();
    let connection = tokio::spawn(connection);
    let requests: Vec<_> = (0..20)
        .map(|number| {
            let request = Request::post("http://Shop.localhost:80/")
                .header("cookie", "a=1")
                .header("cookie", "bext-release-shop=x")
                .header("cookie", "b=2")
                .body(body::full(number.to_string()))
                .unwrap();
            client.send_request(request)
        })
        .collect();
    for (number, response) in requests.into_iter().enumerate() {
        let response = response.await.unwrap();
        assert_eq!(response.version(), http::Version::HTTP_2);
        assert_eq!(response.headers()["x-via"], "2.0 bext");
        assert_eq!(response.headers()["via"], "1.1 bext");
        assert_eq!(text(response).await, format!("[\"Shop.localhost:80\"] [\"a=1; b=2\"] {number}"));
    }
    let health = Request::get("http://x/__bext/health").body(body::empty()).unwrap();
    assert_eq!(client.send_request(health).await.unwrap().status(), 200);
    gateway.close(PATIENCE).await;
    tokio::time::timeout(PATIENCE, connection).await.unwrap().unwrap().unwrap();
}

#[tokio::test]
async fn a_stream_that_is_taken_back_takes_its_request_with_it() {
    let app = App::new(|_| std::future::pending()).await;
    let backend = app.backend("1");
    let gateway = gateway(GatewaySettings::default()).await;
    gateway.set_route(route("shop", &backend));
    let stream = TokioIo::new(connect(&gateway).await);
    let (mut client, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), stream).await.unwrap();
    tokio::spawn(connection);
    let request = Request::get("http://shop.localhost/").body(body::empty()).unwrap();
    let asked = tokio::spawn(client.send_request(request));
    until(|| backend.in_flight() == 1).await;
    asked.abort();
    until(|| backend.in_flight() == 0 && gateway.figures().in_flight == 0).await;
    assert_eq!(gateway.figures().connections, 1);
}

#[tokio::test]
async fn a_stream_that_is_not_taken_is_let_go_alone() {
    let app = App::new(|request| async move {
        let length = if request.uri().path() == "/large" { 4 << 20 } else { 2 };
        Response::new(body::full(vec![b'x'; length]))
    })
    .await;
    let short = Duration::from_millis(50);
    let settings = GatewaySettings {
        start_timeout: short,
        connect_timeout: short,
        response_timeout: short,
        idle_timeout: short,
        ..Default::default()
    };
    let gateway = gateway_to(&app, settings).await;
    let stream = TokioIo::new(connect(&gateway).await);
    let (mut client, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), stream).await.unwrap();
    tokio::spawn(connection);
    let get = |path: &str| Request::get(format!("http://shop.localhost{path}")).body(body::empty()).unwrap();
    let large = client.send_request(get("/large")).await.unwrap();
    assert_eq!(gateway.figures().in_flight, 1);
    until(|| gateway.figures().in_flight == 0).await;
    client.ready().await.unwrap();
    assert_eq!(text(client.send_request(get("/small")).await.unwrap()).await, "xx");
    assert!(large.into_body().collect().await.is_err());
    assert_eq!(gateway.figures().connections, 1);
}
