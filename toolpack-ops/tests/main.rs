//! The tools of the packs as their callers see them, and the promises of the engines on the engines that run here.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says why")]

mod bext {
    mod clock;
    #[cfg(feature = "bext-node")]
    mod conformance;
    mod contract;
    #[cfg(feature = "bext-node")]
    mod node;
    #[cfg(feature = "bext-node")]
    mod on_node;
    mod processes;
    mod promises;
    mod schemas;
    mod tools;
}
