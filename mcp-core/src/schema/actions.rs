//! Several actions in one set of arguments: a choice that a tag tells apart, listed as one flat object.
//!
//! Assistants take no choice at the top of a schema. So what is listed has the properties of all actions, each saying
//! for which of them it is; and what arguments are held against is the choice itself, of which each value also fits
//! what is listed.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{tagged, transform};
use crate::protocol::JsonObject;

/// The schema of a choice between actions as one object; `None` where it is no such choice, or none whose actions name
/// all that they take.
pub(super) fn flatten(schema: &JsonObject) -> Option<JsonObject> {
    let choice = Choice::of(schema)?;
    let first = choice.actions.first()?;
    let is_required_by_all = |name: &&str| choice.actions.iter().all(|action| action.requires(name));
    let required: Vec<&str> = first.required().filter(is_required_by_all).collect();
    let mut properties = JsonObject::new();
    for name in choice.property_names() {
        let property =
            if name == choice.tag { choice.tag_property() } else { merge(&choice.places_of(name), &choice) };
        properties.insert(name.to_owned(), property);
    }
    let mut flat = schema.clone();
    flat.remove(choice.keyword);
    flat.insert("type".to_owned(), json!("object"));
    flat.insert("properties".to_owned(), Value::Object(properties));
    flat.insert("required".to_owned(), json!(required));
    flat.insert("additionalProperties".to_owned(), json!(false));
    Some(flat)
}

/// A choice between objects, each of which is one action.
struct Choice<'a> {
    keyword: &'static str,
    /// The member that says which action is meant.
    tag: &'a str,
    actions: Vec<Action<'a>>,
}

struct Action<'a> {
    name: &'a str,
    schema: &'a JsonObject,
    properties: &'a JsonObject,
}

impl<'a> Choice<'a> {
    fn of(schema: &'a JsonObject) -> Option<Self> {
        let keyword = ["oneOf", "anyOf"].into_iter().find(|keyword| schema.contains_key(*keyword))?;
        let says_no_more = |key: &String| {
            [keyword, "type", "title", "description", "default", "examples", "$defs"].contains(&key.as_str())
        };
        // A reference into the choice would lead nowhere in the flat form.
        if !schema.keys().all(says_no_more) || tagged::refers_into_choices(schema) {
            return None;
        }
        let variants = schema.get(keyword)?.as_array()?;
        let tag = tagged::tag(variants)?;
        let actions = variants.iter().map(|variant| Action::of(variant, tag)).collect::<Option<_>>()?;
        Some(Self { keyword, tag, actions })
    }

    fn property_names(&self) -> BTreeSet<&'a str> {
        self.actions.iter().flat_map(|action| action.properties.keys()).map(String::as_str).collect()
    }

    /// The tag, as a choice between the names of the actions and what each does.
    fn tag_property(&self) -> Value {
        let names = self.actions.iter().map(|action| {
            let mut name = json!({"type": "string", "const": action.name});
            if let Some(description) = action.schema.get("description") {
                name["description"] = description.clone();
            }
            name
        });
        if self.actions.iter().any(|action| action.schema.contains_key("description")) {
            let mut property = JsonObject::from_iter([("oneOf".to_owned(), names.collect())]);
            transform::merge_plain_choices(&mut property);
            return Value::Object(property);
        }
        let names: Vec<_> = self.actions.iter().map(|action| action.name).collect();
        json!({"type": "string", "enum": names})
    }

    fn places_of(&self, name: &str) -> Vec<Place<'a>> {
        let place = |action: &Action<'a>| {
            let schema = action.properties.get(name)?;
            Some(Place { action: action.name, schema, is_required: action.requires(name) })
        };
        self.actions.iter().filter_map(place).collect()
    }
}

