//! Questions to the person or the model in front of the client, asked in the middle of a tool, a resource or a prompt.

mod ask;
mod asking;
mod binding;
mod desk;
mod form;
mod interview;
mod link;
mod once;
mod open_url;
mod roots;
mod sample;
mod seal;

use std::fmt;

use serde_json::{Value, json, value::RawValue};

pub(crate) use self::{
    asking::Asking,
    binding::Subject,
    desk::{Desk, Forms},
    interview::{Arrived, InputRequired, RoundEnd},
    link::ClientLink,
    seal::random_id,
};
pub use self::{
    form::{Form, RawForm},
    once::{MemoryOnce, Nonce, Once},
    open_url::OpenUrl,
    roots::{ListRoots, Root},
    sample::{Sample, SampleBlock, SampleMessage, Sampled, ToolChoice},
    seal::{SealKey, SealKeyError},
};
use crate::protocol::{capabilities::ClientCapabilities, revision::Revision, shape::Feature};

/// What can be asked with [`Call::ask`](crate::Call::ask): [`Form`], [`RawForm`], [`OpenUrl`], [`Sample`] and
/// [`ListRoots`]. The question fixes its answer.
///
/// ```
/// use mcp_core::{Annotations, Call, Form, Server, Text, Tool, ToolError, testing::{Client, Options}};
/// use schemars::JsonSchema;
/// use serde::Deserialize;
/// use serde_json::json;
///
/// /// Books a table.
/// #[derive(Deserialize, JsonSchema)]
/// struct BookTable {}
///
/// #[derive(Deserialize, JsonSchema)]
/// struct Party {
///     /// How many of you are there?
///     #[schemars(range(min = 1, max = 12))]
///     guests: u8,
/// }
///
/// impl Tool for BookTable {
///     const NAME: &'static str = "book_table";
///     const ANNOTATIONS: Annotations = Annotations::write();
///     type Output = Text;
///
///     async fn call(self, _: &(), call: &Call) -> Result<Text, ToolError> {
///         let party = call.ask("party", Form::<Party>::new("A table for how many?")).await.accepted()?;
///         Ok(Text::new(format!("A table for {}.", party.guests)))
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let guest = Options::new().answering(|question| question.accept(json!({"guests": 4})));
/// let client = Client::with(Server::new("inn", "1.0.0").tool::<BookTable>(), guest).await;
/// assert_eq!(client.call("book_table", json!({})).await.text(), "A table for 4.");
/// # }
/// ```
///
/// In revision 2026-07-28 a question ends the request: the client asks its user and sends the request again with the
/// answer, and the work **runs again from its beginning**, with the answers at hand. In earlier revisions the question is
/// a request to the client, and the work goes on where it was. So whatever is done before a question has to be fit to be
/// done twice: look things up before, change them after.
pub trait Question: Send {
    /// What comes back.
    type Answer: Send;

    /// The question as a request to the client, and how its answer is read.
    #[doc(hidden)]
    fn prepare(self, forms: &Forms, revision: Revision) -> Result<Prepared<Self::Answer>, String>;
}

/// A question on its way to the client.
#[doc(hidden)]
pub struct Prepared<A> {
    pub(crate) method: &'static str,
    pub(crate) params: Box<RawValue>,
    pub(crate) needs: Vec<Ability>,
    pub(crate) read: Box<dyn Fn(Value) -> Result<A, Misfit> + Send>,
}

impl<A> fmt::Debug for Prepared<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prepared").field("method", &self.method).finish_non_exhaustive()
    }
}

/// Why an answer is none.
#[derive(Debug)]
pub(crate) enum Misfit {
    /// It is not of the form that the protocol has for it.
    Malformed(String),
    /// It is, but does not say what was asked for.
    Unfit(String),
}

/// What a person made of a question.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Answer<T> {
    /// They answered it.
    Accepted(T),
    /// They said no.
    Declined,
    /// They turned away without saying either.
    Cancelled,
}

