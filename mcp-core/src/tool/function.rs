//! Tools that are closures: arguments typed as ever, no trait to implement.

use std::{borrow::Cow, fmt, future::Future};

use super::{
    Output, ToolEntry,
    entry::{self, Face, Work},
};
use crate::{
    access::Access, annotations::Annotations, build::Problem, call::Call, input::Input,
    protocol::definition::About, tool_error::ToolError,
};

/// A tool made of a function; the doc comment of its argument type is its description.
///
/// ```
/// # use mcp_core::{Annotations, Server, Text, tool_fn};
/// # use schemars::JsonSchema;
/// # use serde::Deserialize;
/// /// Greets somebody.
/// #[derive(Deserialize, JsonSchema)]
/// struct Greet {
///     /// Whom to greet.
///     name: String,
/// }
///
/// let server = Server::new("demo", "1.0.0")
///     .add(tool_fn("greet", Annotations::read_only(), async |greet: Greet, _| {
///         Ok(Text::new(format!("Hello, {}!", greet.name)))
///     }));
/// ```
///
/// A closure that captures something clones it for each call: stable Rust cannot say that the future of an async
/// closure is `Send` while it borrows from the closure, and the compiler's message then speaks of lifetimes.
///
/// ```
/// # use std::sync::Arc;
/// # use mcp_core::{Annotations, Text, tool_fn};
/// # #[derive(serde::Deserialize, schemars::JsonSchema)] struct Greet { name: String }
/// let greeting = Arc::new(String::from("Hello"));
/// let tool = tool_fn("greet", Annotations::read_only(), move |greet: Greet, _| {
///     let greeting = Arc::clone(&greeting);
///     async move { Ok(Text::new(format!("{greeting}, {}!", greet.name))) }
/// });
/// ```
pub fn tool_fn<I, O, F, Fut>(name: impl Into<String>, annotations: Annotations, work: F) -> ToolFn<F, I>
where
    I: Input,
    O: Output,
    F: Fn(I, Call) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<O, ToolError>> + Send + 'static,
{
    ToolFn {
        face: Face { name: name.into(), annotations, requires: Access::none(), about: About::default() },
        access: Box::new(|_| Access::none()),
        work,
    }
}

/// See [`tool_fn`].
pub struct ToolFn<F, I> {
    face: Face,
    access: Box<dyn Fn(&I) -> Access + Send + Sync>,
    work: F,
}

impl<F, I: Input> ToolFn<F, I> {
    /// Adds a title, a description, icons or `_meta`.
    #[must_use]
    pub fn about(mut self, about: impl FnOnce(About) -> About) -> Self {
        self.face.about = about(self.face.about);
        self
    }

    /// Scopes that every caller needs; as [`Tool::SCOPES`](super::Tool::SCOPES).
    #[must_use]
    pub fn scopes<S>(mut self, scopes: S) -> Self
    where
        S: IntoIterator,
        S::Item: Into<Cow<'static, str>>,
    {
        self.face.requires = Access::scopes_of(scopes);
        self
    }

    /// What the arguments touch; as [`Tool::access`](super::Tool::access).
    #[must_use]
    pub fn access(mut self, access: impl Fn(&I) -> Access + Send + Sync + 'static) -> Self {
        self.access = Box::new(access);
        self
    }

    /// Checks it, and makes a tool of it.
    pub(crate) fn into_tool<O, Fut>(self) -> Result<ToolEntry, Problem>
    where
        O: Output,
        F: Fn(I, Call) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<O, ToolError>> + Send + 'static,
    {
        let Self { face, access, work } = self;
        entry::typed(face, Function { access, work })
    }
}

impl<F, I> fmt::Debug for ToolFn<F, I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ToolFn").field("name", &self.face.name).finish_non_exhaustive()
    }
}

/// What a function does, and what its arguments touch.
pub(super) struct Function<F, I> {
    pub(super) access: Box<dyn Fn(&I) -> Access + Send + Sync>,
    pub(super) work: F,
}

impl<I, O, F, Fut> Work for Function<F, I>
where
    I: Send + Sync + 'static,
    O: Output,
    F: Fn(I, Call) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<O, ToolError>> + Send + 'static,
{
    type Input = I;
    type Output = O;

    fn access(&self, input: &I) -> Access {
        (self.access)(input)
    }

    async fn preview(&self, _: &I, _: &Call) -> Result<Option<String>, ToolError> {
        Ok(None)
    }

    fn run(&self, input: I, call: &Call) -> impl Future<Output = Result<O, ToolError>> + Send {
        (self.work)(input, call.clone())
    }
}
