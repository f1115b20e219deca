//! What takes a round of questions or several, as the fixtures `input-required-result-*` of the conformance suite have
//! it: tools, a prompt and a resource.
//!
//! Up to 2025-11-25 the same questions are requests to the client; nothing here has to know.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use toolpack::{
    Ability, About, Annotations, Call, Contents, Form, ListRoots, Messages, Prompt, RawForm, RequestError,
    Resource, Sample, Server, Text, Tool, ToolError,
};

use super::questions::{shown, uris};

/// Registers what is in this file.
pub(crate) fn add_to(server: Server) -> Server {
    server
        .tool::<AskForName>()
        .tool::<AskForCapital>()
        .tool::<AskForFolders>()
        .tool::<AskWithState>()
        .tool::<AskSeveral>()
        .tool::<AskTwice>()
        .tool::<AskFormOfRunTime>()
        .tool::<AskWhatIsPossible>()
        .prompt::<InContext>()
        .resource::<Greeting>()
}

/// Who is asked.
#[derive(Deserialize, JsonSchema)]
struct Person {
    name: String,
}

fn name() -> Form<Person> {
    Form::new("What is your name?")
}

/// Asks the user for their name, and greets them.
#[derive(Deserialize, JsonSchema)]
struct AskForName {}

impl Tool for AskForName {
    const NAME: &'static str = "test_input_required_result_elicitation";
    const ANNOTATIONS: Annotations = Annotations::read_only();
    type Output = Text;

    async fn call(self, (): &(), call: &Call) -> Result<Text, ToolError> {
        let person = call.ask("user_name", name()).await.accepted()?;
        Ok(Text::new(format!("Hello, {}!", person.name)))
    }
}

/// Asks the client's model for the capital of France.
#[derive(Deserialize, JsonSchema)]
struct AskForCapital {}

impl Tool for AskForCapital {
    const NAME: &'static str = "test_input_required_result_sampling";
    const ANNOTATIONS: Annotations = Annotations::read_only();
    type Output = Text;

    async fn call(self, (): &(), call: &Call) -> Result<Text, ToolError> {
        let said = call.ask("capital_question", Sample::new("What is the capital of France?", 100)).await;
        Ok(Text::new(said.text()))
    }
}

/// Asks which folders the client works in.
#[derive(Deserialize, JsonSchema)]
struct AskForFolders {}

impl Tool for AskForFolders {
    const NAME: &'static str = "test_input_required_result_list_roots";
    const ANNOTATIONS: Annotations = Annotations::read_only();
    type Output = Text;

    async fn call(self, (): &(), call: &Call) -> Result<Text, ToolError> {
        let roots = call.ask("client_roots", ListRoots).await;
        Ok(Text::new(format!("The client works in {}", uris(&roots))))
    }
}

/// Asks for a yes; what comes back with it is looked after by the server.
#[derive(Deserialize, JsonSchema)]
struct AskWithState {}

#[derive(Deserialize, Serialize, JsonSchema)]
struct Confirmation {
    ok: bool,
}

impl Tool for AskWithState {
    const NAME: &'static str = "test_input_required_result_request_state";
    const ANNOTATIONS: Annotations = Annotations::read_only();
    type Output = Text;

    async fn call(self, (): &(), call: &Call) -> Result<Text, ToolError> {
        let answer = call.ask("confirm", Form::<Confirmation>::new("Please confirm")).await;
        let (action, content) = shown(&answer);
        // An answer under a state that this server did not seal for this very call never gets here.
        Ok(Text::new(format!("state-ok: action={action}, content={content}")))
    }
}

/// Asks the user, the model and the client at once.
#[derive(Deserialize, JsonSchema)]
struct AskSeveral {}

impl Tool for AskSeveral {
    const NAME: &'static str = "test_input_required_result_multiple_inputs";
    const ANNOTATIONS: Annotations = Annotations::read_only();
    type Output = Text;

    async fn call(self, (): &(), call: &Call) -> Result<Text, ToolError> {
        let (person, greeting, roots) = tokio::join!(
            call.ask("user_name", name()),
            call.ask("greeting", Sample::new("Generate a greeting", 50)),
            call.ask("client_roots", ListRoots),
        );
        let name = person.accepted()?.name;
        Ok(Text::new(format!("{} {name} works in {}", greeting.text(), uris(&roots))))
    }
}

