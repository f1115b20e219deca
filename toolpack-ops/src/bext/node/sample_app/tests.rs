//! The application as its clients see it, and as the process that it is.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says why")]

use std::net::SocketAddr;
use std::process::Stdio;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::{FutureExt, SinkExt, StreamExt};
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Body, Frame, Incoming};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustix::process::{Pid, Signal as UnixSignal, kill_process};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

use super::*;

/// Far more than anything here takes.
const LONG: Duration = Duration::from_secs(30);

struct Running {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    ending: JoinHandle<io::Result<Ending>>,
    directory: tempfile::TempDir,
}

impl Running {
    async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join(MANIFEST), "version = \"1.2.<4&5>\"\n[static]\ndir = \"x\"\n")
            .unwrap();
        let app = SampleApp::open(directory.path(), Some("9".to_owned())).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let ending = tokio::spawn(app.serve(listener, stopped.map(|_| ())));
        Self { address, stop, ending, directory }
    }

    async fn get(&self, path: &str) -> Answer {
        answer(send(self.address, Request::get(path).body(Full::<Bytes>::default()).unwrap()).await.unwrap())
            .await
    }

    async fn ended(self) -> Ending {
        let _ = self.stop.send(());
        tokio::time::timeout(LONG, self.ending).await.unwrap().unwrap().unwrap()
    }
}

#[derive(Debug)]
struct Answer {
    status: u16,
    headers: HeaderMap,
    body: Vec<u8>,
    trailers: Option<HeaderMap>,
}

impl Answer {
    fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    fn json(&self) -> Value {
        assert_eq!(self.headers["content-type"], "application/json");
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// Sends a request over a connection of its own.
async fn send<B>(address: SocketAddr, request: Request<B>) -> hyper::Result<Response<Incoming>>
where
    B: Body<Data: Send, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Send + 'static,
{
    let stream = TcpStream::connect(address).await.unwrap();
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    sender.send_request(request).await
}

async fn answer(response: Response<Incoming>) -> Answer {
    let (parts, body) = response.into_parts();
    let collected = body.collect().await.unwrap();
    let trailers = collected.trailers().cloned();
    let body = collected.to_bytes().to_vec();
    Answer { status: parts.status.as_u16(), headers: parts.headers, body, trailers }
}

/// A body that is sent as the test goes on.
fn open_body()
-> (mpsc::UnboundedSender<&'static str>, impl Body<Data = Bytes, Error = io::Error> + Send + 'static) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let frames =
        futures_util::stream::unfold(receiver, |mut receiver: mpsc::UnboundedReceiver<&str>| async move {
            let text = receiver.recv().await?;
            Some((Ok(Frame::data(Bytes::from_static(text.as_bytes()))), receiver))
        });
    (sender, StreamBody::new(frames))
}

async fn next(body: &mut Incoming) -> Bytes {
    body.frame().await.unwrap().unwrap().into_data().unwrap()
}

#[test]
fn its_version_is_that_of_the_manifest_or_the_one_it_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let version = |told: Option<&str>| {
        SampleApp::open(directory.path(), told.map(str::to_owned)).map(|app| app.version().to_owned())
    };
    let manifest = |text: &str| std::fs::write(directory.path().join(MANIFEST), text).unwrap();
    assert_eq!(version(None).unwrap(), "unknown");
    assert_eq!(version(Some("2")).unwrap(), "2");
    manifest("[process]\ncommand = [\"x\"]");
    assert_eq!(version(Some("2")).unwrap(), "2");
    manifest("version = \"1\"\n[process]\ncommand = [\"x\"]");
    assert_eq!(version(Some("2")).unwrap(), "1");
    for wrong in ["version = 1", "version"] {
        manifest(wrong);
        let error = version(Some("2")).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        assert!(error.to_string().starts_with("bext.app.toml is not right: "), "{error}");
    }
}

#[tokio::test]
async fn what_it_says_of_itself() {
    let app = Running::new().await;
    assert_eq!(app.get("/version").await.text(), "1.2.<4&5>");
    let page = app.get("/").await;
    assert_eq!(page.headers["content-type"], "text/html; charset=utf-8");
    assert!(page.text().contains("<h1>Version 1.2.&lt;4&amp;5></h1>"), "{}", page.text());
    assert_eq!(app.get("/pid").await.text(), std::process::id().to_string());
    let missing = app.get("/nothing").await;
    assert_eq!(missing.status, 404);
    assert!(missing.text().contains("/trailers"));

    assert_eq!(app.get("/health").await.status, 200);
    std::fs::write(app.directory.path().join("unhealthy"), "").unwrap();
    assert_eq!(app.get("/health").await.status, 500);
    std::fs::remove_file(app.directory.path().join("unhealthy")).unwrap();
    assert_eq!(app.get("/health").await.status, 200);
    assert_eq!(app.ended().await, Ending::Stopped);
}

