//! What cannot be a form, and what its author is told.

use std::{collections::BTreeMap, num::NonZeroI32};

use super::*;

#[derive(Debug, Deserialize, JsonSchema)]
#[allow(dead_code, reason = "read for its schema")]
enum WithData {
    Nothing,
    Something(String),
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
#[allow(dead_code, reason = "read for its schema")]
enum Untagged {
    Number(u8),
    Text(String),
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(tag = "kind")]
#[allow(dead_code, reason = "read for its schema")]
enum Tagged {
    One { field: String },
    Other { more: u8 },
}

#[derive(Debug, Deserialize, JsonSchema)]
#[allow(dead_code, reason = "read for its schema")]
struct Flattened<T> {
    field: String,
    #[serde(flatten)]
    rest: T,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[allow(dead_code, reason = "read for its schema")]
struct Tree {
    field: Option<Box<Tree>>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
#[allow(dead_code, reason = "read for its schema")]
enum Nullable {
    Nothing,
    Text(String),
}

#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(extend("enum" = [1, 2]))]
#[allow(dead_code, reason = "read for its schema")]
struct Level(u8);

#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(extend("enumNames" = ["Only one"]))]
enum TooFewNames {
    One,
    Two,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(extend("enumNames" = ["First", "Second"]))]
enum NamedTwice {
    One,
    #[schemars(title = "Second")]
    Two,
}

/// schemars lists `Second` first, so that nobody could say whose names these are.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(extend("enumNames" = ["First", "Second"]))]
enum Reordered {
    /// First
    First,
    Second,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[allow(dead_code, reason = "read for its schema")]
struct BadPattern {
    #[schemars(extend("pattern" = "("))]
    field: String,
}

#[derive(Debug, Deserialize, JsonSchema)]
struct Unit;

#[test]
fn types_that_cannot_be_forms_are_refused_by_the_field_that_is_why() {
    let object = "field `field` is an object, and a form is flat; make its fields the form's own, as \
                  `#[serde(flatten)]` does";
    let map = "field `field` is a map, and the fields of a form have fixed names; make each entry a field of its own";
    let list =
        "field `field` is a list of what is not chosen; make it one of an enum without data, or a text";
    let tuple = "field `field` is a tuple; make each of its parts a field of its own";
    let nullable = "field `field` is required and may be null; let it be left out instead, as an `Option` with \
                    `#[serde(default)]`";
    let data = "field `field` is an enum whose variants hold data; take one without, and make the data fields of their \
                own";
    let mixed =
        "field `field` may be of several types; make it a text, a number, a boolean or an enum without data";
    let anything =
        "field `field` may be anything; make it a text, a number, a boolean or an enum without data";
    let not_texts = "field `field` is chosen from what is not text; take an enum without data";
    let names_twice =
        "field `field` has `enumNames` beside titles or comments of some variants; give one or the other";
    let dependent = "its fields depend on each other, as those of a flattened enum do; give it the same fields whatever \
                     is filled in, those that may be left out as `Option`";
    let no_struct = "it is not a struct with named fields (an empty one is `struct Name {}`)";
    for (form, expected) in [
        (FormSchema::of::<One<Address>>(), object),
        (FormSchema::of::<One<Option<Address>>>(), object),
        (FormSchema::of::<One<Consent>>(), object),
        (FormSchema::of::<One<Tagged>>(), data),
        (FormSchema::of::<One<WithData>>(), data),
        (FormSchema::of::<One<Option<WithData>>>(), data),
        (FormSchema::of::<Tree>(), object),
        (FormSchema::of::<One<std::time::Duration>>(), object),
        (FormSchema::of::<One<BTreeMap<String, String>>>(), map),
        (FormSchema::of::<One<Option<BTreeMap<u8, bool>>>>(), map),
        (FormSchema::of::<One<Vec<String>>>(), list),
        (FormSchema::of::<One<Option<Vec<u8>>>>(), list),
        (FormSchema::of::<One<Vec<Value>>>(), list),
        (FormSchema::of::<One<Vec<Vec<Plain>>>>(), list),
        (FormSchema::of::<One<Vec<Option<Plain>>>>(), not_texts),
        (FormSchema::of::<One<Vec<WithData>>>(), data),
        (FormSchema::of::<One<(Plain, Plain)>>(), tuple),
        (FormSchema::of::<One<Nullable>>(), nullable),
        (FormSchema::of::<One<Untagged>>(), mixed),
        (FormSchema::of::<One<Value>>(), anything),
        (FormSchema::of::<One<Option<Value>>>(), anything),
        (FormSchema::of::<One<()>>(), "field `field` can only be null; leave it out"),
        (FormSchema::of::<One<Level>>(), not_texts),
        (
            FormSchema::of::<One<TooFewNames>>(),
            "field `field` has `enumNames` that are not one text for each of its choices",
        ),
        (FormSchema::of::<One<NamedTwice>>(), names_twice),
        (FormSchema::of::<One<Reordered>>(), names_twice),
        (FormSchema::of::<Flattened<Tagged>>(), dependent),
        (
            FormSchema::of::<Flattened<BTreeMap<String, String>>>(),
            "it takes fields of any name, as a flattened map does; name each field",
        ),
        (
            FormSchema::of::<Flattened<Value>>(),
            "it takes fields of any name, as a flattened map does; name each field",
        ),
        (FormSchema::of::<Unit>(), no_struct),
        (FormSchema::of::<String>(), no_struct),
        (FormSchema::of::<Plain>(), no_struct),
        (FormSchema::of::<Option<Address>>(), no_struct),
        (FormSchema::of::<Value>(), no_struct),
    ] {
        assert_eq!(form.map(|form| form.listed).unwrap_err(), expected);
    }
    let why = FormSchema::of::<BadPattern>().unwrap_err();
    assert!(why.starts_with("field `field` does not work: its schema cannot be used: "), "{why}");
    assert!(FormSchema::of::<One<NonZeroI32>>().is_ok());
}

#[test]
fn forms_from_elsewhere_are_taken_as_they_are_or_refused() {
    let one = |field: Value| json!({"type": "object", "properties": {"field": field}});
    for schema in [
        json!({"type": "object", "properties": {}}),
        json!({"type": "object", "properties": {}, "required": []}),
        json!({
            "$schema": "http://json-schema.org/draft-07/schema#",
            "type": "object",
            "properties": {"": {"type": "string"}},
            "required": [""],
        }),
        one(
            json!({"type": "string", "format": "date", "default": "2026-07-28", "description": "Two\nlines."}),
        ),
        one(json!({"type": "string", "title": "", "minLength": 0})),
        one(json!({"type": "number", "minimum": 1e300})),
        one(json!({"type": "string", "enum": ["a", "a b"], "enumNames": ["A", "B"], "default": "a b"})),
        one(json!({"type": "array", "items": {"anyOf": [{"const": "a", "title": "A"}]}, "default": ["a"]})),
    ] {
        assert_eq!(
            FormSchema::from_value(schema.clone()).unwrap().listed(Revision::NEWEST_HANDSHAKE),
            schema
        );
    }
    let choices = "more or less than the text and the title of each choice";
    for (schema, expected) in [
        (json!(true), NO_OBJECT.to_owned()),
        (json!({"properties": {}}), NO_OBJECT.to_owned()),
        (
            json!({"type": "object"}),
            "it has no `properties` at the top; a form without fields has empty ones".to_owned(),
        ),
        (
            json!({"type": "object", "properties": {}, "additionalProperties": false}),
            "it has `additionalProperties` at the top, where a form has only $schema, type, properties, required"
                .to_owned(),
        ),
        (
            json!({"type": "object", "properties": {}, "required": ["field"]}),
            "field `field` is required and does not exist".to_owned(),
        ),
        (one(json!({"type": "object", "properties": {}})), format!("field `field` {}", primitive::OBJECT)),
        (one(json!({"type": ["string", "null"]})), format!("field `field` {}", primitive::NULLABLE)),
        (
            one(json!({"type": "string", "enum": []})),
            "field `field` has nothing to choose from; give its enum variants".to_owned(),
        ),
        (one(json!({"enum": ["a"]})), "field `field` lacks its `type`".to_owned()),
        (
            one(json!({"type": "string", "pattern": "a"})),
            "field `field` has `pattern`, which a field of its kind cannot have in a form".to_owned(),
        ),
        (
            one(json!({"type": "boolean", "format": "date"})),
            "field `field` has `format`, which a field of its kind cannot have in a form".to_owned(),
        ),
        (
            one(json!({"type": "string", "format": "uuid"})),
            "field `field` has a `format` that is none of email, uri, date, date-time".to_owned(),
        ),
        (
            one(json!({"type": "string", "format": "email", "default": "nobody"})),
            "field `field` has a `default` that does not fit it".to_owned(),
        ),
        (
            one(json!({"type": "integer", "maximum": u64::MAX})),
            "field `field` has a `maximum` that not all clients hold exactly".to_owned(),
        ),
        (
            one(json!({"type": "string", "oneOf": [{"const": "a"}]})),
            format!("field `field` says in `oneOf` {choices}"),
        ),
        (
            one(json!({"type": "array", "items": {"enum": ["a"]}})),
            format!("field `field` says in `items` {choices}"),
        ),
        (
            one(json!({"type": "string", "anyOf": [{"const": "a", "title": "A"}]})),
            "field `field` has `anyOf`, which a field of its kind cannot have in a form".to_owned(),
        ),
    ] {
        assert_eq!(FormSchema::from_value(schema).map(|form| form.listed).unwrap_err(), expected);
    }
    for schema in
        [one(json!({"type": "string", "minLength": -1})), one(json!({"type": "string", "title": 7}))]
    {
        let why = FormSchema::from_value(schema).unwrap_err();
        assert!(why.starts_with("field `field` does not work: its schema cannot be used: "), "{why}");
    }
}
