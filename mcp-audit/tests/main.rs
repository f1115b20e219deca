//! The log as its users meet it: a server writes it, somebody does something to it, and it is looked at.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says why")]

mod child;
mod crashing;
mod harness;
mod keeping;
mod rotating;
mod tampering;
