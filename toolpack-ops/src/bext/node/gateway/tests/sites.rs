//! Static sites through the gateway: what is asked of a file, and files that are still on their way.

use std::fs;

use hyper_util::rt::TokioExecutor;
use tokio::net::TcpSocket;

use super::*;
use crate::bext::node::site::Site;

/// More than the sockets between two sides hold by themselves.
const LARGE: usize = 16 << 20;

/// The files of a release, where a test sees which of them are open.
struct Files {
    directory: tempfile::TempDir,
}

impl Files {
    fn new(files: &[(&str, &[u8])]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        for (name, content) in files {
            fs::write(directory.path().join(name), content).unwrap();
        }
        Self { directory }
    }

    /// Those of a site with one large file.
    fn large() -> Self {
        Self::new(&[("large.bin", &large()), ("small.txt", b"small")])
    }

    fn backend(&self, version: &str) -> Arc<Backend> {
        let site = Site::open(self.directory.path().to_owned()).unwrap();
        Arc::new(Backend::new(&version.parse().unwrap(), Target::Site(Arc::new(site))))
    }

    /// How often this process has a file of it open.
    fn open(&self, name: &str) -> usize {
        let path = self.directory.path().join(name);
        let descriptors = fs::read_dir("/proc/self/fd").unwrap().flatten();
        descriptors.filter(|open| fs::read_link(open.path()).is_ok_and(|file| file == path)).count()
    }
}

/// Bytes that are told from those beside them.
fn large() -> Vec<u8> {
    (0..LARGE as u32 / 4).flat_map(|number| number.wrapping_mul(2_654_435_761).to_le_bytes()).collect()
}

/// A gateway with one site, `shop`.
async fn gateway_of(files: &Files, settings: GatewaySettings) -> (Gateway, Arc<Backend>) {
    let gateway = gateway(settings).await;
    let backend = files.backend("1");
    gateway.set_route(route("shop", &backend));
    (gateway, backend)
}

/// A connection that holds little, with a request for the large file on it.
async fn ask_slowly(gateway: &Gateway) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(32 << 10).unwrap();
    let mut stream = socket.connect(gateway.local_addr()).await.unwrap();
    stream.write_all(b"GET /large.bin HTTP/1.1\r\nHost: shop.localhost\r\n\r\n").await.unwrap();
    stream
}

/// Over HTTP/2.
async fn client2(gateway: &Gateway) -> hyper::client::conn::http2::SendRequest<Body> {
    let stream = TokioIo::new(connect(gateway).await);
    let (client, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), stream).await.unwrap();
    tokio::spawn(connection);
    client
}

fn get2(path: &str) -> Request<Body> {
    Request::get(format!("http://shop.localhost{path}")).body(body::empty()).unwrap()
}

async fn bytes(response: Response<Incoming>) -> Bytes {
    let body = tokio::time::timeout(PATIENCE, response.into_body().collect()).await.expect("a body ends");
    body.unwrap().to_bytes()
}

fn files_in_forms() -> Files {
    Files::new(&[
        ("index.html", b"home"),
        ("app.js", b"let a = 1; // plain"),
        ("app.js.br", b"as brotli"),
        ("numbers.txt", b"0123456789"),
    ])
}

