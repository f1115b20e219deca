//! JSON-RPC errors: for messages that cannot be routed, parsed or authorised.

use std::{borrow::Cow, fmt, time::Duration};

use serde::Serialize;
use serde_json::{Value, json};

use super::revision::Revision;

/// The error member of a JSON-RPC answer.
///
/// Failed work of a tool is not this: it is a result with `isError` (see [`ToolError`](crate::ToolError)).
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RpcError {
    /// One of the constants of [`code`], or an HTTP status for errors of our own.
    pub code: i32,
    /// One sentence for the client.
    pub message: Cow<'static, str>,
    /// Further detail, of a form that depends on the code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<Value>,
    /// Whether it says that a resource does not exist, which handshake revisions give a code of its own.
    #[serde(skip)]
    pub(crate) is_missing_resource: bool,
    /// Whether it says that a session is over, which no other error may be taken for.
    #[serde(skip)]
    pub(crate) is_unknown_session: bool,
}

/// Codes of JSON-RPC 2.0 and of the specification (2026-07-28, basic, "Error Codes").
pub mod code {
    /// Not JSON.
    pub const PARSE_ERROR: i32 = -32700;
    /// JSON, but not a request.
    pub const INVALID_REQUEST: i32 = -32600;
    /// A method that is not served.
    pub const METHOD_NOT_FOUND: i32 = -32601;
    /// Parameters that do not fit the method.
    pub const INVALID_PARAMS: i32 = -32602;
    /// The server failed.
    pub const INTERNAL_ERROR: i32 = -32603;
    /// A resource that does not exist, up to revision 2025-11-25.
    pub const RESOURCE_NOT_FOUND: i32 = -32002;
    /// HTTP headers that do not say what the body says.
    pub const HEADER_MISMATCH: i32 = -32020;
    /// A client capability is needed that was not declared.
    pub const MISSING_CAPABILITY: i32 = -32021;
    /// A protocol version that is not served.
    pub const UNSUPPORTED_VERSION: i32 = -32022;
    /// No credentials, or none that are good; the HTTP status of the same number.
    pub const UNAUTHORIZED: i32 = 401;
    /// The caller may not do this; the HTTP status of the same number.
    pub const FORBIDDEN: i32 = 403;
    /// The session is over, or never was; the HTTP status of the same number.
    pub const UNKNOWN_SESSION: i32 = 404;
    /// Larger than the server takes; the HTTP status of the same number.
    pub const TOO_LARGE: i32 = 413;
    /// The caller makes more calls than it may; the HTTP status of the same number.
    pub const TOO_MANY_CALLS: i32 = 429;
    /// As many calls as the server takes at once are running; the HTTP status of the same number.
    pub const OVERLOADED: i32 = 503;
    /// The call took longer than it may; the HTTP status of the same number.
    pub const TIME_LIMIT: i32 = 504;
}

impl RpcError {
    /// An error of this code, without further data.
    pub fn new(code: i32, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            code,
            message: message.into(),
            data: None,
            is_missing_resource: false,
            is_unknown_session: false,
        }
    }

    /// Adds detail.
    #[must_use]
    pub fn with_data(mut self, data: Value) -> Self {
        self.data = Some(data);
        self
    }

    /// `-32700`.
    pub fn parse(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(code::PARSE_ERROR, message)
    }

    /// `-32600`.
    pub fn invalid_request(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(code::INVALID_REQUEST, message)
    }

    /// `-32602`.
    pub fn invalid_params(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(code::INVALID_PARAMS, message)
    }

    /// `-32601`, naming the method.
    pub fn method_not_found(method: &str) -> Self {
        Self::new(code::METHOD_NOT_FOUND, format!("Method not found: {}", shorten(method)))
    }

    /// `-32603`; the cause belongs in the log, not here.
    pub fn internal() -> Self {
        Self::new(code::INTERNAL_ERROR, "Internal error; the server's log has the cause")
    }

    /// `-32020`.
    pub fn header_mismatch(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(code::HEADER_MISMATCH, message)
    }

    /// `-32022`, with what was asked for and what is served.
    pub fn unsupported_version(requested: &str) -> Self {
        Self::new(code::UNSUPPORTED_VERSION, "Unsupported protocol version")
            .with_data(json!({"requested": shorten(requested), "supported": Revision::MODERN}))
    }

    /// A resource that does not exist: `-32602` with the URI; sessions of earlier revisions see `-32002`.
    pub fn resource_not_found(uri: &str) -> Self {
        Self { is_missing_resource: true, ..Self::invalid_params("Resource not found") }
            .with_data(json!({ "uri": shorten_uri(uri) }))
    }

    /// `503`, to be tried again in a second.
    pub fn overloaded(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(code::OVERLOADED, message).with_data(json!({ "retryAfterMs": 1000 }))
    }

    /// `401`: the caller showed no credentials, or none that are good (any more).
    pub fn unauthorized(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(code::UNAUTHORIZED, message)
    }

    /// `429`, to be tried again after this time, rounded up to milliseconds.
    pub fn too_many_calls(message: impl Into<Cow<'static, str>>, retry_after: Duration) -> Self {
        let millis = u64::try_from(retry_after.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX);
        Self::new(code::TOO_MANY_CALLS, message).with_data(json!({ "retryAfterMs": millis }))
    }

    /// `404`, for a session that is not there.
    pub(crate) fn unknown_session() -> Self {
        let message = "Unknown session: it has ended, or never was; open one with `initialize`";
        Self { is_unknown_session: true, ..Self::new(code::UNKNOWN_SESSION, message) }
    }

    /// `413`, naming the limit.
    pub fn too_large(what: &str, limit: usize) -> Self {
        Self::new(code::TOO_LARGE, format!("{what} is larger than the limit of {limit} bytes"))
            .with_data(json!({ "limitBytes": limit }))
    }
}

impl fmt::Display for RpcError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.message, self.code)
    }
}

impl std::error::Error for RpcError {}

/// A client's own words, cut to a length that an error message bears.
pub(crate) fn shorten(text: &str) -> Cow<'_, str> {
    cut(text, 128)
}

/// A client's own URI, whole if any server would know what to do with it: it tells the client which one is meant.
fn shorten_uri(uri: &str) -> Cow<'_, str> {
    cut(uri, 1024)
}

fn cut(text: &str, max_chars: usize) -> Cow<'_, str> {
    match text.char_indices().nth(max_chars) {
        None => Cow::Borrowed(text),
        Some((end, _)) => Cow::Owned(format!("{}…", &text[..end])),
    }
}

/// What serde says of a value that does not fit, without the value: it may be a secret, and its sender knows it.
pub(crate) fn without_value(error: &serde_json::Error) -> String {
    let mut message = error.to_string();
    // A position counts from where reading began, which means nothing to the sender.
    if let Some(end) = message.rfind(" at line ") {
        message.truncate(end);
    }
    let Some(what) = ["invalid type", "invalid value", "unknown variant"]
        .into_iter()
        .find(|what| message.starts_with(what))
    else {
        return message;
    };
    match message.rsplit_once(", expected ") {
        Some((_, expected)) => format!("{what}, expected {expected}"),
        None => what.to_owned(),
    }
}
