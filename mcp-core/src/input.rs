//! Arguments: what tools, prompts and resources are written over.

use schemars::JsonSchema;
use serde::de::DeserializeOwned;

/// Arguments: what can be read from JSON and has a schema.
///
/// Derive `serde::Deserialize` and `schemars::JsonSchema`; nothing else is needed.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the arguments of a tool, a prompt or a resource",
    note = "derive `serde::Deserialize` and `schemars::JsonSchema` for it, and borrow nothing in it"
)]
pub trait Input: DeserializeOwned + JsonSchema + Send + Sync + 'static {}

impl<T: DeserializeOwned + JsonSchema + Send + Sync + 'static> Input for T {}

/// No arguments: for functions that take none.
// No doc comment of its own may become the description of everything that takes it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize, JsonSchema)]
#[schemars(description = "")]
pub struct Empty {}
