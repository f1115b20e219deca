//! What a check says of what it saw.

use std::fmt::Display;

use crate::bext::engine::Outcome;

/// What a check saw, or why it saw nothing.
pub(super) type Finding = Result<Seen, Trouble>;

/// Why something could not be looked at.
pub(super) type Trouble = Box<dyn std::error::Error + Send + Sync>;

/// What a check saw, and what that means.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) outcome: Outcome,
    pub(super) text: String,
}

/// It is good if `good`, and this was seen.
pub(super) fn seen(good: bool, text: impl Display) -> Finding {
    let outcome = if good { Outcome::Passed } else { Outcome::Failed };
    Ok(Seen { outcome, text: text.to_string() })
}

/// It could be looked at in part only, for this reason.
pub(super) fn partial(reason: impl Display) -> Finding {
    Ok(Seen { outcome: Outcome::Partial, text: reason.to_string() })
}
