//! Brings one field of a form to a primitive definition: what a client has a control for (specification 2026-07-28,
//! "Requested Schema").
//!
//! What a definition cannot say is left out of it, so that it takes at least what the field takes.

use serde_json::{Number, Value, json};

use super::{
    choices::{Choices, MIXED, is_nullable},
    compiled::Compiled,
    normalize::make_integral,
    transform::{Direction, drop_null, join_lines, replace_format},
};
use crate::protocol::JsonObject;

const FORMATS: [&str; 4] = ["email", "uri", "date", "date-time"];

/// From here on, integers are not exact in clients that have only floats (2^53).
const EXACT: f64 = 9_007_199_254_740_992.0;

/// A field of a form, in both of its forms.
pub(super) struct Field {
    /// As it is listed: a primitive definition.
    pub(super) listed: JsonObject,
    /// As what is filled in is held against it.
    pub(super) full: JsonObject,
}

impl Field {
    /// The error continues a sentence that begins with the field's name.
    pub(super) fn new(property: &Value) -> Result<Self, String> {
        let Value::Object(property) = property else { return Err(ANYTHING.to_owned()) };
        let kind = Kind::of(property)?;
        let full = kind.full(property);
        let compiled = Compiled::with_formats(&full).map_err(|why| format!("does not work: {why}"))?;
        let mut listed = kind.listed(property);
        if let Some(default) = property.get("default").filter(|default| compiled.check(default).is_ok()) {
            listed.insert("default".to_owned(), default.clone());
        }
        Ok(Self { listed, full })
    }
}

/// Takes out of a generated property what only Rust knows.
pub(super) fn tidy(property: &mut JsonObject, is_required: bool) {
    if !is_required {
        drop_null(property);
    }
    replace_format(property, Direction::Input);
    if let Some(Value::String(description)) = property.get_mut("description") {
        *description = join_lines(description);
    }
    for keyword in ["title", "description"] {
        if property.get(keyword).is_some_and(|text| text == "") {
            property.remove(keyword);
        }
    }
}

/// Refuses a property that is not what would be listed for it.
pub(super) fn is_listed_as(property: &Value, listed: &Value) -> Result<(), String> {
    let members = |schema: &Value| schema.as_object().cloned().unwrap_or_default();
    let (own, listed) = (members(property), members(listed));
    let is = |kind: &str| listed.get("type").is_some_and(|own| own == kind);
    for (key, value) in &own {
        if listed.get(key) == Some(value) {
            continue;
        }
        return Err(match key.as_str() {
            "default" => "has a `default` that does not fit it".to_owned(),
            "format" if is("string") => format!("has a `format` that is none of {}", FORMATS.join(", ")),
            "minimum" | "maximum" if is("integer") => {
                format!("has a `{key}` that not all clients hold exactly")
            }
            "oneOf" | "items" if listed.contains_key(key) || listed.contains_key("enum") => {
                format!("says in `{key}` more or less than the text and the title of each choice")
            }
            _ => format!("has `{key}`, which a field of its kind cannot have in a form"),
        });
    }
    match listed.keys().find(|key| !own.contains_key(*key)) {
        Some(key) => Err(format!("lacks its `{key}`")),
        None => Ok(()),
    }
}

const ANYTHING: &str = "may be anything; make it a text, a number, a boolean or an enum without data";
pub(super) const NULLABLE: &str = "is required and may be null; let it be left out instead, as an `Option` with \
                        `#[serde(default)]`";
const NULL: &str = "can only be null; leave it out";
pub(super) const OBJECT: &str =
    "is an object, and a form is flat; make its fields the form's own, as `#[serde(flatten)]` does";
const MAP: &str = "is a map, and the fields of a form have fixed names; make each entry a field of its own";
const TUPLE: &str = "is a tuple; make each of its parts a field of its own";
const LIST: &str = "is a list of what is not chosen; make it one of an enum without data, or a text";

