//! A schema made ready to hold values against: in linear time, in bounded memory, and without fetching anything.

use jsonschema::ValidationOptions;
use serde_json::Value;

use super::{
    actions::Actions,
    explain::{self, Known, Mistake},
    tagged,
};
use crate::{protocol::JsonObject, tool_error::ToolError};

/// How deep a value may nest where a choice refers back to itself. A validator tries every part of a choice, and in such
/// a schema does so again at every level: the time grows with a power of the depth.
const MAX_DEPTH_OF_CHOICES: usize = 12;

/// A compiled schema.
#[derive(Debug)]
pub(super) struct Compiled {
    validator: jsonschema::Validator,
    /// The names of the properties at the top, to suggest from.
    known: Vec<String>,
    /// What each action takes, where the schema is a choice between actions.
    actions: Option<Actions>,
    max_depth: Option<usize>,
}

impl Compiled {
    pub(super) fn new(schema: &JsonObject) -> Result<Self, String> {
        Self::build(schema, jsonschema::options())
    }

    /// One that holds texts against their formats as well, which JSON Schema leaves to whoever wants it.
    pub(super) fn with_formats(schema: &JsonObject) -> Result<Self, String> {
        Self::build(schema, jsonschema::options().should_validate_formats(true))
    }

    fn build(schema: &JsonObject, options: ValidationOptions<'_>) -> Result<Self, String> {
        const PATTERN_BYTES: usize = 1 << 20;
        let patterns =
            jsonschema::PatternOptions::regex().size_limit(PATTERN_BYTES).dfa_size_limit(PATTERN_BYTES);
        let rewritten = tagged::choose_by_tag(schema);
        let validator = options
            .offline()
            .with_pattern_options(patterns)
            .build(&rewritten)
            .map_err(|error| format!("its schema cannot be used: {error}"))?;
        let actions = Actions::of(schema);
        let known = match (&actions, schema.get("properties")) {
            (Some(actions), _) => actions.property_names(),
            (None, Some(Value::Object(properties))) => properties.keys().cloned().collect(),
            (None, _) => Vec::new(),
        };
        Ok(Self {
            validator,
            known,
            actions,
            max_depth: refers_from_choice(&rewritten).then_some(MAX_DEPTH_OF_CHOICES),
        })
    }

    /// The names of the properties at the top.
    pub(super) fn known(&self) -> &[String] {
        &self.known
    }

    /// Holds arguments against the schema, and says what is wrong with them.
    pub(super) fn check_arguments(&self, value: &Value) -> Result<(), ToolError> {
        if let Some(limit) = self.max_depth.filter(|limit| is_deeper_than(value, *limit)) {
            let message =
                format!("Invalid arguments. They nest deeper than the {limit} levels that are taken here.");
            return Err(ToolError::invalid_argument("", message));
        }
        if self.validator.is_valid(value) {
            return Ok(());
        }
        Err(explain::invalid_arguments(&self.mistakes(value)))
    }

    /// What is wrong with a value; of many mistakes the first few.
    pub(super) fn mistakes(&self, value: &Value) -> Vec<Mistake> {
        let action = self.actions.as_ref().and_then(|actions| actions.meant_by(value));
        explain::mistakes(&self.validator, value, Known { names: &self.known, action })
    }

    /// Holds any value against the schema; the first mistake, without the value.
    pub(super) fn check(&self, value: &Value) -> Result<(), String> {
        self.validator
            .validate(value)
            .map_err(|error| format!("at {:?}: {}", error.instance_path().to_string(), error.masked()))
    }
}

/// Whether two parts of one choice refer to other places of the schema, and so perhaps both back to the choice.
fn refers_from_choice(schema: &Value) -> bool {
    match schema {
        Value::Object(members) => members.iter().any(|(key, value)| match (key.as_str(), value) {
            ("const" | "enum" | "default" | "examples", _) => false,
            ("anyOf" | "oneOf", Value::Array(parts)) => {
                parts.iter().filter(|part| refers(part)).count() > 1 || refers_from_choice(value)
            }
            _ => refers_from_choice(value),
        }),
        Value::Array(items) => items.iter().any(refers_from_choice),
        _ => false,
    }
}

/// Whether a reference stands anywhere in a schema.
fn refers(schema: &Value) -> bool {
    match schema {
        Value::Object(members) => {
            members.iter().any(|(key, value)| matches!(key.as_str(), "$ref" | "$dynamicRef") || refers(value))
        }
        Value::Array(items) => items.iter().any(refers),
        _ => false,
    }
}

fn is_deeper_than(value: &Value, levels: usize) -> bool {
    let Some(below) = levels.checked_sub(1) else { return value.is_object() || value.is_array() };
    match value {
        Value::Object(members) => members.values().any(|member| is_deeper_than(member, below)),
        Value::Array(items) => items.iter().any(|item| is_deeper_than(item, below)),
        _ => false,
    }
}
