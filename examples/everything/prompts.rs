//! Prompts: a fixed one, one with arguments that can be completed, and two with more than text in them.

use schemars::JsonSchema;
use serde::Deserialize;
use toolpack::{
    Block, Call, Completing, Completion, Messages, Prompt, RequestError, ResourceContents, Role, Server,
};

use super::content::PNG;

/// Registers the prompts of this file.
pub(crate) fn add_to(server: Server) -> Server {
    server.prompt::<Simple>().prompt::<WithArguments>().prompt::<WithEmbeddedResource>().prompt::<WithImage>()
}

/// One message.
#[derive(Deserialize, JsonSchema)]
struct Simple {}

impl Prompt for Simple {
    const NAME: &'static str = "test_simple_prompt";

    async fn get(self, (): &(), _: &Call) -> Result<Messages, RequestError> {
        Ok(Messages::user("This is a simple prompt for testing."))
    }
}

/// One message that repeats its arguments.
#[derive(Deserialize, JsonSchema)]
struct WithArguments {
    /// First test argument
    arg1: String,
    /// Second test argument
    arg2: String,
}

impl Prompt for WithArguments {
    const NAME: &'static str = "test_prompt_with_arguments";

    async fn get(self, (): &(), _: &Call) -> Result<Messages, RequestError> {
        let Self { arg1, arg2 } = self;
        Ok(Messages::user(format!("Prompt with arguments: arg1='{arg1}', arg2='{arg2}'")))
    }

    async fn complete((): &(), completing: Completing, _: &Call) -> Result<Option<Completion>, RequestError> {
        let words = ["paris", "park", "party", "peace", "test", "testing"];
        Ok(Some(Completion::matching(&completing, words)))
    }
}

/// A resource, and what to do with it.
#[derive(Deserialize, JsonSchema)]
struct WithEmbeddedResource {
    /// URI of the resource to embed
    #[serde(rename = "resourceUri")]
    resource_uri: String,
}

impl Prompt for WithEmbeddedResource {
    const NAME: &'static str = "test_prompt_with_embedded_resource";

    async fn get(self, (): &(), _: &Call) -> Result<Messages, RequestError> {
        let text = "Embedded resource content for testing.";
        let resource = ResourceContents::text(self.resource_uri, "text/plain", text);
        Ok(Messages::default()
            .message(Role::User, Block::resource(resource))
            .message(Role::User, Block::text("Please process the embedded resource above.")))
    }
}

/// A picture, and what to do with it.
#[derive(Deserialize, JsonSchema)]
struct WithImage {}

impl Prompt for WithImage {
    const NAME: &'static str = "test_prompt_with_image";

    async fn get(self, (): &(), _: &Call) -> Result<Messages, RequestError> {
        Ok(Messages::default()
            .message(Role::User, Block::image(PNG, "image/png"))
            .message(Role::User, Block::text("Please analyze the image above.")))
    }
}
