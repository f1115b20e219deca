//! The fixed parameters and results, and where a listed tool deviates from them.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};
use toolpack_ops::bext::table::{Group, TABLE};

use super::limits::samples;
use super::shape::Shape;

/// What `fixed_parameters.json` holds.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Fixed {
    pub(super) records: BTreeMap<String, String>,
    pub(super) tools: BTreeMap<String, FixedTool>,
}

/// The face of one tool, as far as it is fixed.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FixedTool {
    /// By name, with `?` if it may be left out.
    pub(super) params: BTreeMap<String, Param>,
    pub(super) result: String,
    pub(super) sentence: Option<String>,
}

/// One parameter.
#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub(super) struct Param {
    /// `string`, `integer`, `array of string|null` …
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) default: Option<Value>,
    #[serde(rename = "enum")]
    pub(super) words: Option<Vec<String>>,
    pub(super) limits: Option<String>,
}

impl Fixed {
    pub(super) fn read() -> Self {
        serde_json::from_str(include_str!("fixed_parameters.json")).unwrap()
    }

    /// Where a tool, as lists show it, does not keep what is fixed for it; nowhere, if nothing is.
    pub(super) fn deviations(&self, tool: &Value) -> Vec<String> {
        let name = tool["name"].as_str().unwrap();
        let Some(fixed) = self.tools.get(name) else { return vec![] };
        let mut found = fixed.parameter_deviations(&tool["inputSchema"], name);
        let result = Shape::read(&fixed.result, &self.records);
        found.extend(result.deviations(&tool["outputSchema"], &format!("{name}'s result")));
        found
    }
}

impl FixedTool {
    fn parameter_deviations(&self, schema: &Value, tool: &str) -> Vec<String> {
        let required = schema["required"].as_array().cloned().unwrap_or_default();
        let mut found = Vec::new();
        for (name, param) in &self.params {
            let (name, may_be_absent) = split(name);
            let at = format!("{tool}.{name}");
            let Some(property) = schema["properties"].get(name) else {
                found.push(format!("{at} is missing"));
                continue;
            };
            if required.contains(&json!(name)) == may_be_absent {
                found.push(format!("{at} must {}be required", if may_be_absent { "not " } else { "" }));
            }
            found.extend(param.deviations(property, &at));
        }
        for name in required.iter().filter_map(Value::as_str) {
            if !self.params.contains_key(name) && !self.params.contains_key(&format!("{name}?")) {
                found.push(format!("{tool}.{name} is new, so it must not be required"));
            }
        }
        found
    }
}

impl Param {
    fn deviations(&self, schema: &Value, at: &str) -> Vec<String> {
        let mut found = Vec::new();
        if !is_of_kind(schema, &self.kind) {
            found.push(format!("{at} is no {}", self.kind));
        }
        if let Some(default) = &self.default
            && schema.get("default") != Some(default)
        {
            found.push(format!("{at} does not say that {default} is the default"));
        }
        let validator = jsonschema::validator_for(schema).unwrap();
        let limits = self.limits.as_deref().map(samples);
        let accepted = limits.iter().flat_map(|limits| limits.accepted.clone());
        let words = self.words.iter().flatten().map(|word| json!(word));
        for value in accepted.chain(words).chain(self.default.clone()) {
            if !validator.is_valid(&value) {
                found.push(format!("{at} does not accept {}", shown(&value)));
            }
        }
        let not_a_word = self.words.iter().map(|words| json!(words.join(" or ")));
        for value in limits.iter().flat_map(|limits| limits.refused.clone()).chain(not_a_word) {
            if validator.is_valid(&value) {
                found.push(format!("{at} accepts {}", shown(&value)));
            }
        }
        found
    }
}

/// The name of a parameter, and whether it may be left out.
fn split(name: &str) -> (&str, bool) {
    name.strip_suffix('?').map_or((name, false), |name| (name, true))
}

fn is_of_kind(schema: &Value, kind: &str) -> bool {
    if let Some(item) = kind.strip_prefix("array of ") {
        return schema["type"] == "array" && is_of_kind(&schema["items"], item);
    }
    let mut want: Vec<&str> = kind.split('|').collect();
    let mut have: Vec<&str> = match &schema["type"] {
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).collect(),
        kind => kind.as_str().into_iter().collect(),
    };
    want.sort_unstable();
    have.sort_unstable();
    want == have
}

fn shown(value: &Value) -> String {
    value.to_string().chars().take(80).collect()
}

#[test]
fn five_groups_and_the_conformance_suite_are_fixed() {
    let is_fixed = |group| {
        use Group::{Apps, Data, DeployFleet, Instances, SecretsConfig};
        matches!(group, DeployFleet | Instances | Apps | SecretsConfig | Data)
    };
    let mut want: Vec<&str> = TABLE
        .iter()
        .filter(|row| is_fixed(row.group) || row.name == "run_conformance")
        .map(|row| row.name)
        .collect();
    want.sort_unstable();
    let fixed = Fixed::read();
    assert_eq!(fixed.tools.keys().collect::<Vec<_>>(), want);
    // All of it can be read, also where no tool is served yet.
    for tool in fixed.tools.values() {
        Shape::read(&tool.result, &fixed.records);
        for limits in tool.params.values().filter_map(|param| param.limits.as_deref()) {
            assert!(!samples(limits).accepted.is_empty(), "{limits}");
        }
    }
}

#[test]
fn a_deviation_is_told() {
    let fixed: FixedTool = serde_json::from_value(json!({
        "params": {
            "id": { "type": "string", "limits": "1-64 of a-z 0-9 - _" },
            "kind?": { "type": "string", "enum": ["static", "process"] },
            "limit?": { "type": "integer", "default": 20, "limits": "1-200" },
            "tags?": { "type": "array of string|null" },
        },
        "result": "{}",
    }))
    .unwrap();
    let mut schema = json!({
        "properties": {
            "id": { "type": "string", "pattern": "^[a-z0-9_-]{1,64}$" },
            "kind": { "type": "string", "enum": ["static", "process", "wasm"] },
            "limit": { "type": "integer", "minimum": 1, "maximum": 200, "default": 20 },
            "tags": { "type": "array", "items": { "type": ["null", "string"] } },
            "new": { "type": "boolean" },
        },
        "required": ["id"],
    });
    assert_eq!(fixed.parameter_deviations(&schema, "t"), [""; 0]);

    schema["properties"]["kind"] = json!({ "type": "string", "enum": ["static"] });
    schema["properties"]["limit"] = json!({ "type": "integer", "minimum": 0, "maximum": 100, "default": 10 });
    schema["properties"]["tags"]["items"] = json!({ "type": "string" });
    schema["properties"].as_object_mut().unwrap().remove("id");
    schema["required"] = json!(["limit", "new"]);
    let want = [
        "t.id is missing",
        "t.kind does not accept \"process\"",
        "t.limit must not be required",
        "t.limit does not say that 20 is the default",
        "t.limit does not accept 200",
        "t.limit accepts 0",
        "t.tags is no array of string|null",
        "t.new is new, so it must not be required",
    ];
    assert_eq!(fixed.parameter_deviations(&schema, "t"), want);
}
