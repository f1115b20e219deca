//! The promises of the engines, on the engines that run here.

#![allow(clippy::unwrap_used)]

mod bext {
    mod processes;
    mod promises;
    mod schemas;
}
