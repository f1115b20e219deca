//! Finds the keys of a message that no definition of it names.

use serde_json::Value;

use super::wire_revision::name_of;
use super::{Problem, Revision};

/// Keys whose value is the server's or the client's own, whatever the schema says about it.
///
/// Other free-form places (arguments, structured content, `experimental`, `extensions`, the `data` of errors and of log
/// messages) are open in the schemas themselves; a list of names here would also open places that are not: the
/// `arguments` of a prompt's definition are a list with a form of its own. Nor is a `requestedSchema` free: clients have
/// controls for what the definitions of its fields name, and for nothing else.
const OPAQUE: [&str; 3] = ["_meta", "inputSchema", "outputSchema"];

impl Revision {
    /// Reports each key below `value` that none of the schemas at `pointers`, which all apply to it, names.
    pub(super) fn unknown_keys(
        &self,
        pointers: Vec<String>,
        value: &Value,
        at: &str,
        found: &mut Vec<Problem>,
    ) {
        let mut plain = Vec::new();
        for pointer in pointers {
            if !self.flatten(pointer, value, &mut plain) {
                return;
            }
        }
        if plain.iter().any(|pointer| is_free_form(self.at(pointer))) {
            return;
        }
        match value {
            Value::Object(keys) => {
                for (key, below) in keys {
                    self.key(&plain, key, below, at, found);
                }
            }
            Value::Array(items) => {
                let mut of_items: Vec<String> = Vec::new();
                of_items.extend(plain.iter().map(|pointer| format!("{pointer}/items")));
                of_items.retain(|pointer| self.document.pointer(pointer).is_some());
                for (index, item) in items.iter().enumerate() {
                    self.unknown_keys(of_items.clone(), item, &format!("{at}/{index}"), found);
                }
            }
            _ => {}
        }
    }

    fn key(&self, plain: &[String], key: &str, value: &Value, at: &str, found: &mut Vec<Problem>) {
        // Every request and notification may have it, but not every definition repeats that.
        if at == "/params" && key == "_meta" {
            return;
        }
        let step = key.replace('~', "~0").replace('/', "~1");
        let here = format!("{at}/{step}");
        let mut below = Vec::new();
        for pointer in plain {
            let schema = self.at(pointer);
            let additional = schema.get("additionalProperties").filter(|_| !is_base_type(schema, pointer));
            if schema["properties"].get(key).is_some() {
                below.push(format!("{pointer}/properties/{step}"));
            } else if additional.is_some_and(|additional| *additional != Value::Bool(false)) {
                below.push(format!("{pointer}/additionalProperties"));
            }
        }
        if below.is_empty() {
            let mut owners: Vec<String> = plain.iter().map(|pointer| name_of(pointer)).collect();
            owners.dedup();
            let what = format!("{} names no key \"{key}\"", owners.join(" + "));
            found.push(Problem { pointer: here, what });
        } else if !OPAQUE.contains(&key) {
            self.unknown_keys(below, value, &here, found);
        }
    }

    /// Follows references, intersections and unions down to plain schemas; of a union, the branches that `value` fits.
    ///
    /// False where it fits no branch: that is reported as such, and no branch is the one whose keys count.
    fn flatten(&self, pointer: String, value: &Value, plain: &mut Vec<String>) -> bool {
        let pointer = self.resolve(pointer);
        let schema = self.at(&pointer);
        if let Some(parts) = schema["allOf"].as_array() {
            let mut parts = (0..parts.len()).map(|index| format!("{pointer}/allOf/{index}"));
            if !parts.all(|part| self.flatten(part, value, plain)) {
                return false;
            }
        }
        if schema.get("anyOf").or(schema.get("oneOf")).is_some() {
            let mut fitting = self.alternatives(&pointer);
            fitting.retain(|branch| self.validator(branch).is_valid(value));
            if fitting.is_empty() || !fitting.into_iter().all(|branch| self.flatten(branch, value, plain)) {
                return false;
            }
        }
        let is_plain = ["allOf", "anyOf", "oneOf"].iter().all(|keyword| schema.get(keyword).is_none());
        if is_plain || schema.get("properties").is_some() {
            plain.push(pointer);
        }
        true
    }
}

/// A schema that says nothing about what is inside: `{}`, `true`, `{"type": "object"}`.
fn is_free_form(schema: &Value) -> bool {
    ["properties", "additionalProperties", "items"].iter().all(|keyword| schema.get(keyword).is_none())
}

/// `Result`, and the parameters of a bare request or notification, are open only so that others can extend them.
///
/// They are told from maps by the `_meta` that they name. The payload of a task names it too, but is the result of
/// another request.
fn is_base_type(schema: &Value, pointer: &str) -> bool {
    schema["properties"].get("_meta").is_some() && name_of(pointer) != "GetTaskPayloadResult"
}
