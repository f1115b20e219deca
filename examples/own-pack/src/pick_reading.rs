//! `pick_reading`: a prompt that has the model pick something for the time there is.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::Deserialize;
use toolpack::{Call, Completing, Completion, Messages, Prompt, RequestError};

use crate::{reading::Reading, topic::Topic};

/// Picks something to read for the time there is.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct PickReading {
    /// How many minutes there are.
    #[schemars(range(min = 1, max = 600))]
    minutes: u32,
    /// Only about this.
    topic: Option<Topic>,
}

impl Prompt<Reading> for PickReading {
    const NAME: &'static str = "pick_reading";

    async fn get(self, reading: &Reading, _: &Call) -> Result<Messages, RequestError> {
        let items = reading.shelf.items().await?;
        let unread = items.iter().filter(|item| !item.is_read);
        let fits = unread.filter(|item| self.topic.as_ref().is_none_or(|topic| item.topic == *topic));
        let lines = fits.map(|item| match item.words {
            Some(words) => format!("- {} ({words} words)\n", item.title),
            None => format!("- {}\n", item.title),
        });
        Ok(Messages::user(format!(
            "I have {} minutes. Pick one of these for me; reckon how long it takes where you are not sure:\n{}",
            self.minutes,
            lines.collect::<String>()
        )))
    }

    async fn complete(
        reading: &Reading,
        completing: Completing,
        _: &Call,
    ) -> Result<Option<Completion>, RequestError> {
        if completing.argument != "topic" {
            return Ok(None);
        }
        let items = reading.shelf.items().await?;
        let topics: BTreeSet<String> = items.into_iter().map(|item| item.topic.into()).collect();
        Ok(Some(Completion::matching(&completing, topics)))
    }
}
