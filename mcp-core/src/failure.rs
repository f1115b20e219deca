//! Why a request ends without its result, before it is known how its method says so.

use crate::{protocol::error::RpcError, tool_error::ToolError};

/// An error for the caller of a tool to correct, or one of the protocol.
#[derive(Debug)]
pub(crate) enum Failure {
    Tool(ToolError),
    Rpc(RpcError),
}

impl Failure {
    /// The stable code of a tool's error; `error` for one of the protocol.
    pub(crate) fn code(&self) -> &str {
        match self {
            Self::Tool(error) => error.code(),
            Self::Rpc(_) => "error",
        }
    }
}

impl From<RpcError> for Failure {
    fn from(error: RpcError) -> Self {
        Self::Rpc(error)
    }
}

impl From<ToolError> for Failure {
    fn from(error: ToolError) -> Self {
        Self::Tool(error)
    }
}
