//! What a tool answers: structured content with its text mirror, plain text, blocks, or a sentence and data.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{json, value::RawValue};

use crate::{
    protocol::{JsonObject, content::Block},
    tool_error::{Causes, Retry, ToolError},
};

/// What a tool may answer with: any type that is [`Serialize`] and [`JsonSchema`] with an object for its schema,
/// or one of [`Text`], [`Content`] and [`Reply`].
///
/// A list, a tuple, an `Option` or a bare string has no object schema: registration refuses it and says so. Put it
/// in a struct of one field, or answer with [`Text`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no answer of a tool",
    note = "derive `serde::Serialize` and `schemars::JsonSchema` for it, or answer with `Text`, `Content` or `Reply<T>`"
)]
pub trait Output: Send + 'static {
    /// The schema of the structured content, where there is any.
    #[doc(hidden)]
    fn schema() -> Option<JsonObject>;

    /// The answer on its way to the wire.
    #[doc(hidden)]
    fn into_reply(self) -> Result<ToolReply, serde_json::Error>;
}

impl<T: Serialize + JsonSchema + Send + 'static> Output for T {
    fn schema() -> Option<JsonObject> {
        Some(crate::schema::output_schema::<T>())
    }

    fn into_reply(self) -> Result<ToolReply, serde_json::Error> {
        ToolReply::structured(&self)
    }
}

/// One block of text, without structured content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text(pub String);

impl Text {
    /// This text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

impl Output for Text {
    fn schema() -> Option<JsonObject> {
        None
    }

    fn into_reply(self) -> Result<ToolReply, serde_json::Error> {
        Ok(ToolReply::content(vec![Block::text(self.0)]))
    }
}

/// Blocks of any kind, without structured content.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Content(pub Vec<Block>);

impl Output for Content {
    fn schema() -> Option<JsonObject> {
        None
    }

    fn into_reply(self) -> Result<ToolReply, serde_json::Error> {
        Ok(ToolReply::content(self.0))
    }
}

/// A sentence for people, then data: two blocks of text on the wire, and the data as structured content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply<T> {
    /// The sentence.
    pub text: String,
    /// The data.
    pub data: T,
}

impl<T> Reply<T> {
    /// This sentence and this data.
    pub fn new(text: impl Into<String>, data: T) -> Self {
        Self { text: text.into(), data }
    }
}

impl<T: Serialize + JsonSchema + Send + 'static> Output for Reply<T> {
    fn schema() -> Option<JsonObject> {
        Some(crate::schema::output_schema::<T>())
    }

    fn into_reply(self) -> Result<ToolReply, serde_json::Error> {
        let mut reply = ToolReply::structured(&self.data)?;
        reply.content.push(Block::text(self.text));
        Ok(reply)
    }
}

impl Output for ToolReply {
    fn schema() -> Option<JsonObject> {
        None
    }

    fn into_reply(self) -> Result<ToolReply, serde_json::Error> {
        Ok(self)
    }
}

/// The answer of a tool, ready to be written in any revision.
#[derive(Clone, Debug, Default)]
pub struct ToolReply {
    /// Blocks of content; the mirror of the structured content is not among them.
    pub content: Vec<Block>,
    /// Structured content, encoded once. It is mirrored as one more block of text, for clients that know no
    /// structured content.
    pub structured: Option<Box<RawValue>>,
    /// Whether the work failed.
    pub is_error: bool,
    /// The result's own `_meta`.
    pub meta: Option<JsonObject>,
}

impl From<ToolError> for ToolReply {
    /// The result that the client sees; the cause is logged on the way.
    fn from(error: ToolError) -> Self {
        if let Some(cause) = error.cause() {
            tracing::warn!(code = error.code(), cause = %Causes(cause), "a tool failed");
        }
        let retry = match error.retry() {
            Retry::Never => "never",
            Retry::Later => "later",
        };
        let mut detail = json!({ "code": error.code(), "retry": retry });
        if let Some(pointer) = error.pointer() {
            detail["pointer"] = json!(pointer);
        }
        let mut reply = Self::content(vec![Block::text(error.to_string())]);
        reply.is_error = true;
        reply.meta.get_or_insert_default().insert("toolpack/error".to_owned(), detail);
        reply
    }
}

impl ToolReply {
    /// Blocks alone.
    pub fn content(content: Vec<Block>) -> Self {
        Self { content, ..Self::default() }
    }

    /// Structured content, mirrored as text.
    ///
    /// # Errors
    ///
    /// What cannot be serialized, such as a map whose keys are no strings.
    pub fn structured(data: &impl Serialize) -> Result<Self, serde_json::Error> {
        Ok(Self { structured: Some(serde_json::value::to_raw_value(data)?), ..Self::default() })
    }

    /// The same, with the structured content of a failure as text alone: it would break the output schema.
    pub(crate) fn checked(mut self) -> Self {
        if self.is_error
            && let Some(structured) = self.structured.take()
        {
            self.content.push(Block::text(structured.get()));
        }
        self
    }
}
