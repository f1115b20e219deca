//! Why a resource could not be read, a prompt not filled in, or an argument not completed.

use std::{error::Error, fmt};

use crate::{
    protocol::error::{RpcError, code, shorten},
    tool_error::{Causes, ToolError},
};

/// A refusal that the client sees as a JSON-RPC error, since these methods have no other way to fail.
#[derive(Debug)]
pub struct RequestError {
    kind: Kind,
    message: String,
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
        Self { kind: Kind::NotFound, message: String::new(), cause: None }
    }

    /// The request has to change; the message says how.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self { kind: Kind::Invalid, message: message.into(), cause: None }
    }

    /// The server failed; the message is for the client, so it holds no cause.
    pub fn failed(message: impl Into<String>) -> Self {
        Self { kind: Kind::Failed, message: message.into(), cause: None }
    }

    /// Attaches a cause for the log.
    #[must_use]
    pub fn caused_by(mut self, cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.cause = Some(cause.into());
        self
    }

    /// The error on the wire; `subject` is the URI or name that was asked for. The cause is logged on the way.
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
    fn from(error: ToolError) -> Self {
        let message = error.message().to_owned();
        let kind = if error.code() == ToolError::INVALID_ARGUMENTS { Kind::Invalid } else { Kind::Failed };
        Self { kind, message, cause: error.into_cause() }
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
