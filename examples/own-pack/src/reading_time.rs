//! `reading_time`: how long a text takes to read.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use toolpack::{Annotations, Call, Tool, ToolError};

/// Words that most people read in a minute.
const PACE: u32 = 230;

/// Says how long a text takes to read.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct ReadingTime {
    /// How many words the text has, such as 1200.
    words: u32,
}

/// How long it takes.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Minutes {
    /// Whole minutes, rounded up.
    minutes: u32,
}

impl Tool for ReadingTime {
    const NAME: &'static str = "reading_time";
    const ANNOTATIONS: Annotations = Annotations::read_only();
    type Output = Minutes;

    async fn call(self, _: &(), _: &Call) -> Result<Minutes, ToolError> {
        Ok(Minutes { minutes: self.words.div_ceil(PACE) })
    }
}
