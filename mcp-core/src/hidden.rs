//! Where arguments stand that are shown to nobody: what a schema marks as write-only or as a password.

use serde_json::Value;

use crate::protocol::JsonObject;

/// The places of secrets in the arguments of one tool.
#[derive(Clone, Debug, Default)]
pub(crate) struct HiddenPlaces(Vec<Place>);

/// A place in arguments, as the steps to it.
type Place = Vec<Step>;

#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    /// The member of this name.
    Member(String),
    /// Every item of a list, or every member of a map that is not named.
    Each,
    /// Every member but these, where there should be no others: a secret may stand under a name that was misspelt.
    Other(Vec<String>),
}

impl HiddenPlaces {
    /// None at all.
    pub(crate) const NONE: Self = Self(Vec::new());

    /// Those that a schema marks.
    pub(crate) fn of(schema: &JsonObject) -> Self {
        let root = Value::Object(schema.clone());
        let mut search = Search { root: &root, place: Vec::new(), open: Vec::new(), found: Vec::new() };
        // Most schemas have no secrets, and then nothing is to be hidden for caution's sake either.
        if has_secret(&root) {
            search.look(&root);
        }
        Self(search.found)
    }

    /// A walk through arguments, from their top.
    pub(crate) fn root(&self) -> Hiding<'_> {
        Hiding(self.0.iter().map(Vec::as_slice).collect())
    }

    /// Puts an ellipsis in place of each.
    pub(crate) fn hide(&self, arguments: &mut Value) {
        self.0.iter().for_each(|place| hide_at(place, arguments));
    }
}

/// What is hidden at a place in arguments and below it, in whatever form they came.
#[derive(Debug)]
pub(crate) struct Hiding<'a>(Vec<&'a [Step]>);

impl<'a> Hiding<'a> {
    /// Whether nothing is.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether all of it is.
    pub(crate) fn is_hidden(&self) -> bool {
        self.0.iter().any(|rest| rest.is_empty())
    }

    /// The same at a member of this name.
    pub(crate) fn member(&self, name: &str) -> Self {
        self.below(|step, rest, _| match step {
            Step::Member(known) => (known == name).then_some(rest),
            Step::Each => Some(rest),
            Step::Other(known) => (!known.iter().any(|known| known == name)).then_some(rest),
        })
    }

    /// The same at an item of a list; where there should be an object, each item may be it.
    pub(crate) fn item(&self) -> Self {
        self.below(|step, rest, whole| match step {
            Step::Member(_) | Step::Other(_) => Some(whole),
            Step::Each => Some(rest),
        })
    }

    fn below(&self, step: impl Fn(&Step, &'a [Step], &'a [Step]) -> Option<&'a [Step]>) -> Self {
        let places = self.0.iter().filter_map(|whole| {
            let (first, rest) = whole.split_first()?;
            step(first, rest, whole)
        });
        Self(places.collect())
    }
}

fn is_secret(schema: &JsonObject) -> bool {
    schema.get("writeOnly") == Some(&Value::Bool(true))
        || schema.get("format").is_some_and(|format| format == "password")
}

fn has_secret(schema: &Value) -> bool {
    match schema {
        Value::Object(members) => is_secret(members) || members.values().any(has_secret),
        Value::Array(items) => items.iter().any(has_secret),
        _ => false,
    }
}

struct Search<'a> {
    root: &'a Value,
    place: Place,
    /// The references on the way, so that none is followed within itself.
    open: Vec<&'a str>,
    found: Vec<Place>,
}

