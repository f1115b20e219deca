//! The notation of results, `{a, b?: x|y, c:[Name]}`, and whether a schema promises what is written in it.

use std::collections::BTreeMap;

use serde_json::{Value, json};

/// What a value looks like.
#[derive(Debug, PartialEq)]
pub(super) enum Shape {
    /// Not said.
    Any,
    /// `bool`, or `true` where it is always that.
    Boolean,
    /// `string`
    Text,
    /// `x|y`: one of these words.
    OneOf(Vec<String>),
    /// `[x]`
    List(Box<Self>),
    /// `{a, b?}`
    Object(Vec<Member>),
}

/// A member of an object.
#[derive(Debug, PartialEq)]
pub(super) struct Member {
    name: String,
    may_be_absent: bool,
    shape: Shape,
}

impl Shape {
    /// Reads the notation; `records` are the shapes that it may name.
    pub(super) fn read(text: &str, records: &BTreeMap<String, String>) -> Self {
        let mut reader = Reader { rest: text, records };
        let shape = reader.shape();
        assert_eq!(reader.rest.trim(), "", "{text} goes on where it should end");
        shape
    }

    /// Where values of this schema may be something else, in words; `at` says where the schema is.
    pub(super) fn deviations(&self, schema: &Value, at: &str) -> Vec<String> {
        let is_a = |kind: &str| match schema["type"] == kind {
            true => vec![],
            false => vec![format!("{at} is no {kind}: {schema}")],
        };
        match self {
            Self::Any => vec![],
            Self::Boolean => is_a("boolean"),
            Self::Text => is_a("string"),
            Self::OneOf(words) => {
                let listed = schema["enum"].as_array().cloned().unwrap_or_default();
                let missing = words.iter().filter(|word| !listed.contains(&json!(word)));
                is_a("string")
                    .into_iter()
                    .chain(missing.map(|word| format!("{at} does not list {word}")))
                    .collect()
            }
            Self::List(item) => {
                let mut found = is_a("array");
                found.extend(item.deviations(&schema["items"], &format!("{at}[]")));
                found
            }
            Self::Object(members) => {
                let required = schema["required"].as_array().cloned().unwrap_or_default();
                let mut found = is_a("object");
                for member in members {
                    let at = format!("{at}.{}", member.name);
                    match schema["properties"].get(&member.name) {
                        None => found.push(format!("{at} is missing")),
                        Some(property) => {
                            if !member.may_be_absent && !required.contains(&json!(member.name)) {
                                found.push(format!("{at} may be absent"));
                            }
                            found.extend(member.shape.deviations(property, &at));
                        }
                    }
                }
                found
            }
        }
    }
}

struct Reader<'a> {
    rest: &'a str,
    records: &'a BTreeMap<String, String>,
}

impl<'a> Reader<'a> {
    fn shape(&mut self) -> Shape {
        if self.eat("{") {
            return Shape::Object(self.members());
        }
        if self.eat("[") {
            let item = self.shape();
            assert!(self.eat("]"), "] should come before {}", self.rest);
            return Shape::List(Box::new(item));
        }
        if self.eat("...") {
            return Shape::Any;
        }
        match self.word() {
            "value" => Shape::Any,
            "bool" | "true" => Shape::Boolean,
            "string" => Shape::Text,
            words if words.contains('|') => Shape::OneOf(words.split('|').map(str::to_owned).collect()),
            name => {
                let record = self.records.get(name).unwrap_or_else(|| panic!("{name:?} is no record"));
                Shape::read(record, self.records)
            }
        }
    }

    fn members(&mut self) -> Vec<Member> {
        let mut members = Vec::new();
        loop {
            if self.eat("...") {
                // What follows the dots, to the end of the object, is a remark.
                self.rest = self.rest.find('}').map_or("", |end| &self.rest[end..]);
            } else {
                let name = self.word().to_owned();
                assert!(!name.is_empty(), "a name should come before {}", self.rest);
                let may_be_absent = self.eat("?");
                let shape = if self.eat(":") { self.shape() } else { Shape::Any };
                members.push(Member { name, may_be_absent, shape });
            }
            if self.eat("}") {
                return members;
            }
            assert!(self.eat(","), ", or }} should come before {}", self.rest);
        }
    }

    fn eat(&mut self, mark: &str) -> bool {
        match self.rest.trim_start().strip_prefix(mark) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn word(&mut self) -> &'a str {
        let rest = self.rest.trim_start();
        let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '|';
        let (word, rest) = rest.split_at(rest.find(|c| !is_part(c)).unwrap_or(rest.len()));
        self.rest = rest;
        word
    }
}

#[test]
fn the_notation_says_what_a_schema_has_to_promise() {
    let records = BTreeMap::from([("Job".to_owned(), "{id, state: waiting|done}".to_owned())]);
    let shape = Shape::read("{jobs:[Job], note?: string, more:{... or not}, over:true}", &records);
    let job = json!({
        "type": "object",
        "properties": { "id": {}, "state": { "type": "string", "enum": ["waiting", "done", "lost"] } },
        "required": ["id", "state"],
    });
    let mut schema = json!({
        "type": "object",
        "properties": {
            "jobs": { "type": "array", "items": job },
            "note": { "type": "string" },
            "more": { "type": "object" },
            "over": { "type": "boolean" },
            "new": { "type": "integer" },
        },
        "required": ["jobs", "more", "over"],
    });
    assert_eq!(shape.deviations(&schema, "result"), [""; 0]);

    schema["required"] = json!(["jobs"]);
    schema["properties"]["more"] = json!({ "type": "string" });
    schema["properties"]["note"] = json!({ "type": ["string", "null"] });
    schema["properties"]["jobs"]["items"]["required"] = json!(["state"]);
    schema["properties"]["jobs"]["items"]["properties"]["state"]["enum"] = json!(["waiting"]);
    schema["properties"].as_object_mut().unwrap().remove("over");
    let want = [
        "result.jobs[].id may be absent",
        "result.jobs[].state does not list done",
        r#"result.note is no string: {"type":["string","null"]}"#,
        "result.more may be absent",
        r#"result.more is no object: {"type":"string"}"#,
        "result.over is missing",
    ];
    assert_eq!(shape.deviations(&schema, "result"), want);
}
