//! The texts that a field of a form is chosen from, and the titles they are shown under.

use serde_json::{Value, json};

use super::transform::join_lines;
use crate::protocol::JsonObject;

/// Why a choice between more than constants is refused.
pub(super) const MIXED: &str =
    "may be of several types; make it a text, a number, a boolean or an enum without data";

/// What there is to choose from: at least one text.
pub(super) struct Choices {
    values: Vec<String>,
    titles: Titles,
}

enum Titles {
    /// The texts are shown themselves.
    None,
    /// One for each, in the form of JSON Schema.
    Own(Vec<String>),
    /// One for each, in the form that older clients know: `enumNames`.
    Legacy(Vec<String>),
}

impl Choices {
    /// The choices of a schema, if it is one between constants. The error continues a sentence that begins with the
    /// field's name.
    pub(super) fn find(schema: &JsonObject) -> Result<Option<Self>, String> {
        let Some(parts) = parts(schema)? else { return Ok(None) };
        let mut values = Vec::new();
        let mut titles = Vec::new();
        for part in &parts {
            for value in part.constants {
                let Value::String(value) = value else {
                    return Err("is chosen from what is not text; take an enum without data".to_owned());
                };
                values.push(value.clone());
                titles.push(part.title.clone());
            }
        }
        if values.is_empty() {
            return Err("has nothing to choose from; give its enum variants".to_owned());
        }
        let titles = match schema.get("enumNames") {
            Some(names) => Titles::Legacy(legacy(names, &values, &parts)?),
            None if titles.iter().all(Option::is_none) => Titles::None,
            None => {
                let titles = titles.into_iter().zip(&values);
                Titles::Own(titles.map(|(title, value)| title.unwrap_or_else(|| value.clone())).collect())
            }
        };
        Ok(Some(Self { values, titles }))
    }

    pub(super) fn values(&self) -> &[String] {
        &self.values
    }

    /// What stands in the definition of a field for which one is chosen.
    pub(super) fn as_one(&self) -> JsonObject {
        let mut members = JsonObject::new();
        if let Titles::Own(titles) = &self.titles {
            members.insert("oneOf".to_owned(), self.titled(titles));
            return members;
        }
        members.insert("enum".to_owned(), self.values().into());
        if let Titles::Legacy(titles) = &self.titles {
            members.insert("enumNames".to_owned(), titles.as_slice().into());
        }
        members
    }

    /// The items of a field for which several are chosen; these have no legacy form.
    pub(super) fn as_items(&self) -> Value {
        match &self.titles {
            Titles::None => json!({"type": "string", "enum": self.values}),
            Titles::Own(titles) | Titles::Legacy(titles) => json!({"anyOf": self.titled(titles)}),
        }
    }

    fn titled(&self, titles: &[String]) -> Value {
        let choices = self.values.iter().zip(titles);
        choices.map(|(value, title)| json!({"const": value, "title": title})).collect()
    }
}

/// Whether `null` is among the values, as far as can be seen.
pub(super) fn is_nullable(schema: &JsonObject) -> bool {
    let has = |keyword: &str, is_null: fn(&Value) -> bool| {
        schema.get(keyword).and_then(Value::as_array).is_some_and(|all| all.iter().any(is_null))
    };
    let is_null_schema = |part: &Value| part.get("type").is_some_and(|kind| kind == "null");
    has("type", |kind| kind == "null")
        || has("enum", Value::is_null)
        || has("oneOf", is_null_schema)
        || has("anyOf", is_null_schema)
}

/// One part of a choice. schemars puts all variants of which nothing is said into one, the first.
struct Part<'a> {
    constants: &'a [Value],
    title: Option<String>,
    /// Whether the title was meant as one.
    is_titled: bool,
    /// Whether it is the one of all variants of which nothing is said.
    is_bare: bool,
}

impl<'a> Part<'a> {
    fn of(schema: &'a Value) -> Option<Self> {
        let constants = match (schema.get("const"), schema.get("enum")) {
            (Some(constant), None) => std::slice::from_ref(constant),
            (None, Some(Value::Array(constants))) => constants,
            _ => return None,
        };
        let title = schema.get("title").and_then(Value::as_str).filter(|title| !title.is_empty());
        let about = schema.get("description").and_then(Value::as_str).map(join_lines);
        // Of a doc comment, the first paragraph.
        let about = about.as_deref().and_then(|about| about.lines().next());
        Some(Self {
            constants,
            title: title.or(about).map(str::to_owned),
            is_titled: title.is_some(),
            is_bare: schema.get("enum").is_some(),
        })
    }
}

/// The parts of a choice between constants.
fn parts(schema: &JsonObject) -> Result<Option<Vec<Part<'_>>>, String> {
    let untitled =
        |constants| Ok(Some(vec![Part { constants, title: None, is_titled: false, is_bare: true }]));
    match (schema.get("enum"), schema.get("const")) {
        (Some(Value::Array(values)), _) => return untitled(values),
        (_, Some(constant)) => return untitled(std::slice::from_ref(constant)),
        _ => {}
    }
    let Some(Value::Array(parts)) = schema.get("oneOf").or_else(|| schema.get("anyOf")) else {
        return Ok(None);
    };
    match parts.iter().map(Part::of).collect::<Option<Vec<_>>>() {
        Some(parts) => Ok(Some(parts)),
        // Further rules of a text or a number: what is filled in will be held against them.
        None if schema.contains_key("type") => Ok(None),
        None => {
            let holds_data =
                |part: &Value| part.get("type").is_some_and(|kind| kind == "object" || kind == "array");
            Err(if parts.iter().any(holds_data) {
                "is an enum whose variants hold data; take one without, and make the data fields of their own"
            } else {
                MIXED
            }
            .to_owned())
        }
    }
}

/// The titles in `enumNames`, if there is one for each choice and no doubt which.
fn legacy(names: &Value, values: &[String], parts: &[Part<'_>]) -> Result<Vec<String>, String> {
    // Bare variants come first, whatever their place among the others.
    let is_reordered = parts.len() > 1 && parts.iter().any(|part| part.is_bare);
    if is_reordered || parts.iter().any(|part| part.is_titled) {
        return Err(
            "has `enumNames` beside titles or comments of some variants; give one or the other".to_owned()
        );
    }
    let names = names.as_array().map_or(&[][..], Vec::as_slice);
    let titles: Vec<_> = names.iter().filter_map(Value::as_str).map(str::to_owned).collect();
    if titles.len() != values.len() || names.len() != values.len() {
        return Err("has `enumNames` that are not one text for each of its choices".to_owned());
    }
    Ok(titles)
}
