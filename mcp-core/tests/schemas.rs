//! Schemas of awkward types: in the form that assistants can use, and in agreement with serde both ways.

use std::{
    cell::Cell,
    collections::{BTreeSet, HashMap},
};

use mcp_core::{
    Annotations, Input, Server, Text,
    schema::{input_schema, output_schema},
    testing::Client,
    tool_fn,
};
use proptest::{
    prelude::*,
    strategy::BoxedStrategy,
    test_runner::{Config, TestRunner},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::schema_types::*;

/// Arguments of one field.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct One<T> {
    /// What it is about.
    field: T,
}

/// Makes a test module for every type, and a table of all schemas.
macro_rules! table {
    ($($name:ident: $type:ty,)*) => {
        $(mod $name {
            use super::*;

            #[test]
            fn has_a_schema_that_assistants_can_use() {
                let schema = json!({"in": input_schema::<One<$type>>(), "out": output_schema::<One<$type>>()});
                insta::assert_json_snapshot!(stringify!($name), schema);
            }

            #[test]
            fn is_accepted_by_the_schema_just_when_serde_accepts_it() {
                agrees_with_serde::<One<$type>>(stringify!($name));
            }
        })*

        /// Name, input schema, output schema.
        fn all() -> Vec<(&'static str, Value, Value)> {
            vec![$((
                stringify!($name),
                Value::Object(input_schema::<One<$type>>()),
                Value::Object(output_schema::<One<$type>>()),
            ),)*]
        }
    };
}
for_each_type!(table);

mod recursive_at_the_top {
    use super::*;

    #[test]
    fn has_a_schema_that_assistants_can_use() {
        let schema = json!({"in": input_schema::<Tree>(), "out": output_schema::<Tree>()});
        insta::assert_json_snapshot!("recursive_at_the_top", schema);
    }

    #[test]
    fn is_accepted_by_the_schema_just_when_serde_accepts_it() {
        agrees_with_serde::<Tree>("recursive_at_the_top");
    }
}

mod actions_at_the_top {
    use super::*;

    #[test]
    fn have_a_schema_that_assistants_can_use() {
        let schema = Value::Object(input_schema::<Command>());
        insta::assert_json_snapshot!("actions_at_the_top", schema);
        each_schema(&schema, &mut |schema| keeps_the_rules("actions", schema, true));
    }

    /// The listed schema takes more than the type, which knows what belongs to which action; a call takes what both do.
    #[test]
    fn are_accepted_just_when_serde_accepts_them() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let tool = tool_fn("try", Annotations::read_only(), async |_: Command, _| Ok(Text::new("fits")));
        let client = runtime.block_on(Client::new(Server::new("t", "1").add(tool)));
        let listed = runtime.block_on(client.list_tools())[0]["inputSchema"].clone();
        let validator = jsonschema::validator_for(&listed).unwrap();
        let accepted = Cell::new(0);
        let mut runner = TestRunner::new_with_rng(
            Config { cases: 512, failure_persistence: None, ..Config::default() },
            proptest::test_runner::TestRng::deterministic_rng(proptest::test_runner::RngAlgorithm::ChaCha),
        );
        runner
            .run(&values_of(&listed, &listed, 4), |value| {
                let is_serde_happy = serde_json::from_value::<Command>(value.clone()).is_ok();
                let reply = runtime.block_on(client.call("try", value.clone()));
                prop_assert!(validator.is_valid(&value), "{value}");
                prop_assert_eq!(!reply.is_error(), is_serde_happy, "{} for {}", reply.text(), value);
                accepted.set(accepted.get() + usize::from(is_serde_happy));
                Ok(())
            })
            .unwrap();
        assert!((50..450).contains(&accepted.get()), "{accepted:?} values prove little");
    }
}

#[test]
fn every_schema_keeps_the_rules_for_all_of_them() {
    for (name, input, output) in all() {
        for (schema, is_input) in [(&input, true), (&output, false)] {
            assert_eq!(schema["type"], "object", "{name}");
            for keyword in ["oneOf", "anyOf", "allOf", "$schema", "title"] {
                assert!(schema.get(keyword).is_none(), "{name} has {keyword} at the top");
            }
            let is_recursive = name.contains("recursive");
            assert_eq!(schema.get("$defs").is_some(), is_recursive, "{name}");
            assert_eq!(schema.to_string().contains("$ref"), is_recursive, "{name}");
            each_schema(schema, &mut |schema| keeps_the_rules(name, schema, is_input));
        }
    }
}

