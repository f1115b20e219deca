//! What can be registered: every floor of tools, resources and prompts, in one erased form.

use std::future::Future;

use crate::{
    build::Problem,
    call::Call,
    guards::Guarded,
    input::Input,
    prompt::{Messages, PromptEntry, PromptFn},
    request_error::RequestError,
    resource::{Contents, ResourceEntry, ResourceFn},
    tool::{DynTool, Output, ToolEntry, ToolFn},
    tool_error::ToolError,
};

/// A tool, a resource or a prompt, ready to be registered.
#[derive(Debug)]
pub struct Entry(pub(crate) EntryKind);

#[derive(Debug)]
pub(crate) enum EntryKind {
    Tool(Box<ToolEntry>),
    Resource(Box<ResourceEntry>),
    Prompt(Box<PromptEntry>),
}

impl Entry {
    /// The name of a tool or a prompt, the URI or template of a resource.
    pub(crate) fn name(&self) -> &str {
        match &self.0 {
            EntryKind::Tool(tool) => &tool.definition.name,
            EntryKind::Resource(resource) => resource.template.as_str(),
            EntryKind::Prompt(prompt) => &prompt.definition.name,
        }
    }

    /// What is known of it before it is called.
    pub(crate) fn guarded_mut(&mut self) -> &mut Guarded {
        match &mut self.0 {
            EntryKind::Tool(tool) => tool.guarded_mut(),
            EntryKind::Resource(resource) => resource.guarded_mut(),
            EntryKind::Prompt(prompt) => prompt.guarded_mut(),
        }
    }

    /// The same with a prefix before its name; URIs have none.
    pub(crate) fn prefixed(self, prefix: &str) -> Result<Self, Problem> {
        Ok(match self.0 {
            EntryKind::Tool(tool) => {
                let name = format!("{prefix}{}", tool.definition.name);
                tool.renamed(name)?.into()
            }
            EntryKind::Prompt(prompt) => {
                let name = format!("{prefix}{}", prompt.definition.name);
                prompt.renamed(name)?.into()
            }
            resource @ EntryKind::Resource(_) => Self(resource),
        })
    }
}

impl From<ToolEntry> for Entry {
    fn from(tool: ToolEntry) -> Self {
        Self(EntryKind::Tool(Box::new(tool)))
    }
}

impl From<ResourceEntry> for Entry {
    fn from(resource: ResourceEntry) -> Self {
        Self(EntryKind::Resource(Box::new(resource)))
    }
}

impl From<PromptEntry> for Entry {
    fn from(prompt: PromptEntry) -> Self {
        Self(EntryKind::Prompt(Box::new(prompt)))
    }
}

/// What can be registered as a value: [`tool_fn`](crate::tool_fn), [`DynTool`](crate::DynTool), and the results of
/// [`tool`](crate::tool()), [`resource`](crate::resource()) and [`prompt`](crate::prompt()).
pub trait IntoEntry {
    /// Checks it, and makes an entry of it.
    ///
    /// # Errors
    ///
    /// What cannot be served; the [`Problem`] says why.
    fn into_entry(self) -> Result<Entry, Problem>;
}

impl<I, O, F, Fut> IntoEntry for ToolFn<F, I>
where
    I: Input,
    O: Output,
    F: Fn(I, Call) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<O, ToolError>> + Send + 'static,
{
    fn into_entry(self) -> Result<Entry, Problem> {
        self.into_tool().map(Entry::from)
    }
}

impl IntoEntry for DynTool {
    fn into_entry(self) -> Result<Entry, Problem> {
        self.into_tool().map(Entry::from)
    }
}

impl<I, F, Fut> IntoEntry for ResourceFn<F, I>
where
    I: Input,
    F: Fn(I, Call) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Contents, RequestError>> + Send + 'static,
{
    fn into_entry(self) -> Result<Entry, Problem> {
        self.into_resource().map(Entry::from)
    }
}

impl<I, F, Fut> IntoEntry for PromptFn<F, I>
where
    I: Input,
    F: Fn(I, Call) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Messages, RequestError>> + Send + 'static,
{
    fn into_entry(self) -> Result<Entry, Problem> {
        self.into_prompt().map(Entry::from)
    }
}

impl IntoEntry for ToolEntry {
    fn into_entry(self) -> Result<Entry, Problem> {
        Ok(self.into())
    }
}

impl IntoEntry for ResourceEntry {
    fn into_entry(self) -> Result<Entry, Problem> {
        Ok(self.into())
    }
}

impl IntoEntry for PromptEntry {
    fn into_entry(self) -> Result<Entry, Problem> {
        Ok(self.into())
    }
}

impl<T: IntoEntry> IntoEntry for Result<T, Problem> {
    fn into_entry(self) -> Result<Entry, Problem> {
        self?.into_entry()
    }
}
