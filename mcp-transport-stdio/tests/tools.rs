//! The tools that these tests call.

use std::sync::Arc;

use mcp_core::{Access, Annotations, Server, Text, ToolError, tool_fn};
use schemars::JsonSchema;
use serde::Deserialize;
use tokio::sync::{Notify, Semaphore};

/// Echoes a message.
#[derive(Deserialize, JsonSchema)]
pub(crate) struct Echo {
    /// The message.
    message: String,
}

/// Waits until the gate is opened.
#[derive(Deserialize, JsonSchema)]
pub(crate) struct Wait {}

/// Says on whose behalf it is called, and over what.
#[derive(Deserialize, JsonSchema)]
pub(crate) struct WhoAmI {}

/// What the tests see of the tools.
#[derive(Clone, Default)]
pub(crate) struct Stage {
    /// Told when a call of `wait` has begun.
    pub(crate) began: Arc<Notify>,
    /// Told when a call of `wait` was dropped before its end.
    pub(crate) dropped: Arc<Notify>,
    gate: Gate,
}

#[derive(Clone)]
struct Gate(Arc<Semaphore>);

impl Default for Gate {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(0)))
    }
}

impl Stage {
    /// Lets every call of `wait` end.
    pub(crate) fn open_the_gate(&self) {
        self.gate.0.close();
    }
}

struct Tell(Arc<Notify>);

impl Drop for Tell {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

/// A server with all of them.
pub(crate) fn server() -> (Server, Stage) {
    let stage = Stage::default();
    let waiting = stage.clone();
    let read = Annotations::read_only();
    let server = Server::new("test", "1.0.0")
        .limits(mcp_core::Limits::for_one_caller)
        .add(tool_fn("echo", read, async |q: Echo, _| Ok(Text(q.message))))
        .add(tool_fn("who", read, async |_: WhoAmI, call| {
            Ok(Text(format!("{} over {:?}", call.principal().subject(), call.transport())))
        }))
        .add(
            tool_fn("secret", read, async |_: WhoAmI, _| Ok(Text::new("told")))
                .access(|_| Access::scope("secrets:read")),
        )
        .add(tool_fn("wait", read, move |_: Wait, _| {
            let stage = waiting.clone();
            async move {
                stage.began.notify_one();
                let tell = Tell(stage.dropped);
                // An error says that it was closed.
                let _ = stage.gate.0.acquire().await;
                std::mem::forget(tell);
                Ok::<_, ToolError>(Text::new("waited"))
            }
        }));
    (server, stage)
}
