//! How a request ended, for a transport that has a status for it.

use std::time::Duration;

use serde_json::Value;

use crate::protocol::error::{RpcError, code};

/// How a request ended, with what a transport may say of it beside the message.
#[derive(Debug)]
pub(crate) struct Verdict {
    pub(crate) status: AnswerStatus,
    pub(crate) retry_after: Option<Duration>,
    pub(crate) required_scopes: Vec<String>,
}

/// How a request ended, as far as a status code can say it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnswerStatus {
    /// With a result, or with an error that the method itself found.
    Served,
    /// The message was refused before the method began: it is malformed, or its headers do not fit.
    Refused,
    /// The method is not served.
    UnknownMethod,
    /// The session that the message names is not there, or not any more.
    UnknownSession,
    /// An error of our own, whose code is an HTTP status.
    Status(u16),
}

impl Verdict {
    /// That it was served.
    pub(crate) const SERVED: Self = Self::plain(AnswerStatus::Served);

    /// That it was refused before its method began.
    pub(crate) const REFUSED: Self = Self::plain(AnswerStatus::Refused);

    const fn plain(status: AnswerStatus) -> Self {
        Self { status, retry_after: None, required_scopes: Vec::new() }
    }

    /// That of a request of a session.
    pub(crate) fn in_session(error: Option<&RpcError>) -> Self {
        Self::with_hints(AnswerStatus::in_session(error), error)
    }

    /// That of a request, by its error if it has one.
    pub(crate) fn of(error: Option<&RpcError>) -> Self {
        Self::with_hints(AnswerStatus::of(error), error)
    }

    fn with_hints(status: AnswerStatus, error: Option<&RpcError>) -> Self {
        let data = |name| error.and_then(|error| error.data.as_ref()?.get(name));
        match status {
            AnswerStatus::Status(429 | 503) => {
                let retry_after = data("retryAfterMs").and_then(Value::as_u64).map(Duration::from_millis);
                Self { status, retry_after, required_scopes: Vec::new() }
            }
            AnswerStatus::Status(403) => {
                let scopes = data("requiredScopes").and_then(Value::as_array).into_iter().flatten();
                let required_scopes = scopes.filter_map(Value::as_str).map(str::to_owned).collect();
                Self { status, retry_after: None, required_scopes }
            }
            status => Self::plain(status),
        }
    }
}

impl AnswerStatus {
    /// The status of a request of a session. There 404 says that the session is over and nothing else: errors of JSON-RPC
    /// are answers like any other.
    fn in_session(error: Option<&RpcError>) -> Self {
        match Self::of(error) {
            Self::Status(404) => Self::Served,
            status @ (Self::Status(_) | Self::UnknownSession) => status,
            _ => Self::Served,
        }
    }

    /// The status of a request that was served, by its error if it has one.
    fn of(error: Option<&RpcError>) -> Self {
        if error.is_some_and(|error| error.is_unknown_session) {
            return Self::UnknownSession;
        }
        match error.map(|error| error.code) {
            Some(code::METHOD_NOT_FOUND) => Self::UnknownMethod,
            Some(code::HEADER_MISMATCH | code::MISSING_CAPABILITY | code::UNSUPPORTED_VERSION) => {
                Self::Refused
            }
            Some(status @ 400..600) => u16::try_from(status).map_or(Self::Served, Self::Status),
            _ => Self::Served,
        }
    }
}
