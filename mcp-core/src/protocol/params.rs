//! The parameters of every method in one struct, read in one pass; each method then takes what it needs.

use serde::{Deserialize, Deserializer, de};
use serde_json::{Value, value::RawValue};

use super::{
    JsonObject,
    capabilities::ClientCapabilities,
    definition::Implementation,
    error::{RpcError, shorten, without_value},
    id::RequestId,
    level::LogLevel,
    meta::WireMeta,
    object::object,
};

/// All parameters that any served method knows; the others are ignored, as JSON-RPC peers of later revisions expect.
///
/// The larger ones are boxed: this struct is moved several times a call, and copying it showed in profiles.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Params {
    #[serde(default, rename = "_meta", deserialize_with = "object")]
    pub(crate) meta: Option<Box<WireMeta>>,
    pub(crate) name: Option<String>,
    pub(crate) uri: Option<String>,
    pub(crate) cursor: Option<String>,
    pub(crate) arguments: Option<JsonObject>,
    pub(crate) input_responses: Option<Box<JsonObject>>,
    pub(crate) request_state: Option<Box<str>>,
    #[serde(default, rename = "ref", deserialize_with = "object")]
    pub(crate) reference: Option<Box<Reference>>,
    #[serde(default, deserialize_with = "object")]
    pub(crate) argument: Option<Box<Argument>>,
    #[serde(default, deserialize_with = "object")]
    pub(crate) context: Option<Box<CompletionContext>>,
    #[serde(default, deserialize_with = "object")]
    pub(crate) notifications: Option<Box<SubscriptionFilter>>,
    pub(crate) level: Option<LogLevel>,
    pub(crate) request_id: Option<RequestId>,
    pub(crate) reason: Option<String>,
    pub(crate) protocol_version: Option<String>,
    #[serde(default, deserialize_with = "object")]
    pub(crate) capabilities: Option<Box<ClientCapabilities>>,
    #[serde(default, deserialize_with = "object")]
    pub(crate) client_info: Option<Box<Implementation>>,
}

impl Params {
    /// Reads the parameters of a message; absent ones count as empty.
    pub(crate) fn parse(raw: Option<&RawValue>) -> Result<Self, RpcError> {
        let Some(raw) = raw else { return Ok(Self::default()) };
        if !raw.get().starts_with('{') {
            return Err(RpcError::invalid_params("params must be an object"));
        }
        serde_json::from_str(raw.get())
            .map_err(|error| RpcError::invalid_params(format!("params: {}", without_value(&error))))
    }

    /// Takes a string that the method cannot do without.
    pub(crate) fn required(value: Option<String>, name: &'static str) -> Result<Box<str>, RpcError> {
        value
            .map(String::into_boxed_str)
            .ok_or_else(|| RpcError::invalid_params(format!("params.{name} is required")))
    }
}

/// Parameters as they stand in a message that is all right: an object.
pub(crate) struct ObjectParams(pub(crate) Params);

impl<'de> Deserialize<'de> for ObjectParams {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        object(deserializer)?.map(Self).ok_or_else(|| de::Error::custom("params must be an object"))
    }
}

/// What an argument to complete belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(tag = "type")]
pub enum Reference {
    /// A prompt.
    #[serde(rename = "ref/prompt")]
    Prompt {
        /// Its name.
        name: String,
    },
    /// A resource template.
    #[serde(rename = "ref/resource")]
    Resource {
        /// Its URI template.
        uri: String,
    },
}

/// The argument to complete.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Argument {
    pub(crate) name: String,
    pub(crate) value: String,
}

/// What else is filled in already.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct CompletionContext {
    pub(crate) arguments: std::collections::BTreeMap<String, String>,
}

/// Which changes a `subscriptions/listen` wants to hear of (specification 2026-07-28, "Notification Filter").
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, serde::Serialize)]
#[serde(default, rename_all = "camelCase")]
pub struct SubscriptionFilter {
    /// The list of tools.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub tools_list_changed: bool,
    /// The list of prompts.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub prompts_list_changed: bool,
    /// The list of resources.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub resources_list_changed: bool,
    /// These very resources, by URI.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub resource_subscriptions: Vec<String>,
}

/// The arguments of a prompt: strings by name.
pub(crate) fn string_arguments(arguments: Option<JsonObject>) -> Result<Vec<(String, String)>, RpcError> {
    arguments
        .unwrap_or_default()
        .into_iter()
        .map(|(name, value)| match value {
            Value::String(text) => Ok((name, text)),
            _ => {
                Err(RpcError::invalid_params(format!("params.arguments.{} must be a string", shorten(&name))))
            }
        })
        .collect()
}
