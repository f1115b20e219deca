//! What changes while clients are connected: a tool and a prompt that come and go, and a resource to watch.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use schemars::JsonSchema;
use serde::Deserialize;
use toolpack::{
    Annotations, Call, Contents, Edit, Messages, Problem, Prompt, RequestError, Resource, Server, Text, Tool,
    ToolError, prompt, tool,
};

/// How often the watched resource has changed.
#[derive(Debug, Default)]
pub(crate) struct Watched {
    version: AtomicU64,
}

/// Registers what is in this file.
pub(crate) fn add_to(server: Server) -> Server<Watched> {
    server
        .tool::<TriggerToolChange>()
        .tool::<TriggerPromptChange>()
        .over(Watched::default())
        .tool::<TriggerResourceUpdate>()
        .resource::<WatchedResource>()
}

/// Changes the list of tools: adds one, or takes it away again.
#[derive(Deserialize, JsonSchema)]
struct TriggerToolChange {}

impl Tool for TriggerToolChange {
    const NAME: &'static str = "test_trigger_tool_change";
    const ANNOTATIONS: Annotations = Annotations::write();
    type Output = Text;

    async fn call(self, (): &(), call: &Call) -> Result<Text, ToolError> {
        toggle(call, |edit| match edit.remove_tool(ComesAndGoes::NAME) {
            true => Ok("The tool has gone."),
            false => edit.add(tool::<ComesAndGoes, ()>(Arc::default())).map(|()| "There is one more tool."),
        })
    }
}

/// Is there sometimes.
#[derive(Deserialize, JsonSchema)]
struct ComesAndGoes {}

impl Tool for ComesAndGoes {
    const NAME: &'static str = "test_tool_that_comes_and_goes";
    const ANNOTATIONS: Annotations = Annotations::read_only();
    type Output = Text;

    async fn call(self, (): &(), _: &Call) -> Result<Text, ToolError> {
        Ok(Text::new("Here for now."))
    }
}

/// Changes the list of prompts: adds one, or takes it away again.
#[derive(Deserialize, JsonSchema)]
struct TriggerPromptChange {}

impl Tool for TriggerPromptChange {
    const NAME: &'static str = "test_trigger_prompt_change";
    const ANNOTATIONS: Annotations = Annotations::write();
    type Output = Text;

    async fn call(self, (): &(), call: &Call) -> Result<Text, ToolError> {
        toggle(call, |edit| match edit.remove_prompt(SometimesThere::NAME) {
            true => Ok("The prompt has gone."),
            false => {
                edit.add(prompt::<SometimesThere, ()>(Arc::default())).map(|()| "There is one more prompt.")
            }
        })
    }
}

/// Is there sometimes.
#[derive(Deserialize, JsonSchema)]
struct SometimesThere {}

impl Prompt for SometimesThere {
    const NAME: &'static str = "test_prompt_that_comes_and_goes";

    async fn get(self, (): &(), _: &Call) -> Result<Messages, RequestError> {
        Ok(Messages::user("Here for now."))
    }
}

/// Edits the lists of the server that answers the call, and says what came of it.
fn toggle(
    call: &Call,
    edit: impl FnOnce(&mut Edit) -> Result<&'static str, Problem>,
) -> Result<Text, ToolError> {
    let said = call.server().edit(edit);
    said.map(Text::new).map_err(|problem| {
        ToolError::new("not_changed", "the list could not be changed; the log says why").caused_by(problem)
    })
}

/// Changes the resource `test://watched-resource`, and tells whoever subscribed to it.
#[derive(Deserialize, JsonSchema)]
struct TriggerResourceUpdate {}

impl Tool<Watched> for TriggerResourceUpdate {
    const NAME: &'static str = "test_trigger_resource_update";
    const ANNOTATIONS: Annotations = Annotations::write();
    type Output = Text;

    async fn call(self, watched: &Watched, call: &Call) -> Result<Text, ToolError> {
        let version = watched.version.fetch_add(1, Ordering::Relaxed) + 1;
        call.server().resource_updated(WatchedResource::URI);
        Ok(Text::new(format!("The resource is at version {version} now.")))
    }
}

/// Changes when `test_trigger_resource_update` is called.
#[derive(Deserialize, JsonSchema)]
struct WatchedResource {}

impl Resource<Watched> for WatchedResource {
    const URI: &'static str = "test://watched-resource";
    const NAME: &'static str = "watched-resource";

    async fn read(self, watched: &Watched, _: &Call) -> Result<Contents, RequestError> {
        let version = watched.version.load(Ordering::Relaxed);
        Ok(Contents::text(format!("Version {version}")).mime_type("text/plain"))
    }
}
