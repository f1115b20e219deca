//! One message to a client that answers another, with what a transport may want to know of it.

use crate::protocol::{
    error::{RpcError, code},
    id::RequestId,
    revision::Revision,
};

/// An encoded answer, without any framing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncodedAnswer {
    /// The message.
    pub bytes: Vec<u8>,
    /// How it ended.
    pub status: AnswerStatus,
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

impl EncodedAnswer {
    /// The answer to a message that was refused, without an id where the message's could not be read; under a revision
    /// that the client speaks.
    pub fn refusal(id: Option<&RequestId>, error: &RpcError, revision: Revision) -> Self {
        let mut bytes = Vec::new();
        crate::encode::error(&mut bytes, id, error, revision);
        let status = match AnswerStatus::of(Some(error)) {
            AnswerStatus::Served => AnswerStatus::Refused,
            status => status,
        };
        Self { bytes, status }
    }
}

impl AnswerStatus {
    /// The status of a request of a session. There 404 says that the session is over and nothing else: errors of JSON-RPC
    /// are answers like any other.
    pub(crate) fn in_session(error: Option<&RpcError>) -> Self {
        match Self::of(error) {
            Self::Status(404) => Self::Served,
            status @ (Self::Status(_) | Self::UnknownSession) => status,
            _ => Self::Served,
        }
    }

    /// The status of a request that was served, by its error if it has one.
    pub(crate) fn of(error: Option<&RpcError>) -> Self {
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
