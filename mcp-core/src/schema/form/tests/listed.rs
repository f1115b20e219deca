//! What is listed of a form, exactly, and held against the specification's definitions.

use std::collections::{BTreeSet, HashSet};

use super::*;

/// A form of one required field.
fn one(field: Value) -> Value {
    json!({"type": "object", "properties": {"field": field}, "required": ["field"]})
}

/// A form of one field that may be left out.
fn optional(field: Value) -> Value {
    json!({"type": "object", "properties": {"field": field}})
}

type Row = (&'static str, Result<FormSchema, String>, Value);

fn forms() -> Vec<Row> {
    let red_green = json!(["red", "green"]);
    let titled = json!([
        {"const": "soon", "title": "As soon as possible"},
        {"const": "later", "title": "Some day, perhaps."},
        {"const": "never", "title": "One variant has a comment, so this one is titled as well."},
    ]);
    vec![
        ("nothing", FormSchema::of::<Consent>(), json!({"type": "object", "properties": {}})),
        ("text", FormSchema::of::<One<String>>(), one(json!({"type": "string"}))),
        ("optional text", FormSchema::of::<One<Option<String>>>(), optional(json!({"type": "string"}))),
        (
            "character",
            FormSchema::of::<One<char>>(),
            one(json!({"type": "string", "minLength": 1, "maxLength": 1})),
        ),
        ("parsed", FormSchema::of::<One<Code>>(), one(json!({"type": "string"}))),
        ("address", FormSchema::of::<One<std::net::IpAddr>>(), one(json!({"type": "string"}))),
        ("boolean", FormSchema::of::<One<Option<bool>>>(), optional(json!({"type": "boolean"}))),
        ("float", FormSchema::of::<One<f32>>(), one(json!({"type": "number"}))),
        ("byte", FormSchema::of::<One<u8>>(), one(json!({"type": "integer", "minimum": 0, "maximum": 255}))),
        (
            "32 bits",
            FormSchema::of::<One<Option<i32>>>(),
            optional(json!({"type": "integer", "minimum": -2_147_483_648_i64, "maximum": 2_147_483_647})),
        ),
        ("64 bits", FormSchema::of::<One<i64>>(), one(json!({"type": "integer"}))),
        ("unsigned", FormSchema::of::<One<u64>>(), one(json!({"type": "integer", "minimum": 0}))),
        ("128 bits", FormSchema::of::<One<i128>>(), one(json!({"type": "integer"}))),
        ("plain", FormSchema::of::<One<Plain>>(), one(json!({"type": "string", "enum": red_green}))),
        (
            "optional plain",
            FormSchema::of::<One<Option<Plain>>>(),
            optional(json!({"type": "string", "enum": red_green})),
        ),
        ("titled", FormSchema::of::<One<Titled>>(), one(json!({"type": "string", "oneOf": titled}))),
        (
            "optional titled",
            FormSchema::of::<One<Option<Titled>>>(),
            optional(json!({"type": "string", "oneOf": titled})),
        ),
        (
            "partly titled",
            FormSchema::of::<One<PartlyTitled>>(),
            one(json!({"type": "string", "oneOf": [
                {"const": "Bare", "title": "Bare"},
                {"const": "Dressed", "title": "Dressed up"},
            ]})),
        ),
        (
            "single",
            FormSchema::of::<One<Single>>(),
            one(json!({"type": "string", "oneOf": [{"const": "Only", "title": "The only way"}]})),
        ),
        (
            "legacy",
            FormSchema::of::<One<Option<Legacy>>>(),
            optional(json!({
                "type": "string", "enum": ["One", "Two"], "enumNames": ["Option One", "Option Two"],
            })),
        ),
        (
            "several",
            FormSchema::of::<One<Vec<Plain>>>(),
            one(json!({"type": "array", "items": {"type": "string", "enum": red_green}})),
        ),
        (
            "set",
            FormSchema::of::<One<HashSet<Plain>>>(),
            one(json!({"type": "array", "items": {"type": "string", "enum": red_green}})),
        ),
        (
            "optional ordered set",
            FormSchema::of::<One<Option<BTreeSet<Plain>>>>(),
            optional(json!({"type": "array", "items": {"type": "string", "enum": red_green}})),
        ),
        (
            "several titled",
            FormSchema::of::<One<Vec<Titled>>>(),
            one(json!({"type": "array", "items": {"anyOf": titled}})),
        ),
        (
            "two legacy",
            FormSchema::of::<One<[Legacy; 2]>>(),
            one(json!({"type": "array", "minItems": 2, "maxItems": 2, "items": {"anyOf": [
                {"const": "One", "title": "Option One"},
                {"const": "Two", "title": "Option Two"},
            ]}})),
        ),
        (
            "flattened",
            FormSchema::of::<Order>(),
            json!({
                "type": "object",
                "properties": {
                    "a/b ~c": {"type": "string", "enum": red_green},
                    "is_gift": {"type": "boolean", "default": false},
                    "name": {"type": "string", "minLength": 2, "maxLength": 40},
                    "number": {"type": "integer", "title": "House number", "minimum": 0, "maximum": 65535},
                    "street": {"type": "string", "description": "Where the street begins."},
                },
                "required": ["name", "street"],
            }),
        ),
        (
            "bounds",
            FormSchema::of::<Bounds>(),
            json!({
                "type": "object",
                "properties": {
                    "age": {"type": "integer", "minimum": 18, "maximum": 120},
                    "ratio": {"type": "number", "minimum": 0.5, "maximum": 9.5},
                    "step": {"type": "integer", "minimum": 0, "maximum": 32767},
                    "strict": {"type": "integer", "minimum": 1, "maximum": 9},
                    "vast": {"type": "integer"},
                },
                "required": ["age", "strict", "ratio", "step", "vast"],
            }),
        ),
        (
            "defaults",
            FormSchema::of::<Defaults>(),
            json!({
                "type": "object",
                "properties": {
                    "name": {"type": "string", "default": "nobody"},
                    "note": {"type": "string"},
                    "too_short": {"type": "string", "minLength": 1},
                    "none_yet": {
                        "type": "array", "items": {"type": "string", "enum": red_green}, "default": [],
                    },
                    "at_least_one": {
                        "type": "array", "items": {"type": "string", "enum": red_green}, "minItems": 1,
                    },
                    "color": {"type": "string", "enum": red_green, "default": "green"},
                    "no_color": {"type": "string", "enum": red_green},
                },
                "required": ["color", "no_color"],
            }),
        ),
        (
            "conformance: defaults",
            FormSchema::of::<ConformanceDefaults>(),
            json!({
                "type": "object",
                "properties": {
                    "name": {"type": "string", "default": "John Doe"},
                    "age": {"type": "integer", "default": 30},
                    "score": {"type": "number", "default": 95.5},
                    "status": {
                        "type": "string", "enum": ["active", "inactive", "pending"], "default": "active",
                    },
                    "verified": {"type": "boolean", "default": true},
                },
                "required": ["name", "age", "score", "status", "verified"],
            }),
        ),
        (
            "conformance: enums",
            FormSchema::of::<ConformanceEnums>(),
            json!({
                "type": "object",
                "properties": {
                    "untitledSingle": {"type": "string", "enum": ["option1", "option2", "option3"]},
                    "titledSingle": {"type": "string", "oneOf": [
                        {"const": "value1", "title": "First Option"},
                        {"const": "value2", "title": "Second Option"},
                        {"const": "value3", "title": "Third Option"},
                    ]},
                    "legacyEnum": {
                        "type": "string",
                        "enum": ["opt1", "opt2", "opt3"],
                        "enumNames": ["Option One", "Option Two", "Option Three"],
                    },
                    "untitledMulti": {
                        "type": "array",
                        "items": {"type": "string", "enum": ["option1", "option2", "option3"]},
                    },
                    "titledMulti": {"type": "array", "items": {"anyOf": [
                        {"const": "value1", "title": "First Choice"},
                        {"const": "value2", "title": "Second Choice"},
                        {"const": "value3", "title": "Third Choice"},
                    ]}},
                },
                "required": ["untitledSingle", "titledSingle", "legacyEnum", "untitledMulti", "titledMulti"],
            }),
        ),
    ]
}

#[test]
fn types_are_listed_as_primitive_definitions() {
    for (name, form, expected) in forms() {
        let form = form.unwrap_or_else(|why| panic!("{name}: {why}"));
        for revision in Revision::NEWEST {
            let listed = form.listed(revision);
            let sorted = |listed: &Value| {
                let mut listed = listed.clone();
                if let Some(Value::Array(required)) = listed.get_mut("required") {
                    required.sort_by_key(Value::to_string);
                }
                listed
            };
            assert_eq!(sorted(&listed), sorted(&expected), "{name}");
            assert_is_form(name, &listed);
        }
    }
}

#[test]
fn what_is_listed_is_a_form_from_elsewhere_as_it_stands() {
    for (name, form, _) in forms() {
        let listed = form.unwrap().listed(Revision::V2026_07_28);
        let again = FormSchema::from_value(listed.clone()).unwrap_or_else(|why| panic!("{name}: {why}"));
        assert_eq!(again.listed(Revision::V2026_07_28), listed, "{name}");
    }
}

/// The definitions of the specification, each as its required keys and its further ones.
const DEFINITIONS: [(&str, &[&str], &[&str]); 8] = [
    ("string", &[], &["minLength", "maxLength", "format"]),
    ("integer", &[], &["minimum", "maximum"]),
    ("number", &[], &["minimum", "maximum"]),
    ("boolean", &[], &[]),
    ("string", &["enum"], &[]),
    ("string", &["oneOf"], &[]),
    ("string", &["enum", "enumNames"], &[]),
    // Untitled and titled, which differ in their items alone.
    ("array", &["items"], &["minItems", "maxItems"]),
];

/// Holds a listed form against the specification, independently of how it was made.
fn assert_is_form(name: &str, listed: &Value) {
    let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    let is_texts = |value: &Value| value.as_array().is_some_and(|all| all.iter().all(Value::is_string));
    let is_titled = |value: &Value| {
        let is_choice = |choice: &Value| {
            keys(choice) == ["const", "title"] && choice["const"].is_string() && choice["title"].is_string()
        };
        value.as_array().is_some_and(|all| all.iter().all(is_choice))
    };

    let top = keys(listed);
    assert!(top == ["properties", "required", "type"] || top == ["properties", "type"], "{name}: {top:?}");
    assert_eq!(listed["type"], "object", "{name}");
    if let Some(required) = listed.get("required") {
        assert!(is_texts(required) && *required != json!([]), "{name}: {required}");
    }
    for (field, definition) in listed["properties"].as_object().unwrap() {
        let keys = keys(definition);
        let fits = |(kind, required, further): &(&str, &[&str], &[&str])| {
            let shared = ["type", "title", "description", "default"];
            let is_known =
                |key: &&str| shared.contains(key) || required.contains(key) || further.contains(key);
            definition["type"] == *kind
                && required.iter().all(|key| definition.get(*key).is_some())
                && keys.iter().map(String::as_str).all(|key| is_known(&key))
        };
        assert!(DEFINITIONS.iter().any(fits), "{name}: {field}: {definition}");
        for (key, value) in definition.as_object().unwrap() {
            let is_right = match (key.as_str(), definition["type"].as_str().unwrap()) {
                ("type" | "title" | "description", _) | ("default", "string") => value.is_string(),
                ("default", "boolean") => value.is_boolean(),
                ("default", "integer") => value.is_i64(),
                ("default" | "minimum" | "maximum", _) if value.is_number() => true,
                ("default", "array") | ("enum" | "enumNames", _) => is_texts(value),
                ("minLength" | "maxLength" | "minItems" | "maxItems", _) => value.is_u64(),
                ("format", _) => ["email", "uri", "date", "date-time"].iter().any(|format| value == format),
                ("oneOf", _) => is_titled(value),
                ("items", _) if value.get("anyOf").is_some() => {
                    value.as_object().unwrap().len() == 1 && is_titled(&value["anyOf"])
                }
                ("items", _) => {
                    value.as_object().unwrap().len() == 2
                        && value["type"] == "string"
                        && is_texts(&value["enum"])
                }
                _ => false,
            };
            assert!(is_right, "{name}: {field}: {key} is {value}");
        }
    }
}
