//! The core as its users see it, through the client in memory.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says why")]

mod smoke;
