//! The core of an MCP server, without a transport: tools, resources and prompts, their schemas, and one stateless
//! dispatcher that serves every revision of the Model Context Protocol.
//!
//! A tool is a struct of its arguments and one `impl`:
//!
//! ```
//! use mcp_core::{Annotations, Call, Server, Text, Tool, ToolError, testing::Client};
//! use schemars::JsonSchema;
//! use serde::Deserialize;
//! use serde_json::json;
//!
//! /// Greets somebody.
//! #[derive(Deserialize, JsonSchema)]
//! struct Greet {
//!     /// Whom to greet.
//!     name: String,
//! }
//!
//! impl Tool for Greet {
//!     const NAME: &'static str = "greet";
//!     const ANNOTATIONS: Annotations = Annotations::read_only();
//!     type Output = Text;
//!
//!     async fn call(self, _: &(), _: &Call) -> Result<Text, ToolError> {
//!         Ok(Text::new(format!("Hello, {}!", self.name)))
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() {
//! let client = Client::new(Server::new("demo", "1.0.0").tool::<Greet>()).await;
//! assert_eq!(client.call("greet", json!({"name": "Ada"})).await.text(), "Hello, Ada!");
//! # }
//! ```
//!
//! # Map
//!
//! | You write | with |
//! |---|---|
//! | a tool | [`Tool`], [`tool_fn`](tool_fn()) or [`DynTool`] |
//! | what it answers | a type that is `Serialize + JsonSchema`, or [`Text`], [`Content`], [`Reply`] |
//! | how it fails | [`ToolError`] |
//! | a question in the middle of it | [`Call::ask`] with a [`Question`], [`Call::confirm`] |
//! | who may have it done | [`Access`] in [`Tool::access`] and [`Call::require`], [`Rules`] or another [`Policy`] |
//! | consent to what is destructive | [`ConfirmDestructive`], [`Tool::preview`] |
//! | a record of what was done | [`Audit`] |
//! | how much callers may cost | [`Limits`], [`Rates`] |
//! | counts of what was done | [`Endpoint::meter`] |
//! | a resource, a prompt | [`Resource`], [`Prompt`], or [`resource_fn`], [`prompt_fn`] |
//! | tools that belong together | [`Pack`] |
//! | the server | [`Server`], then [`Endpoint`] |
//! | a layer around every request | [`Server::layer`] over [`Request`] and [`Outcome`] |
//! | a test | [`testing::Client`] |
//! | a transport | [`Connection`] for streams of lines, [`Endpoint::exchange`] for single messages |

mod access;
mod admission;
mod annotations;
mod answer;
mod audit;
mod batch;
mod build;
mod call;
mod caller;
mod catalog;
mod clients;
mod completion;
mod connection;
mod consent_text;
mod credentials;
mod encode;
mod endpoint;
mod entry;
mod eras;
mod exchange;
mod failure;
mod guards;
mod hidden;
mod hub;
mod in_flight;
mod input;
mod limits;
mod meter;
mod noted;
mod outbox;
mod pack;
mod pack_options;
mod places;
mod policy;
mod principal;
mod prompt;
pub mod protocol;
mod questions;
mod rates;
mod redaction;
mod request;
mod request_error;
mod resource;
mod rings;
mod router;
mod running;
pub mod schema;
mod server;
mod session;
mod signal;
pub mod testing;
mod tool;
mod tool_error;
mod transport_kind;
mod verdict;

pub use self::{
    access::Access,
    annotations::Annotations,
    answer::EncodedAnswer,
    audit::{Audit, AuditEntry, AuditEvent, AuditMode, Confirmation, Ending, NotRecorded, Recording},
    build::{BuildError, Problem},
    call::Call,
    caller::Caller,
    completion::{Completing, Completion},
    connection::Connection,
    endpoint::{Edit, Endpoint},
    entry::{Entry, IntoEntry},
    exchange::{Exchange, Post},
    guards::ConfirmDestructive,
    input::{Empty, Input},
    limits::Limits,
    meter::{CALL_SECONDS, CallCounts, CallEnd, Meter, Refusal},
    pack::Pack,
    pack_options::PackOptions,
    policy::{
        Action, ByGrants, CallerRules, Decision, Denied, Policy, Registered, Rules, ScopePatterns, Selection,
        Unasked, UnaskedCaller,
    },
    principal::{Principal, PrincipalKind},
    prompt::{Messages, Prompt, PromptEntry, PromptFn, prompt, prompt_fn},
    protocol::{
        audience::{ContentAnnotations, Role},
        content::{Block, ResourceContents},
        definition::{About, Icon, Implementation, ResourceDefinition, ToolDefinition},
        error::RpcError,
        header::MirroredHeaders,
        id::RequestId,
        level::LogLevel,
        revision::Revision,
    },
    questions::{
        Ability, Answer, Form, ListRoots, MemoryOnce, Nonce, NotAccepted, Once, OpenUrl, Question, RawForm,
        Root, Sample, SampleBlock, SampleMessage, Sampled, SealKey, SealKeyError, ToolChoice,
    },
    rates::{Bucket, Charge, Charged, OverRate, RateOf, RateStore, Rates},
    request::{Outcome, Request},
    request_error::RequestError,
    resource::{Contents, Resource, ResourceEntry, ResourceFn, resource, resource_fn},
    rings::{BoxError, RingService},
    running::{Running, Step},
    server::{IntoEndpoint, Server},
    session::{NamedSession, Session},
    signal::Signal,
    tool::{Content, DynTool, Output, Reply, Text, Tool, ToolEntry, ToolFn, ToolReply, tool, tool_fn},
    tool_error::{Retry, ToolError},
    transport_kind::TransportKind,
    verdict::AnswerStatus,
};
