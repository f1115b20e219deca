//! Tools: the trait whose implementor is its own arguments, and the two floors below it.

mod dynamic;
mod entry;
mod function;
mod reply;

use std::future::Future;

pub(crate) use self::entry::CallFuture;
pub use self::{
    dynamic::DynTool,
    entry::{ToolEntry, tool},
    function::{ToolFn, tool_fn},
    reply::{Content, Output, Reply, Text, ToolReply},
};
use crate::{
    access::Access, annotations::Annotations, call::Call, input::Input, protocol::definition::About,
    tool_error::ToolError,
};

/// A tool over a state `S`; the implementor is the tool's arguments.
///
/// The doc comment of the struct is the tool's description, those of its fields describe the parameters. What the
/// schema says is checked before [`call`](Self::call) runs.
///
/// ```
/// use mcp_core::{Annotations, Call, Tool, ToolError};
/// use schemars::JsonSchema;
/// use serde::{Deserialize, Serialize};
///
/// /// Adds two numbers.
/// #[derive(Deserialize, JsonSchema)]
/// struct Add {
///     /// The first number.
///     a: i64,
///     /// The second number.
///     b: i64,
/// }
///
/// #[derive(Serialize, JsonSchema)]
/// struct Sum {
///     sum: i64,
/// }
///
/// impl Tool for Add {
///     const NAME: &'static str = "add";
///     const ANNOTATIONS: Annotations = Annotations::read_only();
///     type Output = Sum;
///
///     async fn call(self, _: &(), _: &Call) -> Result<Sum, ToolError> {
///         let sum = self.a.checked_add(self.b).ok_or_else(|| ToolError::new("overflow", "the sum is too large"))?;
///         Ok(Sum { sum })
///     }
/// }
/// ```
///
/// # One tool, several actions
///
/// An enum of structs whose variants a tag tells apart is a tool of several actions. Assistants take no choice at the
/// top of a schema, so it is listed as one flat object: the tag with what each action does, and the properties of all
/// actions, each saying for which of them it is. Arguments are held against what is listed and against the action that
/// they name: one that it needs, or one that belongs to another action, is refused in just these words. The tool states
/// the effect of its strongest action.
///
/// ```
/// # use mcp_core::{Annotations, Call, Server, Text, Tool, ToolError, testing::Client};
/// # use schemars::JsonSchema;
/// # use serde::Deserialize;
/// # use serde_json::json;
/// /// Changes a list of guests.
/// #[derive(Deserialize, JsonSchema)]
/// #[serde(tag = "action", rename_all = "snake_case")]
/// enum ManageGuests {
///     /// Puts a guest on the list.
///     Invite {
///         /// The guest's name.
///         name: String,
///         /// How many they bring along.
///         company: u8,
///     },
///     /// Takes a guest off the list.
///     Strike {
///         /// The guest's name.
///         name: String,
///     },
/// }
///
/// impl Tool for ManageGuests {
///     const NAME: &'static str = "manage_guests";
///     const ANNOTATIONS: Annotations = Annotations::destructive();
///     type Output = Text;
///
///     async fn call(self, _: &(), _: &Call) -> Result<Text, ToolError> {
///         Ok(Text::new(match self {
///             Self::Invite { name, company } => format!("{name} comes with {company}."),
///             Self::Strike { name } => format!("{name} stays at home."),
///         }))
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let client = Client::new(Server::new("party", "1.0.0").tool::<ManageGuests>()).await;
/// let company = &client.list_tools().await[0]["inputSchema"]["properties"]["company"]["description"];
/// assert_eq!(company, "How many they bring along. Only for `invite`, and required there.");
/// let reply = client.call("manage_guests", json!({"action": "invite", "name": "Ada"})).await;
/// assert!(reply.text().contains("/company: is required when `action` is `invite`"));
/// # }
/// ```
pub trait Tool<S = ()>: Input {
    /// The tool's name: 1 to 64 of `A-Z a-z 0-9 _ - .`, unique in a server.
    const NAME: &'static str;

    /// What kind of effect the tool has; every tool states it.
    const ANNOTATIONS: Annotations;

    /// Scopes that every caller needs. They are stated here and held against the caller by the server's
    /// [`Policy`](crate::Policy), before the arguments are looked at.
    const SCOPES: &'static [&'static str] = &[];

    /// What it answers with.
    type Output: Output;

    /// Adds a title, icons, `_meta`, tags, or what everybody needs for it besides scopes.
    fn about(about: About) -> About {
        about
    }

    /// What these very arguments touch, to be held against the caller by the server's [`Policy`](crate::Policy). What
    /// only the engine knows is held against them later, with [`Call::require`].
    fn access(&self) -> Access {
        Access::none()
    }

    /// Says what would happen, where a person is asked to agree to it first (see
    /// [`ConfirmDestructive`](crate::ConfirmDestructive)): looks, and changes nothing. Without it they see the arguments.
    ///
    /// It is called again once they have agreed, and where it says something else by then they are asked anew; so it asks
    /// nothing itself, and names no time of day.
    ///
    /// # Errors
    ///
    /// What the call itself would fail with, so that nobody is asked in vain.
    fn preview(
        &self,
        state: &S,
        call: &Call,
    ) -> impl Future<Output = Result<Option<String>, ToolError>> + Send {
        let _ = (state, call);
        async { Ok(None) }
    }

    /// Does the work. Dropped at an await when the client cancels.
    ///
    /// # Errors
    ///
    /// A [`ToolError`], which the client sees as a result with `isError`.
    fn call(self, state: &S, call: &Call) -> impl Future<Output = Result<Self::Output, ToolError>> + Send;
}
