//! The public face of each tool: a committed snapshot, the facts it must state, and rules over all of them.

use mcp_core::{Revision, Tool};
use serde_json::{Value, json};
use toolpack_ops::bext::engine::Engines;
use toolpack_ops::bext::tools::{DbExecute, DbQuery, KvDelete, KvGet, KvList, KvSet, ListInstances};

use super::Bench;

/// What callers rely on, whatever the types say. A name with `?` may be left out.
struct Face {
    name: &'static str,
    /// Read-only, destructive, idempotent, open-world.
    annotations: [bool; 4],
    scopes: &'static [&'static str],
    arguments: &'static [&'static str],
    answer: &'static [&'static str],
}

const FACES: [Face; 7] = [
    Face {
        name: "db_execute",
        annotations: [false, true, false, false],
        scopes: &["bext:write"],
        arguments: &["app?", "instance_id", "params?", "sql"],
        answer: &["changes", "last_insert_id"],
    },
    Face {
        name: "db_query",
        annotations: [true, false, true, false],
        scopes: &["bext:read"],
        arguments: &["app?", "instance_id", "params?", "sql"],
        answer: &["columns", "row_count", "rows", "truncated"],
    },
    Face {
        name: "kv_delete",
        annotations: [false, true, true, false],
        scopes: &["bext:write"],
        arguments: &["app?", "instance_id", "key"],
        answer: &["deleted"],
    },
    Face {
        name: "kv_get",
        annotations: [true, false, true, false],
        scopes: &["bext:read"],
        arguments: &["app?", "instance_id", "key"],
        answer: &["expires_at?", "found", "key", "value?"],
    },
    Face {
        name: "kv_list",
        annotations: [true, false, true, false],
        scopes: &["bext:read"],
        arguments: &["app?", "cursor?", "instance_id", "limit?", "prefix?"],
        answer: &["count", "keys", "next_cursor?"],
    },
    Face {
        name: "kv_set",
        annotations: [false, false, true, false],
        scopes: &["bext:write"],
        arguments: &["app?", "instance_id", "key", "ttl?", "value"],
        answer: &["expires_at?", "key", "set"],
    },
    Face {
        name: "list_instances",
        annotations: [true, false, true, false],
        scopes: &["bext:read"],
        arguments: &["cursor?", "limit?"],
        answer: &["count", "instances", "next_cursor?"],
    },
];

#[tokio::test]
async fn faces_are_as_committed() {
    let tools = Bench::new(Revision::V2026_07_28).await.client.list_tools().await;
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("../../snapshots");
    settings.set_prepend_module_to_snapshot(false);
    settings.bind(|| {
        for tool in tools {
            let name = tool["name"].as_str().unwrap().to_owned();
            insta::assert_json_snapshot!(name, tool);
        }
    });
}

#[tokio::test]
async fn tools_state_what_callers_rely_on() {
    for revision in Revision::ALL {
        let tools = Bench::new(revision).await.client.list_tools().await;
        assert_eq!(tools.len(), FACES.len());
        for (tool, face) in tools.iter().zip(FACES) {
            assert_eq!(tool["name"], face.name);
            let [read_only, destructive, idempotent, open_world] = face.annotations;
            let annotations = json!({
                "readOnlyHint": read_only,
                "destructiveHint": destructive,
                "idempotentHint": idempotent,
                "openWorldHint": open_world,
            });
            assert_eq!(tool["annotations"], annotations, "{}", face.name);
            assert_eq!(members(&tool["inputSchema"]), face.arguments, "{}", face.name);
            assert_eq!(members(&tool["outputSchema"]), face.answer, "{}", face.name);
        }
    }
}

#[test]
fn tools_state_their_scopes() {
    fn scopes<T: Tool<Engines>>() -> (&'static str, &'static [&'static str]) {
        (T::NAME, T::SCOPES)
    }
    let stated = [
        scopes::<DbExecute>(),
        scopes::<DbQuery>(),
        scopes::<KvDelete>(),
        scopes::<KvGet>(),
        scopes::<KvList>(),
        scopes::<KvSet>(),
        scopes::<ListInstances>(),
    ];
    assert_eq!(stated, FACES.map(|face| (face.name, face.scopes)));
}

#[tokio::test]
async fn schemas_are_ones_that_assistants_can_use() {
    for revision in Revision::ALL {
        for tool in Bench::new(revision).await.client.list_tools().await {
            let name = tool["name"].as_str().unwrap();
            for key in ["title", "description"] {
                assert!(tool[key].as_str().is_some_and(|text| text.len() > 5), "{name}: {key}");
            }
            for schema in ["inputSchema", "outputSchema"] {
                let at = format!("{name}.{schema}");
                assert_eq!(tool[schema]["type"], "object", "{at}");
                for choice in ["oneOf", "anyOf", "allOf"] {
                    assert_eq!(tool[schema].get(choice), None, "{at}");
                }
                check(&tool[schema], &at, schema == "inputSchema");
            }
        }
    }
}

/// The rules for every schema, however deep it lies.
fn check(schema: &Value, at: &str, is_input: bool) {
    let schema = schema.as_object().unwrap_or_else(|| panic!("{at} is not an object: {schema}"));
    for banned in ["$ref", "$defs", "format", "not"] {
        assert!(!schema.contains_key(banned), "{at} has {banned}");
    }
    if let Some(properties) = schema.get("properties") {
        if is_input {
            assert_eq!(schema["additionalProperties"], false, "{at} is open");
        }
        let required: Vec<&Value> =
            schema.get("required").iter().flat_map(|all| all.as_array().unwrap()).collect();
        for (name, property) in properties.as_object().unwrap() {
            let at = format!("{at}.{name}");
            let description =
                property["description"].as_str().unwrap_or_else(|| panic!("{at} is not described"));
            assert!(description.len() > 20 && description.ends_with('.'), "{at}: {description}");
            if !required.contains(&&json!(name)) {
                assert!(!allows_null(property), "{at} is optional and allows null");
                assert!(!is_input || says_what_absent_means(property), "{at} does not say what absent means");
            }
            check(property, &at, is_input);
        }
    }
    if let Some(items) = schema.get("items") {
        check(items, &format!("{at}[]"), is_input);
    }
}

fn allows_null(schema: &Value) -> bool {
    schema["type"].as_array().is_some_and(|kinds| kinds.contains(&json!("null")))
}

fn says_what_absent_means(property: &Value) -> bool {
    let text = property["description"].as_str().unwrap_or_default();
    text.contains("default") || text.contains("when absent")
}

/// The names of an object's members, in order, those that may be left out with `?`.
fn members(schema: &Value) -> Vec<String> {
    let required = schema["required"].as_array().cloned().unwrap_or_default();
    let names = schema["properties"].as_object().unwrap().keys();
    let mut members: Vec<String> = names
        .map(|name| if required.contains(&json!(name)) { name.clone() } else { format!("{name}?") })
        .collect();
    members.sort();
    members
}
