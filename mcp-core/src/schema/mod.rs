//! Schemas: generated from types in a form that assistants can use, and held against what is sent.

mod actions;
mod arguments;
mod choices;
mod compiled;
mod explain;
mod form;
mod mirrored;
mod normalize;
mod primitive;
mod raw;
mod strings;
mod tagged;
mod transform;

use schemars::{JsonSchema, generate::SchemaSettings};
use serde_json::Value;

pub(crate) use self::{
    arguments::ArgumentSchema,
    explain::{escape, nearest},
    form::FormSchema,
    mirrored::MirroredParams,
    normalize::make_integral,
    raw::{OutputSchema, RawSchema},
    strings::StringArguments,
};
use crate::protocol::JsonObject;

/// The schema of what a type is read from, as a tool lists it: closed, without `null` alternatives, references or
/// foreign formats, and flat where the type is a choice between actions (see [`Tool`](crate::Tool)).
///
/// The doc comment of the type stands in `description`.
pub fn input_schema<T: JsonSchema>() -> JsonObject {
    let exact = exact_input_schema::<T>();
    actions::flatten(&exact).unwrap_or(exact)
}

/// The same, with a choice between actions as it is.
fn exact_input_schema<T: JsonSchema>() -> JsonObject {
    let mut schema = generate::<T>(SchemaSettings::draft2020_12().for_deserialize());
    transform::tidy(&mut schema, transform::Direction::Input);
    schema
}

/// The schema of what a type is written as, in the same form but open.
pub fn output_schema<T: JsonSchema>() -> JsonObject {
    let mut schema = generate::<T>(SchemaSettings::draft2020_12().for_serialize());
    transform::tidy(&mut schema, transform::Direction::Output);
    schema
}

fn generate<T: JsonSchema>(settings: SchemaSettings) -> JsonObject {
    let generator = settings.with(|settings| settings.inline_subschemas = true).into_generator();
    match generator.into_root_schema_for::<T>().to_value() {
        Value::Object(schema) => schema,
        // `true`, the schema of anything.
        _ => JsonObject::new(),
    }
}

/// Holds a schema against the one form that every client takes at the top.
fn check_top(schema: &JsonObject) -> Result<(), String> {
    if schema.get("type") != Some(&Value::from("object")) {
        return Err("its schema is not one of an object".to_owned());
    }
    match ["oneOf", "anyOf", "allOf"].into_iter().find(|keyword| schema.contains_key(*keyword)) {
        Some(keyword) => Err(format!("its schema has `{keyword}` at the top, which assistants do not take")),
        None => Ok(()),
    }
}
