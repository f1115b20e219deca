//! The folders that a client works in.

use serde::Deserialize;
use serde_json::json;

use super::{Ability, Forms, Misfit, Prepared, Question};
use crate::protocol::{method, revision::Revision};

/// Asks for the folders that the client works in; the answer is a list of [`Root`]s, which may be empty.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[must_use = "a question does nothing until it is asked"]
pub struct ListRoots;

/// A folder that a client works in.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Root {
    /// Where it is: a `file:` URI.
    pub uri: String,
    /// A name for people.
    #[serde(default)]
    pub name: Option<String>,
}

impl Question for ListRoots {
    type Answer = Vec<Root>;

    fn prepare(self, _: &Forms, _: Revision) -> Result<Prepared<Vec<Root>>, String> {
        #[derive(Deserialize)]
        struct Response {
            roots: Vec<Root>,
        }

        let params = serde_json::value::to_raw_value(&json!({})).map_err(|error| error.to_string())?;
        let read = |response| {
            serde_json::from_value(response).map(|response: Response| response.roots).map_err(|_| {
                Misfit::Malformed(
                    "it has to be an object with `roots`, a list of objects with `uri`".to_owned(),
                )
            })
        };
        Ok(Prepared { method: method::ROOTS_LIST, params, needs: vec![Ability::Roots], read: Box::new(read) })
    }
}
