//! What a client says it can do, and what the server says it can.

use serde::{Deserialize, Serialize};

use super::JsonObject;

/// What a client can do for the server, as it says with each request or once in `initialize`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ClientCapabilities {
    /// It can ask its user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub elicitation: Option<JsonObject>,
    /// It can sample a model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sampling: Option<JsonObject>,
    /// It can name its root folders.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub roots: Option<JsonObject>,
    /// Extensions by name, with their settings.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub extensions: Option<JsonObject>,
    /// Experiments by name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub experimental: Option<JsonObject>,
}

impl ClientCapabilities {
    /// None at all.
    pub const NONE: Self =
        Self { elicitation: None, sampling: None, roots: None, extensions: None, experimental: None };

    /// Whether there is no kind of question that it could answer.
    pub(crate) fn can_answer_nothing(&self) -> bool {
        self.elicitation.is_none() && self.sampling.is_none() && self.roots.is_none()
    }
}

/// What the server offers; derived from what is registered, so that it never claims more.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ServerCapabilities {
    /// Log messages are sent where they are asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logging: Option<Flags>,
    /// Arguments of prompts and templates can be completed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub completions: Option<Flags>,
    /// There are prompts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prompts: Option<Flags>,
    /// There are resources.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resources: Option<Flags>,
    /// There are tools.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tools: Option<Flags>,
}

/// The two flags that a capability may carry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Flags {
    /// Changes of the list are announced.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub list_changed: bool,
    /// Changes of a single resource are announced.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub subscribe: bool,
}
