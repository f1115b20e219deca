//! What is said under an older revision: one table of what the protocol came to know since, and the forms that stand in
//! for it.
//!
//! A message has no key that the definition of its revision does not name. The table was made from the schemas of the
//! five revisions, and the tests of the wire hold every message against them.

use serde::Serialize;
use serde_json::{Value, json};

use super::{
    JsonObject,
    capabilities::ServerCapabilities,
    content::{Block, ResourceContents},
    definition::{Implementation, ToolDefinition},
    revision::Revision,
};

/// A definition of the specification, or several that grew alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Implementation,
    Capabilities,
    Tool,
    Prompt,
    /// Resources, their templates and links to them.
    Resource,
    /// A block of content.
    Block,
    /// What a resource holds.
    Contents,
    /// For whom content is.
    Audience,
    ToolResult,
    Progress,
}

/// Every key that the first revision did not have, with the revision that brought it.
const YOUNGER_KEYS: [(Kind, &str, Revision); 21] = {
    use Kind::{
        Audience, Block, Capabilities, Contents, Implementation, Progress, Prompt, Resource, Tool, ToolResult,
    };
    use Revision::{V2025_03_26, V2025_06_18, V2025_11_25};
    [
        (Capabilities, "completions", V2025_03_26),
        (Progress, "message", V2025_03_26),
        (Tool, "annotations", V2025_03_26),
        (Implementation, "title", V2025_06_18),
        (Tool, "title", V2025_06_18),
        (Tool, "outputSchema", V2025_06_18),
        (Tool, "_meta", V2025_06_18),
        (ToolResult, "structuredContent", V2025_06_18),
        (Prompt, "title", V2025_06_18),
        (Prompt, "_meta", V2025_06_18),
        (Resource, "title", V2025_06_18),
        (Resource, "_meta", V2025_06_18),
        (Block, "_meta", V2025_06_18),
        (Contents, "_meta", V2025_06_18),
        (Audience, "lastModified", V2025_06_18),
        (Implementation, "description", V2025_11_25),
        (Implementation, "websiteUrl", V2025_11_25),
        (Implementation, "icons", V2025_11_25),
        (Tool, "icons", V2025_11_25),
        (Prompt, "icons", V2025_11_25),
        (Resource, "icons", V2025_11_25),
    ]
};

/// Where a definition has another one inside it.
const WITHIN: [(Kind, &str, Kind); 3] = [
    (Kind::Resource, "annotations", Kind::Audience),
    (Kind::Block, "annotations", Kind::Audience),
    (Kind::Block, "resource", Kind::Contents),
];

/// What has no key of its own to be left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Feature {
    /// Sounds among the content.
    Audio,
    /// Links to resources among the content.
    ResourceLinks,
    /// Forms for the person in front of the client.
    Forms,
    /// URLs that the person is sent to, and forms that say that they are none of these.
    UrlVisits,
    /// Forms in which several choices are made, and texts and numbers are filled in beforehand.
    RichForms,
    /// Models that are sampled use tools, and say several things at once; clients say whether they share context.
    SamplingTools,
    /// An error without an id where the message's could not be read; JSON-RPC has `null` there.
    ErrorsWithoutId,
    /// Results that say what kind they are, and for how long they are good.
    TypedResults,
}

impl Feature {
    const fn since(self) -> Revision {
        match self {
            Self::Audio => Revision::V2025_03_26,
            Self::ResourceLinks | Self::Forms => Revision::V2025_06_18,
            Self::UrlVisits | Self::RichForms | Self::SamplingTools | Self::ErrorsWithoutId => {
                Revision::V2025_11_25
            }
            Self::TypedResults => Revision::V2026_07_28,
        }
    }
}

impl Revision {
    /// Whether this revision knows of it.
    pub(crate) fn has(self, feature: Feature) -> bool {
        self >= feature.since()
    }

    /// Whether this revision knows this key of the definition; those that are not in the table are as old as it is.
    pub(crate) fn names(self, kind: Kind, key: &str) -> bool {
        let is_younger =
            |(of, name, since): &(Kind, &str, Revision)| self < *since && (*of, *name) == (kind, key);
        self.names_all() || !YOUNGER_KEYS.iter().any(is_younger)
    }

    /// Whether this revision knows every key of the table, so that there is nothing to look for: every answer asks.
    fn names_all(self) -> bool {
        self >= Self::V2025_11_25
    }
}

/// Takes out what a revision does not know.
fn strip(members: &mut JsonObject, kind: Kind, revision: Revision) {
    members.retain(|key, _| revision.names(kind, key));
    for (_, key, inner) in WITHIN.iter().filter(|(outer, ..)| *outer == kind) {
        if let Some(Value::Object(members)) = members.get_mut(*key) {
            strip(members, *inner, revision);
        }
    }
}

