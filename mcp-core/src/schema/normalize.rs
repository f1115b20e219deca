//! Small kindnesses to arguments before they are validated: what means the same is made the same.

use std::collections::BTreeMap;

use serde_json::{Number, Value};

use crate::protocol::JsonObject;

/// What there is to do below one place of a schema; places where there is nothing have none.
///
/// `null` for an optional property means absent, and is taken out; a float without a fraction where an integer is
/// wanted (`3.0`, which JSON Schema calls an integer and serde does not) becomes one.
#[derive(Debug)]
pub(super) enum Normalizer {
    /// Make integral floats integers.
    Integer,
    /// Look into an object.
    Object {
        /// Optional properties that cannot be `null` themselves.
        nullable: Vec<String>,
        properties: BTreeMap<String, Normalizer>,
        others: Option<Box<Normalizer>>,
    },
    /// Look into each item of an array.
    Items(Box<Normalizer>),
}

impl Normalizer {
    /// What there is to do for a schema; `None` for nothing, and for what choices and references hide.
    pub(super) fn of(schema: &Value) -> Option<Self> {
        let schema = schema.as_object()?;
        match schema.get("type")?.as_str()? {
            "integer" => Some(Self::Integer),
            "array" => Some(Self::Items(Box::new(Self::of(schema.get("items")?)?))),
            "object" => {
                let empty = JsonObject::new();
                let named = schema.get("properties").and_then(Value::as_object).unwrap_or(&empty);
                let required =
                    schema.get("required").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
                let nullable: Vec<String> = named
                    .iter()
                    .filter(|(name, _)| !required.iter().any(|required| required == *name))
                    .filter(|(_, property)| !accepts_null(property))
                    .map(|(name, _)| name.clone())
                    .collect();
                let properties: BTreeMap<_, _> =
                    named.iter().filter_map(|(name, child)| Some((name.clone(), Self::of(child)?))).collect();
                let others = schema.get("additionalProperties").and_then(Self::of).map(Box::new);
                let idle = nullable.is_empty() && properties.is_empty() && others.is_none();
                (!idle).then_some(Self::Object { nullable, properties, others })
            }
            _ => None,
        }
    }

    /// Does it.
    pub(super) fn apply(&self, value: &mut Value) {
        match (self, value) {
            (Self::Integer, Value::Number(number)) => make_integral(number),
            (Self::Items(items), Value::Array(values)) => {
                values.iter_mut().for_each(|value| items.apply(value))
            }
            (Self::Object { .. }, Value::Object(object)) => self.apply_to_object(object),
            _ => {}
        }
    }

    /// Does it to the members of an object.
    pub(super) fn apply_to_object(&self, object: &mut JsonObject) {
        let Self::Object { nullable, properties, others } = self else { return };
        if object.values().any(Value::is_null) {
            object.retain(|name, value| !value.is_null() || !nullable.contains(name));
        }
        for (name, value) in object.iter_mut() {
            if let Some(child) = properties.get(name).or(others.as_deref()) {
                child.apply(value);
            }
        }
    }
}

/// Whether `null` is a value of its own there, as far as can be told.
fn accepts_null(schema: &Value) -> bool {
    let Some(schema) = schema.as_object() else { return true };
    match schema.get("type") {
        Some(Value::String(kind)) => kind == "null",
        Some(Value::Array(kinds)) => kinds.iter().any(|kind| kind == "null"),
        // Any JSON, a reference or a choice: leave it as it is.
        _ => true,
    }
}

fn make_integral(number: &mut Number) {
    // Beyond 2^53 a float has lost what an integer would have said.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if let Some(float) =
        number.as_f64().filter(|float| number.is_f64() && float.fract() == 0.0 && float.abs() <= EXACT)
    {
        #[allow(clippy::cast_possible_truncation)] // In range by the line above.
        let integer = float as i64;
        *number = Number::from(integer);
    }
}
