//! What a caller may do, by name: the scopes that the tools of the pack ask for, in increasing order of trust.
//!
//! None of them holds another: a principal that may do everything has all three.

/// May look: at instances, apps and their data, at metrics and logs. Never at secrets.
pub const READ: &str = "bext:read";

/// May change what apps have: deploys, data, queues, tasks, caches, the rules of the firewall, backups.
pub const WRITE: &str = "bext:write";

/// May change what everything else rests on: secrets, configuration, plugins; may remove apps and restore backups.
pub const ADMIN: &str = "bext:admin";
