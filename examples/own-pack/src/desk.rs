//! Mixing: bext's tools and ours in one server, with an engine of bext's replaced by our own.

use std::{error::Error, path::Path, sync::Arc};

use toolpack::{
    ConfirmDestructive, PackOptions, Server,
    bext::{
        self,
        engine::{
            Engines, SystemClock,
            embedded::{Embedded, EmbeddedConfig},
        },
    },
};

use crate::{
    drawer::Drawer,
    inbox::FolderInbox,
    pack::{ReadingList, pack},
    pockets::Pockets,
    reading::Reading,
    shelf_file::FileShelf,
};

/// The packs of a desk, to be mixed as one likes.
#[derive(Clone, Debug)]
pub struct Desk {
    /// The reading list.
    pub reading: ReadingList,
    /// bext: its own instances and databases, and our pockets for its keys.
    pub bext: bext::Bext,
}

impl Desk {
    /// Everything in one folder; the reading list and the pockets even in one file.
    ///
    /// # Errors
    ///
    /// The folder cannot be used.
    pub async fn open(folder: &Path) -> Result<Self, Box<dyn Error>> {
        let drawer = Drawer::open(folder)?;
        let shelf = Arc::new(FileShelf::new(drawer.clone()));
        let reading = Reading::new(shelf, Arc::new(FolderInbox::new(folder.join("inbox"))));

        let embedded = Embedded::open(folder.join("bext"), EmbeddedConfig::default()).await?;
        let engines = Engines::of(embedded);
        let pockets = Pockets::new(drawer, Arc::clone(&engines.instances), Arc::new(SystemClock));
        let engines = engines.with_key_value(Arc::new(pockets));
        Ok(Self { reading: pack(reading), bext: bext::pack(engines) })
    }

    /// The reading list as it is; of bext the keys and values, and of those nothing that takes back what is live.
    pub fn server(self) -> Server {
        let keys = ["kv_get", "kv_set", "kv_delete", "kv_list"];
        let harmless = PackOptions::new().prefix("my_").only(keys).tools_that(|effect| !effect.destructive);
        Server::new("reading-desk", env!("CARGO_PKG_VERSION"))
            .confirm(ConfirmDestructive::new())
            .pack(self.reading, PackOptions::new())
            .pack(self.bext, harmless)
    }
}
