//! One message to a client that answers another, with what a transport may want to know of it.

use std::time::Duration;

use crate::{
    encode,
    protocol::{error::RpcError, id::RequestId, revision::Revision},
    verdict::{AnswerStatus, Verdict},
};

/// An encoded answer, without any framing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncodedAnswer {
    /// The message.
    pub bytes: Vec<u8>,
    /// How it ended.
    pub status: AnswerStatus,
    /// After what time there is a point in trying again, where it was refused for now: what the error's `retryAfterMs` says.
    pub retry_after: Option<Duration>,
    /// The scopes that its caller lacks, where it was refused for want of them.
    pub required_scopes: Vec<String>,
}

impl EncodedAnswer {
    /// The answer to a message that was refused, without an id where the message's could not be read; under a revision
    /// that the client speaks.
    pub fn refusal(id: Option<&RequestId>, error: &RpcError, revision: Revision) -> Self {
        let mut bytes = Vec::new();
        encode::error(&mut bytes, id, error, revision);
        let verdict = Verdict::of(Some(error));
        let status = match verdict.status {
            AnswerStatus::Served => AnswerStatus::Refused,
            status => status,
        };
        Self::new(bytes, Verdict { status, ..verdict })
    }

    pub(crate) fn new(bytes: Vec<u8>, verdict: Verdict) -> Self {
        let Verdict { status, retry_after, required_scopes } = verdict;
        Self { bytes, status, retry_after, required_scopes }
    }
}
