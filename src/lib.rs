//! Let a Rust service speak MCP, the Model Context Protocol, to AI assistants; with tools that do real work.
//!
//! There are three ways to use it.
//!
//! # Your own tools, in your own service
//!
//! ```sh
//! cargo add toolpack
//! cargo add schemars serde --features derive
//! cargo add tokio --features macros,rt-multi-thread
//! ```
//!
//! A tool is a struct of its arguments and one `impl`. Its doc comment is the tool's description, those of the fields
//! describe the parameters, and the types are the validation.
//!
#![cfg_attr(feature = "http", doc = "```no_run")]
#![cfg_attr(not(feature = "http"), doc = "```ignore")]
//! use schemars::JsonSchema;
//! use serde::{Deserialize, Serialize};
//! use toolpack::{Annotations, Call, Server, Tool, ToolError};
//!
//! /// Adds two whole numbers.
//! #[derive(Deserialize, JsonSchema)]
//! struct Add {
//!     /// The first number.
//!     a: i64,
//!     /// The second number.
//!     b: i64,
//! }
//!
//! #[derive(Serialize, JsonSchema)]
//! struct Sum {
//!     /// `a + b`.
//!     sum: i64,
//! }
//!
//! impl Tool for Add {
//!     const NAME: &'static str = "add";
//!     const ANNOTATIONS: Annotations = Annotations::read_only();
//!     type Output = Sum;
//!
//!     async fn call(self, _: &(), _: &Call) -> Result<Sum, ToolError> {
//!         let sum = self.a.checked_add(self.b);
//!         sum.map(|sum| Sum { sum }).ok_or_else(|| ToolError::new("overflow", "the sum is beyond 64 bits"))
//!     }
//! }
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let server = Server::new("calculator", "1.0.0").tool::<Add>();
//!     toolpack::http::Http::new().without_auth().serve(server, "127.0.0.1:8080").await?;
//!     Ok(())
//! }
//! ```
//!
//! `without_auth` lets in whoever is on this machine. Without it, or [API keys](http::ApiKeys), or another way to tell who
//! calls, nobody is let in. To mount it beside routes that are there already, take the service instead of the server:
//!
//! ```
//! # #[cfg(feature = "http")] fn routes() -> Result<axum::Router, toolpack::BuildError> {
//! # let server = toolpack::Server::new("calculator", "1.0.0");
//! let mcp = toolpack::http::Http::new().without_auth().service(server)?;
//! let app = axum::Router::new().route_service("/mcp", mcp);
//! # Ok(app) }
//! ```
//!
//! A test of a tool takes three lines, and goes through everything that stands between a client and the tool:
//!
//! ```
//! # use toolpack::{Annotations, Server, Text, testing::Client, tool_fn};
//! # use serde_json::json;
//! # #[derive(serde::Deserialize, schemars::JsonSchema)] struct Greet { name: String }
//! # #[tokio::main(flavor = "current_thread")] async fn main() {
//! # let server = Server::new("demo", "1.0.0")
//! #     .add(tool_fn("greet", Annotations::read_only(), async |q: Greet, _| Ok(Text(format!("Hello, {}!", q.name)))));
//! let client = Client::new(server).await;
//! let reply = client.call("greet", json!({"name": "Ada"})).await;
//! assert_eq!(reply.text(), "Hello, Ada!");
//! # }
//! ```
//!
//! From here: [`Tool`] and its two lighter forms [`tool_fn`](fn@tool_fn) and [`DynTool`], [`Resource`], [`Prompt`];
//! [`Server`] puts them together over your state; [`stdio`] and [`http`] serve it. The example `quickstart` is a whole
//! server to copy.
//!
//! # Ready-made tools
//!
//! A pack is a set of tools over small engine traits, with an embedded engine that needs nothing installed. It stands
//! beside your own tools in one server, or runs as it is from an assistant's configuration file: that is the example
//! `bext-companion` (`cargo install --path . --example bext-companion`). See [`bext`].
//!
//! # A pack of your own
//!
//! Write the engine as a small trait, hold it as `Arc<dyn …>` in a state, and say in an `impl` of [`Pack`] what is over that
//! state. Any server takes it in with [`Server::pack`]; each pack keeps its own state, so that they mix freely, and
//! [`PackOptions`] says what of it and under which names.
//!
//! ```
//! # use std::sync::Arc;
//! # use toolpack::{Annotations, Call, Pack, PackOptions, Server, Text, Tool, ToolError};
//! # #[derive(serde::Deserialize, schemars::JsonSchema)] struct WhatTime {}
//! trait Clock: Send + Sync {
//!     fn now(&self) -> String;
//! }
//!
//! struct Clocks {
//!     wall: Arc<dyn Clock>,
//! }
//!
//! impl Tool<Clocks> for WhatTime {
//!     const NAME: &'static str = "what_time";
//!     const ANNOTATIONS: Annotations = Annotations::read_only();
//!     type Output = Text;
//!
//!     async fn call(self, clocks: &Clocks, _: &Call) -> Result<Text, ToolError> {
//!         Ok(Text::new(clocks.wall.now()))
//!     }
//! }
//!
//! impl Pack for Clocks {
//!     fn add_to<S: Send + Sync + 'static>(self, server: Server<S>) -> Server<S> {
//!         server.with(self, |clocks| clocks.tool::<WhatTime>())
//!     }
//! }
//!
//! fn office(clocks: Clocks) -> Server {
//!     Server::new("office", "1.0.0").pack(clocks, PackOptions::new().prefix("wall_"))
//! }
//! ```
//!
//! The guide `docs/packs.md` in the repository goes all the way, from `cargo new` to a server that is tested over pipes and
//! HTTP; the pack that it writes is `examples/own-pack`.
//!
//! # Features
//!
//! A feature only adds; none of them changes what another gives.
//!
//! | feature | by default | what it adds |
//! |---|---|---|
//! | `stdio` | yes | [`stdio`]: a client that starts the server as its child; the same lines over TCP and Unix sockets |
//! | `http` | yes | [`http`]: clients over the network, as a tower service or a server of its own |
//! | `bext` | yes | [`bext`]: instances, SQL databases and key-value data, over an embedded engine |
//! | `bext-suite` | no | the promises that every engine of bext keeps, as code to run against your own |
//!
//! With `default-features = false` it is the core alone: everything but a way for bytes to reach it.
//!
//! # The crates behind it
//!
//! All that `mcp-core` has is here under the same name, so that an application needs to know this crate alone. A crate
//! of tools for others depends better on `mcp-core` itself, which knows no transport and no database.
//!
//! [`JsonSchema`](schemars::JsonSchema) stands in the bounds of tools, so the version of schemars has to be the one
//! that is used here: 1.x, handed on as [`toolpack::schemars`](schemars). Deriving from that instead of a dependency of
//! one's own takes `#[schemars(crate = "toolpack::schemars")]` on each type.

#[doc(inline)]
pub use mcp_core::*;
pub use schemars;

#[cfg(feature = "audit")]
#[doc(inline)]
pub use mcp_audit as audit;
#[cfg(feature = "http")]
#[doc(inline)]
pub use mcp_transport_http as http;
#[cfg(feature = "stdio")]
#[doc(inline)]
pub use mcp_transport_stdio as stdio;
#[cfg(feature = "bext")]
#[doc(inline)]
pub use toolpack_ops::bext;

/// The examples of the readme, so that they are compiled.
#[cfg(all(doctest, feature = "stdio", feature = "keys", feature = "bext"))]
#[doc = include_str!("../README.md")]
struct Readme;