impl<T> Answer<T> {
    /// What they answered, or the error of a tool, a resource or a prompt that cannot go on without: for `?`.
    ///
    /// # Errors
    ///
    /// The question was not answered.
    pub fn accepted(self) -> Result<T, NotAccepted> {
        match self {
            Self::Accepted(answer) => Ok(answer),
            Self::Declined => Err(NotAccepted::Declined),
            Self::Cancelled => Err(NotAccepted::Cancelled),
        }
    }
}

/// The person did not agree, or did not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAccepted {
    /// They said no.
    #[error("the person who was asked declined")]
    Declined,
    /// They turned away without saying either.
    #[error("the person who was asked did not answer")]
    Cancelled,
}

impl NotAccepted {
    pub(crate) const fn code(self) -> &'static str {
        match self {
            Self::Declined => "declined",
            Self::Cancelled => "cancelled",
        }
    }
}

/// What a client has to be able to do to be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Ability {
    /// Show its user a form.
    Form,
    /// Show its user a form in which several choices are made.
    FormWithLists,
    /// Send its user to a URL.
    OpenUrl,
    /// Sample a model.
    Sample,
    /// Let the model that it samples use tools.
    SampleWithTools,
    /// Show the model that it samples what servers have to say.
    SampleWithContext,
    /// Name its root folders.
    Roots,
}

impl Ability {
    /// Whether a client that speaks this revision says that it can.
    pub(crate) fn is_among(self, capabilities: &ClientCapabilities, revision: Revision) -> bool {
        let sampling = |part: &str| {
            capabilities
                .sampling
                .as_ref()
                .is_some_and(|sampling| sampling.get(part).is_some_and(Value::is_object))
        };
        match self {
            Self::Form => {
                revision.has(Feature::Forms)
                    && capabilities.elicitation.as_ref().is_some_and(|modes| {
                        // Up to 2025-06-18 there were only forms, and nothing to say of them.
                        !revision.has(Feature::UrlVisits)
                            || modes.contains_key("form")
                            || !modes.contains_key("url")
                    })
            }
            Self::FormWithLists => {
                revision.has(Feature::RichForms) && Self::Form.is_among(capabilities, revision)
            }
            Self::OpenUrl => {
                revision.has(Feature::UrlVisits)
                    && capabilities.elicitation.as_ref().is_some_and(|modes| modes.contains_key("url"))
            }
            Self::Sample => capabilities.sampling.is_some(),
            Self::SampleWithTools => revision.has(Feature::SamplingTools) && sampling("tools"),
            // It was part of sampling before clients could say so.
            Self::SampleWithContext if !revision.has(Feature::SamplingTools) => {
                capabilities.sampling.is_some()
            }
            Self::SampleWithContext => sampling("context"),
            Self::Roots => capabilities.roots.is_some(),
        }
    }

    /// The capabilities that a client would have to declare for all of these.
    pub(crate) fn required(needs: &[Self]) -> Value {
        let mut required = json!({});
        for need in needs {
            match need {
                Self::Form | Self::FormWithLists => required["elicitation"]["form"] = json!({}),
                Self::OpenUrl => required["elicitation"]["url"] = json!({}),
                Self::Sample if required["sampling"].is_object() => {}
                Self::Sample => required["sampling"] = json!({}),
                Self::SampleWithTools => required["sampling"]["tools"] = json!({}),
                Self::SampleWithContext => required["sampling"]["context"] = json!({}),
                Self::Roots => required["roots"] = json!({}),
            }
        }
        required
    }

    /// What it is, in words that finish "a client that can …".
    pub(crate) const fn in_words(self) -> &'static str {
        match self {
            Self::Form => "show its user a form (elicitation)",
            Self::FormWithLists => {
                "show its user a form in which several choices are made (elicitation, from 2025-11-25 on)"
            }
            Self::OpenUrl => "send its user to a URL (elicitation in URL mode)",
            Self::Sample => "sample a model",
            Self::SampleWithTools => "sample a model that uses tools",
            Self::SampleWithContext => "sample a model with the context of servers",
            Self::Roots => "name its root folders",
        }
    }
}
