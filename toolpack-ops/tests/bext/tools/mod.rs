//! The tools as a client meets them: by name, with JSON, in both eras.

use std::sync::Arc;

use mcp_core::testing::{CallReply, Client};
use mcp_core::{PackOptions, Revision, Server};
use serde_json::{Value, json};
use tempfile::TempDir;
use toolpack_ops::bext;
use toolpack_ops::bext::engine::Engines;
use toolpack_ops::bext::engine::embedded::{Embedded, EmbeddedConfig};

use self::stand_in::StandIn;
use super::clock::Hand;

mod agreed;
mod answers;
mod arguments;
#[cfg(feature = "bext-node")]
mod dialogue;
mod faces;
mod refusals;
mod resources;
mod said;
mod stand_in;
mod waiting;

/// A client of the pack's tools over a directory of its own.
pub(super) struct Bench {
    pub(super) client: Client,
    clock: Arc<Hand>,
    directory: TempDir,
}

impl Bench {
    pub(super) async fn new(revision: Revision) -> Self {
        Self::with(revision, EmbeddedConfig::default()).await
    }

    async fn with(revision: Revision, config: EmbeddedConfig) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let clock = Arc::<Hand>::default();
        let engine = Embedded::open_with_clock(directory.path(), config, clock.clone()).await.unwrap();
        let engines = StandIn::default().beside(Engines::of(engine));
        let server = Server::new("test", "1.0.0").pack(bext::pack(engines), PackOptions::new());
        Self { client: Client::with_revision(server, revision).await, clock, directory }
    }

    /// Calls a tool on the instance `local`, unless the arguments say another.
    async fn call(&self, name: &str, mut arguments: Value) -> CallReply {
        if name != "list_instances" && arguments.get("instance_id").is_none() {
            arguments["instance_id"] = json!("local");
        }
        self.client.call(name, arguments).await
    }

    /// What a call that succeeds answers.
    async fn get(&self, name: &str, arguments: Value) -> Value {
        let reply = self.call(name, arguments.clone()).await;
        assert!(!reply.is_error(), "{name} {arguments}: {}", reply.text());
        // Clients that know no structured content read the same from the text.
        let structured = reply.structured().clone();
        assert_eq!(serde_json::from_str::<Value>(&reply.text()).unwrap(), structured, "{name} {arguments}");
        structured
    }
}
