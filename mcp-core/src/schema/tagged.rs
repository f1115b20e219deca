//! Choices between objects that a tag tells apart, written so that a validator looks only at the one that is meant.
//!
//! A validator holds a value against every part of a choice, and in a recursive type does so again at every level: the
//! time doubles with each level, whatever the tags say. The listed schema keeps its choices; only what is compiled
//! from it is written anew, and accepts the same. Mistakes are then found inside the variant that is meant, rather
//! than said to fit none.

use serde_json::{Value, json};

use crate::protocol::JsonObject;

/// Rewrites all such choices of a schema.
pub(super) fn choose_by_tag(schema: &JsonObject) -> Value {
    let is_referred_to = refers_into_choices(schema);
    let mut schema = Value::Object(schema.clone());
    if !is_referred_to {
        rewrite(&mut schema);
    }
    schema
}

/// Whether a reference leads to where there will be no choice any more.
pub(super) fn refers_into_choices(schema: &JsonObject) -> bool {
    fn refers(value: &Value) -> bool {
        match value {
            Value::Object(members) => refers_into_choices(members),
            Value::Array(items) => items.iter().any(refers),
            _ => false,
        }
    }

    schema.iter().any(|(key, value)| match (key.as_str(), value) {
        ("$ref" | "$dynamicRef", Value::String(target)) => {
            target.contains("/oneOf/") || target.contains("/anyOf/")
        }
        (_, value) => refers(value),
    })
}

fn rewrite(schema: &mut Value) {
    match schema {
        Value::Object(members) => {
            for keyword in ["oneOf", "anyOf"] {
                if let Some(cases) = members.get(keyword).and_then(cases) {
                    members.remove(keyword);
                    if let Value::Array(all) = members.entry("allOf").or_insert_with(|| json!([])) {
                        all.extend(cases);
                    }
                }
            }
            // What stands in these is no schema.
            let constants = ["const", "enum", "default", "examples"];
            let children = members.iter_mut().filter(|(key, _)| !constants.contains(&key.as_str()));
            children.for_each(|(_, child)| rewrite(child));
        }
        Value::Array(items) => items.iter_mut().for_each(rewrite),
        _ => {}
    }
}

/// A choice as a list of cases, if each of its parts is an object with its own constant for one and the same member.
fn cases(choices: &Value) -> Option<Vec<Value>> {
    let choices = choices.as_array()?;
    let name = tag(choices)?;
    let constants: Vec<_> = choices.iter().filter_map(|choice| constant(choice, name)).collect();
    let mut cases =
        vec![json!({"type": "object", "required": [name], "properties": {name: {"enum": constants}}})];
    cases.extend(choices.iter().zip(&constants).map(|(choice, constant)| {
        let is_meant =
            json!({"type": "object", "required": [name], "properties": {name: {"const": constant}}});
        json!({"if": is_meant, "then": choice})
    }));
    Some(cases)
}

/// The member that tells the parts of a choice apart, if one does.
pub(super) fn tag(choices: &[Value]) -> Option<&str> {
    let names = choices.first()?.get("properties")?.as_object()?.keys();
    names.map(String::as_str).find(|name| is_tag(name, choices))
}

fn is_tag(name: &str, choices: &[Value]) -> bool {
    let is_required = |choice: &Value| {
        let required = choice.get("required").and_then(Value::as_array);
        required.is_some_and(|required| required.iter().any(|required| required == name))
    };
    choices.iter().all(|choice| choice["type"] == "object" && is_required(choice))
        && choices.iter().enumerate().all(|(index, choice)| {
            let own = constant(choice, name);
            own.is_some_and(Value::is_string)
                && choices[..index].iter().all(|other| constant(other, name) != own)
        })
}

fn constant<'a>(choice: &'a Value, name: &str) -> Option<&'a Value> {
    choice.get("properties")?.get(name)?.get("const")
}
