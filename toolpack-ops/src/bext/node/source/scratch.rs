//! A temporary directory for tests that keep artifacts in it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says why")]

use std::path::Path;

/// A temporary directory. Artifacts are read-only, and only root could remove them without another word.
pub(crate) struct Scratch(tempfile::TempDir);

impl Scratch {
    pub(crate) fn new() -> Self {
        Self(tempfile::TempDir::new().unwrap())
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        super::artifacts::remove_tree(self.0.path()).unwrap();
    }
}
