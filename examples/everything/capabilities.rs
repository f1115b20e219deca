//! A tool that only some clients can use, and a layer that turns the others away.

use std::convert::Infallible;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;
use toolpack::{
    Annotations, Call, Outcome, Request, RingService, RpcError, Server, Text, Tool, ToolError,
    protocol::error::code,
};
use tower::{ServiceExt, layer::layer_fn, service_fn};

/// Registers the tool of this file, and the layer that guards it.
pub(crate) fn add_to(server: Server) -> Server {
    server
        .tool::<MissingCapability>()
        .layer(layer_fn(|inner: RingService| service_fn(move |request| guard(request, inner.clone()))))
}

/// Needs a client that can sample a model, and says whether it is one.
#[derive(Deserialize, JsonSchema)]
struct MissingCapability {}

impl Tool for MissingCapability {
    const NAME: &'static str = "test_missing_capability";
    const ANNOTATIONS: Annotations = Annotations::read_only();
    type Output = Text;

    async fn call(self, (): &(), _: &Call) -> Result<Text, ToolError> {
        Ok(Text::new("This client can sample a model."))
    }
}

/// Lets a request through, unless it calls the tool above for a client that cannot do what the tool needs.
async fn guard(request: Request, inner: RingService) -> Result<Outcome, Infallible> {
    let is_for_samplers =
        request.method() == "tools/call" && request.target() == Some(MissingCapability::NAME);
    if is_for_samplers && request.call().client_capabilities().sampling.is_none() {
        let error = RpcError::new(code::MISSING_CAPABILITY, "The client has to be able to sample a model")
            .with_data(json!({"requiredCapabilities": {"sampling": {}}}));
        return Ok(Outcome::error(error));
    }
    inner.oneshot(request).await
}
