//! Tools that ask the user to fill in a form with every kind of field: with defaults, and with choices.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use toolpack::{Annotations, Call, Form, Server, Text, Tool, ToolError};

use super::questions::shown;

/// Registers the tools of this file.
pub(crate) fn add_to(server: Server) -> Server {
    server.tool::<WithDefaults>().tool::<WithChoices>()
}

/// Asks the user to look over a form that is filled in already.
#[derive(Deserialize, JsonSchema)]
struct WithDefaults {}

// A default is what the client fills in beforehand. The fields are required all the same: what the user empties is not
// filled in again behind their back.
#[derive(Deserialize, Serialize, JsonSchema)]
struct Profile {
    /// User name
    #[schemars(extend("default" = "John Doe"))]
    name: String,
    /// User age
    #[schemars(extend("default" = 30))]
    age: i64,
    /// User score
    #[schemars(extend("default" = 95.5))]
    score: f64,
    /// User status
    #[schemars(extend("default" = "active"))]
    status: Status,
    /// Verification status
    #[schemars(extend("default" = true))]
    verified: bool,
}

#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Status {
    Active,
    Inactive,
    Pending,
}

impl Tool for WithDefaults {
    const NAME: &'static str = "test_elicitation_sep1034_defaults";
    const ANNOTATIONS: Annotations = Annotations::read_only();
    type Output = Text;

    async fn call(self, (): &(), call: &Call) -> Result<Text, ToolError> {
        let question = Form::<Profile>::new("Please review and update the form fields with defaults");
        let (action, content) = shown(&call.ask("profile", question).await);
        Ok(Text::new(format!("Elicitation completed: action={action}, content={content}")))
    }
}

/// Asks the user to choose: one or several, of choices with and without titles.
#[derive(Deserialize, JsonSchema)]
struct WithChoices {}

#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Choices {
    untitled_single: Plain,
    titled_single: Titled,
    legacy_enum: Legacy,
    untitled_multi: Vec<Plain>,
    titled_multi: Vec<AlsoTitled>,
}

// Without titles, choices are shown to the user as they are sent.
#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Plain {
    Option1,
    Option2,
    Option3,
}

#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Titled {
    #[schemars(title = "First Option")]
    Value1,
    #[schemars(title = "Second Option")]
    Value2,
    #[schemars(title = "Third Option")]
    Value3,
}

// A comment on a variant is its title too.
#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum AlsoTitled {
    /// First Choice
    Value1,
    /// Second Choice
    Value2,
    /// Third Choice
    Value3,
}

// Titles as clients had them before 2025-11-25: deprecated, and only for who asks for them.
#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(extend("enumNames" = ["Option One", "Option Two", "Option Three"]))]
enum Legacy {
    Opt1,
    Opt2,
    Opt3,
}

impl Tool for WithChoices {
    const NAME: &'static str = "test_elicitation_sep1330_enums";
    const ANNOTATIONS: Annotations = Annotations::read_only();
    type Output = Text;

    async fn call(self, (): &(), call: &Call) -> Result<Text, ToolError> {
        let question = Form::<Choices>::new("Please select options from the enum fields");
        let (action, content) = shown(&call.ask("choices", question).await);
        Ok(Text::new(format!("Elicitation completed: action={action}, content={content}")))
    }
}
