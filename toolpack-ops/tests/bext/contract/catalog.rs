//! The table and the fixed parameters, held to the catalog of the system that the pack is for.
//!
//! The catalog is not part of the repository; without it (see `catalog_dir.rs`) these tests show as ignored.

#[path = "../../support/catalog_dir.rs"]
mod catalog_dir;

use std::collections::BTreeMap;

use serde_json::Value;
use toolpack_ops::bext::scopes;
use toolpack_ops::bext::table::{Group, TABLE};

use super::fixed::{Fixed, Param};

fn catalog() -> Value {
    let file = catalog_dir::find(env!("CARGO_MANIFEST_DIR").as_ref()).unwrap_or_else(|why| panic!("{why}"));
    serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().unwrap_or_else(|| panic!("{value} is no list"))
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text"))
}

#[test]
#[cfg_attr(not(bext_catalog), ignore = "no catalog of bext: set TOOLPACK_CATALOG")]
fn the_table_is_the_catalogs() {
    let catalog = catalog();
    let tools = list(&catalog["tools"]);
    assert_eq!(tools.len(), TABLE.len());
    for (tool, row) in tools.iter().zip(TABLE) {
        let name = text(&tool["name"]);
        assert_eq!(row.name, name);
        assert_eq!(in_catalog(row.group), text(&tool["group"]), "{name}");
        assert_eq!(row.scopes, list(&tool["scopes"]).iter().map(text).collect::<Vec<_>>(), "{name}");
        let (stated, hints) = (row.annotations, &tool["annotations"]);
        assert_eq!(stated.read_only, hints["readOnlyHint"], "{name}");
        assert_eq!(stated.read_only, tool["access"] == "read", "{name}");
        // More may be called destructive than the catalog does, and never less.
        assert!(stated.destructive || hints["destructiveHint"] == false, "{name}");
        assert!(stated.destructive || tool["access"] != "destructive", "{name}");
        assert_eq!(stated.idempotent, hints["idempotentHint"], "{name}");
        assert_eq!(stated.open_world, hints["openWorldHint"], "{name}");
    }
    let names: Vec<&str> = list(&catalog["scopes"]).iter().map(|scope| text(&scope["name"])).collect();
    assert_eq!(names, [scopes::READ, scopes::WRITE, scopes::ADMIN]);
}

fn in_catalog(group: Group) -> &'static str {
    match group {
        Group::DeployFleet => "deploy_fleet",
        Group::Instances => "instances",
        Group::Apps => "apps",
        Group::SecretsConfig => "secrets_config",
        Group::Data => "data",
        Group::Queues => "queues",
        Group::Cache => "cache",
        Group::Realtime => "realtime",
        Group::Waf => "waf",
        Group::Tasks => "tasks",
        Group::Backup => "backup",
        Group::Observability => "observability",
        Group::PluginsFlows => "plugins_flows",
        other => panic!("{other:?} has no name in the catalog"),
    }
}

#[test]
#[cfg_attr(not(bext_catalog), ignore = "no catalog of bext: set TOOLPACK_CATALOG")]
fn the_fixed_parameters_are_the_catalogs() {
    let catalog = catalog();
    for (name, fixed) in Fixed::read().tools {
        let tool = list(&catalog["tools"]).iter().find(|tool| tool["name"] == *name).unwrap();
        let want: BTreeMap<String, Param> = list(&tool["params"]).iter().map(param).collect();
        assert_eq!(fixed.params, want, "{name}");
    }
}

/// A parameter of the catalog, in the words of the file.
fn param(param: &Value) -> (String, Param) {
    let mark = if param["required"] == true { "" } else { "?" };
    let name = format!("{}{mark}", text(&param["name"]));
    let words =
        param["enum"].as_array().map(|words| words.iter().map(|word| text(word).to_owned()).collect());
    let param = Param {
        kind: text(&param["type"]).to_owned(),
        default: Some(param["default"].clone()).filter(|default| !default.is_null()),
        words,
        limits: param["limits"].as_str().map(|limits| in_our_words(limits).to_owned()),
    };
    (name, param)
}

/// The catalog's limits, where we say the same in other words. What it calls a proposal we have taken, but for the
/// length of a key: a schema counts characters and not bytes, which lets in all that the proposal does.
const LIMITS: [(&str, &str); 12] = [
    ("must exist in the companion's registry", "a known instance"),
    ("at least one, no duplicates, all in the registry", "at least one, no duplicates, known instances"),
    ("1-64 chars of a-z 0-9 - _", "1-64 of a-z 0-9 - _"),
    ("each passes the domain check", "each a host name"),
    (
        "host name format; labels 1-63 of letters, digits and inner hyphens, whole name at most 253, at least one \
         dot; one leading *. allowed",
        "a host name",
    ),
    (
        "^[A-Za-z0-9_]+$ (charset from the seed); proposal: 1-128 chars, not starting with a digit",
        "1-128 of A-Z a-z 0-9 _, no digit first",
    ),
    ("^[A-Za-z0-9_]+$", "A-Z a-z 0-9 _"),
    ("length-limited (figure not published; proposal 10 000 characters)", "10,000 characters by default"),
    ("proposal: 1-512 bytes", "1-512 characters"),
    ("proposal: at most 64 KiB", "at most 64 KiB"),
    ("proposal: at most 1 MiB", "at most 1 MiB"),
    ("seconds, >= 1", ">= 1"),
];

fn in_our_words(limits: &str) -> &str {
    LIMITS.iter().find(|(theirs, _)| *theirs == limits).map_or(limits, |(_, ours)| ours)
}

#[test]
#[cfg_attr(not(bext_catalog), ignore = "no catalog of bext: set TOOLPACK_CATALOG")]
fn the_fixed_results_are_the_catalogs() {
    let catalog = catalog();
    let fixed = Fixed::read();
    for (name, fixed_tool) in &fixed.tools {
        let tool = list(&catalog["tools"]).iter().find(|tool| tool["name"] == **name).unwrap();
        let said = text(&tool["result"]);
        let mut objects = objects(said);
        for (record, shape) in &fixed.records {
            if let Some((_, after)) = said.split_once(&format!("{record} = ")) {
                assert!(after.starts_with(shape), "{name}: {record}");
                objects.retain(|object| object != shape);
            }
        }
        // The rest of the text may mention a smaller one, such as the variable of a URI.
        match objects.into_iter().max_by_key(|object| object.len()) {
            Some(object) => assert_eq!(fixed_tool.result, object, "{name}"),
            None => assert!(
                said.contains(&fixed_tool.result) && fixed.records.contains_key(&fixed_tool.result),
                "{name}: {said}"
            ),
        }
        let sentence = said.split_once("text '").and_then(|(_, rest)| Some(rest.split_once('\'')?.0));
        assert_eq!(fixed_tool.sentence.as_deref(), sentence, "{name}");
    }
}

/// The objects that a text writes out, `{…}`, without those within them.
fn objects(text: &str) -> Vec<&str> {
    let (mut objects, mut depth, mut start) = (Vec::new(), 0, 0);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'{' => {
                if depth == 0 {
                    start = at;
                }
                depth += 1;
            }
            b'}' => {
                depth -= 1;
                if depth == 0 {
                    objects.push(&text[start..=at]);
                }
            }
            _ => {}
        }
    }
    objects
}