#[tokio::test]
async fn shows_what_it_was_asked_with() {
    let app = Running::new().await;
    let request = Request::get("/headers")
        .header("Host", "a.example")
        .header("X-Second", "2")
        .header("x-first", "1")
        .header("x-latin", http::HeaderValue::from_bytes(b"\xe9").unwrap());
    let request = request.body(Full::<Bytes>::default()).unwrap();
    let headers = answer(send(app.address, request).await.unwrap()).await.json();
    let expected = json!([["host", "a.example"], ["x-second", "2"], ["x-first", "1"], ["x-latin", "é"]]);
    assert_eq!(headers, expected);

    for content in [Bytes::new(), Bytes::from(vec![7; 300_000])] {
        let request = Request::post("/count").body(Full::new(content.clone())).unwrap();
        let counted = answer(send(app.address, request).await.unwrap()).await.json();
        let hash = blake3::hash(&content).to_hex().to_string();
        assert_eq!(counted, json!({"bytes": content.len(), "blake3": hash}));
    }
}

#[tokio::test]
async fn sends_a_body_back_as_it_comes() {
    let app = Running::new().await;
    let (sender, body) = open_body();
    sender.send("first").unwrap();
    let request = Request::put("/echo").header("content-type", "a/b").body(body).unwrap();
    let response = send(app.address, request).await.unwrap();
    assert_eq!(response.headers()["content-type"], "a/b");
    let mut body = response.into_body();
    assert_eq!(next(&mut body).await, "first");
    sender.send("second").unwrap();
    assert_eq!(next(&mut body).await, "second");
    drop(sender);
    assert!(body.frame().await.is_none());
}

#[tokio::test]
async fn bodies_of_many_kinds() {
    let app = Running::new().await;
    for count in [0, 1, 26, 65_519, 65_520, 65_521, 1_000_003] {
        let bytes = app.get(&format!("/bytes?n={count}")).await;
        assert_eq!(bytes.headers["content-length"], count.to_string());
        assert!(
            bytes.body.len() == count
                && bytes.body.iter().zip(0..).all(|(&byte, at)| byte == b'a' + (at % 26) as u8)
        );
    }
    let begin = Instant::now();
    let mut body =
        send(app.address, Request::get("/chunks?n=3&ms=30").body(Full::<Bytes>::default()).unwrap())
            .await
            .unwrap()
            .into_body();
    for chunk in ["chunk 1\n", "chunk 2\n", "chunk 3\n"] {
        assert_eq!(next(&mut body).await, chunk);
    }
    assert!(body.frame().await.is_none());
    assert!(begin.elapsed() >= Duration::from_millis(60));

    let begin = Instant::now();
    assert_eq!(app.get("/slow?ms=30").await.text(), "at last\n");
    assert!(begin.elapsed() >= Duration::from_millis(30));

    for code in [200, 201, 204, 301, 304, 404, 418, 500, 503, 599] {
        assert_eq!(app.get(&format!("/status?code={code}")).await.status, code);
    }
    let request = Request::get("/trailers").header("te", "trailers").body(Full::<Bytes>::default()).unwrap();
    let trailing = answer(send(app.address, request).await.unwrap()).await;
    assert_eq!(trailing.headers["trailer"], "x-blake3");
    assert_eq!(trailing.trailers.unwrap()["x-blake3"], blake3::hash(&trailing.body).to_hex().as_str());
    assert_eq!(app.get("/trailers").await.trailers, None);
}

#[tokio::test]
async fn what_is_asked_for_has_bounds() {
    let app = Running::new().await;
    for path in [
        "/bytes?n=1073741825",
        "/bytes?n=-1",
        "/bytes?n=",
        "/chunks?n=0",
        "/chunks?n=1001",
        "/chunks?ms=60001",
        "/slow?ms=60001",
        "/slow?ms=x",
        "/status?code=101",
        "/status?code=600",
        "/status?code=",
        "/env",
        "/env?name=",
        "/env?name=A%3DB",
        "/env?name=%00",
        "/print?text=a%0ab",
        "/print?text=%zz",
    ] {
        let wrong = app.get(path).await;
        assert_eq!(wrong.status, 400, "{path}");
        assert!(wrong.text().contains(" has to be "), "{path}: {}", wrong.text());
    }
}

#[tokio::test]
async fn the_environment_is_told_by_its_hash() {
    let app = Running::new().await;
    let value = std::env::var("PATH").unwrap();
    let hash = blake3::hash(format!("PATH={value}").as_bytes()).to_hex().to_string();
    assert_eq!(app.get("/env?name=PATH").await.json(), json!({"name": "PATH", "set": true, "blake3": hash}));
    let unset = json!({"name": "NO_SUCH_VARIABLE", "set": false, "blake3": null});
    assert_eq!(app.get("/env?name=NO_SUCH_VARIABLE").await.json(), unset);
}