#[tokio::test]
async fn one_connection_asks_for_all_that_a_site_answers() {
    let files = files_in_forms();
    let (gateway, backend) = gateway_of(&files, GatewaySettings::default()).await;
    let mut client = client(&gateway).await;
    let mut ask = async |method: &str, path: &str, headers: &[(&str, &str)]| {
        let mut request = Request::builder().method(method).uri(path).header("host", "shop.localhost");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = ask(&mut client, request.body(body::empty()).unwrap()).await;
        (response.status().as_u16(), response.headers().clone(), text(response).await)
    };

    let (status, headers, body) = ask("GET", "/", &[]).await;
    assert_eq!((status, &*body, &headers["content-type"].to_str().unwrap()[..9]), (200, "home", "text/html"));
    // The head of all of it, and nothing that would be the beginning of the next response.
    let (status, headers, body) = ask("HEAD", "/numbers.txt", &[("range", "bytes=2-3")]).await;
    assert_eq!((status, headers["content-length"].to_str().unwrap(), &*body), (200, "10", ""));
    let tag = headers["etag"].to_str().unwrap().to_owned();

    for (range, status, expected) in [
        ("bytes=2-3", 206, "23"),
        ("bytes=-1", 206, "9"),
        ("bytes=8-", 206, "89"),
        ("bytes=10-", 416, "no such range: the file is shorter\n"),
        ("lines=1-2", 200, "0123456789"),
    ] {
        let (got, _, body) = ask("GET", "/numbers.txt", &[("range", range)]).await;
        assert_eq!((got, &*body), (status, expected), "{range}");
    }
    let (status, headers, body) = ask("GET", "/numbers.txt", &[("range", "bytes=0-1,8-9")]).await;
    let media = headers["content-type"].to_str().unwrap();
    assert!(status == 206 && media.starts_with("multipart/byteranges; boundary="), "{status} {media}");
    assert_eq!(headers["content-length"], body.len().to_string());

    let (status, headers, body) = ask("GET", "/numbers.txt", &[("if-none-match", &tag)]).await;
    assert_eq!((status, &*body, headers["etag"].to_str().unwrap()), (304, "", &*tag));
    let (status, _, body) = ask("GET", "/numbers.txt", &[("if-match", "\"other\"")]).await;
    assert!(status == 412 && !body.contains("0123"), "{status} {body}");
    let (status, ..) = ask("GET", "/numbers.txt", &[("range", "bytes=2-3"), ("if-range", &tag)]).await;
    assert_eq!(status, 206);

    let (_, plain, body) = ask("GET", "/app.js", &[]).await;
    assert_eq!((&plain["vary"], &*body), (&"Accept-Encoding".parse().unwrap(), "let a = 1; // plain"));
    let (_, brotli, body) = ask("GET", "/app.js", &[("accept-encoding", "gzip, br")]).await;
    assert_eq!((&brotli["vary"], &*body), (&plain["vary"], "as brotli"));
    assert_eq!((&brotli["content-encoding"], plain.get("content-encoding")), (&"br".parse().unwrap(), None));
    assert_ne!(brotli["etag"], plain["etag"]);
    // The tag of the one form is not that of the other.
    let plain_tag = plain["etag"].to_str().unwrap();
    let (status, ..) =
        ask("GET", "/app.js", &[("accept-encoding", "br"), ("if-none-match", plain_tag)]).await;
    assert_eq!(status, 200);

    let (status, headers, _) = ask("POST", "/", &[]).await;
    assert_eq!((status, &headers["allow"]), (405, &"GET, HEAD".parse().unwrap()));
    let figures = gateway.figures();
    assert_eq!((figures.gateway_errors, figures.connections, backend.in_flight()), (0, 1, 0));
}

#[tokio::test]
async fn a_post_to_a_site_leaves_its_body_out_of_the_next_request() {
    let files = files_in_forms();
    let (gateway, _) = gateway_of(&files, GatewaySettings::default()).await;
    let answers = say(
        &gateway,
        "POST / HTTP/1.1\r\nHost: shop.localhost\r\nContent-Length: 26\r\n\r\nGET /secret HTTP/1.1\r\nX: y\
         GET /numbers.txt HTTP/1.1\r\nHost: shop.localhost\r\nConnection: close\r\n\r\n",
    )
    .await;
    // Either it read on past the body, or it closed; what it did not do is to take the body for a request.
    let statuses: Vec<_> = answers.split("HTTP/1.1 ").skip(1).map(|answer| &answer[..3]).collect();
    assert!(statuses == ["405", "200"] || statuses == ["405"], "{answers}");
}

#[tokio::test]
async fn a_client_that_takes_a_large_file_slowly_gets_all_of_it() {
    let files = Files::large();
    let (gateway, backend) = gateway_of(&files, GatewaySettings::default()).await;
    let mut stream = ask_slowly(&gateway).await;
    let head = read_head(&mut stream).await;
    assert!(head.contains(&format!("content-length: {LARGE}\r\n")), "{head}");
    assert_eq!((gateway.figures().in_flight, backend.in_flight(), files.open("large.bin")), (1, 1, 1));
    // Others are answered meanwhile.
    assert_eq!(fetch(&gateway, "shop.localhost", "/small.txt").await, (200, "small".to_owned()));
    let mut came = vec![0; LARGE];
    for piece in came.chunks_mut(10_000) {
        tokio::time::timeout(PATIENCE, stream.read_exact(piece)).await.expect("a piece comes").unwrap();
        tokio::task::yield_now().await;
    }
    assert!(came == large(), "the file came as another");
    until(|| backend.in_flight() == 0 && files.open("large.bin") == 0).await;
    assert_eq!(gateway.figures().response_bytes, LARGE as u64 + 5);
}

#[tokio::test]
async fn little_is_read_for_a_client_that_takes_nothing_and_its_file_is_let_go() {
    let files = Files::large();
    let settings = GatewaySettings {
        response_timeout: Duration::from_millis(100),
        idle_timeout: Duration::from_millis(100),
        ..Default::default()
    };
    let (gateway, backend) = gateway_of(&files, GatewaySettings::default()).await;
    // Its tag is made at the first request, for which there is the time.
    let head = Request::head("/large.bin").header("host", "shop.localhost").body(body::empty()).unwrap();
    assert_eq!(ask(&mut client(&gateway).await, head).await.status(), 200);
    gateway.set_settings(settings);
    let mut stream = ask_slowly(&gateway).await;
    until(|| gateway.figures().response_bytes > 0).await;
    // It is let go once nothing moves any more, so that what was read by then is all that would have been.
    until(|| gateway.figures().connections == 0 && files.open("large.bin") == 0).await;
    assert_eq!((gateway.figures().in_flight, backend.in_flight()), (0, 0));
    let read = gateway.figures().response_bytes;
    assert!(read < LARGE as u64 / 2, "{read} bytes were read");
    assert!(read_all(&mut stream).await.len() < LARGE);
}

