//! `reading://item/{id}`: an item as a resource.

use schemars::JsonSchema;
use serde::Deserialize;
use toolpack::{About, Call, Completing, Completion, Contents, RequestError, Resource, ResourceDefinition};

use crate::{reading::Reading, shelf::ItemId};

/// One item of the reading list, as JSON.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct ItemPage {
    /// The number of the item.
    id: ItemId,
}

impl Resource<Reading> for ItemPage {
    const URI: &'static str = "reading://item/{id}";
    const NAME: &'static str = "item";

    fn about(about: About) -> About {
        about.title("Item of the reading list").mime_type("application/json")
    }

    async fn read(self, reading: &Reading, _: &Call) -> Result<Contents, RequestError> {
        let items = reading.shelf.items().await?;
        let item = items.iter().find(|item| item.id == self.id).ok_or_else(RequestError::not_found)?;
        Contents::json(item)
    }

    async fn list(reading: &Reading, _: &Call) -> Result<Vec<ResourceDefinition>, RequestError> {
        let items = reading.shelf.items().await?;
        let page = |id| ResourceDefinition::new(format!("reading://item/{id}"), format!("item-{id}"));
        Ok(items
            .into_iter()
            .map(|item| ResourceDefinition { title: Some(item.title), ..page(item.id) })
            .collect())
    }

    async fn complete(
        reading: &Reading,
        completing: Completing,
        _: &Call,
    ) -> Result<Option<Completion>, RequestError> {
        let items = reading.shelf.items().await?;
        Ok(Some(Completion::matching(&completing, items.iter().map(|item| item.id.to_string()))))
    }
}
