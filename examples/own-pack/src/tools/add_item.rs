//! `add_item`: puts something on the list, and asks for what it was not told.

use schemars::JsonSchema;
use serde::Deserialize;
use toolpack::{Ability, Access, Annotations, Answer, Call, Form, Reply, Tool, ToolError};

use crate::{
    reading::{Reading, WRITE},
    shelf::{Item, NewItem},
    topic::Topic,
};

/// Puts something to read on the list.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct AddItem {
    /// What it is called, such as `A Philosophy of Software Design`.
    #[schemars(length(min = 1, max = 200))]
    title: String,
    /// What it is about, such as `rust`.
    topic: Topic,
    /// How many words it has; the person is asked when absent.
    words: Option<u32>,
}

/// What the person is asked.
#[derive(Debug, Deserialize, JsonSchema)]
struct Length {
    /// How many words has it, roughly?
    #[schemars(range(min = 1))]
    words: u32,
}

impl Tool<Reading> for AddItem {
    const NAME: &'static str = "add_item";
    const ANNOTATIONS: Annotations = Annotations::write();
    const SCOPES: &'static [&'static str] = &[WRITE];
    type Output = Reply<Item>;

    fn access(&self) -> Access {
        Access::object("topic", self.topic.to_string())
    }

    async fn call(self, reading: &Reading, call: &Call) -> Result<Reply<Item>, ToolError> {
        // Up to the last question this only looks: with some clients it runs again for each answer.
        let items = reading.shelf.items().await?;
        let words = match self.words {
            None if call.can_ask(Ability::Form) => {
                let form = Form::<Length>::new(format!("How long is “{}”?", self.title));
                match call.ask("length", form).await {
                    Answer::Accepted(length) => Some(length.words),
                    Answer::Declined | Answer::Cancelled => None,
                }
            }
            words => words,
        };
        // Consent comes last: it counts once.
        if let Some(twin) = items.iter().find(|item| item.title == self.title) {
            let (id, title) = (twin.id, &twin.title);
            call.confirm(&format!("“{title}” is on the list already, as item {id}. Add it again?")).await?;
        }

        let added_by = call.principal().subject().to_owned();
        let item = NewItem { title: self.title, topic: self.topic, words, added_by };
        let added = reading.shelf.add(vec![item]).await?.pop();
        let item = added.ok_or_else(|| ToolError::new("not_added", "the shelf did not take the item"))?;
        Ok(Reply::new(format!("Added “{}” as item {}.", item.title, item.id), item))
    }
}
