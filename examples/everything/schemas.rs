//! Tools whose schemas are out of the ordinary: one from elsewhere, listed as it is, and one with a mirrored parameter.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use toolpack::{Annotations, Block, Call, DynTool, Server, Text, Tool, ToolError, ToolReply};

/// Registers the tools of this file.
pub(crate) fn add_to(server: Server) -> Server {
    server.tool::<CustomHeader>().add(
        DynTool::new("json_schema_2020_12_tool", Annotations::read_only(), |contact, _| async move {
            Ok(ToolReply::content(vec![Block::text(format!("Fits: {}", Value::Object(contact)))]))
        })
        .about(|about| about.description("Tool with JSON Schema 2020-12 features"))
        .input_schema(contact_schema()),
    )
}

/// A schema that no type of Rust would give: with an anchor, a choice and a condition.
fn contact_schema() -> Value {
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "$defs": {
            "address": {
                "$anchor": "addressDef",
                "type": "object",
                "properties": {"street": {"type": "string"}, "city": {"type": "string"}},
            },
        },
        "properties": {
            "name": {"type": "string"},
            "address": {"$ref": "#/$defs/address"},
            "contactMethod": {"type": "string", "enum": ["phone", "email"]},
            "phone": {"type": "string"},
            "email": {"type": "string"},
        },
        "allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["email"]}]}],
        "if": {"properties": {"contactMethod": {"const": "phone"}}, "required": ["contactMethod"]},
        "then": {"required": ["phone"]},
        "else": {"required": ["email"]},
        "additionalProperties": false,
    })
}

/// Takes a parameter that clients repeat in an HTTP header, so that a proxy can route by it.
#[derive(Deserialize, JsonSchema)]
struct CustomHeader {
    /// Any text; the header is `Mcp-Param-Region`.
    #[schemars(extend("x-mcp-header" = "Region"))]
    region: String,
}

impl Tool for CustomHeader {
    const NAME: &'static str = "test_custom_header";
    const ANNOTATIONS: Annotations = Annotations::read_only();
    type Output = Text;

    async fn call(self, (): &(), _: &Call) -> Result<Text, ToolError> {
        Ok(Text::new(format!("The region is {}.", self.region)))
    }
}
