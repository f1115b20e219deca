//! Prompts: messages that a person picks and a server fills in.

use std::{borrow::Cow, fmt, future::Future, pin::Pin, sync::Arc};

use crate::{
    access::Access,
    build::{Problem, check_name},
    call::Call,
    completion::{CompleteFn, Completing, Completion},
    guards::{Doing, Guarded},
    hidden::HiddenPlaces,
    input::Input,
    protocol::{
        audience::Role,
        content::Block,
        definition::{About, PromptDefinition},
        method,
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

    /// Scopes that every caller needs, held against them by the server's [`Policy`](crate::Policy).
    const SCOPES: &'static [&'static str] = &[];

    /// Adds a title, icons, `_meta`, tags, or what everybody needs for it besides scopes.
    fn about(about: About) -> About {
        about
    }

    /// What these very arguments touch, to be held against the caller by the server's [`Policy`](crate::Policy).
    fn access(&self) -> Access {
        Access::none()
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
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Messages {
    pub(crate) description: Option<String>,
    pub(crate) messages: Vec<Message>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Message {
    pub(crate) role: Role,
    pub(crate) content: Block,
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
    guarded: Arc<Guarded>,
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
    let work = Work {
        requires: Access::scopes_of(P::SCOPES.iter().copied()),
        access: Box::new(P::access),
        get: move |arguments: P, call: Call| {
            let state = Arc::clone(&get_state);
            async move { arguments.get(&state, &call).await }
        },
        complete: Arc::new(move |completing, call| {
            let state = Arc::clone(&state);
            Box::pin(async move { P::complete(&state, completing, &call).await })
        }),
    };
    entry(P::NAME, P::about(About::default()), work)
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
    PromptFn {
        name: name.into(),
        about: About::default(),
        requires: Access::none(),
        access: Box::new(|_| Access::none()),
        get,
    }
}

/// See [`prompt_fn`].
pub struct PromptFn<F, I> {
    name: String,
    about: About,
    requires: Access,
    access: Box<dyn Fn(&I) -> Access + Send + Sync>,
    get: F,
}

impl<F, I> fmt::Debug for PromptFn<F, I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PromptFn").field("name", &self.name).finish_non_exhaustive()
    }
}

impl<F, I> PromptFn<F, I> {
    /// Adds a title, a description, icons or `_meta`.
    #[must_use]
    pub fn about(mut self, about: impl FnOnce(About) -> About) -> Self {
        self.about = about(self.about);
        self
    }

    /// Scopes that every caller needs; as [`Prompt::SCOPES`].
    #[must_use]
    pub fn scopes<S>(mut self, scopes: S) -> Self
    where
        S: IntoIterator,
        S::Item: Into<Cow<'static, str>>,
    {
        self.requires = Access::scopes_of(scopes);
        self
    }

    /// What the arguments touch; as [`Prompt::access`].
    #[must_use]
    pub fn access(mut self, access: impl Fn(&I) -> Access + Send + Sync + 'static) -> Self {
        self.access = Box::new(access);
        self
    }

    /// Checks it, and makes a prompt of it.
    pub(crate) fn into_prompt<Fut>(self) -> Result<PromptEntry, Problem>
    where
        I: Input,
        F: Fn(I, Call) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Messages, RequestError>> + Send + 'static,
    {
        let work = Work {
            requires: self.requires,
            access: self.access,
            get: self.get,
            complete: Arc::new(|_, _| Box::pin(async { Ok(None) })),
        };
        entry(&self.name, self.about, work)
    }
}

/// What a prompt does, and who may have it done.
struct Work<I, F> {
    requires: Access,
    access: Box<dyn Fn(&I) -> Access + Send + Sync>,
    get: F,
    complete: CompleteFn,
}

/// Puts a prompt together, checking everything that can be checked before it is filled in.
fn entry<I, F, Fut>(name: &str, about: About, work: Work<I, F>) -> Result<PromptEntry, Problem>
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
    let guarded = Guarded {
        method: method::PROMPTS_GET,
        name: name.to_owned(),
        annotations: None,
        tags: about.tags,
        requires: work.requires.and(about.requires),
        hidden: HiddenPlaces::of(arguments.schema()),
    };
    let (get_arguments, get, access) = (Arc::clone(&arguments), Arc::new(work.get), work.access);
    Ok(PromptEntry {
        definition,
        guarded: Arc::new(guarded),
        arguments,
        get: Box::new(move |values, call| match get_arguments.read::<I>(values) {
            Ok(arguments) => {
                let (access, get) = (access(&arguments), Arc::clone(&get));
                Box::pin(async move {
                    // A function may do something before its future is ever polled.
                    let getting = async { get(arguments, call.clone()).await };
                    call.guards().around(&call, access, getting).await
                })
            }
            Err(error) => Box::pin(async move { Err(call.guards().refuse(&call, error).into()) }),
        }),
        complete: work.complete,
    })
}

impl PromptEntry {
    /// What is known of it before it is filled in.
    pub(crate) fn guarded(&self) -> &Arc<Guarded> {
        &self.guarded
    }

    pub(crate) fn guarded_mut(&mut self) -> &mut Guarded {
        Arc::make_mut(&mut self.guarded)
    }

    /// The same prompt under another name.
    pub(crate) fn renamed(mut self, name: String) -> Result<Self, Problem> {
        check_name(&name).map_err(|why| Problem::new(format!("prompt `{name}`"), why))?;
        self.guarded_mut().name.clone_from(&name);
        self.definition.name = name;
        Ok(self)
    }

    /// What filling it in does.
    pub(crate) fn doing(&self) -> Doing {
        Doing::new(&self.guarded, None)
    }

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
