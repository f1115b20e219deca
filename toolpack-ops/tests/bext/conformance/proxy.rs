//! Something between the checks and a gateway that is not what a gateway should be.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What is changed on the way: text that is replaced by other text.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Alteration {
    /// In what clients send.
    pub(super) request: Option<(&'static str, &'static str)>,
    /// In what they are answered.
    pub(super) answer: Option<(&'static str, &'static str)>,
    /// An answer in chunks is passed on when it is complete.
    pub(super) holds_answers: bool,
}

/// A proxy that passes bytes on, until the runtime of its test ends.
#[derive(Debug)]
pub(super) struct Proxy {
    pub(super) address: SocketAddr,
    /// The next bytes of a client are lost, with its connection.
    pub(super) cut: Arc<AtomicBool>,
}

impl Proxy {
    pub(super) async fn start(gateway: SocketAddr, alteration: Alteration) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, cut) = (listener.local_addr().unwrap(), Arc::new(AtomicBool::new(false)));
        let cuts = cut.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(pass_on(client, gateway, alteration, cuts.clone()));
            }
        });
        Self { address, cut }
    }
}

async fn pass_on(client: TcpStream, gateway: SocketAddr, alteration: Alteration, cut: Arc<AtomicBool>) {
    let Ok(server) = TcpStream::connect(gateway).await else { return };
    client.set_nodelay(true).unwrap();
    server.set_nodelay(true).unwrap();
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let (gone, cut_off) = tokio::sync::oneshot::channel::<()>();
    let there = async {
        let mut piece = vec![0; 64 << 10];
        while let Ok(read) = from_client.read(&mut piece).await {
            if cut.swap(false, Ordering::SeqCst) {
                drop(gone);
                return;
            }
            if read == 0 || to_server.write_all(&altered(&piece[..read], alteration.request)).await.is_err() {
                break;
            }
        }
        let _ = to_server.shutdown().await;
        // Kept, so that the answer goes on.
        std::future::pending::<()>().await;
        drop(gone);
    };
    let back = async {
        let (mut piece, mut held) = (vec![0; 64 << 10], Vec::new());
        while let Ok(read) = from_server.read(&mut piece).await {
            held.extend(altered(&piece[..read], alteration.answer));
            let is_open = alteration.holds_answers && is_chunked(&held) && !held.ends_with(b"\r\n0\r\n\r\n");
            if read > 0 && is_open {
                continue;
            }
            if read == 0 || to_client.write_all(&std::mem::take(&mut held)).await.is_err() {
                break;
            }
        }
        let _ = to_client.shutdown().await;
    };
    tokio::select! {
        () = back => {}
        () = there => {}
        _ = cut_off => {}
    }
}

fn is_chunked(answer: &[u8]) -> bool {
    String::from_utf8_lossy(answer).to_ascii_lowercase().contains("transfer-encoding: chunked")
}

/// The bytes with a text in place of another; bytes that are no text stay as they are.
fn altered(bytes: &[u8], change: Option<(&str, &str)>) -> Vec<u8> {
    match (std::str::from_utf8(bytes), change) {
        (Ok(text), Some((from, to))) => text.replace(from, to).into_bytes(),
        _ => bytes.to_owned(),
    }
}
