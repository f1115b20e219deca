//! A tool of your own, a resource and a prompt: a whole server, to copy and to begin with.
//!
//! ```sh
//! cargo run --example quickstart                            # MCP on standard input and output
//! cargo run --example quickstart -- --http 127.0.0.1:8080   # MCP at http://127.0.0.1:8080/mcp
//! ```
#![allow(clippy::print_stderr, reason = "a program talks to its terminal")]

use schemars::JsonSchema;
use serde::Deserialize;
use toolpack::{
    Annotations, Contents, Empty, Messages, Server, Text, http::Http, prompt_fn, resource_fn, tool_fn,
};

/// A greeting for one guest.
#[derive(Deserialize, JsonSchema)]
struct Greet {
    /// The guest's first name.
    name: String,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let greet = tool_fn("greet", Annotations::read_only(), async |greet: Greet, _| {
        Ok(Text::new(format!("Hello, {}!", greet.name)))
    });
    let guests = resource_fn("party://guests", "guests", async |_: Empty, _| {
        Ok(Contents::text("Ada, Grace, Barbara"))
    });
    let welcome = prompt_fn("welcome", async |_: Empty, _| {
        Ok(Messages::user("Read `party://guests` and call `greet` for each of them."))
    });
    let server = Server::new("quickstart", "1.0.0")
        .add(greet)
        .add(guests.about(|about| about.description("Who is invited.").mime_type("text/plain")))
        .add(welcome.about(|about| about.description("Welcomes everybody.")));

    match std::env::args().skip(1).collect::<Vec<_>>().as_slice() {
        [] => toolpack::stdio::serve(server).await?,
        [flag, address] if flag == "--http" => {
            let server = Http::new().without_auth().bind(server, address).await?;
            eprintln!("listening on {}", server.url());
            server.run().await?;
        }
        _ => {
            return Err(
                "usage: quickstart [--http ADDR]; without it, MCP is on standard input and output".into()
            );
        }
    }
    Ok(())
}
