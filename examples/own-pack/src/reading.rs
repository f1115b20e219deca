//! What the tools of the pack work on: its engines, and the names of its scopes.

use std::{io, path::Path, sync::Arc};

use tokio::sync::Mutex;

use crate::{
    drawer::Drawer,
    inbox::{FolderInbox, Inbox},
    shelf::Shelf,
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
}
