//! `discard_items`: throws items away, once the person has seen which.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use toolpack::{Access, Annotations, Call, Tool, ToolError};

use crate::{
    reading::{KEEPER, Reading, WRITE},
    shelf::{Item, ItemId},
};

/// Throws items away, for good.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct DiscardItems {
    /// The numbers of the items, such as `[3, 7]`.
    #[schemars(length(min = 1, max = 100))]
    ids: Vec<ItemId>,
}

/// What was thrown away.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Discarded {
    /// The items as they were.
    items: Vec<Item>,
}

impl DiscardItems {
    /// The items that are meant, if they are there and the caller may throw them away.
    async fn meant(&self, reading: &Reading, call: &Call) -> Result<Vec<Item>, ToolError> {
        let items = reading.items(&self.ids).await?;
        if items.iter().any(|item| item.added_by != call.principal().subject()) {
            call.require(Access::scope(KEEPER))?;
        }
        Ok(items)
    }
}

impl Tool<Reading> for DiscardItems {
    const NAME: &'static str = "discard_items";
    const ANNOTATIONS: Annotations = Annotations::destructive();
    const SCOPES: &'static [&'static str] = &[WRITE];
    type Output = Discarded;

    async fn preview(&self, reading: &Reading, call: &Call) -> Result<Option<String>, ToolError> {
        let items = self.meant(reading, call).await?;
        let lines = items.iter().map(|item| format!("\n- {} (item {})", item.title, item.id));
        Ok(Some(format!("This throws away for good:{}", lines.collect::<String>())))
    }

    async fn call(self, reading: &Reading, call: &Call) -> Result<Discarded, ToolError> {
        self.meant(reading, call).await?;
        Ok(Discarded { items: reading.shelf.discard(&self.ids).await? })
    }
}
