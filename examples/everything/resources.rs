//! Resources that stay as they are: a text, a picture, and a family of them under one template.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use toolpack::{About, Call, Contents, RequestError, Resource, Server};

use super::content::PNG;

/// Registers the resources of this file.
pub(crate) fn add_to(server: Server) -> Server {
    server.resource::<StaticText>().resource::<StaticBinary>().resource::<Record>()
}

/// A text.
#[derive(Deserialize, JsonSchema)]
struct StaticText {}

impl Resource for StaticText {
    const URI: &'static str = "test://static-text";
    const NAME: &'static str = "static-text";

    fn about(about: About) -> About {
        about.title("A text").mime_type("text/plain")
    }

    async fn read(self, (): &(), _: &Call) -> Result<Contents, RequestError> {
        Ok(Contents::text("This is the content of the static text resource."))
    }
}

/// A picture of one red pixel.
#[derive(Deserialize, JsonSchema)]
struct StaticBinary {}

impl Resource for StaticBinary {
    const URI: &'static str = "test://static-binary";
    const NAME: &'static str = "static-binary";

    fn about(about: About) -> About {
        about.title("A picture").mime_type("image/png").size(PNG.len() as u64)
    }

    async fn read(self, (): &(), _: &Call) -> Result<Contents, RequestError> {
        Ok(Contents::bytes(PNG))
    }
}

/// A record, made up for whatever id is asked for.
#[derive(Deserialize, JsonSchema)]
struct Record {
    /// Any text.
    id: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RecordData {
    data: String,
    id: String,
    template_test: bool,
}

impl Resource for Record {
    const URI: &'static str = "test://template/{id}/data";
    const NAME: &'static str = "record";

    fn about(about: About) -> About {
        about.title("A record").mime_type("application/json")
    }

    async fn read(self, (): &(), _: &Call) -> Result<Contents, RequestError> {
        let Self { id } = self;
        Contents::json(&RecordData { data: format!("Data for ID: {id}"), id, template_test: true })
    }
}