impl<'a> Action<'a> {
    /// A variant, if it is a closed object and nothing beside.
    fn of(variant: &'a Value, tag: &str) -> Option<Self> {
        let schema = variant.as_object()?;
        let says_no_more = |key: &String| {
            ["type", "title", "description", "properties", "required", "additionalProperties"]
                .contains(&key.as_str())
        };
        let is_closed = schema.get("additionalProperties") == Some(&Value::Bool(false));
        if !is_closed || !schema.keys().all(says_no_more) {
            return None;
        }
        let properties = schema.get("properties")?.as_object()?;
        Some(Self { name: properties.get(tag)?.get("const")?.as_str()?, schema, properties })
    }

    fn required(&self) -> impl Iterator<Item = &'a str> {
        let required = self.schema.get("required").and_then(Value::as_array);
        required.into_iter().flatten().filter_map(Value::as_str)
    }

    fn requires(&self, name: &str) -> bool {
        self.required().any(|required| required == name)
    }
}

/// A property as one action has it.
struct Place<'a> {
    action: &'a str,
    schema: &'a Value,
    is_required: bool,
}

/// One property out of those of this name. Where actions differ in what they take there, it takes whatever one of them
/// does.
fn merge(places: &[Place<'_>], choice: &Choice<'_>) -> Value {
    let bare = |place: &Place<'_>| {
        let mut schema = place.schema.clone();
        if let Value::Object(members) = &mut schema {
            members.retain(|key, _| !["description", "default"].contains(&key.as_str()));
        }
        schema
    };
    let mut schemas: Vec<Value> = Vec::new();
    for schema in places.iter().map(bare) {
        if !schemas.contains(&schema) {
            schemas.push(schema);
        }
    }
    let mut merged = match schemas.as_slice() {
        [only] => only.clone(),
        _ => json!({ "anyOf": schemas }),
    };
    // What is assumed for one action alone would mislead about the others.
    let default = places.first().and_then(|place| place.schema.get("default"));
    if default.is_some() && places.iter().all(|place| place.schema.get("default") == default) {
        merged["default"] = json!(default);
    }
    let description = describe(places, choice.actions.len());
    if !description.is_empty() && merged.is_object() {
        merged["description"] = Value::String(description);
    }
    merged
}