#[tokio::test]
async fn a_client_that_goes_away_lets_go_of_its_file() {
    let files = Files::large();
    let (gateway, backend) = gateway_of(&files, GatewaySettings::default()).await;
    let mut stream = ask_slowly(&gateway).await;
    read_head(&mut stream).await;
    assert_eq!(files.open("large.bin"), 1);
    drop(stream);
    until(|| backend.in_flight() == 0 && files.open("large.bin") == 0).await;

    // So does one that takes back a stream, on a connection that goes on.
    let mut client = client2(&gateway).await;
    let response = client.send_request(get2("/large.bin")).await.unwrap();
    assert_eq!((backend.in_flight(), files.open("large.bin")), (1, 1));
    drop(response);
    until(|| backend.in_flight() == 0 && files.open("large.bin") == 0).await;
    assert_eq!(text(client.send_request(get2("/small.txt")).await.unwrap()).await, "small");
}

#[tokio::test]
async fn a_download_that_is_under_way_is_waited_for_and_is_of_the_old_release() {
    let (old, new) = (Files::large(), Files::new(&[("large.bin", b"new")]));
    let (gateway, backend) = gateway_of(&old, GatewaySettings::default()).await;
    let response = ask(&mut client(&gateway).await, get("shop.localhost", "/large.bin")).await;
    gateway.set_route(route("shop", &new.backend("2")));
    let draining = tokio::spawn({
        let backend = backend.clone();
        async move { backend.drain(PATIENCE).await }
    });
    assert_eq!(fetch(&gateway, "shop.localhost", "/large.bin").await, (200, "new".to_owned()));
    assert!(!draining.is_finished());
    assert!(bytes(response).await == large(), "the file came as another");
    assert_eq!(draining.await.unwrap(), 0);
    assert_eq!(old.open("large.bin"), 0);
}

#[tokio::test]
async fn a_download_that_takes_too_long_to_drain_breaks_off_and_does_not_look_complete() {
    let files = Files::large();
    let (gateway, backend) = gateway_of(&files, GatewaySettings::default()).await;
    let response = ask(&mut client(&gateway).await, get("shop.localhost", "/large.bin")).await;
    let mut client2 = client2(&gateway).await;
    let response2 = client2.send_request(get2("/large.bin")).await.unwrap();
    gateway.remove_route(&"shop".parse().unwrap());
    assert_eq!(backend.drain(Duration::ZERO).await, 2);
    assert!(response.into_body().collect().await.is_err());
    assert!(response2.into_body().collect().await.is_err());
    until(|| backend.in_flight() == 0 && files.open("large.bin") == 0).await;
    assert_eq!(client2.send_request(get2("/small.txt")).await.unwrap().status(), 404);
}

#[tokio::test]
async fn many_streams_of_http2_have_each_its_own_part() {
    let files = Files::large();
    let (gateway, backend) = gateway_of(&files, GatewaySettings::default()).await;
    let mut client = client2(&gateway).await;
    let expected = large();
    let parts: Vec<_> = (0..20).map(|part| (part * 700_001, part * 700_001 + 200_000)).collect();
    let asked: Vec<_> = parts
        .iter()
        .map(|(start, end)| {
            let mut request = get2("/large.bin");
            let range = format!("bytes={start}-{}", end - 1).parse().unwrap();
            request.headers_mut().insert("range", range);
            client.send_request(request)
        })
        .collect();
    let responses = futures_util::future::join_all(asked).await;
    let bodies = responses.into_iter().map(|response| {
        let response = response.unwrap();
        assert_eq!(
            (response.status(), response.version()),
            (http::StatusCode::PARTIAL_CONTENT, http::Version::HTTP_2)
        );
        bytes(response)
    });
    for ((start, end), body) in parts.iter().zip(futures_util::future::join_all(bodies).await) {
        assert!(body == expected[*start..*end], "{start}");
    }
    let head = Request::head("http://shop.localhost/large.bin").body(body::empty()).unwrap();
    let head = client.send_request(head).await.unwrap();
    assert_eq!(head.headers()["content-length"], LARGE.to_string());
    assert!(head.into_body().collect().await.unwrap().to_bytes().is_empty());
    until(|| backend.in_flight() == 0 && files.open("large.bin") == 0).await;
}