async fn web_socket(
    address: SocketAddr,
) -> (WebSocketStream<TcpStream>, tungstenite::handshake::client::Response) {
    let mut request = format!("ws://{address}/ws").into_client_request().unwrap();
    request.headers_mut().insert("sec-websocket-protocol", "chat.v2, chat.v1".parse().unwrap());
    client_async(request, TcpStream::connect(address).await.unwrap()).await.unwrap()
}

#[tokio::test]
async fn a_web_socket_sends_back_what_comes() {
    let app = Running::new().await;
    let (mut socket, response) = web_socket(app.address).await;
    assert_eq!(response.status(), 101);
    assert_eq!(response.headers()["sec-websocket-protocol"], "chat.v2");
    let large = Message::binary(vec![9; 1024 * 1024]);
    for message in [Message::text("héllo"), Message::binary(vec![0, 1, 255]), large, Message::text("")] {
        socket.send(message.clone()).await.unwrap();
        assert_eq!(socket.next().await.unwrap().unwrap(), message);
    }
    socket.send(Message::Ping(Bytes::from_static(b"?"))).await.unwrap();
    assert_eq!(socket.next().await.unwrap().unwrap(), Message::Pong(Bytes::from_static(b"?")));
    socket.close(None).await.unwrap();
    assert!(matches!(socket.next().await, Some(Ok(Message::Close(None)))));
    assert!(socket.next().await.is_none());

    let (mut socket, _) = web_socket(app.address).await;
    let _ = socket.send(Message::binary(vec![9; 1024 * 1024 + 1])).await;
    assert!(!matches!(socket.next().await, Some(Ok(Message::Binary(_)))));

    let plain = app.get("/ws").await;
    assert_eq!((plain.status, plain.headers["upgrade"].to_str().unwrap()), (426, "websocket"));
    assert_eq!(app.ended().await, Ending::Stopped);
}

#[tokio::test]
async fn a_web_socket_is_told_that_the_application_ends() {
    let app = Running::new().await;
    let (mut socket, _) = web_socket(app.address).await;
    let _ = app.stop.send(());
    let Some(Ok(Message::Close(Some(farewell)))) = socket.next().await else { panic!("no farewell") };
    assert_eq!(farewell.code, CloseCode::Away);
    assert!(socket.next().await.is_none());
    assert_eq!(app.ending.await.unwrap().unwrap(), Ending::Stopped);
}

