//! Arguments that come as text on the wire: those of prompts, and the variables of URI templates.

use serde_json::Value;

use super::{check_top, compiled::Compiled, exact_input_schema, explain, normalize::make_integral};
use crate::{
    input::Input,
    protocol::{JsonObject, definition::PromptArgument},
    tool_error::ToolError,
};

/// Refuses fields that no text could say, since nobody could ever fill them in.
fn check_fields(schema: &JsonObject) -> Result<(), String> {
    let Some(Value::Object(properties)) = schema.get("properties") else { return Ok(()) };
    for (name, property) in properties {
        if let Some(kind @ ("array" | "object" | "null")) = property.get("type").and_then(Value::as_str) {
            let article = if kind == "null" { "" } else { "an " };
            return Err(format!("field `{name}` is {article}{kind}, which cannot be written as text"));
        }
    }
    Ok(())
}

/// The schema of a type whose fields are written as text.
#[derive(Debug)]
pub(crate) struct StringArguments {
    schema: JsonObject,
    description: Option<String>,
    compiled: Compiled,
}

impl StringArguments {
    pub(crate) fn of<I: Input>() -> Result<Self, String> {
        let mut schema = exact_input_schema::<I>();
        let description = match schema.remove("description") {
            Some(Value::String(text)) if !text.is_empty() => Some(text),
            _ => None,
        };
        check_top(&schema)?;
        check_fields(&schema)?;
        let compiled = Compiled::new(&schema)?;
        Ok(Self { schema, description, compiled })
    }

    /// The doc comment of the type.
    pub(crate) fn description(&self) -> Option<&str> {
        self.description.as_deref()
    }

    /// The schema of the fields, which is listed nowhere as such.
    pub(crate) fn schema(&self) -> &JsonObject {
        &self.schema
    }

    /// The names of the fields.
    pub(crate) fn names(&self) -> &[String] {
        self.compiled.known()
    }

    /// The fields as a prompt lists them.
    pub(crate) fn prompt_arguments(&self) -> Vec<PromptArgument> {
        // A schema's properties are sorted by name; what is required stands in the order of the fields.
        let required: Vec<&str> = match self.schema.get("required") {
            Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        };
        let optional =
            self.compiled.known().iter().map(String::as_str).filter(|name| !required.contains(name));
        required
            .iter()
            .copied()
            .chain(optional)
            .map(|name| PromptArgument {
                name: name.to_owned(),
                description: self.property(name, "description").and_then(Value::as_str).map(str::to_owned),
                required: required.contains(&name),
            })
            .collect()
    }

    /// The values that a field may have, where they can be counted.
    pub(crate) fn choices(&self, name: &str) -> impl Iterator<Item = &str> {
        let values = self.property(name, "enum").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        values.iter().filter_map(Value::as_str)
    }

    /// Reads the type from text by name; numbers and booleans are read as such where the field is one.
    pub(crate) fn read<I: Input>(&self, values: Vec<(String, String)>) -> Result<I, ToolError> {
        let object = values.into_iter().map(|(name, text)| {
            let value = self.coerce(&name, text);
            (name, value)
        });
        let value = Value::Object(object.collect());
        self.compiled.check_arguments(&value)?;
        serde_json::from_value(value).map_err(|error| explain::unreadable_arguments(&error))
    }

    fn coerce(&self, name: &str, text: String) -> Value {
        let wanted = self.property(name, "type").and_then(Value::as_str);
        if matches!(wanted, Some("integer" | "number" | "boolean"))
            && let Ok(mut value @ (Value::Number(_) | Value::Bool(_))) = serde_json::from_str(&text)
        {
            if let (Value::Number(number), Some("integer")) = (&mut value, wanted) {
                make_integral(number);
            }
            return value;
        }
        Value::String(text)
    }

    fn property(&self, name: &str, keyword: &str) -> Option<&Value> {
        self.schema.get("properties")?.get(name)?.get(keyword)
    }
}