/// What the actions say of a property, and for which of them it is.
fn describe(places: &[Place<'_>], all: usize) -> String {
    let mut texts: Vec<(&str, Vec<&str>)> = Vec::new();
    for place in places {
        let Some(text) = place.schema.get("description").and_then(Value::as_str) else { continue };
        match texts.iter_mut().find(|(known, _)| *known == text) {
            Some((_, actions)) => actions.push(place.action),
            None => texts.push((text, vec![place.action])),
        }
    }
    let note = note(places, all);
    match texts.as_slice() {
        [] => note,
        // The note stands before a list of values, which often is all that follows the first line.
        [(text, _)] => match first_line(text) {
            (first, _) if first.starts_with("- ") => lines(&[&note, text]),
            (first, rest) => lines(&[&sentences(first, &note), rest]),
        },
        texts => {
            let rest = first_line(texts[0].0).1;
            let shared = if texts.iter().all(|(text, _)| first_line(text).1 == rest) { rest } else { "" };
            let own = |(text, actions): &(&str, Vec<&str>)| {
                format!("For {}: {}", quoted(actions), text.strip_suffix(shared).unwrap_or(text).trim_end())
            };
            let each: Vec<_> = texts.iter().map(own).collect();
            lines(&[&note, &each.join("\n"), shared])
        }
    }
}

/// For which actions a property is, where that is not simply all of them.
fn note(places: &[Place<'_>], all: usize) -> String {
    let holders: Vec<_> = places.iter().map(|place| place.action).collect();
    let requirers: Vec<_> =
        places.iter().filter(|place| place.is_required).map(|place| place.action).collect();
    let is_for_all = holders.len() == all;
    match (is_for_all, requirers.len()) {
        (true, 0) => String::new(),
        (true, count) if count == all => String::new(),
        (true, _) => format!("Required for {}.", quoted(&requirers)),
        (false, 0) => format!("Only for {}.", quoted(&holders)),
        (false, count) if count == holders.len() => {
            format!("Only for {}, and required there.", quoted(&holders))
        }
        (false, _) => format!("Only for {}; required for {}.", quoted(&holders), quoted(&requirers)),
    }
}

/// The first line, and what follows it.
fn first_line(text: &str) -> (&str, &str) {
    text.split_once('\n').unwrap_or((text, ""))
}

/// What there is of these lines.
fn lines(lines: &[&str]) -> String {
    lines.iter().copied().filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n")
}

/// What there is of these sentences.
fn sentences(first: &str, second: &str) -> String {
    let is_ended = first.ends_with(['.', '!', '?', ':', ';']);
    match (first, second) {
        ("", only) | (only, "") => only.to_owned(),
        _ if is_ended => format!("{first} {second}"),
        _ => format!("{first}. {second}"),
    }
}

fn quoted(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// The actions of a schema and what each of them takes, to say what is wrong with arguments.
#[derive(Debug)]
pub(super) struct Actions {
    tag: String,
    /// Each action with the names of its properties.
    actions: Vec<(String, Vec<String>)>,
}

impl Actions {
    /// Those of a schema that is a choice between actions.
    pub(super) fn of(schema: &JsonObject) -> Option<Self> {
        let choice = Choice::of(schema)?;
        let taken = |action: &Action<'_>| {
            (action.name.to_owned(), action.properties.keys().cloned().collect::<Vec<_>>())
        };
        Some(Self { tag: choice.tag.to_owned(), actions: choice.actions.iter().map(taken).collect() })
    }

    /// The names of all properties.
    pub(super) fn property_names(&self) -> Vec<String> {
        let names: BTreeSet<_> = self.actions.iter().flat_map(|(_, names)| names).collect();
        names.into_iter().cloned().collect()
    }

    /// The action that arguments name, if there is one of that name.
    pub(super) fn meant_by(&self, arguments: &Value) -> Option<MeantAction<'_>> {
        let wanted = arguments.get(&self.tag)?;
        let (name, properties) = self.actions.iter().find(|(name, _)| wanted == name)?;
        Some(MeantAction { actions: self, name, properties })
    }
}

/// The action that arguments name.
#[derive(Clone, Copy, Debug)]
pub(super) struct MeantAction<'a> {
    actions: &'a Actions,
    name: &'a str,
    /// The names of its properties.
    pub(super) properties: &'a [String],
}

