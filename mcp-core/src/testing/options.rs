//! Who a client in memory is, what it can do, and what it answers when it is asked.

use std::{fmt, net::IpAddr, sync::Arc};

use serde_json::{Value, json};

use crate::{Principal, Revision};

/// How a [`Client`](super::Client) presents itself; by default a local process of the newest revision that cannot be
/// asked anything.
#[derive(Clone)]
pub struct Options {
    pub(super) revision: Revision,
    pub(super) principal: Principal,
    pub(super) peer: Option<IpAddr>,
    pub(super) capabilities: Value,
    pub(super) answering: Option<Answering>,
}

/// Answers questions.
pub(super) type Answering = Arc<dyn Fn(&Asked) -> Reaction + Send + Sync>;

impl Default for Options {
    fn default() -> Self {
        Self {
            revision: Revision::V2026_07_28,
            principal: Principal::local(),
            peer: None,
            capabilities: json!({}),
            answering: None,
        }
    }
}

impl Options {
    /// Every default.
    pub fn new() -> Self {
        Self::default()
    }

    /// Speaks this revision; one with a handshake opens its session at once.
    #[must_use]
    pub fn revision(mut self, revision: Revision) -> Self {
        self.revision = revision;
        self
    }

    /// Comes on behalf of somebody else.
    #[must_use]
    pub fn principal(mut self, principal: Principal) -> Self {
        self.principal = principal;
        self
    }

    /// Comes from this address.
    #[must_use]
    pub fn peer(mut self, peer: IpAddr) -> Self {
        self.peer = Some(peer);
        self
    }

    /// Declares these capabilities.
    #[must_use]
    pub fn capabilities(mut self, capabilities: Value) -> Self {
        self.capabilities = capabilities;
        self
    }

    /// Answers every question so, and declares that it can be asked anything.
    ///
    /// In the newest revision the request is sent again with the answers, until it is done.
    #[must_use]
    pub fn answering(mut self, answer: impl Fn(&Asked) -> Reaction + Send + Sync + 'static) -> Self {
        self.capabilities = json!({
            "elicitation": {"form": {}, "url": {}},
            "sampling": {"tools": {}, "context": {}},
            "roots": {},
        });
        self.answering = Some(Arc::new(answer));
        self
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("revision", &self.revision)
            .field("principal", &self.principal)
            .field("peer", &self.peer)
            .field("capabilities", &self.capabilities)
            .finish_non_exhaustive()
    }
}

/// A question as a client sees it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Asked {
    /// The key that its author gave it; empty in a session, where it does not travel.
    pub key: String,
    /// `elicitation/create`, `sampling/createMessage` or `roots/list`.
    pub method: String,
    /// What it says.
    pub params: Value,
}

impl Asked {
    pub(super) fn new(key: impl Into<String>, question: &Value) -> Self {
        let method = question["method"].as_str().unwrap_or_default().to_owned();
        Self { key: key.into(), method, params: question["params"].clone() }
    }

    /// What a person is shown.
    pub fn message(&self) -> &str {
        self.params["message"].as_str().unwrap_or_default()
    }

    /// Fills a form in, or agrees; [`null`](Value::Null) where there is nothing to fill in.
    pub fn accept(&self, content: Value) -> Reaction {
        match content {
            Value::Null => Reaction::Answer(json!({"action": "accept"})),
            content => Reaction::Answer(json!({"action": "accept", "content": content})),
        }
    }

    /// Says no.
    pub fn decline(&self) -> Reaction {
        Reaction::Answer(json!({"action": "decline"}))
    }

    /// Turns away.
    pub fn cancel(&self) -> Reaction {
        Reaction::Answer(json!({"action": "cancel"}))
    }

    /// Lets a model say this.
    pub fn say(&self, text: &str) -> Reaction {
        let content = json!({"type": "text", "text": text});
        Reaction::Answer(
            json!({"role": "assistant", "model": "test", "content": content, "stopReason": "endTurn"}),
        )
    }

    /// Works in these folders.
    pub fn roots(&self, uris: &[&str]) -> Reaction {
        let roots: Vec<_> = uris.iter().map(|uri| json!({ "uri": uri })).collect();
        Reaction::Answer(json!({ "roots": roots }))
    }
}

/// What a client does about a question.
#[derive(Clone, Debug, PartialEq)]
pub enum Reaction {
    /// Sends this as the result.
    Answer(Value),
    /// Leaves it open: in the newest revision the request ends there, in a session the question waits.
    Leave,
    /// Answers with an error of this message, which only a session can.
    Refuse(String),
}