fn keeps_the_rules(name: &str, schema: &Value, is_input: bool) {
    let Some(schema) = schema.as_object() else { panic!("{name}: a boolean schema, {schema}") };
    if let Some(format) = schema.get("format").and_then(Value::as_str) {
        assert!(["date-time", "uuid", "uri", "email"].contains(&format), "{name}: format {format}");
    }
    let Some(properties) = schema.get("properties").and_then(Value::as_object) else { return };
    if is_input {
        assert!(schema.contains_key("additionalProperties"), "{name}: an open object, {schema:?}");
    }
    let required = schema.get("required").and_then(Value::as_array).cloned().unwrap_or_default();
    for (property, schema) in properties {
        if !required.iter().any(|required| required == property) {
            let kinds = [&schema["type"], &schema["enum"]];
            let is_null = |value: &Value| value == "null" || value.is_null();
            let has_null =
                kinds.iter().any(|kind| kind.as_array().is_some_and(|all| all.iter().any(is_null)));
            assert!(!has_null, "{name}: null for {property}");
            for keyword in ["oneOf", "anyOf"] {
                let choices = schema[keyword].as_array().cloned().unwrap_or_default();
                assert!(choices.iter().all(|choice| choice["type"] != "null"), "{name}: null for {property}");
            }
            assert_ne!(schema.get("default"), Some(&Value::Null), "{name}: null as default of {property}");
        }
    }
}

/// Visits every schema inside a schema; `additionalProperties: false` alone is passed over.
fn each_schema(schema: &Value, visit: &mut impl FnMut(&Value)) {
    visit(schema);
    for keyword in ["properties", "patternProperties", "$defs"] {
        schema[keyword].as_object().into_iter().flat_map(|children| children.values()).for_each(|child| {
            each_schema(child, visit);
        });
    }
    for keyword in ["oneOf", "anyOf", "allOf", "prefixItems"] {
        schema[keyword].as_array().into_iter().flatten().for_each(|child| each_schema(child, visit));
    }
    for keyword in ["items", "additionalProperties", "not"] {
        if let Some(child) = schema.get(keyword).filter(|child| **child != Value::Bool(false)) {
            each_schema(child, visit);
        }
    }
}

/// Types of which serde takes more than their schema says: a list with repetitions for a set, and for a flattened
/// `Option` a struct that does not fit, as `None`.
const SERDE_IS_LAXER: [&str; 2] = ["set", "flattened_option"];

/// Tries values that are of the schema, and values that nearly are, on a tool with these arguments.
fn agrees_with_serde<T: Input>(name: &str) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let tool = tool_fn("try", Annotations::read_only(), async |_: T, _| Ok(Text::new("fits")));
    let client = runtime.block_on(Client::new(Server::new("t", "1").add(tool)));
    let schema = Value::Object(input_schema::<T>());
    let validator = jsonschema::validator_for(&schema).unwrap();
    let valid = Cell::new(0);
    let mut runner = TestRunner::new_with_rng(
        Config { cases: 192, failure_persistence: None, ..Config::default() },
        proptest::test_runner::TestRng::deterministic_rng(proptest::test_runner::RngAlgorithm::ChaCha),
    );
    let values = (values_of(&schema, &schema, 4), any::<bool>(), any::<prop::sample::Index>(), scalar());
    runner
        .run(&values, |(mut value, is_spoilt, place, spoiler)| {
            if is_spoilt {
                spoil(&mut value, place, spoiler);
            }
            let is_schema_happy = validator.is_valid(&value);
            let is_serde_happy = serde_json::from_value::<T>(value.clone()).is_ok();
            valid.set(valid.get() + usize::from(is_schema_happy));
            let reply = runtime.block_on(client.call("try", value.clone()));
            if is_schema_happy || (is_serde_happy && !SERDE_IS_LAXER.contains(&name)) {
                prop_assert!(
                    !reply.is_error(),
                    "schema {is_schema_happy}, serde {is_serde_happy}, yet {} for {value}",
                    reply.text()
                );
            } else if reply.is_error() {
                prop_assert_eq!(reply.error_code(), "invalid_arguments");
            }
            Ok(())
        })
        .unwrap();
    assert!(valid.get() > 20, "only {valid:?} values were of the schema, which proves little");
}

/// JSON that is no container: numbers at their edges, texts, null.
fn scalar() -> BoxedStrategy<Value> {
    prop_oneof![
        Just(Value::Null),
        Just(json!(3.0)),
        Just(json!(-2.0)),
        Just(json!(0.5)),
        Just(json!(1e17)),
        Just(json!(256)),
        Just(json!(-1)),
        Just(json!(u64::MAX)),
        Just(json!(i64::MIN)),
        Just(json!(true)),
        Just(json!("")),
        Just(json!("word")),
        Just(json!("two words")),
        Just(json!({})),
    ]
    .boxed()
}