#[tokio::test]
async fn what_is_under_way_is_answered_before_it_ends() {
    let app = Running::new().await;
    let (sender, body) = open_body();
    sender.send("before").unwrap();
    let mut response =
        send(app.address, Request::post("/echo").body(body).unwrap()).await.unwrap().into_body();
    assert_eq!(next(&mut response).await, "before");

    app.stop.send(()).unwrap();
    // The port is given up at once.
    while TcpStream::connect(app.address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    assert!(!app.ending.is_finished());
    sender.send("after").unwrap();
    assert_eq!(next(&mut response).await, "after");
    drop(sender);
    assert!(response.frame().await.is_none());
    assert_eq!(app.ending.await.unwrap().unwrap(), Ending::Stopped);
}

/// A connection whose request hangs. It stands behind another one in the same packet, and is begun as soon as that is
/// answered.
async fn hang(address: SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream
        .write_all(b"GET /version HTTP/1.1\r\nHost: a\r\n\r\nGET /hang HTTP/1.1\r\nHost: a\r\n\r\n")
        .await
        .unwrap();
    let mut seen = Vec::new();
    while !seen.ends_with(b"1.2.<4&5>") {
        assert_ne!(stream.read_buf(&mut seen).await.unwrap(), 0);
    }
    stream
}

#[tokio::test]
async fn a_crash_is_answered_and_cuts_what_hangs() {
    let app = Running::new().await;
    let mut hanging = hang(app.address).await;
    let answer = app.get("/crash").await;
    assert_eq!((answer.status, answer.text()), (200, "goodbye\n"));
    assert_eq!(tokio::time::timeout(LONG, app.ending).await.unwrap().unwrap().unwrap(), Ending::Crashed);
    assert_eq!(hanging.read(&mut [0; 1]).await.unwrap_or(0), 0);
}

#[tokio::test]
async fn whoever_goes_away_is_not_waited_for() {
    let app = Running::new().await;
    drop(hang(app.address).await);
    let begin = Instant::now();
    assert_eq!(app.ended().await, Ending::Stopped);
    assert!(begin.elapsed() < Duration::from_secs(9), "it waited as long as it would for what hangs");
}

#[tokio::test]
async fn what_hangs_holds_the_end_up_only_so_long() {
    let app = Running::new().await;
    let mut hanging = hang(app.address).await;
    // From here on nothing happens but that time goes by.
    tokio::time::pause();
    let begin = tokio::time::Instant::now();
    assert_eq!(app.ended().await, Ending::Stopped);
    let elapsed = begin.elapsed();
    assert!((Duration::from_secs(10)..Duration::from_secs(11)).contains(&elapsed), "{elapsed:?}");
    assert_eq!(hanging.read(&mut [0; 1]).await.unwrap_or(0), 0);
}

/// The application in a process of its own: this test, run again.
fn process(directory: &Path, port: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    let name = concat!(module_path!(), "::the_application_itself");
    let name = name.split_once("::").unwrap().1;
    command.args([name, "--exact", "--ignored", "--nocapture"]).current_dir(directory);
    command.env("PORT", port).env("BEXT_VERSION", "3.1").env("SAMPLE_APP", "run").kill_on_drop(true);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

#[test]
#[ignore = "it is what the tests below start"]
fn the_application_itself() {
    if std::env::var_os("SAMPLE_APP").is_some() {
        std::process::exit(i32::from(exit_code()));
    }
}

fn tell_to_end(child: &Child) {
    let pid = Pid::from_raw(i32::try_from(child.id().unwrap()).unwrap()).unwrap();
    kill_process(pid, UnixSignal::TERM).unwrap();
}

async fn code_of(child: &mut Child) -> Option<i32> {
    tokio::time::timeout(LONG, child.wait()).await.unwrap().unwrap().code()
}

/// Reads lines up to one that has this in it, and gives that one.
async fn line_with(output: &mut (impl AsyncBufReadExt + Unpin), text: &str) -> String {
    let mut line = String::new();
    while !line.contains(text) {
        line.clear();
        let length = tokio::time::timeout(LONG, output.read_line(&mut line)).await.unwrap().unwrap();
        assert_ne!(length, 0, "the output ended without {text:?}");
    }
    line
}

#[tokio::test]
async fn a_process_serves_until_it_is_told_to_end() {
    let directory = tempfile::tempdir().unwrap();
    for crash in [false, true] {
        let mut child = process(directory.path(), "0").spawn().unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let line = line_with(&mut output, "sample application: version 3.1 listens on ").await;
        let address: SocketAddr = line.trim().rsplit(' ').next().unwrap().parse().unwrap();
        let get = async |path: &str| {
            answer(send(address, Request::get(path).body(Full::<Bytes>::default()).unwrap()).await.unwrap())
                .await
        };
        assert_eq!(get("/version").await.text(), "3.1");
        assert_eq!(get("/pid").await.text(), child.id().unwrap().to_string());
        assert_eq!(
            get("/env?name=BEXT_VERSION").await.json()["blake3"],
            blake3::hash(b"BEXT_VERSION=3.1").to_hex().as_str()
        );
        assert_eq!(get("/print?text=one+line%21").await.status, 200);
        assert_eq!(line_with(&mut output, "one").await, "one line!\n");
        if crash {
            assert_eq!(get("/crash").await.status, 200);
            assert_eq!(code_of(&mut child).await, Some(1));
        } else {
            tell_to_end(&child);
            assert_eq!(code_of(&mut child).await, Some(0));
        }
    }
}

#[tokio::test]
async fn a_process_that_cannot_serve_says_why() {
    let directory = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken_port = taken.local_addr().unwrap().port().to_string();
    for (port, code, message) in [
        ("", 2, "PORT has to be a number from 0 to 65535, 0 for any free port; it is \"\""),
        ("65536", 2, "it is \"65536\""),
        (&taken_port, 1, "on 127.0.0.1 cannot be listened on: "),
    ] {
        let mut child = process(directory.path(), port).spawn().unwrap();
        assert_eq!(code_of(&mut child).await, Some(code));
        let mut said = String::new();
        child.stderr.take().unwrap().read_to_string(&mut said).await.unwrap();
        assert!(said.contains(message), "{said}");
    }
    std::fs::write(directory.path().join("crashes"), "").unwrap();
    let mut child = process(directory.path(), "0").spawn().unwrap();
    assert_eq!(code_of(&mut child).await, Some(1));
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).await.unwrap();
    assert_eq!(said, "sample application: there is a file `crashes` in the current directory\n");
}

#[tokio::test]
async fn a_process_that_never_listens_still_ends_when_it_is_told_to() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("never-listens"), "").unwrap();
    let mut child = process(directory.path(), "0").spawn().unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let line = line_with(&mut output, "never-listens").await;
    assert!(!line.contains("listens on"));
    tell_to_end(&child);
    assert_eq!(code_of(&mut child).await, Some(0));
}
