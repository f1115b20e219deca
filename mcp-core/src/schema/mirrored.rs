//! Parameters that clients repeat in HTTP headers (`x-mcp-header`; specification 2026-07-28, "Custom Headers from
//! Tool Parameters").

use serde_json::Value;

use crate::protocol::{JsonObject, error::RpcError, header};

const KEYWORD: &str = "x-mcp-header";

/// The parameters of a tool that stand in headers as well.
#[derive(Debug, Default)]
pub(crate) struct MirroredParams(Vec<MirroredParam>);

#[derive(Debug)]
struct MirroredParam {
    /// What follows `Mcp-Param-`, in lower case.
    header: String,
    /// The way through `properties` to the value.
    path: Vec<String>,
}

impl MirroredParams {
    /// Finds the annotations of an input schema, and refuses those that no client would take.
    pub(crate) fn find(schema: &JsonObject) -> Result<Self, String> {
        let mut found = Vec::new();
        collect(schema, &mut Vec::new(), &mut found)?;
        let everywhere = count(&Value::Object(schema.clone()));
        if everywhere != found.len() {
            return Err(format!("`{KEYWORD}` stands where only a chain of `properties` may lead to it"));
        }
        for (index, param) in found.iter().enumerate() {
            if found[..index].iter().any(|other| other.header == param.header) {
                return Err(format!("`{KEYWORD}` {:?} stands there twice", param.header));
            }
        }
        Ok(Self(found))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Holds headers against arguments: both say the same, or both say nothing.
    pub(crate) fn check(
        &self,
        headers: &[(String, Vec<u8>)],
        arguments: &JsonObject,
    ) -> Result<(), RpcError> {
        for param in &self.0 {
            let header = headers.iter().find(|(name, _)| *name == param.header).map(|(_, value)| value);
            let problem = match (header, param.value(arguments)) {
                (None, None) => continue,
                (Some(header), Some(value)) => match header::decode(header) {
                    Some(text) if says(&text, value) => continue,
                    Some(_) => "does not say what the body says",
                    None => "has characters or base64 that a header value cannot have",
                },
                (Some(_), None) => "stands there, but the body has no such argument",
                (None, Some(_)) => "is missing, but the body has the argument",
            };
            let name = &param.header;
            return Err(RpcError::header_mismatch(format!("Header mismatch: Mcp-Param-{name} {problem}")));
        }
        Ok(())
    }
}

impl MirroredParam {
    /// The value in the arguments; `null` counts as none.
    fn value<'a>(&self, arguments: &'a JsonObject) -> Option<&'a Value> {
        let (first, rest) = self.path.split_first()?;
        rest.iter()
            .try_fold(arguments.get(first)?, |value, name| value.get(name))
            .filter(|value| !value.is_null())
    }
}

/// Whether a header's text is this value's, integers being compared as numbers.
fn says(text: &str, value: &Value) -> bool {
    match value {
        Value::String(expected) => text == expected,
        Value::Bool(expected) => text == if *expected { "true" } else { "false" },
        Value::Number(expected) => match (text.parse::<i64>(), expected.as_i64()) {
            (Ok(text), Some(expected)) => text == expected,
            _ => text.parse::<f64>().is_ok_and(|text| expected.as_f64() == Some(text)),
        },
        _ => false,
    }
}

fn collect(
    schema: &JsonObject,
    path: &mut Vec<String>,
    found: &mut Vec<MirroredParam>,
) -> Result<(), String> {
    let Some(Value::Object(properties)) = schema.get("properties") else { return Ok(()) };
    for (name, property) in properties {
        let Value::Object(property) = property else { continue };
        path.push(name.clone());
        if let Some(header) = property.get(KEYWORD) {
            found.push(MirroredParam { header: header_name(header)?, path: path.clone() });
            let kind = property.get("type").and_then(Value::as_str).unwrap_or_default();
            if !matches!(kind, "string" | "integer" | "boolean") {
                return Err(format!(
                    "`{KEYWORD}` on `{name}`: only strings, integers and booleans can stand in a header"
                ));
            }
        }
        collect(property, path, found)?;
        path.pop();
    }
    Ok(())
}

/// The header's name in lower case, if it is a token (RFC 9110, section 5.6.2).
fn header_name(value: &Value) -> Result<String, String> {
    let is_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    match value.as_str() {
        Some(name) if !name.is_empty() && name.chars().all(is_token) => Ok(name.to_ascii_lowercase()),
        _ => Err(format!("`{KEYWORD}` must be the name of a header, not {value}")),
    }
}

/// How often the annotation stands anywhere at all; a property that merely has its name does not count.
fn count(schema: &Value) -> usize {
    match schema {
        Value::Object(members) => members
            .iter()
            .map(|(key, value)| match (key.as_str(), value) {
                // Among properties it is a name like any other.
                ("properties" | "$defs" | "patternProperties" | "dependentSchemas", Value::Object(named)) => {
                    named.values().map(count).sum()
                }
                (KEYWORD, _) => 1,
                ("const" | "enum" | "default" | "examples", _) => 0,
                (_, value) => count(value),
            })
            .sum(),
        Value::Array(items) => items.iter().map(count).sum(),
        _ => 0,
    }
}