/// What a definition says under this revision.
fn known(definition: &impl Serialize, kind: Kind, revision: Revision) -> Value {
    // Definitions are maps with string keys throughout, which cannot fail.
    let mut value = serde_json::to_value(definition).unwrap_or_default();
    if let Value::Object(members) = &mut value {
        strip(members, kind, revision);
    }
    value
}

/// A definition as this revision writes it.
pub(crate) fn definition(definition: &impl Serialize, kind: Kind, revision: Revision) -> Vec<u8> {
    if revision.names_all() { encode(definition) } else { encode(&known(definition, kind, revision)) }
}

/// A tool as this revision writes it.
pub(crate) fn tool(tool: &ToolDefinition, revision: Revision) -> Vec<u8> {
    if revision.has(Feature::TypedResults) {
        return encode(tool);
    }
    let mut value = known(tool, Kind::Tool, revision);
    if let Value::Object(members) = &mut value {
        // Structured content is always an object.
        if members.get("outputSchema").is_some_and(|schema| schema["type"] != "object") {
            members.remove("outputSchema");
        }
        for key in ["inputSchema", "outputSchema"] {
            members.get_mut(key).into_iter().for_each(without_boolean_properties);
        }
    }
    encode(&value)
}

/// Writes the boolean schemas of properties as objects, which is all that earlier revisions have there.
fn without_boolean_properties(schema: &mut Value) {
    let Some(Value::Object(properties)) = schema.get_mut("properties") else { return };
    for property in properties.values_mut() {
        match property {
            Value::Bool(true) => *property = json!({}),
            Value::Bool(false) => *property = json!({"not": {}}),
            _ => {}
        }
    }
}

/// Who answers, as this revision writes it.
pub(crate) fn implementation(info: &Implementation, revision: Revision) -> Value {
    known(info, Kind::Implementation, revision)
}

/// What the server offers, as this revision writes it.
pub(crate) fn capabilities(capabilities: &ServerCapabilities, revision: Revision) -> Value {
    known(capabilities, Kind::Capabilities, revision)
}

fn encode(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_default()
}

/// A block of content in a form of its own, where this revision does not know all of it; `position` counts the blocks
/// from 1.
pub(crate) fn block(block: &Block, position: usize, revision: Revision) -> Option<Value> {
    if revision.names_all() {
        return None;
    }
    let stand_in = match block {
        Block::Audio(sound) if !revision.has(Feature::Audio) => {
            let resource = json!({
                "uri": format!("attachment:{position}"),
                "mimeType": sound.mime_type,
                "blob": sound.data,
            });
            with_annotations(json!({"type": "resource", "resource": resource}), &sound.annotations)
        }
        Block::ResourceLink(link) if !revision.has(Feature::ResourceLinks) => {
            let about = &link.resource;
            let name = about.title.as_ref().unwrap_or(&about.name);
            let mut text = format!("{name}: {}", about.uri);
            if let Some(description) = &about.description {
                text = format!("{text}\n{description}");
            }
            with_annotations(json!({"type": "text", "text": text}), &about.annotations)
        }
        other => serde_json::to_value(other).unwrap_or_default(),
    };
    let kind = if stand_in["type"] == "resource_link" { Kind::Resource } else { Kind::Block };
    Some(known(&stand_in, kind, revision))
}

fn with_annotations(mut block: Value, annotations: &Option<impl Serialize>) -> Value {
    if let Some(annotations) = annotations {
        block["annotations"] = serde_json::to_value(annotations).unwrap_or_default();
    }
    block
}

/// What a resource holds in a form of its own, where this revision does not know all of it.
pub(crate) fn contents(contents: &ResourceContents, revision: Revision) -> Option<Value> {
    (!revision.names_all()).then(|| known(contents, Kind::Contents, revision))
}

/// A form as this revision writes it; one in which several choices are made has none before [`Feature::RichForms`].
pub(crate) fn form(mut form: Value, revision: Revision) -> Value {
    if revision.has(Feature::RichForms) {
        return form;
    }
    let Some(Value::Object(fields)) = form.get_mut("properties") else { return form };
    for field in fields.values_mut().filter_map(Value::as_object_mut) {
        if field.get("type").is_some_and(|kind| kind != "boolean") {
            field.remove("default");
        }
        if let Some(Value::Array(choices)) = field.remove("oneOf") {
            let each = |key: &str| choices.iter().map(|choice| choice[key].clone()).collect::<Value>();
            field.insert("enumNames".to_owned(), each("title"));
            field.insert("enum".to_owned(), each("const"));
        }
    }
    form
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_names_all_has_nothing_in_the_table() {
        for revision in Revision::ALL {
            let lacks = YOUNGER_KEYS.iter().any(|(_, _, since)| revision < *since);
            assert_eq!(revision.names_all(), !lacks, "{revision}");
        }
    }
}
