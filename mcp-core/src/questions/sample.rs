//! Sampling: a few words from the model in front of the client.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Ability, Forms, Misfit, Prepared, Question};
use crate::protocol::{
    JsonObject, audience::Role, content::Block, definition::ToolDefinition, method, revision::Revision,
    shape::Feature,
};

/// Asks the client's model to go on from these messages; the answer is [`Sampled`].
///
/// Sampling is deprecated in revision 2026-07-28, though served by it as before: new servers call a model of their own.
///
/// ```
/// # use mcp_core::Sample;
/// let question = Sample::new("What is the capital of France?", 100).system_prompt("Answer in one word.");
/// ```
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[must_use = "a question does nothing until it is asked"]
pub struct Sample {
    messages: Vec<SampleMessage>,
    max_tokens: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    system_prompt: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    stop_sequences: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    model_preferences: Option<ModelPreferences>,
    #[serde(skip_serializing_if = "Option::is_none")]
    include_context: Option<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<ToolDefinition>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_choice: Option<ToolMode>,
}

#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct ModelPreferences {
    hints: Vec<ModelHint>,
}

#[derive(Clone, Debug, Serialize)]
struct ModelHint {
    name: String,
}

#[derive(Clone, Copy, Debug, Serialize)]
struct ToolMode {
    mode: ToolChoice,
}

/// Whether a sampled model uses the tools that it is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ToolChoice {
    /// As it sees fit.
    Auto,
    /// It has to use one at least.
    Required,
    /// It must not.
    None,
}

impl Sample {
    /// One message of the user's, and how many tokens the answer may have.
    pub fn new(prompt: impl Into<String>, max_tokens: u32) -> Self {
        Self::messages([SampleMessage::user(prompt)], max_tokens)
    }

    /// A whole conversation, and how many tokens what follows may have.
    pub fn messages(messages: impl IntoIterator<Item = SampleMessage>, max_tokens: u32) -> Self {
        Self {
            messages: messages.into_iter().collect(),
            max_tokens,
            system_prompt: None,
            temperature: None,
            stop_sequences: Vec::new(),
            model_preferences: None,
            include_context: None,
            tools: Vec::new(),
            tool_choice: None,
        }
    }

    /// What the model is told before the conversation; the client may change it.
    pub fn system_prompt(mut self, prompt: impl Into<String>) -> Self {
        self.system_prompt = Some(prompt.into());
        self
    }

    /// How freely the model chooses its words, in the model's own range.
    pub fn temperature(mut self, temperature: f64) -> Self {
        self.temperature = Some(temperature);
        self
    }

    /// One more text at which the model stops.
    pub fn stop_at(mut self, text: impl Into<String>) -> Self {
        self.stop_sequences.push(text.into());
        self
    }

    /// One more name, or part of one, of a model that would do; the first that the client has is taken.
    pub fn prefer_model(mut self, name: impl Into<String>) -> Self {
        self.model_preferences.get_or_insert_default().hints.push(ModelHint { name: name.into() });
        self
    }

    /// Shows the model what this server has said in the conversation.
    pub fn with_own_context(mut self) -> Self {
        self.include_context = Some("thisServer");
        self
    }

    /// Shows the model what all servers have said in the conversation.
    pub fn with_every_context(mut self) -> Self {
        self.include_context = Some("allServers");
        self
    }

    /// Tools that the model may use. It answers with [`SampleBlock::ToolUse`]; whoever asked runs the tool and asks
    /// again, with the result at the end of the conversation.
    pub fn tools(mut self, tools: impl IntoIterator<Item = ToolDefinition>, choice: ToolChoice) -> Self {
        self.tools = tools.into_iter().collect();
        self.tool_choice = Some(ToolMode { mode: choice });
        self
    }
}

/// A message of a conversation with a model.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SampleMessage {
    /// Whose words these are.
    pub role: Role,
    /// The words.
    #[serde(serialize_with = "one_or_many")]
    pub content: Vec<SampleBlock>,
}

impl SampleMessage {
    /// Words of the user's.
    pub fn user(text: impl Into<String>) -> Self {
        Self { role: Role::User, content: vec![SampleBlock::text(text)] }
    }

    /// Words of the model's.
    pub fn assistant(text: impl Into<String>) -> Self {
        Self { role: Role::Assistant, content: vec![SampleBlock::text(text)] }
    }
}

