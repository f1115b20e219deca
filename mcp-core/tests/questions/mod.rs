//! Questions to the client: in rounds, over sessions, and under attack.

mod asking;
mod consent;
mod limits;
mod replays;
mod sealed;

use mcp_core::{Annotations, Call, Form, Server, Text, Tool, ToolError};
use schemars::JsonSchema;
use serde::Deserialize;

/// Who somebody is.
#[derive(Debug, Deserialize, JsonSchema)]
struct Person {
    /// What are you called?
    name: String,
    /// How old are you?
    #[schemars(range(min = 0, max = 150))]
    age: Option<u8>,
}

/// Greets whoever is asked for their name.
#[derive(Deserialize, JsonSchema)]
struct Greet {
    /// How to greet.
    #[serde(default)]
    how: Option<String>,
    /// How often; only to have a number in the arguments.
    #[serde(default)]
    times: u64,
}

impl Tool for Greet {
    const NAME: &'static str = "greet";
    const ANNOTATIONS: Annotations = Annotations::read_only();
    type Output = Text;

    async fn call(self, (): &(), call: &Call) -> Result<Text, ToolError> {
        let person = call.ask("who", Form::<Person>::new("Who are you?")).await.accepted()?;
        let how = self.how.as_deref().unwrap_or("Hello");
        let age = person.age.map(|age| format!(" ({age})")).unwrap_or_default();
        Ok(Text::new(format!("{how}, {}{age}!{}", person.name, if self.times > 1 { " Again." } else { "" })))
    }
}

fn server() -> Server {
    Server::new("test", "1.0.0").tool::<Greet>()
}
