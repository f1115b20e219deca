//! The WebSocket that sends each message back.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use http::header::{
    CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION,
    UPGRADE,
};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};

use super::stopping::Stopping;

/// The largest message.
const MOST_BYTES: usize = 1024 * 1024;

/// How long the other side has to answer a farewell.
const FAREWELL: Duration = Duration::from_secs(1);

/// What a request for a WebSocket is answered with, or what is wrong with it.
pub(super) fn handshake(headers: &HeaderMap) -> Result<HeaderMap, (StatusCode, &'static str)> {
    let key = headers.get(SEC_WEBSOCKET_KEY);
    if !has_word(headers, CONNECTION, "upgrade") || !has_word(headers, UPGRADE, "websocket") {
        return Err((
            StatusCode::UPGRADE_REQUIRED,
            "this path is a WebSocket: ask with `Upgrade: websocket`",
        ));
    }
    if headers.get(SEC_WEBSOCKET_VERSION).is_none_or(|version| version != "13") {
        return Err((StatusCode::UPGRADE_REQUIRED, "`Sec-WebSocket-Version` has to be 13"));
    }
    let Some(key) = key else { return Err((StatusCode::BAD_REQUEST, "`Sec-WebSocket-Key` is missing")) };
    let accept = HeaderValue::from_str(&derive_accept_key(key.as_bytes()))
        .map_err(|_| (StatusCode::BAD_REQUEST, "`Sec-WebSocket-Key` is not right"))?;
    let mut answer = HeaderMap::new();
    answer.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    answer.insert(UPGRADE, HeaderValue::from_static("websocket"));
    answer.insert(SEC_WEBSOCKET_ACCEPT, accept);
    if let Some(protocol) = words(headers, SEC_WEBSOCKET_PROTOCOL).find(|protocol| !protocol.is_empty())
        && let Ok(protocol) = HeaderValue::from_str(protocol)
    {
        answer.insert(SEC_WEBSOCKET_PROTOCOL, protocol);
    }
    Ok(answer)
}

/// Sends back what comes, until either side ends it.
pub(super) async fn echo(upgrade: OnUpgrade, mut stopping: Stopping) {
    let Ok(upgraded) = upgrade.await else { return };
    let bounds =
        WebSocketConfig::default().max_message_size(Some(MOST_BYTES)).max_frame_size(Some(MOST_BYTES));
    let io = TokioIo::new(upgraded);
    let mut socket = WebSocketStream::from_raw_socket(io, Role::Server, Some(bounds)).await;
    loop {
        tokio::select! {
            message = socket.next() => match message {
                Some(Ok(message @ (Message::Text(_) | Message::Binary(_)))) => {
                    if socket.send(message).await.is_err() {
                        return;
                    }
                }
                // Pings and farewells are answered while reading goes on.
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return,
            },
            () = stopping.wait() => break,
        }
    }
    let away = CloseFrame { code: CloseCode::Away, reason: "the application ends".into() };
    let farewell = async {
        if socket.close(Some(away)).await.is_ok() {
            while let Some(Ok(_)) = socket.next().await {}
        }
    };
    let _ = tokio::time::timeout(FAREWELL, farewell).await;
}

fn has_word(headers: &HeaderMap, name: HeaderName, word: &str) -> bool {
    words(headers, name).any(|other| other.eq_ignore_ascii_case(word))
}

fn words(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = &str> {
    let lines = headers.get_all(name).into_iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',')).map(str::trim)
}