/// Values that a schema accepts, mostly; `null` now and then for what may be left out.
fn values_of(schema: &Value, root: &Value, depth: usize) -> BoxedStrategy<Value> {
    if let Some(reference) = schema["$ref"].as_str() {
        let target = reference.strip_prefix('#').and_then(|pointer| root.pointer(pointer)).unwrap();
        return values_of(target, root, depth.saturating_sub(1));
    }
    if let Some(constant) = schema.get("const") {
        return Just(constant.clone()).boxed();
    }
    if let Some(values) = schema["enum"].as_array() {
        return prop::sample::select(values.clone()).boxed();
    }
    for keyword in ["oneOf", "anyOf"] {
        if let Some(choices) = schema[keyword].as_array() {
            // The first choice ends a recursion.
            let choices = if depth == 0 { &choices[..1] } else { &choices[..] };
            let choices: Vec<_> = choices.iter().map(|choice| values_of(choice, root, depth)).collect();
            return prop::strategy::Union::new(choices).boxed();
        }
    }
    let kinds = match &schema["type"] {
        Value::Array(kinds) => kinds.clone(),
        Value::Null => return scalar(),
        kind => vec![kind.clone()],
    };
    let kinds: Vec<_> =
        kinds.iter().map(|kind| values_of_kind(kind.as_str().unwrap(), schema, root, depth)).collect();
    prop::strategy::Union::new(kinds).boxed()
}

fn values_of_kind(kind: &str, schema: &Value, root: &Value, depth: usize) -> BoxedStrategy<Value> {
    match kind {
        "null" => Just(Value::Null).boxed(),
        "boolean" => any::<bool>().prop_map(Value::from).boxed(),
        "number" => {
            prop_oneof![any::<i16>().prop_map(Value::from), (-1e6..1e6).prop_map(Value::from)].boxed()
        }
        "integer" => {
            let edges = [&schema["minimum"], &schema["maximum"]].into_iter().filter(|edge| edge.is_number());
            let edges: Vec<_> = edges.cloned().chain([json!(1), json!(2.0)]).collect();
            prop_oneof![(1..100).prop_map(Value::from), prop::sample::select(edges)].boxed()
        }
        "string" if schema.get("pattern").is_some() => "[a-z]{1,5}".prop_map(Value::from).boxed(),
        "string" if schema["maxLength"] == 1 => any::<char>().prop_map(|c| json!(c)).boxed(),
        "string" => ".{0,8}".prop_map(Value::from).boxed(),
        "array" => values_of_array(schema, root, depth),
        "object" => values_of_object(schema, root, depth),
        kind => panic!("type {kind}"),
    }
}

fn values_of_array(schema: &Value, root: &Value, depth: usize) -> BoxedStrategy<Value> {
    if let Some(items) = schema["prefixItems"].as_array() {
        let items: Vec<_> = items.iter().map(|item| values_of(item, root, depth)).collect();
        return items.prop_map(Value::from).boxed();
    }
    let (least, most) = (schema["minItems"].as_u64().unwrap_or(0), schema["maxItems"].as_u64().unwrap_or(3));
    let range = usize::try_from(least).unwrap()..=usize::try_from(most).unwrap();
    if depth == 0 && least == 0 {
        return Just(json!([])).boxed();
    }
    prop::collection::vec(values_of(&schema["items"], root, depth.saturating_sub(1)), range)
        .prop_map(Value::from)
        .boxed()
}

fn values_of_object(schema: &Value, root: &Value, depth: usize) -> BoxedStrategy<Value> {
    let required = schema["required"].as_array().cloned().unwrap_or_default();
    let mut members: Vec<BoxedStrategy<Option<(String, Value)>>> = Vec::new();
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        let name = name.clone();
        let is_required = required.iter().any(|required| *required == *name);
        if !is_required && depth == 0 {
            continue;
        }
        let member = values_of(property, root, depth).prop_map(move |value| Some((name.clone(), value)));
        members.push(if is_required {
            member.boxed()
        } else {
            prop_oneof![3 => member, 1 => Just(None)].boxed()
        });
    }
    let others = match schema.get("additionalProperties") {
        Some(others @ Value::Object(_)) => {
            prop::collection::vec(("z[a-z]{1,3}", values_of(others, root, depth.saturating_sub(1))), 0..3)
                .boxed()
        }
        _ => Just(Vec::new()).boxed(),
    };
    (members, others)
        .prop_map(|(members, others)| Value::Object(members.into_iter().flatten().chain(others).collect()))
        .boxed()
}

/// Puts something else at some place below the top, or takes the place away.
fn spoil(value: &mut Value, place: prop::sample::Index, spoiler: Value) {
    fn places<'a>(value: &'a mut Value, found: &mut Vec<&'a mut Value>) {
        let is_leaf = match &*value {
            Value::Object(_) => false,
            Value::Array(items) => items.is_empty(),
            _ => true,
        };
        match value {
            leaf if is_leaf => found.push(leaf),
            Value::Object(members) => members.values_mut().for_each(|member| places(member, found)),
            Value::Array(items) => items.iter_mut().for_each(|item| places(item, found)),
            _ => {}
        }
    }

    let mut found = Vec::new();
    if let Value::Object(members) = value {
        members.values_mut().for_each(|member| places(member, &mut found));
    }
    if !found.is_empty() {
        let index = place.index(found.len());
        *found[index] = spoiler;
    }
}
