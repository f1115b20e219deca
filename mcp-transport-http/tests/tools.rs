//! The tools that these tests call.

use std::sync::Arc;

use mcp_core::{Annotations, Endpoint, LogLevel, Server, Text, ToolError, tool_fn};
use schemars::JsonSchema;
use serde::Deserialize;
use tokio::sync::Notify;

/// Echoes a message.
#[derive(Deserialize, JsonSchema)]
pub(crate) struct Echo {
    /// The message.
    message: String,
}

/// Reports progress and logs, then ends.
#[derive(Deserialize, JsonSchema)]
pub(crate) struct Report {}

/// Never ends of itself.
#[derive(Deserialize, JsonSchema)]
pub(crate) struct Hang {}

/// Reports without end, and never waits for anything.
#[derive(Deserialize, JsonSchema)]
pub(crate) struct Flood {}

/// Says on whose behalf it is called.
#[derive(Deserialize, JsonSchema)]
pub(crate) struct WhoAmI {}

/// Takes a region that is mirrored in a header.
#[derive(Deserialize, JsonSchema)]
pub(crate) struct Region {
    /// The region.
    #[schemars(extend("x-mcp-header" = "Region"))]
    region: String,
}

struct Tell(Arc<Notify>);

impl Drop for Tell {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

/// A server with all of them, and what is told when `hang` or `flood` is dropped.
pub(crate) fn endpoint() -> (Endpoint, Arc<Notify>) {
    let dropped = Arc::new(Notify::new());
    let (tell, tell_of_flood) = (Arc::clone(&dropped), Arc::clone(&dropped));
    let read = Annotations::read_only();
    let endpoint = Server::new("test", "1.0.0")
        .add(tool_fn("echo", read, async |q: Echo, _| Ok(Text(q.message))))
        .add(tool_fn("region", read, async |q: Region, _| Ok(Text(q.region))))
        .add(tool_fn("who", read, async |_: WhoAmI, call| Ok(Text(call.principal().subject().to_owned()))))
        .add(tool_fn("report", read, async |_: Report, call| {
            call.progress(1.0, Some(2.0), "half");
            tokio::task::yield_now().await;
            call.log(LogLevel::Info, "report", "working");
            call.progress(2.0, Some(2.0), "");
            Ok(Text::new("done"))
        }))
        .add(tool_fn("hang", read, move |_: Hang, call| {
            let tell = Tell(Arc::clone(&tell));
            async move {
                call.progress(1.0, None, "hanging");
                std::future::pending::<()>().await;
                drop(tell);
                Err::<Text, _>(ToolError::new("never", "never"))
            }
        }))
        .add(tool_fn("flood", read, move |_: Flood, call| {
            let tell = Tell(Arc::clone(&tell_of_flood));
            async move {
                for number in 0_u32.. {
                    call.progress(number.into(), None, "");
                    tokio::task::yield_now().await;
                }
                drop(tell);
                Err::<Text, _>(ToolError::new("never", "never"))
            }
        }))
        .build()
        .unwrap();
    (endpoint, dropped)
}
