//! Schemas that come from elsewhere and are listed unchanged, and schemas of answers.

use serde_json::{Value, value::RawValue};

use super::{check_top, compiled::Compiled};
use crate::{protocol::JsonObject, tool_error::ToolError};

/// The input schema of a raw tool.
#[derive(Debug)]
pub(crate) struct RawSchema(Compiled);

impl RawSchema {
    pub(crate) fn new(schema: &JsonObject) -> Result<Self, String> {
        if schema.get("type") != Some(&Value::from("object")) {
            return Err("its input schema must have `\"type\": \"object\"` at the top".to_owned());
        }
        check_bounds(schema)?;
        Compiled::new(schema).map(Self)
    }

    /// Lets arguments through that fit.
    pub(crate) fn check(&self, arguments: JsonObject) -> Result<JsonObject, ToolError> {
        let value = Value::Object(arguments);
        self.0.check_arguments(&value)?;
        match value {
            Value::Object(arguments) => Ok(arguments),
            _ => Ok(JsonObject::new()),
        }
    }
}

/// The schema of a tool's structured content.
#[derive(Debug)]
pub(crate) struct OutputSchema {
    listed: JsonObject,
    compiled: Compiled,
}

impl OutputSchema {
    /// That of a type.
    pub(crate) fn new(mut schema: JsonObject) -> Result<Self, String> {
        schema.remove("description");
        check_top(&schema).map_err(|why| {
            format!("the answer cannot be structured: {why}; answer with `Text` or `Reply`, or put it in a struct of one field")
        })?;
        if let Some(field) = nullable_field(&schema) {
            return Err(format!(
                "its answer's field `{field}` may be null, where what is not there should be left out: add \
                 `#[serde(skip_serializing_if = \"Option::is_none\")]` to it"
            ));
        }
        let compiled = Compiled::new(&schema)?;
        Ok(Self { listed: schema, compiled })
    }

    /// One from elsewhere: of any type, as revision 2026-07-28 allows.
    pub(crate) fn new_raw(schema: JsonObject) -> Result<Self, String> {
        check_bounds(&schema)?;
        let compiled = Compiled::new(&schema)?;
        Ok(Self { listed: schema, compiled })
    }

    pub(crate) fn listed(&self) -> &JsonObject {
        &self.listed
    }

    /// Holds structured content against the schema.
    pub(crate) fn check(&self, structured: &RawValue) -> Result<(), String> {
        let value: Value = serde_json::from_str(structured.get()).map_err(|error| error.to_string())?;
        self.compiled.check(&value)
    }
}

/// A field of an answer that is `null` where there is nothing to say.
fn nullable_field(schema: &JsonObject) -> Option<&str> {
    let is_null = |kind: &Value| kind == "null" || kind.get("type").is_some_and(|kind| kind == "null");
    let any_null = |kinds: Option<&Value>| {
        kinds.and_then(Value::as_array).is_some_and(|kinds| kinds.iter().any(is_null))
    };
    let properties = schema.get("properties").and_then(Value::as_object).into_iter().flatten();
    properties.filter_map(|(name, property)| Some((name, property.as_object()?))).find_map(
        |(name, property)| {
            if ["type", "anyOf", "oneOf"].iter().any(|keyword| any_null(property.get(*keyword))) {
                return Some(name.as_str());
            }
            let items = property.get("items").and_then(Value::as_object);
            nullable_field(property).or_else(|| nullable_field(items?))
        },
    )
}

/// Keeps a schema of somebody else's from being a burden of its own (specification 2026-07-28, "Composition-Keyword
/// Resource Use").
fn check_bounds(schema: &JsonObject) -> Result<(), String> {
    const MAX_DEPTH: usize = 64;
    const MAX_NODES: usize = 10_000;

    fn count(value: &Value, depth: usize, nodes: &mut usize) -> Result<(), String> {
        *nodes += 1;
        if depth > MAX_DEPTH || *nodes > MAX_NODES {
            return Err(format!(
                "its schema is deeper than {MAX_DEPTH} levels or larger than {MAX_NODES} values"
            ));
        }
        match value {
            Value::Object(members) => members.values().try_for_each(|member| count(member, depth + 1, nodes)),
            Value::Array(items) => items.iter().try_for_each(|item| count(item, depth + 1, nodes)),
            _ => Ok(()),
        }
    }

    let mut nodes = 0;
    schema.values().try_for_each(|member| count(member, 1, &mut nodes))
}
