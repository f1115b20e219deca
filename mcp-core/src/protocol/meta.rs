//! The metadata that travels in a request's `_meta`.

use serde::Deserialize;

use super::{
    capabilities::ClientCapabilities, definition::Implementation, id::ProgressToken, level::LogLevel,
    object::object, revision::NamedVersion,
};

/// `_meta` keys of the specification (2026-07-28, basic, "`_meta`").
pub mod key {
    /// The revision a request is sent under.
    pub const PROTOCOL_VERSION: &str = "io.modelcontextprotocol/protocolVersion";
    /// Who sends it.
    pub const CLIENT_INFO: &str = "io.modelcontextprotocol/clientInfo";
    /// What the sender can do.
    pub const CLIENT_CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";
    /// The least severe log level it wants to see.
    pub const LOG_LEVEL: &str = "io.modelcontextprotocol/logLevel";
    /// Which subscription a notification belongs to.
    pub const SUBSCRIPTION_ID: &str = "io.modelcontextprotocol/subscriptionId";
    /// Who answers.
    pub const SERVER_INFO: &str = "io.modelcontextprotocol/serverInfo";
}

/// `_meta` of a request, as read from the wire; keys that are not listed are ignored.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct WireMeta {
    #[serde(rename = "io.modelcontextprotocol/protocolVersion")]
    pub(crate) protocol_version: Option<NamedVersion>,
    #[serde(default, rename = "io.modelcontextprotocol/clientInfo", deserialize_with = "object")]
    pub(crate) client_info: Option<Box<Implementation>>,
    #[serde(default, rename = "io.modelcontextprotocol/clientCapabilities", deserialize_with = "object")]
    pub(crate) client_capabilities: Option<ClientCapabilities>,
    #[serde(rename = "io.modelcontextprotocol/logLevel")]
    pub(crate) log_level: Option<LogLevel>,
    #[serde(rename = "progressToken")]
    pub(crate) progress_token: Option<ProgressToken>,
    pub(crate) traceparent: Option<String>,
    pub(crate) tracestate: Option<String>,
    pub(crate) baggage: Option<String>,
}

/// W3C trace context that a client sent along, each value as it stands (<https://www.w3.org/TR/trace-context/>).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TraceContext {
    /// `traceparent`: version, trace id, parent id and flags.
    pub traceparent: Option<String>,
    /// `tracestate`: vendors' own.
    pub tracestate: Option<String>,
    /// `baggage` (<https://www.w3.org/TR/baggage/>).
    pub baggage: Option<String>,
}

impl TraceContext {
    /// The id of the trace: 32 hexadecimal digits, where `traceparent` has the form that it should have.
    pub fn trace_id(&self) -> Option<&str> {
        let mut parts = self.traceparent.as_deref()?.split('-');
        let id = parts.nth(1)?;
        let is_id = id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
        (is_id && parts.next().is_some()).then_some(id)
    }
}
