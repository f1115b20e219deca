//! A visit to a URL: what must not pass through the client, such as a login or a payment.

use serde_json::json;

use super::{Ability, Answer, Forms, Prepared, Question, form::read_action};
use crate::protocol::{method, revision::Revision};

/// Sends a person to a URL, with their consent; the answer says whether they agreed to go, not what they did there.
///
/// Whoever opens the URL may be somebody else than the caller: the page has to make sure who they are, and the tool has
/// to look up what came of it (specification 2026-07-28, "Safe URL Handling" and "Phishing"). The URL itself must not
/// hold secrets or let anybody in.
#[derive(Clone, Debug)]
#[must_use = "a question does nothing until it is asked"]
pub struct OpenUrl {
    message: String,
    url: String,
}

impl OpenUrl {
    /// A visit to this `https:` URL, and what it is for; `http:` is for development on one's own machine.
    pub fn new(message: impl Into<String>, url: impl Into<String>) -> Self {
        Self { message: message.into(), url: url.into() }
    }
}

impl Question for OpenUrl {
    type Answer = Answer<()>;

    fn prepare(self, _: &Forms, revision: Revision) -> Result<Prepared<Answer<()>>, String> {
        let rest = self.url.strip_prefix("https://").or_else(|| self.url.strip_prefix("http://"));
        let is_printable = self.url.bytes().all(|byte| byte.is_ascii_graphic());
        if !is_printable || rest.is_none_or(|rest| rest.is_empty() || rest.starts_with(['/', '?', '#'])) {
            return Err("its URL is not an absolute `https:` URL of ASCII characters".to_owned());
        }
        let mut params = json!({"mode": "url", "message": self.message, "url": self.url});
        if !revision.is_modern() {
            // Named in a notification when the visit is over, which we do not send; required all the same.
            params["elicitationId"] = json!(super::seal::random_id()?);
        }
        let params = serde_json::value::to_raw_value(&params).map_err(|error| error.to_string())?;
        let read = |response| read_action(response)?.try_map(|_| Ok(()));
        Ok(Prepared {
            method: method::ELICITATION_CREATE,
            params,
            needs: vec![Ability::OpenUrl],
            read: Box::new(read),
        })
    }
}
