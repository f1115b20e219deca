//! Tools that are known only at run time: a definition, and a function over raw JSON.

use std::{fmt, future::Future, sync::Arc};

use serde_json::{Value, json};

use super::{ToolEntry, ToolReply, entry};
use crate::{
    annotations::Annotations,
    build::Problem,
    call::Call,
    protocol::{
        JsonObject,
        definition::{About, ToolDefinition},
    },
    tool_error::ToolError,
};

/// A tool whose name, schema and work come from elsewhere: a table, a file, another server.
///
/// Its input schema is listed exactly as it is given, and arguments are validated against it. It must be an object
/// schema that needs nothing from a network or a disk.
pub struct DynTool {
    definition: ToolDefinition,
    input_schema: Value,
    output_schema: Option<Value>,
    work: Arc<entry::CallFn>,
}

impl DynTool {
    /// A tool of this name that does `work` with its validated arguments.
    pub fn new<F, Fut>(name: impl Into<String>, annotations: Annotations, work: F) -> Self
    where
        F: Fn(JsonObject, Call) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<ToolReply, ToolError>> + Send + 'static,
    {
        let definition = ToolDefinition {
            name: name.into(),
            title: None,
            description: None,
            input_schema: JsonObject::new(),
            output_schema: None,
            annotations,
            icons: Vec::new(),
            meta: None,
        };
        Self {
            definition,
            input_schema: json!({"type": "object", "additionalProperties": false}),
            output_schema: None,
            work: Arc::new(move |arguments, call| Box::pin(work(arguments, call))),
        }
    }

    /// What it takes; nothing when not given.
    #[must_use]
    pub fn input_schema(mut self, schema: Value) -> Self {
        self.input_schema = schema;
        self
    }

    /// What its structured content looks like.
    #[must_use]
    pub fn output_schema(mut self, schema: Value) -> Self {
        self.output_schema = Some(schema);
        self
    }

    /// Adds a title, a description, icons or `_meta`.
    #[must_use]
    pub fn about(mut self, about: impl FnOnce(About) -> About) -> Self {
        let about = about(About::default());
        self.definition.title = about.title;
        self.definition.description = about.description;
        self.definition.icons = about.icons;
        self.definition.meta = about.meta;
        self
    }
}

impl DynTool {
    /// Checks it, and makes a tool of it.
    pub(crate) fn into_tool(self) -> Result<ToolEntry, Problem> {
        let object = |schema: Value, what: &str| match schema {
            Value::Object(schema) => Ok(schema),
            _ => Err(Problem::new(
                format!("tool `{}`", self.definition.name),
                format!("its {what} schema is not a JSON object"),
            )),
        };
        let definition = ToolDefinition {
            input_schema: object(self.input_schema, "input")?,
            output_schema: self.output_schema.map(|schema| object(schema, "output")).transpose()?,
            ..self.definition.clone()
        };
        entry::raw(definition, self.work)
    }
}

impl fmt::Debug for DynTool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DynTool").field("definition", &self.definition).finish_non_exhaustive()
    }
}
