//! Tools that answer with each kind of content, and one that fails.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use toolpack::{
    Annotations, Block, Content, Icon, IntoEntry, Reply, ResourceContents, ResourceDefinition, Server, Text,
    ToolError, tool_fn,
};

/// A picture of one red pixel.
pub(crate) const PNG: &[u8] = include_bytes!("pixel.png");

/// A tenth of a second of silence.
const WAV: &[u8] = include_bytes!("silence.wav");

/// No arguments at all.
#[derive(Deserialize, JsonSchema)]
struct Nothing {}

/// What was measured.
#[derive(Serialize, JsonSchema)]
struct Weather {
    /// In degrees Celsius.
    temperature: f64,
    /// In a word.
    sky: &'static str,
}

/// Registers the tools of this file.
pub(crate) fn add_to(server: Server) -> Server {
    server
        .add(shows("test_simple_text", "Answers with one block of text.", || {
            vec![Block::text("This is a simple text response for testing.")]
        }))
        .add(shows("test_image_content", "Answers with a picture.", || vec![Block::image(PNG, "image/png")]))
        .add(shows("test_audio_content", "Answers with a sound.", || vec![Block::audio(WAV, "audio/wav")]))
        .add(shows("test_embedded_resource", "Answers with a resource.", || {
            vec![Block::resource(ResourceContents::text(
                "test://embedded-resource",
                "text/plain",
                "This is an embedded resource content.",
            ))]
        }))
        .add(shows("test_multiple_content_types", "Answers with text, a picture and a resource.", || {
            vec![
                Block::text("Multiple content types test:"),
                Block::image(PNG, "image/png"),
                Block::resource(ResourceContents::text(
                    "test://mixed-content-resource",
                    "application/json",
                    r#"{"test":"data","value":123}"#,
                )),
            ]
        }))
        .add(shows("test_resource_link", "Answers with a link to a resource.", || {
            let link = ResourceDefinition {
                title: Some("A text".to_owned()),
                description: Some("What stays as it is.".to_owned()),
                mime_type: Some("text/plain".to_owned()),
                icons: vec![Icon::new("https://example.com/text.png")],
                ..ResourceDefinition::new("test://static-text", "static-text")
            };
            vec![Block::link(link)]
        }))
        .add(
            tool_fn("test_structured_content", Annotations::read_only(), async |_: Nothing, _| {
                Ok(Reply::new("It is 22.5 °C and sunny.", Weather { temperature: 22.5, sky: "sunny" }))
            })
            .about(|about| about.description("Answers with a sentence, and the same as an object.")),
        )
        .add(
            tool_fn("test_error_handling", Annotations::read_only(), async |_: Nothing, _| {
                let message = "This tool intentionally returns an error for testing";
                Err::<Text, _>(ToolError::new("intended", message))
            })
            .about(|about| about.description("Fails, whatever it is asked.")),
        )
}

/// A tool that always answers with the same blocks.
fn shows(name: &str, description: &str, blocks: fn() -> Vec<Block>) -> impl IntoEntry + use<> {
    tool_fn(name, Annotations::read_only(), move |_: Nothing, _| async move { Ok(Content(blocks())) })
        .about(|about| about.description(description))
}
