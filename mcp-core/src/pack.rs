//! Packs: tools, resources and prompts that belong together, taken into a server as a whole or in part.

use crate::{pack_options::PackOptions, server::Server};

/// Tools, resources and prompts that belong together, over a state of their own.
///
/// ```
/// use mcp_core::{Annotations, Call, Pack, PackOptions, Server, Text, Tool, ToolError, testing::Client};
/// use schemars::JsonSchema;
/// use serde::Deserialize;
///
/// /// What the tools of the pack work on.
/// struct Notes {
///     first: &'static str,
/// }
///
/// /// Reads the first note.
/// #[derive(Deserialize, JsonSchema)]
/// struct FirstNote {}
///
/// impl Tool<Notes> for FirstNote {
///     const NAME: &'static str = "first_note";
///     const ANNOTATIONS: Annotations = Annotations::read_only();
///     type Output = Text;
///
///     async fn call(self, notes: &Notes, _: &Call) -> Result<Text, ToolError> {
///         Ok(Text::new(notes.first))
///     }
/// }
///
/// struct NotesPack(Notes);
///
/// impl Pack for NotesPack {
///     fn add_to<S: Send + Sync + 'static>(self, server: Server<S>) -> Server<S> {
///         server.with(self.0, |notes| notes.tool::<FirstNote>())
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let pack = NotesPack(Notes { first: "Buy milk." });
/// let server = Server::new("desk", "1.0.0").pack(pack, PackOptions::new().prefix("my_"));
/// let client = Client::new(server).await;
/// assert_eq!(client.call("my_first_note", serde_json::json!({})).await.text(), "Buy milk.");
/// # }
/// ```
pub trait Pack {
    /// Registers all of it; [`Server::with`] gives it its state, and the server its own back.
    fn add_to<S: Send + Sync + 'static>(self, server: Server<S>) -> Server<S>;
}

impl<S: Send + Sync + 'static> Server<S> {
    /// Takes in a pack, or what the options say of it.
    #[must_use]
    pub fn pack(self, pack: impl Pack, options: PackOptions) -> Self {
        self.within(options, |server| pack.add_to(server))
    }
}
