//! The core as its users see it: by name, with JSON, through everything that stands between the wire and a tool.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says why")]

mod floors;
mod harness;
mod registration;
mod schema_types;
mod schemas;
