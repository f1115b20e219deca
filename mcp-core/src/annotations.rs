//! What kind of effect a tool has: read-only, destructive, idempotent, open-world.

use serde::Serialize;

/// The effect of a tool, stated by every tool with one of the constructors; there is no default.
///
/// A server derives policy from it, and clients decide by it what to ask their user. See the specification,
/// `ToolAnnotations`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Annotations {
    /// The tool changes nothing.
    #[serde(rename = "readOnlyHint")]
    pub read_only: bool,
    /// The tool may delete, restore over, or take back what is live.
    #[serde(rename = "destructiveHint")]
    pub destructive: bool,
    /// Calling it again with the same arguments changes nothing further.
    #[serde(rename = "idempotentHint")]
    pub idempotent: bool,
    /// It reaches things outside the server's own world, such as the web.
    #[serde(rename = "openWorldHint")]
    pub open_world: bool,
}

impl Annotations {
    /// Changes nothing; may be repeated at will.
    pub const fn read_only() -> Self {
        Self { read_only: true, destructive: false, idempotent: true, open_world: false }
    }

    /// Changes something, and loses nothing by it.
    pub const fn write() -> Self {
        Self { read_only: false, destructive: false, idempotent: false, open_world: false }
    }

    /// May delete or take back what is live.
    pub const fn destructive() -> Self {
        Self { read_only: false, destructive: true, idempotent: false, open_world: false }
    }

    /// The same, and repeating it changes nothing further.
    #[must_use]
    pub const fn idempotent(mut self) -> Self {
        self.idempotent = true;
        self
    }

    /// The same, and it reaches beyond the server's own world.
    #[must_use]
    pub const fn open_world(mut self) -> Self {
        self.open_world = true;
        self
    }

    /// What contradicts itself in these hints, if anything.
    pub(crate) const fn contradiction(self) -> Option<&'static str> {
        if self.read_only && self.destructive {
            return Some("a tool that changes nothing cannot be destructive");
        }
        if self.read_only && !self.idempotent {
            return Some("a tool that changes nothing may always be repeated, so it is idempotent");
        }
        None
    }
}
