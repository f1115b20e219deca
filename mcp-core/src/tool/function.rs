//! Tools that are closures: arguments typed as ever, no trait to implement.

use std::future::Future;

use super::{Output, ToolEntry, entry};
use crate::{
    annotations::Annotations, build::Problem, call::Call, input::Input, protocol::definition::About,
    tool_error::ToolError,
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
    ToolFn { name: name.into(), annotations, about: About::default(), work, input: std::marker::PhantomData }
}

/// See [`tool_fn`].
#[derive(Debug)]
pub struct ToolFn<F, I> {
    name: String,
    annotations: Annotations,
    about: About,
    work: F,
    input: std::marker::PhantomData<fn(I)>,
}

impl<F, I> ToolFn<F, I> {
    /// Adds a title, a description, icons or `_meta`.
    #[must_use]
    pub fn about(mut self, about: impl FnOnce(About) -> About) -> Self {
        self.about = about(self.about);
        self
    }
}

impl<F, I> ToolFn<F, I> {
    /// Checks it, and makes a tool of it.
    pub(crate) fn into_tool<O, Fut>(self) -> Result<ToolEntry, Problem>
    where
        I: Input,
        O: Output,
        F: Fn(I, Call) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<O, ToolError>> + Send + 'static,
    {
        entry::typed::<I, O, Fut>(&self.name, self.annotations, &[], self.about, self.work)
    }
}
