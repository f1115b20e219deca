//! WebSockets through the gateway (RFC 6455).

use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::handshake::client::Response;

use super::super::bench::Bench;
use super::super::finding::{Finding, Trouble, seen};
use super::super::trial::checks;

checks! {
    "a WebSocket opens", "101" => opens;
    "a text comes back", "the same text" => text;
    "bytes come back", "65536 bytes, the same" => bytes;
    "a subprotocol is agreed on", "the one that was offered" => subprotocol;
    "closing is answered", "a close in return" => closing;
}

async fn open(
    bench: &Bench,
    subprotocol: Option<&str>,
) -> Result<(WebSocketStream<TcpStream>, Response), Trouble> {
    let stream = TcpStream::connect(bench.gateway).await?;
    stream.set_nodelay(true)?;
    let mut request = format!("ws://{}/ws", Bench::host(&bench.process)).into_client_request()?;
    if let Some(subprotocol) = subprotocol {
        request.headers_mut().insert("sec-websocket-protocol", subprotocol.parse()?);
    }
    Ok(tokio_tungstenite::client_async(request, stream).await?)
}

async fn back(bench: &Bench, message: Message) -> Result<Option<Message>, Trouble> {
    let (mut socket, _) = open(bench, None).await?;
    socket.send(message).await?;
    Ok(socket.next().await.transpose()?)
}

async fn opens(bench: &Bench) -> Finding {
    let (_, response) = open(bench, None).await?;
    seen(response.status() == 101, response.status())
}

async fn text(bench: &Bench) -> Finding {
    let message = Message::text("said, and said again");
    let answer = back(bench, message.clone()).await?;
    seen(answer == Some(message), format!("{answer:?}"))
}

async fn bytes(bench: &Bench) -> Finding {
    let message =
        Message::binary((0..65536_usize).map(|position| (position % 241) as u8).collect::<Vec<_>>());
    let answer = back(bench, message.clone()).await?;
    let length = answer.as_ref().map_or(0, Message::len);
    seen(answer == Some(message), format!("{length} bytes"))
}

async fn subprotocol(bench: &Bench) -> Finding {
    let (_, response) = open(bench, Some("echo.v1")).await?;
    let agreed = response.headers().get("sec-websocket-protocol").and_then(|value| value.to_str().ok());
    seen(agreed == Some("echo.v1"), agreed.unwrap_or("none"))
}

async fn closing(bench: &Bench) -> Finding {
    let (mut socket, _) = open(bench, None).await?;
    socket.close(None).await?;
    let answer = socket.next().await.transpose()?;
    seen(matches!(answer, Some(Message::Close(_))), format!("{answer:?}"))
}
