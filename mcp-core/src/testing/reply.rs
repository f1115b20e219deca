//! Answers as a test wants to look at them.

use serde_json::Value;

use super::options::{Answering, Asked, Reaction};

/// The answer to any request, with the notifications that came before it.
#[derive(Clone, Debug)]
pub struct RequestReply {
    message: Value,
    notifications: Vec<Value>,
}

impl RequestReply {
    pub(super) fn new(message: Value, notifications: Vec<Value>) -> Self {
        Self { message, notifications }
    }

    /// The whole message.
    pub fn message(&self) -> &Value {
        &self.message
    }

    /// The result.
    ///
    /// # Panics
    ///
    /// If the request was answered with an error, which the message shows.
    #[track_caller]
    pub fn result(&self) -> &Value {
        self.message.get("result").unwrap_or_else(|| panic!("an error was answered: {}", self.message))
    }

    /// The error.
    ///
    /// # Panics
    ///
    /// If the request was answered with a result, which the message shows.
    #[track_caller]
    pub fn error(&self) -> &Value {
        self.message.get("error").unwrap_or_else(|| panic!("a result was answered: {}", self.message))
    }

    /// The notifications that came before the answer.
    pub fn notifications(&self) -> &[Value] {
        &self.notifications
    }

    pub(super) fn notifications_mut(&mut self) -> &mut Vec<Value> {
        &mut self.notifications
    }

    /// The questions that have to be answered before the request is served; none where it was.
    pub fn questions(&self) -> Vec<Asked> {
        let questions = self.message["result"]["inputRequests"].as_object();
        questions.into_iter().flatten().map(|(key, question)| Asked::new(key, question)).collect()
    }

    /// The state that goes back with the answers, where there is one.
    pub fn state(&self) -> Option<&str> {
        self.message["result"]["requestState"].as_str()
    }

    /// The answers to all questions, if there are any and none is left open.
    pub(super) fn answers(&self, answer: &Answering) -> Option<Value> {
        let questions = self.questions();
        if questions.is_empty() {
            return None;
        }
        let answered = questions.into_iter().map(|question| match answer(&question) {
            Reaction::Answer(response) => Some((question.key, response)),
            Reaction::Leave | Reaction::Refuse(_) => None,
        });
        answered.collect::<Option<serde_json::Map<_, _>>>().map(Value::Object)
    }
}

/// The answer to a tool call.
#[derive(Clone, Debug)]
pub struct CallReply(RequestReply);

impl From<RequestReply> for CallReply {
    fn from(reply: RequestReply) -> Self {
        Self(reply)
    }
}

impl CallReply {
    /// The text of all text blocks, each on a line of its own.
    ///
    /// # Panics
    ///
    /// If the call was answered with a JSON-RPC error.
    #[track_caller]
    pub fn text(&self) -> String {
        let blocks = self.0.result()["content"].as_array().cloned().unwrap_or_default();
        blocks.iter().filter_map(|block| block["text"].as_str()).collect::<Vec<_>>().join("\n")
    }

    /// The first block of text: the sentence of a [`Reply`](crate::Reply).
    ///
    /// # Panics
    ///
    /// If the call was answered with a JSON-RPC error.
    #[track_caller]
    pub fn sentence(&self) -> &str {
        let blocks = self.0.result()["content"].as_array().map_or(&[][..], Vec::as_slice);
        blocks.iter().find_map(|block| block["text"].as_str()).unwrap_or_default()
    }

    /// The structured content; `null` where there is none.
    ///
    /// # Panics
    ///
    /// If the call failed.
    #[track_caller]
    pub fn structured(&self) -> &Value {
        assert!(!self.is_error(), "the tool failed: {}", self.text());
        &self.0.result()["structuredContent"]
    }

    /// Whether the tool failed.
    ///
    /// # Panics
    ///
    /// If the call was answered with a JSON-RPC error.
    #[track_caller]
    pub fn is_error(&self) -> bool {
        self.0.result()["isError"] == Value::Bool(true)
    }

    /// The stable code of the failure, such as `invalid_arguments`.
    ///
    /// # Panics
    ///
    /// If the call did not fail.
    #[track_caller]
    pub fn error_code(&self) -> String {
        assert!(self.is_error(), "the tool did not fail: {}", self.0.message);
        self.0.result()["_meta"]["toolpack/error"]["code"].as_str().unwrap_or_default().to_owned()
    }

    /// The argument at fault, as a JSON pointer; empty where none is named.
    ///
    /// # Panics
    ///
    /// If the call did not fail.
    #[track_caller]
    pub fn error_pointer(&self) -> String {
        assert!(self.is_error(), "the tool did not fail: {}", self.0.message);
        self.0.result()["_meta"]["toolpack/error"]["pointer"].as_str().unwrap_or_default().to_owned()
    }

    /// The whole result, also of a call that failed.
    ///
    /// # Panics
    ///
    /// If the call was answered with a JSON-RPC error.
    #[track_caller]
    pub fn result(&self) -> &Value {
        self.0.result()
    }

    /// The whole answer.
    pub fn reply(&self) -> &RequestReply {
        &self.0
    }
}
