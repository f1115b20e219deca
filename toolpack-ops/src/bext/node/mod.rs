//! The node: an engine that runs applications on this machine, and leads requests to them.
//!
//! One node holds a data directory, with a lock. For each instance in it there is a gateway that listens, applications
//! behind it, and a store of what is registered and what is live.
//!
//! ```text
//! node.lock                               held by the node
//! instances.toml                          the instances, and where their gateways listen
//! secret.key                              what secrets are encrypted with
//! instances/ID/bext.config.toml           the configuration of the instance
//! instances/ID/state.sqlite               apps, domains, releases, records, runs
//! instances/ID/secrets.sqlite             secrets, in encrypted form
//! instances/ID/gateway.port               the port of the gateway, where a free one was chosen
//! instances/ID/artifacts/HASH/            what was built from a source; never changed
//! instances/ID/processes/                 which groups of processes run
//! instances/ID/logs/APP.log               what an app prints
//! instances/ID/sources/                   copies of remote repositories
//! instances/ID/apps/APP/                  the database and the keys of an app
//! ```

// Until the parts are put together.
#![allow(dead_code, reason = "the parts are written side by side")]

mod body;
mod config;
mod gateway;
mod percent;
mod private_file;
mod process;
pub mod sample_app;
mod secrets;
mod site;
mod source;
