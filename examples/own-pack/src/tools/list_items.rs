//! `list_items`: what is on the list, a page at a time.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use toolpack::{About, Annotations, Call, Reply, Tool, ToolError};

use crate::{
    reading::Reading,
    shelf::{Item, ItemId},
    topic::Topic,
};

/// Lists what is on the reading list, oldest first.
///
/// While there is a `next` there is more: call again with it as `after`.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct ListItems {
    /// Only items about this, such as `rust`; all of them when absent.
    topic: Option<Topic>,
    /// `next` of the page before; the first page when absent.
    after: Option<ItemId>,
    /// How many items this page has at most: 1 to 100.
    #[serde(default = "fifty")]
    #[schemars(range(min = 1, max = 100))]
    limit: usize,
}

fn fifty() -> usize {
    50
}

/// One page of the list.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Page {
    /// The items, in the order in which they were added; empty if there are none.
    items: Vec<Item>,
    /// Where the next page begins; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<ItemId>,
}

impl Tool<Reading> for ListItems {
    const NAME: &'static str = "list_items";
    const ANNOTATIONS: Annotations = Annotations::read_only();
    type Output = Reply<Page>;

    fn about(about: About) -> About {
        about.title("List what to read")
    }

    async fn call(self, reading: &Reading, _: &Call) -> Result<Reply<Page>, ToolError> {
        let mut items = reading.shelf.items().await?;
        items.retain(|item| self.topic.as_ref().is_none_or(|topic| item.topic == *topic));
        let in_all = items.len();
        items.retain(|item| self.after.is_none_or(|after| item.id > after));
        let is_last = items.len() <= self.limit;
        items.truncate(self.limit);
        let next = items.last().filter(|_| !is_last).map(|item| item.id);
        let text = format!("{} of {in_all} items.", items.len());
        Ok(Reply::new(text, Page { items, next }))
    }
}
