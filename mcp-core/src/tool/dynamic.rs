//! Tools that are known only at run time: a definition, and a function over raw JSON.

use std::{borrow::Cow, fmt, future::Future};

use serde_json::{Value, json};

use super::{
    Output, ToolEntry,
    entry::{self, CallFuture, Face},
    function::Function,
};
use crate::{
    access::Access,
    annotations::Annotations,
    build::Problem,
    call::Call,
    protocol::{JsonObject, definition::About},
    tool_error::ToolError,
};

/// A tool whose name, schema and work come from elsewhere: a table, a file, another server.
///
/// Its input schema is listed exactly as it is given, and arguments are validated against it. It must be an object
/// schema that needs nothing from a network or a disk.
///
/// ```
/// # use mcp_core::{Annotations, DynTool};
/// # use serde_json::{Value, json};
/// let double = DynTool::new("double", Annotations::read_only(), |arguments, _| async move {
///     let number = arguments.get("number").and_then(Value::as_f64).unwrap_or_default();
///     Ok(json!({ "doubled": 2.0 * number }))
/// })
/// .about(|about| about.description("Doubles a number."))
/// .input_schema(json!({
///     "type": "object",
///     "properties": {"number": {"type": "number"}},
///     "required": ["number"],
/// }));
/// ```
pub struct DynTool {
    face: Face,
    input_schema: Value,
    output_schema: Option<Value>,
    work: Function<Box<WorkFn>, JsonObject>,
}

type WorkFn = dyn Fn(JsonObject, Call) -> CallFuture + Send + Sync;

impl DynTool {
    /// A tool of this name that does `work` with its validated arguments.
    ///
    /// It answers as any tool does: with JSON, [`Text`](super::Text), [`Content`](super::Content) and their like. Of
    /// what structured content looks like, the [`output_schema`](Self::output_schema) alone is listed.
    pub fn new<O, F, Fut>(name: impl Into<String>, annotations: Annotations, work: F) -> Self
    where
        O: Output,
        F: Fn(JsonObject, Call) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<O, ToolError>> + Send + 'static,
    {
        Self {
            face: Face { name: name.into(), annotations, requires: Access::none(), about: About::default() },
            input_schema: json!({"type": "object", "additionalProperties": false}),
            output_schema: None,
            work: Function {
                access: Box::new(|_| Access::none()),
                work: Box::new(move |arguments, call| {
                    let answer = work(arguments, call);
                    Box::pin(async move { entry::encoded(answer.await?) })
                }),
            },
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
    pub fn access(mut self, access: impl Fn(&JsonObject) -> Access + Send + Sync + 'static) -> Self {
        self.work.access = Box::new(access);
        self
    }

    /// Checks it, and makes a tool of it.
    pub(crate) fn into_tool(self) -> Result<ToolEntry, Problem> {
        let Self { face, input_schema, output_schema, work } = self;
        let object = |schema: Value, what: &str| match schema {
            Value::Object(schema) => Ok(schema),
            _ => Err(Problem::new(
                format!("tool `{}`", face.name),
                format!("its {what} schema is not a JSON object"),
            )),
        };
        let input_schema = object(input_schema, "input")?;
        let output_schema = output_schema.map(|schema| object(schema, "output")).transpose()?;
        entry::raw(face, input_schema, output_schema, work)
    }
}

impl fmt::Debug for DynTool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DynTool").field("name", &self.face.name).finish_non_exhaustive()
    }
}
