//! Brings a generated schema to the form that assistants can use, without changing what it accepts of our own.

use serde_json::{Value, json};

use crate::protocol::JsonObject;

/// What a schema describes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    /// What is read: objects are closed.
    Input,
    /// What is written.
    Output,
}

/// Formats that JSON Schema 2020-12 itself defines; others are some vendor's.
const STANDARD_FORMATS: [&str; 15] = [
    "date-time",
    "date",
    "time",
    "duration",
    "email",
    "hostname",
    "ipv4",
    "ipv6",
    "uri",
    "uri-reference",
    "iri",
    "uuid",
    "uri-template",
    "json-pointer",
    "regex",
];

/// Tidies a root schema.
pub(super) fn tidy(schema: &mut JsonObject, direction: Direction) {
    schema.remove("$schema");
    schema.remove("title");
    tidy_object(schema, direction, Extent::Whole);
    let is_object = schema.get("type").is_some_and(|kind| kind == "object");
    // Parts of a choice are closed each on its own.
    let is_closable =
        !["additionalProperties", "oneOf", "anyOf"].iter().any(|keyword| schema.contains_key(*keyword));
    if is_object && direction == Direction::Input && is_closable {
        // Also what has no properties at all: a tool without arguments.
        schema.entry("properties").or_insert_with(|| json!({}));
        schema.insert("additionalProperties".to_owned(), Value::Bool(false));
    }
}

/// Whether a schema describes all of a value, or stands in a choice beside others that describe it too.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Extent {
    Whole,
    Part,
}

fn tidy_value(value: &mut Value, direction: Direction, extent: Extent) {
    match value {
        Value::Object(schema) => tidy_object(schema, direction, extent),
        // The schema of anything, in the spelling that more clients understand.
        Value::Bool(true) => *value = json!({}),
        _ => {}
    }
}

fn tidy_object(schema: &mut JsonObject, direction: Direction, extent: Extent) {
    merge_plain_choices(schema);
    if direction == Direction::Input {
        spread_over_choices(schema);
    }
    replace_format(schema, direction);
    if let Some(Value::String(description)) = schema.get_mut("description") {
        *description = join_lines(description);
    }
    if schema.get("default").is_some_and(Value::is_null) {
        schema.remove("default");
    }
    drop_null_of_optional(schema);

    for keyword in ["properties", "patternProperties", "$defs", "dependentSchemas"] {
        if let Some(Value::Object(children)) = schema.get_mut(keyword) {
            children.values_mut().for_each(|child| tidy_value(child, direction, Extent::Whole));
        }
    }
    for keyword in ["items", "contains", "propertyNames", "additionalProperties"] {
        if let Some(child) = schema.get_mut(keyword) {
            tidy_value(child, direction, Extent::Whole);
        }
    }
    let is_described_here = ["properties", "patternProperties", "$ref", "allOf"]
        .iter()
        .any(|keyword| schema.contains_key(*keyword));
    let branches = if is_described_here { Extent::Part } else { extent };
    for keyword in ["not", "if", "then", "else"] {
        if let Some(child) = schema.get_mut(keyword) {
            tidy_value(child, direction, Extent::Part);
        }
    }
    for (keyword, extent) in
        [("prefixItems", Extent::Whole), ("oneOf", branches), ("anyOf", branches), ("allOf", Extent::Part)]
    {
        if let Some(Value::Array(children)) = schema.get_mut(keyword) {
            children.iter_mut().for_each(|child| tidy_value(child, direction, extent));
        }
    }
    let is_whole = extent == Extent::Whole && direction == Direction::Input;
    if is_whole && !schema.contains_key("additionalProperties") && names_all_its_properties(schema) {
        schema.insert("additionalProperties".to_owned(), Value::Bool(false));
    }
}

/// Whether an object may be closed: it names properties, and no part beside them names more.
fn names_all_its_properties(schema: &JsonObject) -> bool {
    let further = ["oneOf", "anyOf", "allOf", "$ref", "if", "dependentSchemas", "unevaluatedProperties"];
    schema.contains_key("properties") && !further.iter().any(|keyword| schema.contains_key(*keyword))
}

