//! The public face of each tool: a committed snapshot, and rules over all of them. What each must state is in
//! `contract`.

use mcp_core::Revision;
use serde_json::{Value, json};

use super::Bench;

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
async fn schemas_are_ones_that_assistants_can_use() {
    for revision in Revision::NEWEST {
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
