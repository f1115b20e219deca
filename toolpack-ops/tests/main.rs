//! The tools of the packs as their callers see them, and the promises of the engines on the engines that run here.

#![allow(clippy::unwrap_used)]

mod bext {
    mod clock;
    mod processes;
    mod promises;
    mod schemas;
    mod tools;
}
