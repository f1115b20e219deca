//! The pack for bext: instances, and the data of their apps.
//!
//! | tool | what it does | scope |
//! |---|---|---|
//! | `list_instances` | the instances there are, and whether they answer | `bext:read` |
//! | `db_query`, `db_execute` | one SQL statement on an app's database | `bext:read`, `bext:write` |
//! | `kv_get`, `kv_list` | a key, and the keys of a prefix | `bext:read` |
//! | `kv_set`, `kv_delete` | writes and deletes a key | `bext:write` |
//!
//! [`pack`] takes them into a server, beside whatever else it has; [`PackOptions`](mcp_core::PackOptions) says which of
//! them, and under which names:
//!
//! ```
//! use mcp_core::{PackOptions, Server, testing::Client};
//! use serde_json::json;
//! use toolpack_ops::bext;
//! use toolpack_ops::bext::engine::Engines;
//! use toolpack_ops::bext::engine::embedded::{Embedded, EmbeddedConfig};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let directory = tempfile::tempdir()?;
//! # let directory = directory.path();
//! let engine = Embedded::open(directory, EmbeddedConfig::default()).await?;
//! let server = Server::new("shop", "1.0.0").pack(bext::pack(Engines::of(engine)), PackOptions::new());
//!
//! let client = Client::new(server).await;
//! let set = json!({"instance_id": "local", "key": "greeting", "value": "hello"});
//! assert_eq!(client.call("kv_set", set).await.structured(), &json!({"key": "greeting", "set": true}));
//! # Ok(())
//! # }
//! ```
//!
//! Some of them alone: `server.over(engines).tool::<DbQuery>()`. Without tools, the [engines](engine) are a library.

#[cfg(feature = "bext-node")]
pub mod conformance;
pub mod engine;
#[cfg(feature = "bext-node")]
pub mod node;
pub mod scopes;
pub mod table;
pub mod tools;

use std::sync::Arc;

use mcp_core::{Pack, Server};

use self::engine::Engines;
use self::tools::{DbExecute, DbQuery, KvDelete, KvGet, KvList, KvSet, ListInstances};

/// The pack over these engines.
pub fn pack(engines: impl Into<Arc<Engines>>) -> Bext {
    Bext { engines: engines.into() }
}

/// See [`pack`].
#[derive(Clone, Debug)]
pub struct Bext {
    engines: Arc<Engines>,
}

impl Pack for Bext {
    fn add_to<S: Send + Sync + 'static>(self, server: Server<S>) -> Server<S> {
        server.with(self.engines, |bext| {
            bext.tool::<ListInstances>()
                .tool::<DbQuery>()
                .tool::<DbExecute>()
                .tool::<KvGet>()
                .tool::<KvSet>()
                .tool::<KvDelete>()
                .tool::<KvList>()
        })
    }
}
