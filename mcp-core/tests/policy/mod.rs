//! Who sees and may do what: by the rules of a server, over both eras.

mod ended;
mod matrix;
mod rules;
mod table;
mod unseen;
mod walk;

use mcp_core::{Principal, PrincipalKind, Revision};

const ERAS: [Revision; 2] = [Revision::V2025_11_25, Revision::V2026_07_28];

/// A person to whom nothing is granted.
fn user(name: &str) -> Principal {
    Principal::new(PrincipalKind::User, name)
}
