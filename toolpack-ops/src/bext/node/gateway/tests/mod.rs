//! What the gateway promises, over real sockets.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says why")]

mod bodies;
mod failures;
mod headers;
mod protocols;
mod routing;
mod sites;
mod switching;
mod waiting;

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use super::{Backend, Gateway, GatewaySettings, Route, Target};
use crate::bext::node::body::{self, Body};

const ANYWHERE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
/// What takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(20);

/// The process of an app, on a port of its own. Its connections end when it is dropped.
struct App {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl App {
    /// One that answers like this.
    async fn new<F, A>(answer: F) -> Self
    where
        F: Fn(Request<Incoming>) -> A + Clone + Send + 'static,
        A: Future<Output = Response<Body>> + Send + 'static,
    {
        Self::raw(move |stream| {
            let answer = answer.clone();
            async move {
                let service = service_fn(move |request| {
                    let answer = answer(request);
                    async move { Ok::<_, Infallible>(answer.await) }
                });
                let server = hyper::server::conn::http1::Builder::new();
                let _ = server.serve_connection(TokioIo::new(stream), service).with_upgrades().await;
            }
        })
        .await
    }

    /// One that does this with each connection.
    async fn raw<F, A>(talk: F) -> Self
    where
        F: Fn(TcpStream) -> A + Send + 'static,
        A: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind(ANYWHERE).await.unwrap();
        let address = listener.local_addr().unwrap();
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                tokio::select! {
                    Ok((stream, _)) = listener.accept() => {
                        stream.set_nodelay(true).unwrap();
                        connections.spawn(talk(stream));
                    }
                    Some(_) = connections.join_next() => {}
                }
            }
        });
        Self { address, task }
    }

    /// One that answers each connection with this, once it has sent the head of a request.
    async fn saying(text: impl Into<Bytes>) -> Self {
        let text = text.into();
        Self::raw(move |mut stream| {
            let text = text.clone();
            async move {
                read_head(&mut stream).await;
                let _ = stream.write_all(&text).await;
            }
        })
        .await
    }

    /// One that answers with a text.
    async fn texting(text: &'static str) -> Self {
        Self::new(move |_| async move { Response::new(body::full(text)) }).await
    }

    /// One that answers with the request line and the headers that came to it.
    async fn mirror() -> Self {
        Self::new(|request| async move {
            let mut seen = format!("{} {} {:?}\n", request.method(), request.uri(), request.version());
            for (name, value) in request.headers() {
                seen.push_str(&format!("{name}: {}\n", value.to_str().unwrap_or("?")));
            }
            Response::new(body::full(seen))
        })
        .await
    }

    fn backend(&self, version: &str) -> Arc<Backend> {
        backend_at(self.address, version)
    }
}

impl Drop for App {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn backend_at(address: SocketAddr, version: &str) -> Arc<Backend> {
    let (_, address) = watch::channel(Some(address));
    Arc::new(Backend::new(&version.parse().unwrap(), Target::Process(address)))
}

fn route(name: &str, stable: &Arc<Backend>) -> Route {
    Route { app: name.parse().unwrap(), domains: Vec::new(), stable: stable.clone(), canary: None }
}

async fn gateway(settings: GatewaySettings) -> Gateway {
    Gateway::bind(ANYWHERE, settings).await.unwrap()
}

/// A gateway with one app, `shop`.
async fn gateway_to(app: &App, settings: GatewaySettings) -> Gateway {
    let gateway = gateway(settings).await;
    gateway.set_route(route("shop", &app.backend("1")));
    gateway
}

/// A connection of a client.
async fn connect(gateway: &Gateway) -> TcpStream {
    let stream = TcpStream::connect(gateway.local_addr()).await.unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

/// Says this over a connection of its own, and gives all that is said to it until it ends.
async fn say(gateway: &Gateway, text: impl AsRef<[u8]>) -> String {
    let mut stream = connect(gateway).await;
    stream.write_all(text.as_ref()).await.unwrap();
    read_all(&mut stream).await
}

async fn read_all(stream: &mut TcpStream) -> String {
    let mut said = Vec::new();
    // A reset is an end, too.
    let _ = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut said)).await.expect("the connection ends");
    String::from_utf8_lossy(&said).into_owned()
}

/// The head of a message, with its last empty line.
async fn read_head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match tokio::time::timeout(PATIENCE, stream.read_u8()).await.expect("a head comes") {
            Ok(byte) => head.push(byte),
            Err(_) => break,
        }
    }
    String::from_utf8_lossy(&head).into_owned()
}

type Client = hyper::client::conn::http1::SendRequest<Body>;

/// A client with a connection of its own.
async fn client(gateway: &Gateway) -> Client {
    let stream = TokioIo::new(connect(gateway).await);
    let (client, connection) = hyper::client::conn::http1::handshake(stream).await.unwrap();
    tokio::spawn(connection.with_upgrades());
    client
}

async fn ask(client: &mut Client, request: Request<Body>) -> Response<Incoming> {
    client.ready().await.unwrap();
    tokio::time::timeout(PATIENCE, client.send_request(request)).await.expect("a response comes").unwrap()
}

fn get(host: &str, path: &str) -> Request<Body> {
    Request::get(path).header("host", host).body(body::empty()).unwrap()
}

async fn text<B: http_body::Body<Data = Bytes>>(response: Response<B>) -> String
where
    B::Error: std::fmt::Debug,
{
    let bytes = tokio::time::timeout(PATIENCE, response.into_body().collect()).await.expect("a body ends");
    String::from_utf8_lossy(&bytes.unwrap().to_bytes()).into_owned()
}

/// Asks for a path over a connection of its own: the status, and the text.
async fn fetch(gateway: &Gateway, host: &str, path: &str) -> (u16, String) {
    let response = ask(&mut client(gateway).await, get(host, path)).await;
    (response.status().as_u16(), text(response).await)
}

/// Waits for something that happens by itself.
async fn until(is_so: impl Fn() -> bool) {
    let wait = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(PATIENCE, wait).await.expect("it happens in time");
}
