//! The core as its users see it: by name, with JSON, through everything that stands between the wire and a tool.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says why")]

mod arguments;
mod auditing;
mod batches;
mod calls;
mod ended_sessions;
mod eras_connection;
mod eras_http;
mod floors;
mod guarding;
mod harness;
mod hostile;
mod hostile_sessions;
mod hostile_values;
mod layers;
mod lists;
mod metering;
mod policy;
mod questions;
mod rates;
mod registration;
mod resources;
mod revisions;
mod schema_types;
mod schemas;
mod subscriptions;