impl SampleMessage {
    /// A message for each block, which is all that earlier revisions know. Of those that nobody before 2025-03-26 can
    /// hear, a text says so.
    fn one_by_one(self, revision: Revision) -> impl Iterator<Item = Self> {
        let role = self.role;
        let known = move |block| match block {
            SampleBlock::Audio { mime_type, .. } if !revision.has(Feature::Audio) => {
                SampleBlock::text(format!("(a sound, {mime_type}, which this client cannot take)"))
            }
            block => block,
        };
        self.content.into_iter().map(move |block| Self { role, content: vec![known(block)] })
    }
}

/// A single block stands by itself, as every revision knows it.
fn one_or_many<S: serde::Serializer>(blocks: &[SampleBlock], serializer: S) -> Result<S::Ok, S::Error> {
    match blocks {
        [only] => only.serialize(serializer),
        blocks => blocks.serialize(serializer),
    }
}

/// One block of a conversation with a model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum SampleBlock {
    /// Text.
    Text {
        /// The text.
        text: String,
    },
    /// A picture.
    #[serde(rename_all = "camelCase")]
    Image {
        /// The bytes in base64.
        data: String,
        /// Their MIME type.
        mime_type: String,
    },
    /// A sound.
    #[serde(rename_all = "camelCase")]
    Audio {
        /// The bytes in base64.
        data: String,
        /// Their MIME type.
        mime_type: String,
    },
    /// The model wants to use a tool.
    ToolUse {
        /// What the result has to name.
        id: String,
        /// The tool's name.
        name: String,
        /// Its arguments.
        input: JsonObject,
    },
    /// What came of a tool that the model used.
    #[serde(rename_all = "camelCase", skip_deserializing)]
    ToolResult {
        /// The id of the use.
        tool_use_id: String,
        /// What the tool answered.
        content: Vec<Block>,
        /// Whether it failed.
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        is_error: bool,
    },
}

impl SampleBlock {
    /// Text.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text { text: text.into() }
    }
}

/// What a model said.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Sampled {
    /// Its words, and the tools that it wants to use.
    pub content: Vec<SampleBlock>,
    /// The name of the model.
    pub model: String,
    /// Why it stopped, such as `endTurn`, `stopSequence`, `maxTokens` or `toolUse`.
    pub stop_reason: Option<String>,
}

impl Sampled {
    /// The text of all text blocks, each on a line of its own.
    pub fn text(&self) -> String {
        let texts = self.content.iter().filter_map(|block| match block {
            SampleBlock::Text { text } => Some(text.as_str()),
            _ => None,
        });
        texts.collect::<Vec<_>>().join("\n")
    }
}

impl Question for Sample {
    type Answer = Sampled;

    fn prepare(mut self, _: &Forms, revision: Revision) -> Result<Prepared<Sampled>, String> {
        if self.messages.is_empty() || self.max_tokens == 0 {
            return Err("sampling wants one message and one token at least".to_owned());
        }
        let mut needs = vec![Ability::Sample];
        let blocks = || self.messages.iter().flat_map(|message| &message.content);
        let is_of_tools = |block: &SampleBlock| {
            matches!(block, SampleBlock::ToolUse { .. } | SampleBlock::ToolResult { .. })
        };
        if !self.tools.is_empty() || blocks().any(is_of_tools) {
            needs.push(Ability::SampleWithTools);
        }
        if self.include_context.is_some() {
            needs.push(Ability::SampleWithContext);
        }
        if !revision.has(Feature::SamplingTools) {
            self.messages =
                self.messages.into_iter().flat_map(|message| message.one_by_one(revision)).collect();
        }
        let params = serde_json::value::to_raw_value(&self).map_err(|error| error.to_string())?;
        Ok(Prepared { method: method::SAMPLING_CREATE, params, needs, read: Box::new(read) })
    }
}

fn read(response: Value) -> Result<Sampled, Misfit> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Response {
        content: Value,
        model: String,
        #[serde(default)]
        stop_reason: Option<String>,
    }

    let malformed = || {
        Misfit::Malformed(
            "it has to be an object with `role`, `model` and `content`, a block or a list of them".to_owned(),
        )
    };
    let response: Response = serde_json::from_value(response).map_err(|_| malformed())?;
    let blocks = match response.content {
        Value::Array(blocks) => blocks,
        block => vec![block],
    };
    let content = blocks.into_iter().map(serde_json::from_value).collect::<Result<_, _>>();
    Ok(Sampled {
        content: content.map_err(|_| malformed())?,
        model: response.model,
        stop_reason: response.stop_reason,
    })
}
