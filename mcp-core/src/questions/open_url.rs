//! A visit to a URL: what must not pass through the client, such as a login or a payment.

use serde_json::json;

use super::{Ability, Answer, Forms, Prepared, Question, form::elicit};
use crate::protocol::revision::Revision;

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
        if !is_fit(&self.url) {
            return Err("its URL is not an absolute `https:` URL of ASCII characters without a user's name (`http:` for this machine alone)".to_owned());
        }
        let mut params = json!({"mode": "url", "message": self.message, "url": self.url});
        if !revision.is_modern() {
            // Named in a notification when the visit is over, which we do not send; required all the same.
            params["elicitationId"] = json!(super::seal::random_id()?);
        }
        elicit(Ability::OpenUrl, &params, |_| Ok(()))
    }
}

/// Whether people may be sent to this URL.
fn is_fit(url: &str) -> bool {
    let (is_secure, rest) = match (url.strip_prefix("https://"), url.strip_prefix("http://")) {
        (Some(rest), _) => (true, rest),
        (_, Some(rest)) => (false, rest),
        (None, None) => return false,
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    // What stands before an `@` looks like the host to whoever reads the URL (RFC 3986, section 7.6); where a backslash
    // ends the host depends on who reads it.
    if authority.is_empty() || authority.contains(['@', '\\']) {
        return false;
    }
    if !url.bytes().all(|byte| byte.is_ascii_graphic()) {
        return false;
    }
    let host = match authority.rfind(':') {
        Some(colon) if !authority.ends_with(']') => &authority[..colon],
        _ => authority,
    };
    is_secure || ["localhost", "127.0.0.1", "[::1]"].contains(&host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_https_is_sent_to_people_and_http_for_this_machine() {
        let is_fine =
            |url: &str| OpenUrl::new("", url).prepare(&Forms::default(), Revision::V2026_07_28).is_ok();
        for url in [
            "https://example.com",
            "https://a.b/c?d#e",
            "http://localhost:1/x",
            "http://127.0.0.1",
            "http://[::1]:2",
            "http://[::1]",
            "https://example.com/@user?to=a@b#c@d",
        ] {
            assert!(is_fine(url), "{url}");
        }
        for url in [
            "",
            "https://",
            "https:///x",
            "javascript:alert(1)",
            "http://example.com",
            "http://localhost.example.com",
            "http://127.0.0.1.example.com",
            "http://[::1].example.com",
            "http://localhost@example.com",
            "http://localhost:1@example.com",
            "http://127.0.0.1:80@example.com/",
            "http://localhost\\@example.com",
            "http://example.com\\@localhost",
            "https://bank.example@example.com",
            "https://:secret@example.com",
            "https://a b",
            "https://ä",
        ] {
            assert!(!is_fine(url), "{url}");
        }
    }
}
