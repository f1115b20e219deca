//! What the gateway answers itself: a short text, or JSON for who asks for it, that says what to look at.

use std::borrow::Cow;

use http::header::{ACCEPT, CACHE_CONTROL, CONNECTION, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, Response, StatusCode};

use crate::bext::node::body::{self, Body};

/// A request that no app answers.
#[derive(Debug)]
pub(super) struct Refusal {
    status: StatusCode,
    /// Stable, for programs.
    code: &'static str,
    /// For people: no address, nothing of the inside.
    message: Cow<'static, str>,
}

/// Marks a response as the gateway's own 502, 503 or 504, for whoever counts those.
#[derive(Clone, Copy, Debug)]
pub(super) struct GatewayError;

impl Refusal {
    pub(super) fn new(status: StatusCode, code: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self { status, code, message: message.into() }
    }

    /// What is answered to a body that is too large, whenever that is found out.
    pub(super) fn body_too_large() -> Self {
        Self::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "body_too_large",
            "the body is larger than this gateway takes; max_body_bytes of the gateway says how large it may be",
        )
    }

    pub(super) fn answer(self, form: Form) -> Response<Body> {
        let (content_type, text) = match form {
            Form::Json => {
                let json = serde_json::json!({ "error": { "code": self.code, "message": self.message } });
                ("application/json", format!("{json}\n"))
            }
            Form::Text => ("text/plain; charset=utf-8", format!("{}\n", self.message)),
        };
        let mut response = Response::new(body::full(text));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        if self.status == StatusCode::BAD_REQUEST {
            // Where one message cannot be understood, neither can it be said where the next one begins.
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        if matches!(self.status.as_u16(), 502..=504) {
            response.extensions_mut().insert(GatewayError);
        }
        response
    }
}

/// How an answer is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Text,
    Json,
}

impl Form {
    /// That which a client asks for: JSON if it names it, text otherwise.
    pub(super) fn asked(headers: &HeaderMap) -> Self {
        let names_json = |value: &HeaderValue| {
            value.to_str().is_ok_and(|accept| {
                accept.split(',').any(|part| {
                    let name = part.split(';').next().unwrap_or_default().trim();
                    name.eq_ignore_ascii_case("application/json")
                        || name
                            .rsplit_once('+')
                            .is_some_and(|(_, suffix)| suffix.eq_ignore_ascii_case("json"))
                })
            })
        };
        if headers.get_all(ACCEPT).iter().any(names_json) { Self::Json } else { Self::Text }
    }
}
