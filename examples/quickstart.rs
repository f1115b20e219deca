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
    Annotations, Call, Contents, Messages, Prompt, RequestError, Resource, Server, Text, tool_fn,
};

const HELP: &str = "usage: quickstart [--http ADDR]\nWithout it, MCP is on standard input and output.";

/// A greeting for one guest.
#[derive(Deserialize, JsonSchema)]
struct Greet {
    /// The guest's first name.
    name: String,
}

/// Who is invited.
#[derive(Deserialize, JsonSchema)]
struct Guests {}

impl Resource for Guests {
    const URI: &'static str = "party://guests";
    const NAME: &'static str = "guests";

    async fn read(self, _: &(), _: &Call) -> Result<Contents, RequestError> {
        Ok(Contents::text("Ada, Grace, Barbara"))
    }
}

/// Welcomes everybody.
#[derive(Deserialize, JsonSchema)]
struct Welcome {}

impl Prompt for Welcome {
    const NAME: &'static str = "welcome";

    async fn get(self, _: &(), _: &Call) -> Result<Messages, RequestError> {
        Ok(Messages::user("Read `party://guests` and call `greet` for each of them."))
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let greet = tool_fn("greet", Annotations::read_only(), async |guest: Greet, _| {
        Ok(Text::new(format!("Hello, {}!", guest.name)))
    });
    let server = Server::new("quickstart", "1.0.0").add(greet).resource::<Guests>().prompt::<Welcome>();

    let words: Vec<_> = std::env::args_os().skip(1).map(|word| word.display().to_string()).collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => toolpack::stdio::serve(server).await?,
        ["--http", address] => {
            let server = toolpack::http::HttpServer::bind(server, address).await?;
            eprintln!("listening on {}", server.url());
            server.run().await?;
        }
        ["--help" | "-h", ..] => eprintln!("{HELP}"),
        _ => {
            eprintln!("cannot make sense of: {}\n{HELP}", words.join(" "));
            std::process::exit(2);
        }
    }
    Ok(())
}
