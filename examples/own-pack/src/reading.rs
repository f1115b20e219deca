//! What the tools of the pack work on: its engines, and the names of its scopes.

use std::{io, path::Path, sync::Arc};

use tokio::sync::Mutex;
use toolpack::ToolError;

use crate::{
    drawer::Drawer,
    inbox::{FolderInbox, Inbox},
    shelf::{Item, ItemId, Shelf},
    shelf_file::FileShelf,
};

/// The scope of whoever may put things on the list, and take their own off it.
pub const WRITE: &str = "reading:write";

/// The scope of whoever may also take off what others put there.
pub const KEEPER: &str = "reading:keeper";

/// The state of every tool of the pack.
#[derive(Debug)]
pub struct Reading {
    /// Where the items are.
    pub shelf: Arc<dyn Shelf>,
    /// Where texts wait.
    pub inbox: Arc<dyn Inbox>,
    /// Held by the one import that may run.
    pub(crate) importing: Mutex<()>,
}

impl Reading {
    /// Over these engines.
    pub fn new(shelf: Arc<dyn Shelf>, inbox: Arc<dyn Inbox>) -> Self {
        Self { shelf, inbox, importing: Mutex::new(()) }
    }

    /// Over the embedded engines, with everything in one folder.
    ///
    /// # Errors
    ///
    /// The folder cannot be used.
    pub fn open(folder: &Path) -> io::Result<Self> {
        let shelf = FileShelf::new(Drawer::open(folder)?);
        Ok(Self::new(Arc::new(shelf), Arc::new(FolderInbox::new(folder.join("inbox")))))
    }

    /// The items of these numbers, or which of them there is none of.
    pub(crate) async fn items(&self, ids: &[ItemId]) -> Result<Vec<Item>, ToolError> {
        let mut items = self.shelf.items().await?;
        if let Some(at) = ids.iter().position(|id| items.iter().all(|item| item.id != *id)) {
            let message = format!("there is no item {}; the list shows which there are", ids[at]);
            return Err(ToolError::new("item_not_found", message).at(format!("/ids/{at}")));
        }
        items.retain(|item| ids.contains(&item.id));
        Ok(items)
    }
}
