//! The words of the protocol: what stands in a message, by concept, without any behaviour of the server.

pub mod audience;
pub mod capabilities;
pub mod content;
pub mod definition;
pub(crate) mod envelope;
pub mod error;
pub mod header;
pub mod id;
pub mod level;
pub mod meta;
pub mod method;
pub(crate) mod notification;
pub(crate) mod object;
pub mod params;
pub mod revision;
pub(crate) mod shape;
pub mod uri_template;

/// A JSON object as it travels in `_meta` and other free-form places.
pub type JsonObject = serde_json::Map<String, serde_json::Value>;
