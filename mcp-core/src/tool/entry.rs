//! The one erased form that all floors of tools come down to.

use std::{fmt, future::Future, marker::PhantomData, pin::Pin, sync::Arc};

use super::{Output, Tool, ToolReply};
use crate::{
    access::Access,
    admission::Record,
    annotations::Annotations,
    build::{Problem, check_name},
    call::Call,
    guards::{Doing, Guarded},
    hidden::HiddenPlaces,
    input::Input,
    protocol::{
        JsonObject,
        definition::{About, ToolDefinition},
        error::RpcError,
        method,
    },
    schema::{ArgumentSchema, MirroredParams, OutputSchema, RawSchema},
    tool_error::ToolError,
};

/// The future of an erased call.
pub(crate) type CallFuture = Pin<Box<dyn Future<Output = Result<ToolReply, ToolError>> + Send>>;

/// Runs a tool from its raw arguments.
type CallFn = dyn Fn(JsonObject, Call) -> CallFuture + Send + Sync;

/// A tool, ready to be registered: made by [`tool`], [`tool_fn`](super::tool_fn) or [`DynTool`](super::DynTool).
///
/// Whether its name and schemas are sound is looked at when it is registered.
pub struct ToolEntry {
    pub(crate) definition: ToolDefinition,
    guarded: Arc<Guarded>,
    pub(crate) header_params: MirroredParams,
    /// The names of a typed tool's arguments; a raw tool may know others than its schema names.
    known: Option<Vec<String>>,
    run: Arc<CallFn>,
}

impl ToolEntry {
    /// The tool as lists show it.
    pub fn definition(&self) -> &ToolDefinition {
        &self.definition
    }

    /// The scopes that its author says every caller needs.
    pub fn scopes(&self) -> impl Iterator<Item = &str> {
        self.guarded.requires.scopes()
    }

    /// What its author calls it besides its name ([`About::tag`]).
    pub fn tags(&self) -> impl Iterator<Item = &str> {
        self.guarded.tags.iter().map(String::as_str)
    }

    /// What is known of it before it is called.
    pub(crate) fn guarded(&self) -> &Arc<Guarded> {
        &self.guarded
    }

    pub(crate) fn guarded_mut(&mut self) -> &mut Guarded {
        Arc::make_mut(&mut self.guarded)
    }

    /// The same tool under another name.
    pub(crate) fn renamed(mut self, name: String) -> Result<Self, Problem> {
        check_name(&name).map_err(|why| Problem::new(format!("tool `{name}`"), why))?;
        self.guarded_mut().name.clone_from(&name);
        self.definition.name = name;
        Ok(self)
    }

    /// What a call of it does.
    pub(crate) fn doing(&self) -> Doing {
        Doing::new(&self.guarded, None)
    }

    /// Takes out arguments that clients are known to add on their own, unless they are the tool's.
    pub(crate) fn without_injected(&self, mut arguments: JsonObject, injected: &[String]) -> JsonObject {
        if let Some(known) = &self.known {
            arguments.retain(|name, _| !injected.contains(name) || known.contains(name));
        }
        arguments
    }

    /// Starts the call, which knows already what it does.
    pub(crate) fn call(&self, arguments: JsonObject, call: Call) -> CallFuture {
        (self.run)(arguments, call)
    }

    /// Holds the headers that mirror parameters against the arguments.
    pub(crate) fn check_headers(&self, arguments: &JsonObject, call: &Call) -> Result<(), RpcError> {
        match call.header_params() {
            Some(headers) if !self.header_params.is_empty() => self.header_params.check(headers, arguments),
            _ => Ok(()),
        }
    }
}

impl fmt::Debug for ToolEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ToolEntry").field("definition", &self.definition).finish_non_exhaustive()
    }
}

/// Makes a value of a [`Tool`] and its state, to be added to a server that runs already.
///
/// # Errors
///
/// A name or a schema that cannot be served; the [`Problem`] says why.
pub fn tool<T: Tool<S>, S: Send + Sync + 'static>(state: Arc<S>) -> Result<ToolEntry, Problem> {
    let face = Face {
        name: T::NAME.to_owned(),
        annotations: T::ANNOTATIONS,
        requires: Access::scopes_of(T::SCOPES.iter().copied()),
        about: T::about(About::default()),
    };
    typed(face, Trait::<T, S>(state, PhantomData))
}

/// What an author says of a tool besides its types.
pub(super) struct Face {
    pub(super) name: String,
    pub(super) annotations: Annotations,
    pub(super) requires: Access,
    pub(super) about: About,
}

/// What a tool does with its arguments, on whichever floor it is written.
pub(super) trait Work: Send + Sync + 'static {
    type Input: Send + Sync;
    type Output: Output;

    /// What these very arguments touch.
    fn access(&self, input: &Self::Input) -> Access;

    /// What would happen, for the person who is to agree.
    fn preview(
        &self,
        input: &Self::Input,
        call: &Call,
    ) -> impl Future<Output = Result<Option<String>, ToolError>> + Send;

    fn run(
        &self,
        input: Self::Input,
        call: &Call,
    ) -> impl Future<Output = Result<Self::Output, ToolError>> + Send;
}

/// The trait, over its state.
struct Trait<T, S>(Arc<S>, PhantomData<fn(T)>);

impl<T: Tool<S>, S: Send + Sync + 'static> Work for Trait<T, S> {
    type Input = T;
    type Output = T::Output;

    fn access(&self, input: &T) -> Access {
        input.access()
    }

    fn preview(
        &self,
        input: &T,
        call: &Call,
    ) -> impl Future<Output = Result<Option<String>, ToolError>> + Send {
        input.preview(&self.0, call)
    }

    fn run(&self, input: T, call: &Call) -> impl Future<Output = Result<T::Output, ToolError>> + Send {
        input.call(&self.0, call)
    }
}

