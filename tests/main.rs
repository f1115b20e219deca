//! End to end: the examples as processes, real clients, every message held against its revision's schema.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says why")]

mod audit;
mod bench_server;
mod bext;
mod companion;
mod consent;
mod guarded;
mod http;
mod keys;
mod limits;
mod node;
mod real_clients;
mod security;
mod sockets;
mod stdio;
mod support;
mod transcripts;
mod wire;
