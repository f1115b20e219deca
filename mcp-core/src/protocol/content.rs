//! What results and prompts are made of: text, images, audio, links and embedded resources.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Serialize;

use super::{JsonObject, audience::ContentAnnotations, definition::ResourceDefinition};

/// One block of content.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Block {
    /// Text.
    Text(TextBlock),
    /// A picture.
    Image(MediaBlock),
    /// A sound.
    Audio(MediaBlock),
    /// A resource that the client may read.
    ResourceLink(Box<LinkBlock>),
    /// A resource, at hand.
    Resource(Box<EmbeddedBlock>),
}

/// A block of text.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct TextBlock {
    /// The text.
    pub text: String,
    /// For whom it is, and how important.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub annotations: Option<ContentAnnotations>,
    /// Anything else.
    #[serde(rename = "_meta", skip_serializing_if = "Option::is_none")]
    pub meta: Option<JsonObject>,
}

/// A picture or a sound.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MediaBlock {
    /// The bytes in base64.
    pub data: String,
    /// Their MIME type.
    pub mime_type: String,
    /// For whom it is, and how important.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub annotations: Option<ContentAnnotations>,
    /// Anything else.
    #[serde(rename = "_meta", skip_serializing_if = "Option::is_none")]
    pub meta: Option<JsonObject>,
}

/// A link to a resource, with what a list would say of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LinkBlock {
    /// The resource that is linked to.
    #[serde(flatten)]
    pub resource: ResourceDefinition,
}

/// A resource inside a result.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct EmbeddedBlock {
    /// What the resource holds.
    pub resource: ResourceContents,
    /// For whom it is, and how important.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub annotations: Option<ContentAnnotations>,
    /// Anything else.
    #[serde(rename = "_meta", skip_serializing_if = "Option::is_none")]
    pub meta: Option<JsonObject>,
}

impl Block {
    /// Text.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(TextBlock { text: text.into(), ..TextBlock::default() })
    }

    /// A picture of this MIME type.
    pub fn image(bytes: impl AsRef<[u8]>, mime_type: impl Into<String>) -> Self {
        Self::Image(MediaBlock::new(bytes, mime_type))
    }

    /// A sound of this MIME type.
    pub fn audio(bytes: impl AsRef<[u8]>, mime_type: impl Into<String>) -> Self {
        Self::Audio(MediaBlock::new(bytes, mime_type))
    }

    /// A resource, at hand.
    pub fn resource(contents: ResourceContents) -> Self {
        Self::Resource(Box::new(EmbeddedBlock { resource: contents, annotations: None, meta: None }))
    }

    /// A link to a resource.
    pub fn link(resource: ResourceDefinition) -> Self {
        Self::ResourceLink(Box::new(LinkBlock { resource }))
    }

    /// Says for whom the block is and how important.
    #[must_use]
    pub fn annotated(mut self, annotations: ContentAnnotations) -> Self {
        let slot = match &mut self {
            Self::Text(block) => &mut block.annotations,
            Self::Image(block) | Self::Audio(block) => &mut block.annotations,
            Self::ResourceLink(block) => &mut block.resource.annotations,
            Self::Resource(block) => &mut block.annotations,
        };
        *slot = Some(annotations);
        self
    }
}

impl MediaBlock {
    fn new(bytes: impl AsRef<[u8]>, mime_type: impl Into<String>) -> Self {
        Self { data: STANDARD.encode(bytes), mime_type: mime_type.into(), annotations: None, meta: None }
    }
}

/// What a resource holds: text, or bytes in base64.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ResourceContents {
    /// Which resource this is.
    pub uri: String,
    /// Its MIME type.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mime_type: Option<String>,
    /// The contents.
    #[serde(flatten)]
    pub body: ResourceBody,
    /// Anything else.
    #[serde(rename = "_meta", skip_serializing_if = "Option::is_none")]
    pub meta: Option<JsonObject>,
}

/// Text, or bytes in base64.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ResourceBody {
    /// Text.
    Text(String),
    /// Bytes in base64.
    Blob(String),
}

impl ResourceContents {
    /// Text at this URI.
    pub fn text(uri: impl Into<String>, mime_type: impl Into<String>, text: impl Into<String>) -> Self {
        Self::new(uri, mime_type, ResourceBody::Text(text.into()))
    }

    /// Bytes at this URI.
    pub fn blob(uri: impl Into<String>, mime_type: impl Into<String>, bytes: impl AsRef<[u8]>) -> Self {
        Self::new(uri, mime_type, ResourceBody::Blob(STANDARD.encode(bytes)))
    }

    fn new(uri: impl Into<String>, mime_type: impl Into<String>, body: ResourceBody) -> Self {
        Self { uri: uri.into(), mime_type: Some(mime_type.into()), body, meta: None }
    }
}
