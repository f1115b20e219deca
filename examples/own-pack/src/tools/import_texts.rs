//! `import_texts`: long work that says how far it is, and of which nothing is left when it is cancelled.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use toolpack::{Annotations, Call, Tool, ToolError};

use crate::{
    reading::{Reading, WRITE},
    shelf::{Item, NewItem},
    topic::Topic,
};

/// Puts every text of the inbox on the list that is not there yet, with the number of its words.
///
/// All of them are added at the end, or none.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct ImportTexts {
    /// What they are about, such as `rust`.
    topic: Topic,
}

/// What was imported.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Imported {
    /// The new items; empty if every text was on the list already.
    items: Vec<Item>,
}

impl Tool<Reading> for ImportTexts {
    const NAME: &'static str = "import_texts";
    const ANNOTATIONS: Annotations = Annotations::write().idempotent();
    const SCOPES: &'static [&'static str] = &[WRITE];
    type Output = Imported;

    async fn call(self, reading: &Reading, call: &Call) -> Result<Imported, ToolError> {
        // Given back when it is dropped: at the end, at a `?`, and at the await where a cancelled call stops.
        let _turn = reading.importing.try_lock().map_err(|_| {
            ToolError::new("import_running", "an import is running; call again when it is done").later()
        })?;
        let unreadable = |cause| {
            ToolError::new("inbox_unreadable", "the inbox cannot be read just now").later().caused_by(cause)
        };
        let known = reading.shelf.items().await?;
        let mut names = reading.inbox.names().await.map_err(unreadable)?;
        names.retain(|name| known.iter().all(|item| item.title != *name));

        let total = names.len() as f64;
        let mut new = Vec::new();
        for (done, title) in names.into_iter().enumerate() {
            call.progress(done as f64, Some(total), &title);
            let words = Some(reading.inbox.words(&title).await.map_err(unreadable)?);
            let added_by = call.principal().subject().to_owned();
            new.push(NewItem { title, topic: self.topic.clone(), words, added_by });
        }
        call.progress(total, Some(total), "writing");
        Ok(Imported { items: reading.shelf.add(new).await? })
    }
}
