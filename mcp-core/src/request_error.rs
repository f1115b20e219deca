//! Why a resource could not be read, a prompt not filled in, or an argument not completed.

use std::{error::Error, fmt};

use crate::{
    policy::Denied,
    protocol::error::{RpcError, code, shorten},
    questions::NotAccepted,
    tool_error::{Causes, ToolError},
};

/// A refusal that the client sees as a JSON-RPC error, since these methods have no other way to fail.
#[derive(Debug)]
pub struct RequestError {
    kind: Kind,
    message: String,
    /// Why the caller may not do this at all, where that is what it says.
    denied: Option<Box<Denied>>,
    cause: Option<Box<dyn Error + Send + Sync>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    NotFound,
    Invalid,
    Failed,
}

impl RequestError {
    /// There is no such thing: the URI is of the right form, but names nothing.
    pub fn not_found() -> Self {
        Self::new(Kind::NotFound, String::new())
    }

    /// The request has to change; the message says how.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(Kind::Invalid, message.into())
    }

    /// The server failed; the message is for the client, so it holds no cause.
    pub fn failed(message: impl Into<String>) -> Self {
        Self::new(Kind::Failed, message.into())
    }

    fn new(kind: Kind, message: String) -> Self {
        Self { kind, message, denied: None, cause: None }
    }

    /// Attaches a cause for the log.
    #[must_use]
    pub fn caused_by(mut self, cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.cause = Some(cause.into());
        self
    }

    /// Why the caller may not do this at all, where that is what it says.
    pub(crate) fn take_denial(&mut self) -> Option<Denied> {
        self.denied.take().map(|denied| *denied)
    }

    /// The error on the wire, of one that is no denial; `subject` is the URI or name that was asked for. The cause is logged
    /// on the way.
    pub(crate) fn into_rpc(self, subject: &str) -> RpcError {
        if let Some(cause) = &self.cause {
            tracing::warn!(subject = %shorten(subject), cause = %Causes(cause.as_ref()), "a request failed");
        }
        match self.kind {
            Kind::NotFound => RpcError::resource_not_found(subject),
            Kind::Invalid => RpcError::invalid_params(self.message),
            Kind::Failed => RpcError::new(code::INTERNAL_ERROR, self.message),
        }
    }
}

impl From<ToolError> for RequestError {
    /// The same words as for a tool: arguments that do not fit are the caller's mistake, all else is a failure.
    fn from(mut error: ToolError) -> Self {
        let message = error.message().to_owned();
        let kind = if error.code() == ToolError::INVALID_ARGUMENTS { Kind::Invalid } else { Kind::Failed };
        Self {
            denied: error.take_denial().map(Box::new),
            cause: error.into_cause(),
            ..Self::new(kind, message)
        }
    }
}

impl From<Denied> for RequestError {
    /// The client sees an error of the code 403.
    fn from(denied: Denied) -> Self {
        ToolError::from(denied).into()
    }
}

impl From<NotAccepted> for RequestError {
    /// The person who was asked declined, or did not answer.
    fn from(refusal: NotAccepted) -> Self {
        Self::invalid(ToolError::from(refusal).message())
    }
}

impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            Kind::NotFound => f.write_str("not found"),
            Kind::Invalid | Kind::Failed => f.write_str(&self.message),
        }
    }
}

impl Error for RequestError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.cause.as_deref().map(|cause| cause as &(dyn Error + 'static))
    }
}
