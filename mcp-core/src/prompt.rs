//! Prompts: messages that a person picks and a server fills in.

use std::{fmt, future::Future, marker::PhantomData, pin::Pin, sync::Arc};

use serde::Serialize;

use crate::{
    build::{Problem, check_name},
    call::Call,
    completion::{CompleteFn, Completing, Completion},
    input::Input,
    protocol::{
        audience::Role,
        content::Block,
        definition::{About, PromptDefinition},
    },
    request_error::RequestError,
    schema::StringArguments,
};

/// A prompt over a state `S`; the implementor is the prompt's arguments.
///
/// The doc comment of the struct is the description, those of its fields describe the arguments. On the wire every
/// argument is text; fields that are numbers or booleans are read from it.
pub trait Prompt<S = ()>: Input {
    /// The prompt's name: 1 to 64 of `A-Z a-z 0-9 _ - .`, unique in a server.
    const NAME: &'static str;

    /// Adds a title, icons or `_meta` to the definition.
    fn about(about: About) -> About {
        about
    }

    /// Fills it in.
    ///
    /// # Errors
    ///
    /// Arguments that do not go together, or a failure of the server.
    fn get(self, state: &S, call: &Call) -> impl Future<Output = Result<Messages, RequestError>> + Send;

    /// Suggests values for an argument; `None`, the default, suggests the choices of its type.
    ///
    /// # Errors
    ///
    /// The suggestions could not be made.
    fn complete(
        state: &S,
        completing: Completing,
        call: &Call,
    ) -> impl Future<Output = Result<Option<Completion>, RequestError>> + Send {
        let _ = (state, completing, call);
        async { Ok(None) }
    }
}

/// The messages of a prompt.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Messages {
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    messages: Vec<Message>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
struct Message {
    role: Role,
    content: Block,
}

impl Messages {
    /// One message of the person.
    pub fn user(text: impl Into<String>) -> Self {
        Self::default().message(Role::User, Block::text(text))
    }

    /// One more message.
    #[must_use]
    pub fn message(mut self, role: Role, content: Block) -> Self {
        self.messages.push(Message { role, content });
        self
    }

    /// Says what the messages are for.
    #[must_use]
    pub fn description(mut self, description: impl Into<String>) -> Self {
        self.description = Some(description.into());
        self
    }
}

type GetFuture = Pin<Box<dyn Future<Output = Result<Messages, RequestError>> + Send>>;
type GetFn = dyn Fn(Vec<(String, String)>, Call) -> GetFuture + Send + Sync;

/// A prompt, ready to be registered: made by [`prompt`](fn@prompt) or [`prompt_fn`].
pub struct PromptEntry {
    pub(crate) definition: PromptDefinition,
    arguments: Arc<StringArguments>,
    get: Box<GetFn>,
    complete: CompleteFn,
}

/// Makes a value of a [`Prompt`] and its state, to be added to a server that runs already.
///
/// # Errors
///
/// A name or arguments that cannot be served; the [`Problem`] says why.
pub fn prompt<P: Prompt<S>, S: Send + Sync + 'static>(state: Arc<S>) -> Result<PromptEntry, Problem> {
    let get_state = Arc::clone(&state);
    let get = move |arguments: P, call: Call| {
        let state = Arc::clone(&get_state);
        async move { arguments.get(&state, &call).await }
    };
    let complete: CompleteFn = Arc::new(move |completing, call| {
        let state = Arc::clone(&state);
        Box::pin(async move { P::complete(&state, completing, &call).await })
    });
    entry(P::NAME, P::about(About::default()), get, complete)
}

/// A prompt made of a function; its argument is the prompt's arguments, [`Empty`](crate::Empty) for none.
///
/// ```
/// # use mcp_core::{Empty, Messages, Server, prompt_fn};
/// let tidy = prompt_fn("tidy_up", async |_: Empty, _| Ok(Messages::user("Look for notes that can go.")));
/// let server = Server::new("demo", "1.0.0").add(tidy);
/// ```
pub fn prompt_fn<I, F, Fut>(name: impl Into<String>, get: F) -> PromptFn<F, I>
where
    I: Input,
    F: Fn(I, Call) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Messages, RequestError>> + Send + 'static,
{
    PromptFn { name: name.into(), about: About::default(), get, input: PhantomData }
}

/// See [`prompt_fn`].
#[derive(Debug)]
pub struct PromptFn<F, I> {
    name: String,
    about: About,
    get: F,
    input: PhantomData<fn(I)>,
}

impl<F, I> PromptFn<F, I> {
    /// Adds a title, a description, icons or `_meta`.
    #[must_use]
    pub fn about(mut self, about: impl FnOnce(About) -> About) -> Self {
        self.about = about(self.about);
        self
    }
}

impl<F, I> PromptFn<F, I> {
    /// Checks it, and makes a prompt of it.
    pub(crate) fn into_prompt<Fut>(self) -> Result<PromptEntry, Problem>
    where
        I: Input,
        F: Fn(I, Call) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Messages, RequestError>> + Send + 'static,
    {
        let complete: CompleteFn = Arc::new(|_, _| Box::pin(async { Ok(None) }));
        entry::<I, _, _>(&self.name, self.about, self.get, complete)
    }
}

/// Puts a prompt together, checking everything that can be checked before it is filled in.
fn entry<I, F, Fut>(name: &str, about: About, get: F, complete: CompleteFn) -> Result<PromptEntry, Problem>
where
    I: Input,
    F: Fn(I, Call) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Messages, RequestError>> + Send + 'static,
{
    let refuse = |why: String| Problem::new(format!("prompt `{name}`"), why);
    check_name(name).map_err(refuse)?;
    let arguments = Arc::new(StringArguments::of::<I>().map_err(refuse)?);
    let definition = PromptDefinition {
        name: name.to_owned(),
        title: about.title,
        description: about.description.or_else(|| arguments.description().map(str::to_owned)),
        arguments: arguments.prompt_arguments(),
        icons: about.icons,
        meta: about.meta,
    };
    let get_arguments = Arc::clone(&arguments);
    Ok(PromptEntry {
        definition,
        arguments,
        get: Box::new(move |values, call| match get_arguments.read::<I>(values) {
            Ok(arguments) => Box::pin(get(arguments, call)),
            Err(error) => Box::pin(std::future::ready(Err(error.into()))),
        }),
        complete,
    })
}

impl PromptEntry {
    /// Fills the prompt in.
    pub(crate) fn get(&self, values: Vec<(String, String)>, call: Call) -> GetFuture {
        (self.get)(values, call)
    }

    /// Suggests values for an argument.
    pub(crate) async fn complete(
        self: Arc<Self>,
        completing: Completing,
        call: Call,
    ) -> Result<Completion, RequestError> {
        crate::completion::complete(&self.arguments, &self.complete, completing, call).await
    }
}

impl fmt::Debug for PromptEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PromptEntry").field("definition", &self.definition).finish_non_exhaustive()
    }
}
