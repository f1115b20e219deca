//! Responses, as the answers and refusals of the endpoint have them.

use std::time::Duration;

use http::{HeaderValue, Response, StatusCode, header};
use http_body::Body as _;
use mcp_core::{AnswerStatus, EncodedAnswer};
use serde_json::json;

use crate::ResponseBody;

/// An answer, with the status and the headers that say the same.
pub(crate) fn json_answer(answer: EncodedAnswer) -> Response<ResponseBody> {
    let status = match answer.status {
        AnswerStatus::Served => StatusCode::OK,
        AnswerStatus::Refused => StatusCode::BAD_REQUEST,
        AnswerStatus::UnknownMethod | AnswerStatus::UnknownSession => StatusCode::NOT_FOUND,
        AnswerStatus::Status(status) => {
            StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
        }
    };
    let mut response = json_response(status, answer.bytes);
    let is_overloaded = status == StatusCode::SERVICE_UNAVAILABLE;
    if let Some(time) = answer.retry_after.or(is_overloaded.then_some(Duration::from_secs(1))) {
        let seconds = u64::try_from(time.as_millis().div_ceil(1000)).unwrap_or(u64::MAX);
        response.headers_mut().insert(header::RETRY_AFTER, seconds.max(1).into());
    }
    if let Some(challenge) = challenge(&answer.required_scopes) {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
    }
    response
}

/// What says which scopes are needed (RFC 6750, section 3), where they are some that can be named so: a scope may be any
/// text here, and no text is to become a further parameter or a further header.
fn challenge(scopes: &[String]) -> Option<HeaderValue> {
    let is_scope_token = |scope: &String| {
        // RFC 6749, section 3.3.
        !scope.is_empty() && scope.bytes().all(|byte| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e))
    };
    if scopes.is_empty() || !scopes.iter().all(is_scope_token) {
        return None;
    }
    let challenge = format!(r#"Bearer error="insufficient_scope", scope="{}""#, scopes.join(" "));
    HeaderValue::try_from(challenge).ok()
}

/// A refusal before any message was read: a JSON-RPC error without an id.
pub(crate) fn refuse(status: StatusCode, message: &str) -> Response<ResponseBody> {
    let error = json!({"jsonrpc": "2.0", "error": {"code": status.as_u16(), "message": message}});
    json_response(status, error.to_string().into_bytes())
}

/// Says which methods are right.
pub(crate) fn with_allow(
    mut response: Response<ResponseBody>,
    allowed: &'static str,
) -> Response<ResponseBody> {
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allowed));
    response
}

pub(crate) fn status_only(status: StatusCode) -> Response<ResponseBody> {
    let mut response = Response::new(ResponseBody::empty());
    *response.status_mut() = status;
    response
}

pub(crate) fn json_response(status: StatusCode, bytes: Vec<u8>) -> Response<ResponseBody> {
    let mut response = Response::new(ResponseBody::whole(bytes));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// What a request for the headers alone gets: the length that the body would have had, and no body. HTTP/2 would send
/// it otherwise; over HTTP/1.1 hyper knows better.
pub(crate) fn without_body(response: Response<ResponseBody>) -> Response<ResponseBody> {
    let length = response.body().size_hint().exact().filter(|length| *length > 0);
    let mut response = response.map(|_| ResponseBody::empty());
    if let Some(length) = length {
        response.headers_mut().insert(header::CONTENT_LENGTH, length.into());
    }
    response
}

pub(crate) fn event_stream(body: ResponseBody) -> Response<ResponseBody> {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache, no-transform"));
    // Tells nginx and its like to pass events on at once.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}