impl MeantAction<'_> {
    /// What is said of a property that it cannot do without.
    pub(super) fn missing(&self) -> String {
        format!("is required when `{}` is `{}`, and missing", self.actions.tag, self.name)
    }

    /// What is said of a property that only others take, if there are such.
    pub(super) fn foreign(&self, property: &str) -> Option<String> {
        let others =
            self.actions.actions.iter().filter(|(_, names)| names.iter().any(|name| name == property));
        let others: Vec<_> = others.map(|(name, _)| name.as_str()).collect();
        let tag = &self.actions.tag;
        (!others.is_empty())
            .then(|| format!("is only for {}, not when `{tag}` is `{}`", quoted(&others), self.name))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on says why")]
mod tests {
    use schemars::JsonSchema;
    use serde::Deserialize;

    use super::{super::exact_input_schema, *};

    fn flat<T: JsonSchema>() -> Option<Value> {
        flatten(&exact_input_schema::<T>()).map(Value::Object)
    }

    /// Manages shelves.
    #[derive(Deserialize, JsonSchema)]
    #[serde(tag = "action", rename_all = "snake_case")]
    #[allow(dead_code, reason = "only its schema is looked at")]
    enum Shelf {
        /// Puts a shelf up.
        Raise {
            /// Where.
            room: String,
            /// How high, in centimetres.
            height: u8,
            /// What it is made of.
            wood: Option<Wood>,
        },
        /// Moves a shelf.
        Move {
            /// Where.
            room: String,
            /// How high it is to be.
            height: Option<u8>,
            /// What it is painted with.
            wood: Option<Wood>,
        },
        /// Takes all shelves down.
        Clear {
            /// A number, or all of them.
            #[serde(default)]
            height: String,
        },
    }

    #[derive(Deserialize, JsonSchema)]
    #[serde(rename_all = "snake_case")]
    #[allow(dead_code, reason = "only its schema is looked at")]
    enum Wood {
        /// Light.
        Ash,
        Oak,
    }

    #[test]
    fn actions_become_one_object_that_says_what_is_for_which() {
        let wood = "Only for `raise`, `move`.\nFor `raise`: What it is made of.\nFor `move`: What it is painted \
                    with.\n- `oak`\n- `ash`: Light.";
        let height = "Required for `raise`.\nFor `raise`: How high, in centimetres.\nFor `move`: How high it is to \
                      be.\nFor `clear`: A number, or all of them.";
        let expected = json!({
            "type": "object",
            "description": "Manages shelves.",
            "properties": {
                "action": {
                    "type": "string",
                    "enum": ["raise", "move", "clear"],
                    "description": "- `raise`: Puts a shelf up.\n- `move`: Moves a shelf.\n- `clear`: Takes all shelves down.",
                },
                "room": {
                    "type": "string",
                    "description": "Where. Only for `raise`, `move`, and required there.",
                },
                "height": {
                    "anyOf": [{"type": "integer", "minimum": 0, "maximum": 255}, {"type": "string"}],
                    "description": height,
                },
                "wood": {"type": "string", "enum": ["oak", "ash"], "description": wood},
            },
            "required": ["action"],
            "additionalProperties": false,
        });
        assert_eq!(flat::<Shelf>().unwrap(), expected);
    }

    #[test]
    fn what_stands_beside_the_choice_belongs_to_every_action() {
        #[derive(Deserialize, JsonSchema)]
        #[allow(dead_code, reason = "only its schema is looked at")]
        struct InHouse {
            house: u8,
            #[serde(flatten)]
            shelf: Shelf,
        }

        let schema = flat::<InHouse>().unwrap();
        assert_eq!(schema["required"], json!(["house", "action"]));
        assert_eq!(schema["properties"]["house"], json!({"type": "integer", "minimum": 0, "maximum": 255}));
    }

    #[test]
    fn a_note_stands_before_a_list_of_values() {
        let schema = json!({"description": "What of.\n- `ash`: Light."});
        let place = Place { action: "raise", schema: &schema, is_required: true };
        let text = "What of. Only for `raise`, and required there.\n- `ash`: Light.";
        assert_eq!(describe(&[place], 2), text);
    }

    #[test]
    fn a_default_of_one_action_is_not_said_of_all() {
        let at = |default| {
            json!({"oneOf": [
                {"type": "object", "required": ["a"], "additionalProperties": false,
                    "properties": {"a": {"type": "string", "const": "x"}, "n": {"type": "integer", "default": 1}}},
                {"type": "object", "required": ["a"], "additionalProperties": false,
                    "properties": {"a": {"type": "string", "const": "y"}, "n": {"type": "integer", "default": default}}},
            ]})
        };
        let n = |default| flatten(at(default).as_object().unwrap()).unwrap()["properties"]["n"].clone();
        assert_eq!(n(1), json!({"type": "integer", "default": 1}));
        assert_eq!(n(2), json!({"type": "integer"}));
    }

    #[test]
    fn a_choice_without_a_tag_and_an_open_action_are_left_alone() {
        #[derive(Deserialize, JsonSchema)]
        #[allow(dead_code, reason = "only its schema is looked at")]
        enum Untagged {
            A { x: u8 },
            B { y: u8 },
        }
        #[derive(Deserialize, JsonSchema)]
        #[serde(tag = "action")]
        #[allow(dead_code, reason = "only its schema is looked at")]
        enum Open {
            A {
                x: u8,
            },
            B {
                #[serde(flatten)]
                rest: std::collections::HashMap<String, u8>,
            },
        }

        assert_eq!(flat::<Untagged>(), None);
        assert_eq!(flat::<Open>(), None);
    }
}