/// Asks the user one thing after another.
#[derive(Deserialize, JsonSchema)]
struct AskTwice {}

#[derive(Deserialize, JsonSchema)]
struct Taste {
    color: String,
}

impl Tool for AskTwice {
    const NAME: &'static str = "test_input_required_result_multi_round";
    const ANNOTATIONS: Annotations = Annotations::read_only();
    type Output = Text;

    async fn call(self, (): &(), call: &Call) -> Result<Text, ToolError> {
        let name = Form::<Person>::new("Step 1: What is your name?");
        let Person { name } = call.ask("step1", name).await.accepted()?;
        let color = Form::<Taste>::new("Step 2: What is your favorite color?");
        let Taste { color } = call.ask("step2", color).await.accepted()?;
        Ok(Text::new(format!("{name} likes {color}.")))
    }
}

/// Asks for a yes, in a form that could be put together while the server runs.
#[derive(Deserialize, JsonSchema)]
struct AskFormOfRunTime {}

impl Tool for AskFormOfRunTime {
    // The suite changes the state on its way back, and wants to see it refused; that is not this tool's concern.
    const NAME: &'static str = "test_input_required_result_tampered_state";
    const ANNOTATIONS: Annotations = Annotations::read_only();
    type Output = Text;

    async fn call(self, (): &(), call: &Call) -> Result<Text, ToolError> {
        let fields = json!({"type": "object", "properties": {"ok": {"type": "boolean"}}, "required": ["ok"]});
        let answer = call.ask("confirm", RawForm::new("Please confirm", fields)).await;
        let (action, content) = shown(&answer);
        Ok(Text::new(format!("action={action}, content={content}")))
    }
}

/// Asks the user, the model and the client, whichever of them can be asked.
#[derive(Deserialize, JsonSchema)]
struct AskWhatIsPossible {}

impl Tool for AskWhatIsPossible {
    const NAME: &'static str = "test_input_required_result_capabilities";
    const ANNOTATIONS: Annotations = Annotations::read_only();
    type Output = Text;

    async fn call(self, (): &(), call: &Call) -> Result<Text, ToolError> {
        let (person, greeting, roots) = tokio::join!(
            async {
                if !call.can_ask(Ability::Form) {
                    return None;
                }
                Some(call.ask("user_name", name()).await)
            },
            async {
                if !call.can_ask(Ability::Sample) {
                    return None;
                }
                Some(call.ask("greeting", Sample::new("Generate a greeting", 50)).await)
            },
            async {
                if !call.can_ask(Ability::Roots) {
                    return None;
                }
                Some(call.ask("client_roots", ListRoots).await)
            },
        );
        let mut said = Vec::new();
        if let Some(person) = person {
            said.push(format!("The user is {}.", person.accepted()?.name));
        }
        if let Some(greeting) = greeting {
            said.push(format!("The model says: {}", greeting.text()));
        }
        if let Some(roots) = roots {
            said.push(format!("The client works in {}", uris(&roots)));
        }
        if said.is_empty() {
            said.push("This client cannot be asked anything.".to_owned());
        }
        Ok(Text::new(said.join("\n")))
    }
}

/// A request in a context that the user is asked for.
#[derive(Deserialize, JsonSchema)]
struct InContext {}

#[derive(Deserialize, JsonSchema)]
struct Context {
    context: String,
}

impl Prompt for InContext {
    const NAME: &'static str = "test_input_required_result_prompt";

    async fn get(self, (): &(), call: &Call) -> Result<Messages, RequestError> {
        let question = Form::<Context>::new("What context should the prompt use?");
        let Context { context } = call.ask("user_context", question).await.accepted()?;
        Ok(Messages::user(format!("Use this context: {context}")))
    }
}

/// A greeting for whoever reads it: they are asked for their name.
#[derive(Deserialize, JsonSchema)]
struct Greeting {}

impl Resource for Greeting {
    // The last in the list: the suite reads the first without being asked for anything.
    const URI: &'static str = "test://your-greeting";
    const NAME: &'static str = "your-greeting";

    fn about(about: About) -> About {
        about.title("A greeting").mime_type("text/plain")
    }

    async fn read(self, (): &(), call: &Call) -> Result<Contents, RequestError> {
        let person = call.ask("user_name", name()).await.accepted()?;
        Ok(Contents::text(format!("Hello, {}!", person.name)))
    }
}