impl<'a> Search<'a> {
    fn look(&mut self, schema: &'a Value) {
        let Value::Object(members) = schema else { return };
        if is_secret(members) {
            return self.found.push(self.place.clone());
        }
        if let Some(Value::Object(properties)) = members.get("properties")
            && members.get("additionalProperties") == Some(&Value::Bool(false))
            && has_secret(schema)
        {
            self.place.push(Step::Other(properties.keys().cloned().collect()));
            self.found.push(self.place.clone());
            self.place.pop();
        }
        for (keyword, part) in members {
            match (keyword.as_str(), part) {
                ("$ref", Value::String(target)) => self.follow(target),
                // It may lead anywhere.
                ("$dynamicRef", _) => self.found.push(self.place.clone()),
                ("properties", Value::Object(properties)) => {
                    for (name, schema) in properties {
                        self.step(Step::Member(name.clone()), schema);
                    }
                }
                ("patternProperties", Value::Object(patterns)) => {
                    patterns.values().for_each(|schema| self.step(Step::Each, schema));
                }
                ("prefixItems", Value::Array(items)) => {
                    items.iter().for_each(|schema| self.step(Step::Each, schema));
                }
                (
                    "items"
                    | "contains"
                    | "additionalProperties"
                    | "unevaluatedItems"
                    | "unevaluatedProperties",
                    schema,
                ) => self.step(Step::Each, schema),
                ("allOf" | "anyOf" | "oneOf", Value::Array(parts)) => {
                    parts.iter().for_each(|part| self.look(part))
                }
                ("dependentSchemas", Value::Object(parts)) => parts.values().for_each(|part| self.look(part)),
                ("if" | "then" | "else", part) => self.look(part),
                _ => {}
            }
        }
    }

    fn step(&mut self, step: Step, schema: &'a Value) {
        self.place.push(step);
        self.look(schema);
        self.place.pop();
    }

    /// Goes on at another place of the schema; where that is within itself or elsewhere, all there is is hidden.
    fn follow(&mut self, target: &'a str) {
        let schema = target.strip_prefix('#').and_then(|pointer| self.root.pointer(pointer));
        match schema.filter(|_| !self.open.contains(&target)) {
            Some(schema) => {
                self.open.push(target);
                self.look(schema);
                self.open.pop();
            }
            None => self.found.push(self.place.clone()),
        }
    }
}

fn hide_at(place: &[Step], value: &mut Value) {
    match (place, value) {
        ([], value) => *value = "…".into(),
        ([Step::Member(name), rest @ ..], Value::Object(members)) => {
            if let Some(member) = members.get_mut(name) {
                hide_at(rest, member);
            }
        }
        ([Step::Other(known), rest @ ..], Value::Object(members)) => {
            members
                .iter_mut()
                .filter(|(name, _)| !known.contains(name))
                .for_each(|(_, member)| hide_at(rest, member));
        }
        ([Step::Each, rest @ ..], Value::Array(items)) => {
            items.iter_mut().for_each(|item| hide_at(rest, item));
        }
        ([Step::Each, rest @ ..], Value::Object(members)) => {
            members.values_mut().for_each(|member| hide_at(rest, member));
        }
        _ => {}
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on says why")]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn secrets_are_found_behind_references_and_conditions() {
        let schema = json!({
            "type": "object",
            "$defs": {"account": {"properties": {"user": {}, "password": {"writeOnly": true}}},
                "node": {"properties": {"key": {"format": "password"}, "next": {"$ref": "#/$defs/node"}}}},
            "properties": {"account": {"$ref": "#/$defs/account"}, "node": {"$ref": "#/$defs/node"}, "plain": {}},
            "if": {}, "then": {"properties": {"token": {"writeOnly": true}}},
            "dependentSchemas": {"plain": {"properties": {"pin": {"writeOnly": true}}}},
        });
        let hidden = HiddenPlaces::of(schema.as_object().unwrap());
        let mut arguments = json!({
            "account": {"user": "ada", "password": "1"}, "token": "2", "pin": "3", "plain": "shown",
            "node": {"key": "4", "next": {"key": "5"}},
        });
        hidden.hide(&mut arguments);
        let expected = json!({
            "account": {"user": "ada", "password": "…"}, "token": "…", "pin": "…", "plain": "shown",
            "node": {"key": "…", "next": "…"},
        });
        assert_eq!(arguments, expected);
    }

    #[test]
    fn a_secret_under_a_misspelt_name_is_hidden() {
        let schema = json!({
            "type": "object",
            "properties": {"name": {"type": "string"}, "value": {"writeOnly": true}},
            "additionalProperties": false,
        });
        let hidden = HiddenPlaces::of(schema.as_object().unwrap());
        let root = hidden.root();
        assert!(root.member("value").is_hidden() && root.member("valeu").is_hidden());
        assert!(root.member("name").is_empty());
    }
}
