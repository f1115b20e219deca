//! The one model of a request and its outcome that everything behind the era adapters knows.

use std::{collections::BTreeMap, sync::Arc};

use crate::{
    call::Call,
    catalog::List,
    completion::{Completing, Completion},
    prompt::Messages,
    protocol::{
        JsonObject,
        error::RpcError,
        method,
        params::{Params, Reference, SubscriptionFilter, string_arguments},
    },
    questions::InputRequired,
    resource::ReadReply,
    tool::ToolReply,
};

/// A request on its way through the layers to the router.
#[derive(Debug)]
pub struct Request {
    pub(crate) operation: Operation,
    pub(crate) call: Call,
}

/// What is asked for.
#[derive(Debug)]
pub(crate) enum Operation {
    Discover,
    List { list: List, cursor: Option<Box<str>> },
    CallTool { name: Box<str>, arguments: JsonObject },
    ReadResource { uri: Box<str> },
    GetPrompt { name: Box<str>, arguments: Vec<(String, String)> },
    Complete { reference: Reference, completing: Completing },
    Listen { filter: SubscriptionFilter },
}

impl Operation {
    /// The operation of this method that the parameters ask for; `Ok(None)` for a method that is none of the core's.
    pub(crate) fn read(name: &str, params: Params) -> Result<Option<Self>, RpcError> {
        let list = |list| Ok(Self::List { list, cursor: params.cursor.clone().map(String::into_boxed_str) });
        let operation = match name {
            method::TOOLS_CALL => {
                let name = Params::required(params.name, "name")?;
                Ok(Self::CallTool { name, arguments: params.arguments.unwrap_or_default() })
            }
            method::TOOLS_LIST => list(List::Tools),
            method::PROMPTS_LIST => list(List::Prompts),
            method::RESOURCES_LIST => list(List::Resources),
            method::TEMPLATES_LIST => list(List::Templates),
            method::RESOURCES_READ => Ok(Self::ReadResource { uri: Params::required(params.uri, "uri")? }),
            method::PROMPTS_GET => {
                let name = Params::required(params.name, "name")?;
                Ok(Self::GetPrompt { name, arguments: string_arguments(params.arguments)? })
            }
            method::COMPLETE => Self::complete(params),
            method::DISCOVER => Ok(Self::Discover),
            method::LISTEN => params
                .notifications
                .map(|filter| Self::Listen { filter: *filter })
                .ok_or_else(|| RpcError::invalid_params("params.notifications is required")),
            _ => return Ok(None),
        };
        operation.map(Some)
    }

    fn complete(params: Params) -> Result<Self, RpcError> {
        let missing = |name| RpcError::invalid_params(format!("params.{name} is required"));
        let reference = params.reference.ok_or_else(|| missing("ref"))?;
        let argument = params.argument.ok_or_else(|| missing("argument"))?;
        let others: BTreeMap<_, _> = params.context.unwrap_or_default().arguments;
        let completing = Completing { argument: argument.name, value: argument.value, others };
        Ok(Self::Complete { reference: *reference, completing })
    }

    pub(crate) fn method(&self) -> &'static str {
        match self {
            Self::Discover => method::DISCOVER,
            Self::List { list: List::Tools, .. } => method::TOOLS_LIST,
            Self::List { list: List::Prompts, .. } => method::PROMPTS_LIST,
            Self::List { list: List::Resources, .. } => method::RESOURCES_LIST,
            Self::List { list: List::Templates, .. } => method::TEMPLATES_LIST,
            Self::CallTool { .. } => method::TOOLS_CALL,
            Self::ReadResource { .. } => method::RESOURCES_READ,
            Self::GetPrompt { .. } => method::PROMPTS_GET,
            Self::Complete { .. } => method::COMPLETE,
            Self::Listen { .. } => method::LISTEN,
        }
    }

    /// Whether it may ask the client something before it is done (specification 2026-07-28, "Supported Requests").
    pub(crate) fn may_ask(&self) -> bool {
        matches!(self, Self::CallTool { .. } | Self::ReadResource { .. } | Self::GetPrompt { .. })
    }

    /// The value that the `Mcp-Name` header repeats.
    pub(crate) fn mirrored_name(&self) -> Option<&str> {
        match self {
            Self::CallTool { name, .. } | Self::GetPrompt { name, .. } => Some(name),
            Self::ReadResource { uri } => Some(uri),
            _ => None,
        }
    }
}

impl Request {
    /// What surrounds the request: principal, client, trace.
    pub fn call(&self) -> &Call {
        &self.call
    }

    /// The method's name, such as `tools/call`.
    pub fn method(&self) -> &'static str {
        self.operation.method()
    }

    /// The name of the tool or prompt, or the URI of the resource.
    pub fn target(&self) -> Option<&str> {
        self.operation.mirrored_name()
    }

    /// The arguments of a tool call, as they came.
    pub fn arguments(&self) -> Option<&JsonObject> {
        match &self.operation {
            Operation::CallTool { arguments, .. } => Some(arguments),
            _ => None,
        }
    }

    /// Whether this opens a stream of notifications, which stays open as long as the client likes.
    pub fn is_subscription(&self) -> bool {
        matches!(self.operation, Operation::Listen { .. })
    }
}

/// How a request ended.
#[derive(Debug)]
pub struct Outcome(pub(crate) OutcomeKind);

#[derive(Debug)]
pub(crate) enum OutcomeKind {
    Complete(Reply),
    /// The client is to answer questions and ask again.
    InputRequired(Box<InputRequired>),
    Failed(RpcError),
}

/// A result, in the form that is cheapest until the revision's encoder writes it.
#[derive(Debug)]
pub(crate) enum Reply {
    /// The whole result, encoded for the revision.
    Ready(Arc<[u8]>),
    Tool(ToolReply),
    Resource(ReadReply),
    Prompt(Messages),
    Completion(Completion),
    /// A subscription that the server ended.
    Ended,
}

impl Outcome {
    /// The request cannot be served.
    pub fn error(error: RpcError) -> Self {
        Self(OutcomeKind::Failed(error))
    }

    /// The error, where the request could not be served.
    pub fn rpc_error(&self) -> Option<&RpcError> {
        match &self.0 {
            OutcomeKind::Failed(error) => Some(error),
            OutcomeKind::Complete(_) | OutcomeKind::InputRequired(_) => None,
        }
    }

    /// Whether a tool reported that it failed.
    pub fn is_tool_error(&self) -> bool {
        matches!(&self.0, OutcomeKind::Complete(Reply::Tool(reply)) if reply.is_error)
    }

    /// Whether the client is asked for more before the request can be served.
    pub fn is_input_required(&self) -> bool {
        matches!(self.0, OutcomeKind::InputRequired(_))
    }

    pub(crate) fn input_required(questions: InputRequired) -> Self {
        Self(OutcomeKind::InputRequired(Box::new(questions)))
    }

    pub(crate) fn complete(reply: Reply) -> Self {
        Self(OutcomeKind::Complete(reply))
    }
}

impl From<Result<Reply, RpcError>> for Outcome {
    fn from(result: Result<Reply, RpcError>) -> Self {
        match result {
            Ok(reply) => Self::complete(reply),
            Err(error) => Self::error(error),
        }
    }
}