/// What a field is shown as.
enum Kind {
    Text,
    /// `number` or `integer`.
    Number(&'static str),
    Boolean,
    One(Choices),
    Several(Choices),
}

impl Kind {
    fn of(property: &JsonObject) -> Result<Self, String> {
        if property.contains_key("$ref") {
            return Err(OBJECT.to_owned());
        }
        let kind = property.get("type");
        let refusal = match kind.and_then(Value::as_str) {
            Some("null") => NULL,
            _ if is_nullable(property) => NULLABLE,
            Some("object") if is_map(property) => MAP,
            Some("object") => OBJECT,
            Some("array") if property.contains_key("prefixItems") => TUPLE,
            Some("array") => {
                let items = property.get("items").and_then(Value::as_object);
                return match items.map(Choices::find).transpose()?.flatten() {
                    Some(choices) => Ok(Self::Several(choices)),
                    None => Err(LIST.to_owned()),
                };
            }
            name => match (Choices::find(property)?, name) {
                (Some(choices), None | Some("string")) => return Ok(Self::One(choices)),
                (None, Some("string")) => return Ok(Self::Text),
                (None, Some("integer")) => return Ok(Self::Number("integer")),
                (None, Some("number")) => return Ok(Self::Number("number")),
                (None, Some("boolean")) => return Ok(Self::Boolean),
                (None, None) if kind.is_none() => ANYTHING,
                _ => MIXED,
            },
        };
        Err(refusal.to_owned())
    }

    /// The definition, but for the default.
    fn listed(&self, property: &JsonObject) -> JsonObject {
        let (kind, kept): (_, &[&str]) = match self {
            Self::Text => ("string", &["minLength", "maxLength"]),
            Self::Number(kind) => (*kind, &[]),
            Self::Boolean => ("boolean", &[]),
            Self::One(_) => ("string", &[]),
            Self::Several(_) => ("array", &["minItems", "maxItems"]),
        };
        let is_kept = |key: &str| ["title", "description"].contains(&key) || kept.contains(&key);
        let kept = property.iter().filter(|(key, _)| is_kept(key));
        let mut listed: JsonObject = kept.map(|(key, value)| (key.clone(), value.clone())).collect();
        listed.insert("type".to_owned(), kind.into());
        match self {
            Self::Text => {
                let format = property.get("format").filter(|format| FORMATS.iter().any(|own| own == *format));
                listed.extend(format.map(|format| ("format".to_owned(), format.clone())));
            }
            Self::Number(kind) => listed.extend(bounds(property, *kind == "integer")),
            Self::Boolean => {}
            Self::One(choices) => listed.extend(choices.as_one()),
            Self::Several(choices) => _ = listed.insert("items".to_owned(), choices.as_items()),
        }
        listed
    }

    /// The property with its choices as `enum`, from which a validator can say what is allowed.
    fn full(&self, property: &JsonObject) -> JsonObject {
        let mut full = property.clone();
        match self {
            Self::Text | Self::Number(_) | Self::Boolean => {}
            Self::One(choices) => {
                if !full.contains_key("enum") {
                    ["oneOf", "anyOf", "const"].into_iter().for_each(|keyword| _ = full.remove(keyword));
                }
                full.insert("type".to_owned(), "string".into());
                full.insert("enum".to_owned(), choices.values().into());
            }
            Self::Several(choices) => {
                full.insert("items".to_owned(), json!({"type": "string", "enum": choices.values()}));
            }
        }
        full
    }
}

fn is_map(property: &JsonObject) -> bool {
    let has = |keyword| property.contains_key(keyword);
    !has("properties") && (has("additionalProperties") || has("patternProperties"))
}

/// The bounds that a definition can say. An exclusive one becomes the nearest inclusive one, which of a number takes one
/// value too many.
fn bounds(property: &JsonObject, is_integer: bool) -> impl Iterator<Item = (String, Value)> {
    let sides = [("minimum", "exclusiveMinimum", 1.0), ("maximum", "exclusiveMaximum", -1.0)];
    sides.into_iter().filter_map(move |(inclusive, exclusive, inward)| {
        let is_exact = |limit: &f64| !is_integer || limit.abs() < EXACT;
        let own = property.get(inclusive).and_then(Value::as_f64).filter(is_exact);
        let beyond = property
            .get(exclusive)
            .and_then(Value::as_f64)
            .map(|limit| if is_integer { ((limit * inward).floor() + 1.0) * inward } else { limit });
        let limit = match (own, beyond.filter(is_exact)) {
            (Some(own), Some(beyond)) if own * inward < beyond * inward => integral(beyond)?,
            (None, Some(beyond)) => integral(beyond)?,
            (Some(_), _) => property.get(inclusive)?.clone(),
            (None, None) => return None,
        };
        Some((inclusive.to_owned(), limit))
    })
}

/// A number, without a fraction if it has none.
fn integral(float: f64) -> Option<Value> {
    let mut number = Number::from_f64(float)?;
    make_integral(&mut number);
    Some(Value::Number(number))
}
