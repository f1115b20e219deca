//! The one erased form that all floors of tools come down to.

use std::{fmt, future::Future, pin::Pin, sync::Arc};

use super::{Output, Tool, ToolReply};
use crate::{
    annotations::Annotations,
    build::{Problem, check_name},
    call::Call,
    input::Input,
    protocol::{
        JsonObject,
        definition::{About, ToolDefinition},
        error::RpcError,
    },
    schema::{ArgumentSchema, MirroredParams, OutputSchema, RawSchema},
    tool_error::ToolError,
};

/// The future of an erased call.
pub(crate) type CallFuture = Pin<Box<dyn Future<Output = Result<ToolReply, ToolError>> + Send>>;

/// Runs a tool from its raw arguments.
pub(crate) type CallFn = dyn Fn(JsonObject, Call) -> CallFuture + Send + Sync;

/// A tool, ready to be registered: made by [`tool`], [`tool_fn`](super::tool_fn) or [`DynTool`](super::DynTool).
///
/// Whether its name and schemas are sound is looked at when it is registered.
pub struct ToolEntry {
    pub(crate) definition: ToolDefinition,
    scopes: &'static [&'static str],
    pub(crate) header_params: MirroredParams,
    /// The names of a typed tool's arguments; a raw tool may know others than its schema names.
    known: Option<Vec<String>>,
    run: Arc<CallFn>,
}

impl ToolEntry {
    /// Puts a tool together, checking everything that can be checked before it is called.
    pub(crate) fn new(
        definition: ToolDefinition,
        scopes: &'static [&'static str],
        run: Arc<CallFn>,
    ) -> Result<Self, Problem> {
        let refuse = |why: String| Problem::new(format!("tool `{}`", definition.name), why);
        check_name(&definition.name).map_err(refuse)?;
        if let Some(why) = definition.annotations.contradiction() {
            return Err(refuse(why.to_owned()));
        }
        let header_params = MirroredParams::find(&definition.input_schema).map_err(refuse)?;
        Ok(Self { definition, scopes, header_params, known: None, run })
    }

    /// The tool as lists show it.
    pub fn definition(&self) -> &ToolDefinition {
        &self.definition
    }

    /// The scopes that its author says a caller needs.
    pub fn scopes(&self) -> &'static [&'static str] {
        self.scopes
    }

    /// Starts the call. `injected` are names of arguments that clients are known to add on their own: they are taken
    /// out, unless they are the tool's.
    pub(crate) fn call(&self, mut arguments: JsonObject, injected: &[String], call: Call) -> CallFuture {
        if let Some(known) = &self.known {
            arguments.retain(|name, _| !injected.contains(name) || known.contains(name));
        }
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
    typed::<T, T::Output, _>(
        T::NAME,
        T::ANNOTATIONS,
        T::SCOPES,
        T::about(About::default()),
        move |input: T, call| {
            let state = Arc::clone(&state);
            async move { input.call(&state, &call).await }
        },
    )
}

/// A tool with typed arguments and answer, from any function over them.
pub(super) fn typed<I, O, Fut>(
    name: &str,
    annotations: Annotations,
    scopes: &'static [&'static str],
    about: About,
    work: impl Fn(I, Call) -> Fut + Send + Sync + 'static,
) -> Result<ToolEntry, Problem>
where
    I: Input,
    O: Output,
    Fut: Future<Output = Result<O, ToolError>> + Send + 'static,
{
    let refuse = |why: String| Problem::new(format!("tool `{name}`"), why);
    let input = ArgumentSchema::of::<I>().map_err(refuse)?;
    let output = O::schema().map(OutputSchema::new).transpose().map_err(refuse)?;
    let definition = ToolDefinition {
        name: name.to_owned(),
        title: about.title,
        description: about.description.or_else(|| input.description().map(str::to_owned)),
        input_schema: input.listed().clone(),
        output_schema: output.as_ref().map(|schema| schema.listed().clone()),
        annotations,
        icons: about.icons,
        meta: about.meta,
    };
    let known = input.known().to_vec();
    let shared = Arc::new(Typed { input, output, work });
    let run = move |arguments: JsonObject, call: Call| {
        let shared = Arc::clone(&shared);
        Box::pin(async move {
            let input: I = shared.input.read(arguments)?;
            let output = (shared.work)(input, call).await?;
            let reply = output.into_reply().map_err(|error| {
                ToolError::new("internal", "the tool's answer could not be encoded").caused_by(error)
            })?;
            check_output(shared.output.as_ref(), &reply)?;
            Ok(reply)
        }) as CallFuture
    };
    ToolEntry::new(definition, scopes, Arc::new(run)).map(|tool| ToolEntry { known: Some(known), ..tool })
}

/// What the calls of one typed tool share.
struct Typed<F> {
    input: ArgumentSchema,
    output: Option<OutputSchema>,
    work: F,
}

/// A raw tool: its own schemas, listed unchanged, and a function from raw arguments.
pub(super) fn raw(definition: ToolDefinition, work: Arc<CallFn>) -> Result<ToolEntry, Problem> {
    let refuse = |why: String| Problem::new(format!("tool `{}`", definition.name), why);
    let input = RawSchema::new(&definition.input_schema).map_err(refuse)?;
    let output = definition.output_schema.clone().map(OutputSchema::new_raw).transpose().map_err(refuse)?;
    let shared = Arc::new((input, output));
    let run = move |arguments: JsonObject, call| {
        let shared = Arc::clone(&shared);
        let work = Arc::clone(&work);
        Box::pin(async move {
            let arguments = shared.0.check(arguments)?;
            let reply = work(arguments, call).await?;
            check_output(shared.1.as_ref(), &reply)?;
            Ok(reply)
        }) as CallFuture
    };
    ToolEntry::new(definition, &[], Arc::new(run))
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