/// Writes what is said beside a choice between objects into each of them, so that each can be closed.
///
/// schemars describes a flattened enum so: the struct's own properties, and a choice of further ones beside them.
fn spread_over_choices(schema: &mut JsonObject) {
    let is_object = |choice: &Value| choice.get("type").is_some_and(|kind| kind == "object");
    let choices = ["oneOf", "anyOf"].into_iter().filter(|keyword| schema.contains_key(*keyword));
    let [keyword] = choices.collect::<Vec<_>>()[..] else { return };
    let is_plain = !["allOf", "$ref", "additionalProperties", "unevaluatedProperties", "patternProperties"]
        .iter()
        .any(|keyword| schema.contains_key(*keyword));
    let Some(Value::Array(choices)) = schema.get(keyword) else { return };
    if !is_plain || !schema.contains_key("properties") || !choices.iter().all(is_object) {
        return;
    }
    let properties = schema.remove("properties");
    let required = schema.remove("required");
    let Some(Value::Array(choices)) = schema.get_mut(keyword) else { return };
    for choice in choices.iter_mut().filter_map(Value::as_object_mut) {
        if let Some(Value::Object(shared)) = &properties {
            let own = choice.entry("properties").or_insert_with(|| json!({}));
            for (name, property) in shared {
                if let Value::Object(own) = own {
                    own.entry(name.clone()).or_insert_with(|| property.clone());
                }
            }
        }
        if let Some(Value::Array(shared)) = &required
            && let Value::Array(own) = choice.entry("required").or_insert_with(|| json!([]))
        {
            own.splice(0..0, shared.iter().cloned());
        }
    }
}

/// Makes one line of each paragraph: where a doc comment is wrapped is a matter of its source alone. Lists, tables and
/// code keep their lines.
pub(super) fn join_lines(text: &str) -> String {
    let mut lines: Vec<String> = Vec::new();
    let (mut in_code, mut in_paragraph) = (false, false);
    for line in text.lines() {
        let words = line.trim();
        let is_fence = words.starts_with("```");
        let number = words.trim_start_matches(|c: char| c.is_ascii_digit());
        let begins_anew = words.starts_with(['-', '*', '+', '|', '#', '>'])
            || (number.len() < words.len() && number.starts_with(". "));
        match lines.last_mut() {
            Some(last) if in_paragraph && !in_code && !is_fence && !begins_anew && !words.is_empty() => {
                last.push(' ');
                last.push_str(words);
            }
            _ => lines.push(if in_code { line.to_owned() } else { words.to_owned() }),
        }
        in_code ^= is_fence;
        in_paragraph = !in_code && !is_fence && !words.is_empty() && !words.starts_with(['#', '|']);
    }
    lines.join("\n").trim().to_owned()
}

/// Makes one `enum` of choices between constants, with the constants' descriptions in the text.
///
/// schemars writes an enum as `oneOf` as soon as one variant has a doc comment.
pub(super) fn merge_plain_choices(schema: &mut JsonObject) {
    let Some(Value::Array(choices)) = schema.get("oneOf") else { return };
    let mut values = Vec::new();
    let mut kinds = Vec::new();
    let mut lines = Vec::new();
    for choice in choices {
        let Some(choice) = choice.as_object() else { return };
        if choice.keys().any(|key| !["const", "enum", "type", "description"].contains(&key.as_str())) {
            return;
        }
        let constants = match (choice.get("const"), choice.get("enum")) {
            (Some(constant), None) => std::slice::from_ref(constant),
            (None, Some(Value::Array(constants))) => constants.as_slice(),
            _ => return,
        };
        kinds.push(choice.get("type").cloned());
        for constant in constants {
            let name = constant.as_str().map_or_else(|| constant.to_string(), str::to_owned);
            let about = choice.get("description").and_then(Value::as_str).map(|text| text.replace('\n', " "));
            lines.push(about.map_or_else(|| format!("- `{name}`"), |about| format!("- `{name}`: {about}")));
            values.push(constant.clone());
        }
    }
    kinds.dedup();
    let [Some(kind)] = kinds.as_slice() else { return };
    let kind = kind.clone();
    let about = schema
        .get("description")
        .and_then(Value::as_str)
        .map_or_else(String::new, |text| format!("{text}\n"));
    schema.remove("oneOf");
    schema.insert("type".to_owned(), kind);
    schema.insert("enum".to_owned(), Value::Array(values));
    schema.insert("description".to_owned(), Value::String(about + &lines.join("\n")));
}

