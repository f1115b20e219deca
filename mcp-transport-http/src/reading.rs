//! Reads the message of a request: its types are looked at first, then it is read within the limits of size and time.

use std::{future::Future as _, task::Poll};

use bytes::{Buf as _, Bytes};
use http::{HeaderMap, Response, StatusCode, header};
use http_body::Body;
use http_body_util::BodyExt as _;
use mcp_core::{EncodedAnswer, Revision, RpcError};

use crate::{
    Http, ResponseBody,
    responses::{json_answer, refuse},
};

/// Reads the message, within the limits of size and time.
pub(crate) async fn read<B>(
    body: B,
    headers: &HeaderMap,
    options: &Http,
    revision: Revision,
) -> Result<Bytes, Box<Response<ResponseBody>>>
where
    B: Body,
    B::Error: std::fmt::Display,
{
    let limit = options.max_message_bytes;
    let too_large = || {
        let error = RpcError::too_large("The message", limit);
        Box::new(json_answer(EncodedAnswer::refusal(None, &error, revision)))
    };
    let declared =
        headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if declared.is_some_and(|declared| declared > limit as u64) {
        return Err(too_large());
    }
    let reading = async {
        let mut body = std::pin::pin!(body);
        let mut first = Bytes::new();
        let mut whole: Vec<u8> = Vec::new();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| {
                tracing::debug!(%error, "a request's body could not be read");
                Box::new(refuse(StatusCode::BAD_REQUEST, "The body could not be read to its end"))
            })?;
            let Ok(mut data) = frame.into_data() else { continue };
            if first.len() + whole.len() + data.remaining() > limit {
                return Err(too_large());
            }
            // A message in one piece, the rule, is not copied.
            if first.is_empty() && whole.is_empty() {
                first = data.copy_to_bytes(data.remaining());
            } else {
                whole.extend_from_slice(&std::mem::take(&mut first));
                while data.has_remaining() {
                    let chunk = data.chunk();
                    whole.extend_from_slice(chunk);
                    let length = chunk.len();
                    data.advance(length);
                }
            }
        }
        Ok(if whole.is_empty() { first } else { whole.into() })
    };
    // A body that is there already needs no timer.
    let mut reading = std::pin::pin!(reading);
    if let Poll::Ready(read) = std::future::poll_fn(|cx| Poll::Ready(reading.as_mut().poll(cx))).await {
        return read;
    }
    match tokio::time::timeout(options.body_time, reading).await {
        Ok(read) => read,
        Err(_) => Err(Box::new(refuse(StatusCode::REQUEST_TIMEOUT, "The message did not arrive in time"))),
    }
}

/// Looks at what the client sends and takes.
pub(crate) fn check_types(headers: &HeaderMap) -> Result<(), (StatusCode, &'static str)> {
    // Also what keeps a web page from posting here without asking first: forms cannot send this type.
    let is_json = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).is_some_and(|kind| {
        kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
    });
    if !is_json {
        return Err((StatusCode::UNSUPPORTED_MEDIA_TYPE, "Content-Type must be application/json"));
    }
    if !accepts(headers, "application/json") && !accepts(headers, "text/event-stream") {
        return Err((StatusCode::NOT_ACCEPTABLE, "Accept must list application/json and text/event-stream"));
    }
    Ok(())
}

/// Whether the client takes this type; one that says nothing takes everything.
pub(crate) fn accepts(headers: &HeaderMap, wanted: &str) -> bool {
    let mut values = headers.get_all(header::ACCEPT).iter().peekable();
    if values.peek().is_none() {
        return true;
    }
    let (kind, _) = wanted.split_once('/').unwrap_or((wanted, ""));
    values.filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(',')).any(|range| {
        let mut parts = range.split(';').map(str::trim);
        let range = parts.next().unwrap_or_default();
        // A weight of 0 says that it is not wanted (RFC 9110, section 12.4.2).
        let is_wanted =
            parts.filter_map(|part| part.strip_prefix("q=")).all(|weight| weight.parse() != Ok(0.0));
        let is_named = range.eq_ignore_ascii_case(wanted)
            || range == "*/*"
            || range.strip_suffix("/*").is_some_and(|range| range.eq_ignore_ascii_case(kind));
        is_named && is_wanted
    })
}
