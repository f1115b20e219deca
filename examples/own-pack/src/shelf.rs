//! The engine of the reading list: a small trait, and the types that go in and come out.

use std::{fmt, io};

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use toolpack::{RequestError, ToolError};

use crate::topic::Topic;

/// A place for items.
///
/// Any number of calls may run at once. What returned success is durable. Dropping a future in the middle leaves what it
/// does either done or not done, never half done.
#[async_trait]
pub trait Shelf: fmt::Debug + Send + Sync + 'static {
    /// All items in the order of their ids.
    async fn items(&self) -> Result<Vec<Item>, ShelfError>;

    /// Puts these on the shelf, all or none, and says under which ids; no id is ever given twice.
    ///
    /// # Errors
    ///
    /// [`ShelfError::Full`] where there would be more than [`MOST_ITEMS`].
    async fn add(&self, items: Vec<NewItem>) -> Result<Vec<Item>, ShelfError>;

    /// Changes these, all at once, and says how they are now; those that are not there are left out. Idempotent.
    async fn change(&self, ids: &[ItemId], change: Change) -> Result<Vec<Item>, ShelfError>;

    /// Throws these away, all at once, and says which were there. Idempotent.
    async fn discard(&self, ids: &[ItemId]) -> Result<Vec<Item>, ShelfError>;
}

/// The most items on a shelf, so that every list of them is a short one.
pub const MOST_ITEMS: usize = 1000;

/// The number of an item.
pub type ItemId = u64;

/// An item that is not on the shelf yet.
#[derive(Clone, Debug)]
pub struct NewItem {
    /// What it is called.
    pub title: String,
    /// What it is about.
    pub topic: Topic,
    /// How many words it has, where that is known.
    pub words: Option<u32>,
    /// Who adds it.
    pub added_by: String,
}

/// Something to read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Item {
    /// Its number, for other tools and for `reading://item/{id}`.
    pub id: ItemId,
    /// What it is called.
    pub title: String,
    /// What it is about.
    pub topic: Topic,
    /// How many words it has; absent where nobody knows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub words: Option<u32>,
    /// Who added it.
    pub added_by: String,
    /// Whether it was read.
    #[serde(default)]
    pub is_read: bool,
}

/// What becomes of an item.
#[derive(Clone, Debug)]
pub enum Change {
    /// It was read, or was not after all.
    IsRead(bool),
    /// It is about this.
    Topic(Topic),
}

/// Why a shelf could not do its work.
#[derive(Debug)]
#[non_exhaustive]
pub enum ShelfError {
    /// There is no room for more items.
    Full,
    /// Reading or writing failed.
    Storage(io::Error),
}

/// What the model is told: what it can do about it, and never the cause, which goes to the log.
impl From<ShelfError> for ToolError {
    fn from(error: ShelfError) -> Self {
        match error {
            ShelfError::Full => {
                Self::new("shelf_full", format!("there are {MOST_ITEMS} items, the most; discard some first"))
            }
            ShelfError::Storage(cause) => {
                Self::new("storage_failed", "the list cannot be reached just now").later().caused_by(cause)
            }
        }
    }
}

/// Resources and prompts fail in the same words.
impl From<ShelfError> for RequestError {
    fn from(error: ShelfError) -> Self {
        ToolError::from(error).into()
    }
}
