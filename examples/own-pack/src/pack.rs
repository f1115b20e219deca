//! The pack: the only place that knows all of its tools, resources and prompts.

use std::sync::Arc;

use toolpack::{Pack, Server};

use crate::{
    item_page::ItemPage,
    pick_reading::PickReading,
    reading::Reading,
    reading_time::ReadingTime,
    tools::{AddItem, DiscardItems, ImportTexts, ListItems, MarkItems},
};

/// The reading list over these engines.
pub fn pack(reading: impl Into<Arc<Reading>>) -> ReadingList {
    ReadingList { reading: reading.into() }
}

/// See [`pack`].
#[derive(Clone, Debug)]
pub struct ReadingList {
    reading: Arc<Reading>,
}

impl Pack for ReadingList {
    fn add_to<S: Send + Sync + 'static>(self, server: Server<S>) -> Server<S> {
        server.with((), |server| server.tool::<ReadingTime>()).with(self.reading, |server| {
            server
                .tool::<ListItems>()
                .tool::<AddItem>()
                .tool::<DiscardItems>()
                .tool::<ImportTexts>()
                .tool::<MarkItems>()
                .resource::<ItemPage>()
                .prompt::<PickReading>()
        })
    }
}
