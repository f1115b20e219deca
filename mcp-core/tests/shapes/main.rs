//! Shapes of tools, resources and servers, each written as the author of a pack would: against the public interface
//! alone, with state in memory. Read them as examples; they were written to find out what the core lacks.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says why")]

mod actions;
mod caller_context;
mod custom_tools;
mod destructive_write;
mod documents;
mod filters;
mod long_operation;
mod ownership;
mod row_identity;
mod sentence_and_data;
