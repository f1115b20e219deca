//! Tools that ask one thing each: a form, a URL to open, a model, the client's folders, consent.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use toolpack::{
    Annotations, Answer, Call, Form, ListRoots, OpenUrl, Root, Sample, Server, Text, Tool, ToolError,
};

/// Registers the tools of this file.
pub(crate) fn add_to(server: Server) -> Server {
    server
        .tool::<AskForContact>()
        .tool::<AskToOpenUrl>()
        .tool::<AskModel>()
        .tool::<AskForRoots>()
        .tool::<AskForConsent>()
        .tool::<MissingCapability>()
}

/// Asks the user for their name and their address for mail.
#[derive(Deserialize, JsonSchema)]
struct AskForContact {
    /// What the user is shown, such as `Who are you?`.
    message: String,
}

#[derive(Deserialize, Serialize, JsonSchema)]
struct Contact {
    /// User's response
    username: String,
    /// User's email address
    email: String,
}

impl Tool for AskForContact {
    const NAME: &'static str = "test_elicitation";
    const ANNOTATIONS: Annotations = Annotations::read_only();
    type Output = Text;

    async fn call(self, (): &(), call: &Call) -> Result<Text, ToolError> {
        let answer = call.ask("contact", Form::<Contact>::new(self.message)).await;
        let (action, content) = shown(&answer);
        Ok(Text::new(format!("User response: action: {action}, content: {content}")))
    }
}

/// Sends the user to a page outside the client, as a login would. The page is that of an example, and knows nothing.
#[derive(Deserialize, JsonSchema)]
struct AskToOpenUrl {}

impl Tool for AskToOpenUrl {
    const NAME: &'static str = "test_elicitation_url";
    const ANNOTATIONS: Annotations = Annotations::read_only();
    type Output = Text;

    async fn call(self, (): &(), call: &Call) -> Result<Text, ToolError> {
        let visit = OpenUrl::new("Please log in to go on.", "https://example.com/login");
        let (action, _) = shown(&call.ask("login", visit).await);
        // Whether they have logged in is for the page to know: that they agreed to go says nothing of it.
        Ok(Text::new(format!("URL elicitation completed: action={action}")))
    }
}

/// Asks the client's model, and repeats what it says.
#[derive(Deserialize, JsonSchema)]
struct AskModel {
    /// What the model is asked, such as `What is the capital of France?`.
    prompt: String,
}

impl Tool for AskModel {
    const NAME: &'static str = "test_sampling";
    const ANNOTATIONS: Annotations = Annotations::read_only();
    type Output = Text;

    async fn call(self, (): &(), call: &Call) -> Result<Text, ToolError> {
        let said = call.ask("reply", Sample::new(self.prompt, 100)).await;
        Ok(Text::new(format!("LLM response: {}", said.text())))
    }
}

/// Asks which folders the client works in, and lists them.
#[derive(Deserialize, JsonSchema)]
struct AskForRoots {}

impl Tool for AskForRoots {
    const NAME: &'static str = "test_roots";
    const ANNOTATIONS: Annotations = Annotations::read_only();
    type Output = Text;

    async fn call(self, (): &(), call: &Call) -> Result<Text, ToolError> {
        let roots = call.ask("roots", ListRoots).await;
        Ok(Text::new(format!("Roots: {}", uris(&roots))))
    }
}

/// Does what could not be undone, if there were anything to do: only after the user has agreed to it.
#[derive(Deserialize, JsonSchema)]
struct AskForConsent {
    /// What would be deleted.
    #[serde(default = "everything")]
    what: String,
}

fn everything() -> String {
    "everything".to_owned()
}

impl Tool for AskForConsent {
    const NAME: &'static str = "test_confirm";
    const ANNOTATIONS: Annotations = Annotations::destructive();
    type Output = Text;

    async fn call(self, (): &(), call: &Call) -> Result<Text, ToolError> {
        let Self { what } = self;
        call.confirm(&format!("Delete {what} for good?")).await?;
        Ok(Text::new(format!("They agreed that {what} may be deleted.")))
    }
}

/// Asks the client's model; a client that has none is refused with the capability that it lacks.
#[derive(Deserialize, JsonSchema)]
struct MissingCapability {}

impl Tool for MissingCapability {
    const NAME: &'static str = "test_missing_capability";
    const ANNOTATIONS: Annotations = Annotations::read_only();
    type Output = Text;

    async fn call(self, (): &(), call: &Call) -> Result<Text, ToolError> {
        let said = call.ask("greeting", Sample::new("Say hello.", 20)).await;
        Ok(Text::new(format!("This client has a model, which says: {}", said.text())))
    }
}

/// What the user did, and what they filled in, in JSON.
pub(crate) fn shown(answer: &Answer<impl Serialize>) -> (&'static str, String) {
    match answer {
        // What was just read from JSON can be written so again.
        Answer::Accepted(content) => ("accept", serde_json::to_string(content).unwrap_or_default()),
        Answer::Declined => ("decline", "{}".to_owned()),
        Answer::Cancelled => ("cancel", "{}".to_owned()),
    }
}

/// The folders of a client, one after the other.
pub(crate) fn uris(roots: &[Root]) -> String {
    roots.iter().map(|root| root.uri.as_str()).collect::<Vec<_>>().join(", ")
}
