//! What the end-to-end tests share.

pub(crate) mod data;
pub(crate) mod http;
pub(crate) mod process;
pub(crate) mod wire_schema;
