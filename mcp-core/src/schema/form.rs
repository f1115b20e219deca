//! The schema of a form that a person is asked to fill in, and the way from what was filled in to a type.
//!
//! What is listed is looser than what is validated: a form can say less than a schema can (specification 2026-07-28,
//! "Requested Schema"), and the rest is checked when the form comes back.

use schemars::generate::SchemaSettings;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::{
    compiled::Compiled,
    explain::Mistake,
    generate,
    normalize::Normalizer,
    primitive::{self, Field},
};
use crate::{
    input::Input,
    protocol::{JsonObject, error::without_value, revision::Revision, shape},
};

/// The schema of a form.
#[derive(Debug)]
pub(crate) struct FormSchema {
    listed: Value,
    compiled: Compiled,
    normalizer: Option<Normalizer>,
}

impl FormSchema {
    /// That of a type; the error says why it cannot be a form, and names the field.
    pub(crate) fn of<F: Input>() -> Result<Self, String> {
        let mut schema = generate::<F>(SchemaSettings::draft2020_12().for_deserialize());
        let required = required(&schema);
        if let Some(Value::Object(properties)) = schema.get_mut("properties") {
            for (name, property) in properties {
                if let Value::Object(property) = property {
                    primitive::tidy(property, required.contains(name));
                }
            }
        }
        Self::new(schema)
    }

    /// One from elsewhere, for forms that are known only at run time: held against the same rules, not changed.
    pub(crate) fn from_value(schema: Value) -> Result<Self, String> {
        let known = ["$schema", "type", "properties", "required"];
        let Value::Object(members) = &schema else { return Err(NO_OBJECT.to_owned()) };
        if let Some(other) = members.keys().find(|key| !known.contains(&key.as_str())) {
            return Err(format!("it has `{other}` at the top, where a form has only {}", known.join(", ")));
        }
        let Some(Value::Object(properties)) = members.get("properties") else {
            return Err("it has no `properties` at the top; a form without fields has empty ones".to_owned());
        };
        let form = Self::new(members.clone())?;
        for (name, property) in properties {
            primitive::is_listed_as(property, &form.listed["properties"][name])
                .map_err(|why| format!("field `{name}` {why}"))?;
        }
        Ok(Self { listed: schema, ..form })
    }

    fn new(mut schema: JsonObject) -> Result<Self, String> {
        check_flat(&schema)?;
        // What a form says means the same in every dialect.
        schema.remove("$schema");
        let mut listed = JsonObject::new();
        if let Some(Value::Object(properties)) = schema.get_mut("properties") {
            for (name, property) in properties {
                let field = Field::new(property).map_err(|why| format!("field `{name}` {why}"))?;
                listed.insert(name.clone(), Value::Object(field.listed));
                *property = Value::Object(field.full);
            }
        }
        let required = required(&schema);
        if let Some(stray) = required.iter().find(|name| !listed.contains_key(*name)) {
            return Err(format!("field `{stray}` is required and does not exist"));
        }
        let mut listed = json!({"type": "object", "properties": listed});
        if !required.is_empty() {
            listed["required"] = required.into();
        }
        let compiled = Compiled::with_formats(&schema)?;
        Ok(Self { listed, compiled, normalizer: Normalizer::of(&schema) })
    }

    /// As it is sent to a client of this revision.
    pub(crate) fn listed(&self, revision: Revision) -> Value {
        shape::form(self.listed.clone(), revision)
    }

    /// Whether several choices are made in one of its fields.
    pub(crate) fn has_lists(&self) -> bool {
        let fields = self.listed["properties"].as_object();
        fields.is_some_and(|fields| fields.values().any(|field| field["type"] == "array"))
    }

    /// Reads what the person filled in: nulls of optional fields and what was not asked for are taken out, then the
    /// rest is validated and the type read from that very value.
    ///
    /// The error says what is wrong in words for the person, field by field, and never what was filled in.
    pub(crate) fn read<F: DeserializeOwned>(&self, mut content: JsonObject) -> Result<F, String> {
        content.retain(|name, _| self.compiled.known().contains(name));
        if let Some(normalizer) = &self.normalizer {
            normalizer.apply(&mut content);
        }
        let value = Value::Object(content);
        let mut lines: Vec<_> =
            self.compiled.mistakes(&value).iter().map(|mistake| self.in_words(mistake)).collect();
        // Several choices of one field may each be wrong.
        lines.dedup();
        if !lines.is_empty() {
            return Err(lines.join("; "));
        }
        serde_json::from_value(value).map_err(|error| without_value(&error))
    }

    /// A mistake under the name that the person sees: the field's title, if it has one.
    fn in_words(&self, Mistake { pointer, why, .. }: &Mistake) -> String {
        let Some(step) = pointer.split('/').nth(1) else { return format!("the form {why}") };
        let name = step.replace("~1", "/").replace("~0", "~");
        let title = self.listed["properties"][&name].get("title").and_then(Value::as_str);
        format!("{}: {why}", title.unwrap_or(&name))
    }
}

const NO_OBJECT: &str = "it is not a struct with named fields (an empty one is `struct Name {}`)";

/// Refuses a schema whose fields cannot be counted.
fn check_flat(schema: &JsonObject) -> Result<(), String> {
    if schema.get("type") != Some(&Value::from("object")) {
        return Err(NO_OBJECT.to_owned());
    }
    let choices = ["oneOf", "anyOf", "allOf", "$ref"];
    if choices.into_iter().any(|keyword| schema.contains_key(keyword)) {
        return Err(
            "its fields depend on each other, as those of a flattened enum do; give it the same fields \
                    whatever is filled in, those that may be left out as `Option`"
                .to_owned(),
        );
    }
    let others = ["additionalProperties", "unevaluatedProperties", "patternProperties"];
    let mut others = others.into_iter().filter_map(|keyword| schema.get(keyword));
    if others.any(|others| *others != Value::Bool(false)) {
        return Err("it takes fields of any name, as a flattened map does; name each field".to_owned());
    }
    Ok(())
}

/// The names of the fields that must be filled in.
fn required(schema: &JsonObject) -> Vec<String> {
    let names = schema.get("required").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    names.iter().filter_map(Value::as_str).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests;
