//! The schema of a typed tool's arguments, and the way from raw JSON to the type.

use serde_json::Value;

use super::{actions, check_top, compiled::Compiled, exact_input_schema, explain, normalize::Normalizer};
use crate::{input::Input, protocol::JsonObject, tool_error::ToolError};

/// Everything about a type of arguments, made once at registration.
#[derive(Debug)]
pub(crate) struct ArgumentSchema {
    listed: JsonObject,
    description: Option<String>,
    compiled: Compiled,
    normalizer: Option<Normalizer>,
}

impl ArgumentSchema {
    /// The schema of a type, if it is one that a tool may have.
    pub(crate) fn of<I: Input>() -> Result<Self, String> {
        let mut exact = exact_input_schema::<I>();
        let description = match exact.remove("description") {
            Some(Value::String(text)) if !text.is_empty() => Some(text),
            _ => None,
        };
        let listed = actions::flatten(&exact).unwrap_or_else(|| exact.clone());
        check_top(&listed).map_err(|why| {
            format!(
                "{why}; arguments are a struct with named fields (an empty one is `struct Name {{}}`), or an enum \
                 of such with `#[serde(tag = \"action\")]`"
            )
        })?;
        // Whatever this accepts, the listed schema accepts too; of several actions it knows which one takes what.
        let compiled = Compiled::new(&exact)?;
        let normalizer = Normalizer::of(&listed);
        Ok(Self { listed, description, compiled, normalizer })
    }

    /// The schema as it is listed.
    pub(crate) fn listed(&self) -> &JsonObject {
        &self.listed
    }

    /// The doc comment of the type.
    pub(crate) fn description(&self) -> Option<&str> {
        self.description.as_deref()
    }

    /// The names of the arguments.
    pub(crate) fn known(&self) -> &[String] {
        self.compiled.known()
    }

    /// Reads arguments: nulls of optional fields are taken out, then the rest is validated and the type read from that
    /// very value.
    pub(crate) fn read<I: Input>(&self, mut arguments: JsonObject) -> Result<I, ToolError> {
        if let Some(normalizer) = &self.normalizer {
            normalizer.apply(&mut arguments);
        }
        let value = Value::Object(arguments);
        self.compiled.check_arguments(&value)?;
        serde_json::from_value(value).map_err(|error| explain::unreadable_arguments(&error))
    }
}