/// A tool with typed arguments and answer.
pub(super) fn typed<W>(face: Face, work: W) -> Result<ToolEntry, Problem>
where
    W: Work,
    W::Input: Input,
{
    let refuse = |why: String| Problem::new(format!("tool `{}`", face.name), why);
    let input = ArgumentSchema::of::<W::Input>().map_err(refuse)?;
    let output = W::Output::schema().map(OutputSchema::new).transpose().map_err(refuse)?;
    let description = input.description().map(str::to_owned);
    let listed = (input.listed().clone(), output.as_ref().map(|schema| schema.listed().clone()));
    let known = input.known().to_vec();
    let read = move |arguments| input.read::<W::Input>(arguments);
    let tool = entry(face, description, listed, Erased { read, output, work })?;
    Ok(ToolEntry { known: Some(known), ..tool })
}

/// A raw tool: its own schemas, listed unchanged.
pub(super) fn raw<W: Work<Input = JsonObject>>(
    face: Face,
    input_schema: JsonObject,
    output_schema: Option<JsonObject>,
    work: W,
) -> Result<ToolEntry, Problem> {
    let refuse = |why: String| Problem::new(format!("tool `{}`", face.name), why);
    let input = RawSchema::new(&input_schema).map_err(refuse)?;
    let output = output_schema.clone().map(OutputSchema::new_raw).transpose().map_err(refuse)?;
    let read = move |arguments| input.check(arguments);
    entry(face, None, (input_schema, output_schema), Erased { read, output, work })
}

/// What the calls of one tool share.
struct Erased<R, W> {
    read: R,
    output: Option<OutputSchema>,
    work: W,
}

/// Puts a tool together, checking everything that can be checked before it is called.
fn entry<R, W>(
    face: Face,
    description: Option<String>,
    (input_schema, output_schema): (JsonObject, Option<JsonObject>),
    shared: Erased<R, W>,
) -> Result<ToolEntry, Problem>
where
    W: Work,
    R: Fn(JsonObject) -> Result<W::Input, ToolError> + Send + Sync + 'static,
{
    let Face { name, annotations, requires, about } = face;
    let refuse = |why: String| Problem::new(format!("tool `{name}`"), why);
    check_name(&name).map_err(refuse)?;
    if let Some(why) = annotations.contradiction() {
        return Err(refuse(why.to_owned()));
    }
    let header_params = MirroredParams::find(&input_schema).map_err(refuse)?;
    let guarded = Guarded {
        method: method::TOOLS_CALL,
        name: name.clone(),
        annotations: Some(annotations),
        tags: about.tags,
        requires: requires.and(about.requires),
        hidden: HiddenPlaces::of(&input_schema),
    };
    let definition = ToolDefinition {
        name,
        title: about.title,
        description: about.description.or(description),
        input_schema,
        output_schema,
        annotations,
        icons: about.icons,
        meta: about.meta,
    };
    let shared = Arc::new(shared);
    let run = move |arguments, call| {
        let shared = Arc::clone(&shared);
        Box::pin(async move { shared.call(arguments, &call).await }) as CallFuture
    };
    Ok(ToolEntry { definition, guarded: Arc::new(guarded), header_params, known: None, run: Arc::new(run) })
}

impl<R, W> Erased<R, W>
where
    W: Work,
    R: Fn(JsonObject) -> Result<W::Input, ToolError>,
{
    /// One call: read, guard, work, encode.
    async fn call(&self, arguments: JsonObject, call: &Call) -> Result<ToolReply, ToolError> {
        let guards = call.guards();
        let shown = call.doing().filter(|doing| guards.confirms(doing)).map(|_| arguments.clone());
        let input = (self.read)(arguments).map_err(|error| guards.refuse(call, error))?;
        let access = self.work.access(&input);
        let record = match call.doing() {
            // In a box of its own: every call would have to make room for it, and few are held up.
            Some(doing) if guards.hold_up(doing, &access) => {
                let preview = || self.work.preview(&input, call);
                Box::pin(guards.enter(call, doing, access, shown, preview)).await?
            }
            _ => Record::none(),
        };
        let reply = match self.work.run(input, call).await {
            Ok(output) => self.encode(output),
            Err(error) => Err(error),
        };
        let ending = record.end(match &reply {
            Ok(reply) if reply.is_error => Some("error"),
            Ok(_) => None,
            Err(error) => Some(error.code()),
        });
        match ending {
            None => reply,
            // In a box of its own: few have to wait.
            Some(ending) => Box::pin(ending.before(reply)).await,
        }
    }

    fn encode(&self, output: W::Output) -> Result<ToolReply, ToolError> {
        let reply = encoded(output)?;
        check_output(self.output.as_ref(), &reply)?;
        Ok(reply)
    }
}

/// An answer on its way to the wire.
pub(super) fn encoded(output: impl Output) -> Result<ToolReply, ToolError> {
    output.into_reply().map_err(|error| {
        ToolError::new("internal", "the tool's answer could not be encoded").caused_by(error)
    })
}

/// Holds an answer against the schema that was listed for it: in debug builds, where a test will see it.
fn check_output(schema: Option<&OutputSchema>, reply: &ToolReply) -> Result<(), ToolError> {
    if !cfg!(debug_assertions) || reply.is_error {
        return Ok(());
    }
    let checked = match (schema, &reply.structured) {
        (Some(schema), Some(structured)) => schema.check(structured),
        (Some(_), None) => Err("there is no structured content".to_owned()),
        (None, _) => Ok(()),
    };
    checked.map_err(|why| {
        ToolError::new("internal", format!("the tool's answer breaks its own output schema: {why}"))
    })
}
