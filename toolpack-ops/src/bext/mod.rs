//! The pack for bext: instances, and the data of their apps.
//!
//! | tool | what it does | scope |
//! |---|---|---|
//! | `list_instances` | the instances there are, and whether they answer | `bext:read` |
//! | `db_query`, `db_execute` | one SQL statement on an app's database | `bext:read`, `bext:write` |
//! | `kv_get`, `kv_list` | a key, and the keys of a prefix | `bext:read` |
//! | `kv_set`, `kv_delete` | writes and deletes a key | `bext:write` |
//!
//! [`tools`](fn@tools) puts them on a server, beside whatever else it has:
//!
//! ```
//! use mcp_core::{Server, testing::Client};
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
//! let server = bext::tools(Server::new("shop", "1.0.0"), Engines::of(engine));
//!
//! let client = Client::new(server).await;
//! let set = json!({"instance_id": "local", "key": "greeting", "value": "hello"});
//! assert_eq!(client.call("kv_set", set).await.structured(), &json!({"key": "greeting", "set": true}));
//! # Ok(())
//! # }
//! ```
//!
//! Some of them alone: `server.over(engines).tool::<DbQuery>()`. Without tools, the [engines](engine) are a library.

pub mod engine;
pub mod scopes;
pub mod table;
pub mod tools;

use std::sync::Arc;

use mcp_core::{Server, tool};

use self::engine::Engines;
use self::tools::{DbExecute, DbQuery, KvDelete, KvGet, KvList, KvSet, ListInstances};

/// Registers every tool of the pack, over these engines. What is registered after goes over the server's own state,
/// as before.
pub fn tools<S: Send + Sync + 'static>(server: Server<S>, engines: impl Into<Arc<Engines>>) -> Server<S> {
    let engines = engines.into();
    server
        .add(tool::<ListInstances, _>(engines.clone()))
        .add(tool::<DbQuery, _>(engines.clone()))
        .add(tool::<DbExecute, _>(engines.clone()))
        .add(tool::<KvGet, _>(engines.clone()))
        .add(tool::<KvSet, _>(engines.clone()))
        .add(tool::<KvDelete, _>(engines.clone()))
        .add(tool::<KvList, _>(engines))
}
