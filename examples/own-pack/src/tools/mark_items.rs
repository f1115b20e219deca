//! `mark_items`: several actions in one tool.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use toolpack::{Annotations, Call, Tool, ToolError};

use crate::{
    reading::{Reading, WRITE},
    shelf::{Change, Item, ItemId},
    topic::Topic,
};

/// Marks items of the reading list as read or not, or moves them to another topic.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct MarkItems {
    /// The numbers of the items, such as `[3, 7]`.
    #[schemars(length(min = 1, max = 100))]
    ids: Vec<ItemId>,
    #[serde(flatten)]
    action: Action,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(tag = "action", rename_all = "snake_case")]
enum Action {
    /// Marks them as read.
    Read,
    /// Marks them as not read yet.
    Unread,
    /// Moves them to another topic.
    Move {
        /// What they are about from now on, such as `rust`.
        topic: Topic,
    },
}

/// What was changed.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Marked {
    /// The items as they are now.
    items: Vec<Item>,
}

impl Tool<Reading> for MarkItems {
    const NAME: &'static str = "mark_items";
    const ANNOTATIONS: Annotations = Annotations::write().idempotent();
    const SCOPES: &'static [&'static str] = &[WRITE];
    type Output = Marked;

    async fn call(self, reading: &Reading, call: &Call) -> Result<Marked, ToolError> {
        reading.items(&self.ids).await?;
        let change = match self.action {
            Action::Read => Change::IsRead(true),
            Action::Unread => Change::IsRead(false),
            Action::Move { topic } => Change::Topic(topic),
        };
        let items = reading.shelf.change(&self.ids, change).await?;
        for item in &items {
            call.server().resource_updated(&format!("reading://item/{}", item.id));
        }
        Ok(Marked { items })
    }
}