/// Takes out formats that only Rust knows, and says with bounds what they said of input. Of output nobody needs to
/// know, and the largest integers are no longer exact once JavaScript has read them.
pub(super) fn replace_format(schema: &mut JsonObject, direction: Direction) {
    let Some(format) = schema.get("format").and_then(Value::as_str) else { return };
    let bounds = match format {
        "int8" => Some((json!(i8::MIN), json!(i8::MAX))),
        "int16" => Some((json!(i16::MIN), json!(i16::MAX))),
        "int32" => Some((json!(i32::MIN), json!(i32::MAX))),
        "int64" | "int" => Some((json!(i64::MIN), json!(i64::MAX))),
        "uint8" => Some((json!(0), json!(u8::MAX))),
        "uint16" => Some((json!(0), json!(u16::MAX))),
        "uint32" => Some((json!(0), json!(u32::MAX))),
        "uint64" | "uint" => Some((json!(0), json!(u64::MAX))),
        _ => None,
    };
    if !STANDARD_FORMATS.contains(&format) {
        schema.remove("format");
    }
    if let (Some((minimum, maximum)), Direction::Input) = (bounds, direction) {
        if !schema.contains_key("exclusiveMinimum") {
            schema.entry("minimum").or_insert(minimum);
        }
        if !schema.contains_key("exclusiveMaximum") {
            schema.entry("maximum").or_insert(maximum);
        }
    }
}

/// Takes the `null` alternative out of properties that may be left out: absent says the same.
fn drop_null_of_optional(schema: &mut JsonObject) {
    let required: Vec<String> = match schema.get("required") {
        Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => Vec::new(),
    };
    let Some(Value::Object(properties)) = schema.get_mut("properties") else { return };
    for (_, property) in properties.iter_mut().filter(|(name, _)| !required.contains(name)) {
        if let Value::Object(property) = property {
            drop_null(property);
        }
    }
}

/// Takes the `null` alternative out.
pub(super) fn drop_null(schema: &mut JsonObject) {
    if let Some(Value::Array(kinds)) = schema.get_mut("type") {
        kinds.retain(|kind| kind != "null");
        if let [kind] = kinds.as_slice() {
            let kind = kind.clone();
            schema.insert("type".to_owned(), kind);
        }
    }
    if let Some(Value::Array(values)) = schema.get_mut("enum") {
        values.retain(|value| !value.is_null());
    }
    for keyword in ["anyOf", "oneOf"] {
        let Some(Value::Array(choices)) = schema.get_mut(keyword) else { continue };
        choices.retain(|choice| choice.get("type").is_none_or(|kind| kind != "null"));
        if let [Value::Object(only)] = choices.as_slice() {
            let only = only.clone();
            schema.remove(keyword);
            for (key, value) in only {
                // What is said of the field is closer to the matter than what is said of its type.
                schema.entry(key).or_insert(value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paragraphs_become_lines_and_lists_keep_theirs() {
        let text = "One sentence\nover two lines.\n\nAnother:\n- an item\n  that goes on\n- a second\n1. first\n2nd\n\n```\nlet a;\n  let b;\n```\nend";
        let joined = "One sentence over two lines.\n\nAnother:\n- an item that goes on\n- a second\n1. first 2nd\n\n```\nlet a;\n  let b;\n```\nend";
        assert_eq!(join_lines(text), joined);
        assert_eq!(join_lines(joined), joined);
        assert_eq!(join_lines(""), "");
    }
}
