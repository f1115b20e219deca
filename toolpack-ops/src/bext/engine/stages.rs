//! What long work says of itself while it runs.

use std::fmt;

/// Hears at which stage long work is.
///
/// It is called from within the work, so it must not block. Stages come in order and never go back.
pub trait Stages: fmt::Debug + Send + Sync {
    /// The work is at `done` of `total` stages, and does what `doing` says, such as `waiting for the health check`.
    fn reached(&self, done: u64, total: u64, doing: &str);
}

/// Nobody listens.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unheard;

impl Stages for Unheard {
    fn reached(&self, _: u64, _: u64, _: &str) {}
}
