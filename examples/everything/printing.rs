//! A tool that prints, as libraries do: nothing of it may reach a client that reads our standard output.

use schemars::JsonSchema;
use serde::Deserialize;
use toolpack::{Annotations, Server, Text, tool_fn};

/// Prints a line on what it takes for standard output.
#[derive(Deserialize, JsonSchema)]
struct Print {}

pub(crate) fn add_to<S: Send + Sync + 'static>(server: Server<S>) -> Server<S> {
    server.add(tool_fn("test_print", Annotations::write(), async |_: Print, _| {
        println!("this line goes to standard error");
        Ok(Text::new("printed"))
    }))
}
