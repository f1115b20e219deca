//! The embedded engine: a shelf in a section of a [`Drawer`].

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::{
    drawer::Drawer,
    shelf::{Change, Item, ItemId, MOST_ITEMS, NewItem, Shelf, ShelfError},
};

/// The section of the drawer.
const SECTION: &str = "shelf";

/// A shelf on disk.
#[derive(Clone, Debug)]
pub struct FileShelf {
    drawer: Drawer,
}

/// What lies in the drawer.
#[derive(Default, Serialize, Deserialize)]
struct Contents {
    last_id: ItemId,
    items: Vec<Item>,
}

impl FileShelf {
    /// The shelf in this drawer.
    pub fn new(drawer: Drawer) -> Self {
        Self { drawer }
    }
}

#[async_trait]
impl Shelf for FileShelf {
    async fn items(&self) -> Result<Vec<Item>, ShelfError> {
        let contents: Contents = self.drawer.read(SECTION).await.map_err(ShelfError::Storage)?;
        Ok(contents.items)
    }

    async fn add(&self, new: Vec<NewItem>) -> Result<Vec<Item>, ShelfError> {
        let add = move |contents: &mut Contents| {
            if contents.items.len() + new.len() > MOST_ITEMS {
                return Err(ShelfError::Full);
            }
            let before = contents.items.len();
            for NewItem { title, topic, words, added_by } in new {
                contents.last_id += 1;
                let id = contents.last_id;
                contents.items.push(Item { id, title, topic, words, added_by, is_read: false });
            }
            Ok(contents.items[before..].to_vec())
        };
        self.drawer.change(SECTION, add).await.map_err(ShelfError::Storage)?
    }

    async fn change(&self, ids: &[ItemId], change: Change) -> Result<Vec<Item>, ShelfError> {
        let ids = ids.to_vec();
        let change = move |contents: &mut Contents| {
            let items = contents.items.iter_mut().filter(|item| ids.contains(&item.id));
            let changed = items.map(|item| {
                match &change {
                    Change::IsRead(is_read) => item.is_read = *is_read,
                    Change::Topic(topic) => item.topic = topic.clone(),
                }
                item.clone()
            });
            changed.collect()
        };
        self.drawer.change(SECTION, change).await.map_err(ShelfError::Storage)
    }

    async fn discard(&self, ids: &[ItemId]) -> Result<Vec<Item>, ShelfError> {
        let ids = ids.to_vec();
        let discard = move |contents: &mut Contents| {
            contents.items.extract_if(.., |item| ids.contains(&item.id)).collect()
        };
        self.drawer.change(SECTION, discard).await.map_err(ShelfError::Storage)
    }
}
