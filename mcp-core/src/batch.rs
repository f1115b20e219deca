//! Several messages at a time, as revision 2025-03-26 has them, and their answers together.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use serde::de::{self, Deserializer as _, IgnoredAny};
use serde_json::value::RawValue;

use crate::{
    call::Call,
    encode,
    outbox::Outbox,
    protocol::{
        envelope::{self, Incoming, Malformed},
        error::RpcError,
    },
    verdict::Verdict,
};

/// Whether a message is an array.
pub(crate) fn is_array(message: &[u8]) -> bool {
    message.trim_ascii_start().first() == Some(&b'[')
}

/// One message of a batch, or what is wrong with it.
pub(crate) type Member<'a> = Result<Incoming<'a>, Malformed>;

/// Reads the messages of a batch.
pub(crate) fn read(message: &[u8], limit: usize) -> Result<Vec<Member<'_>>, RpcError> {
    let text =
        std::str::from_utf8(message).map_err(|_| RpcError::parse("Parse error: the batch is not UTF-8"))?;
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let members = deserializer
        .deserialize_seq(FirstMembers { limit })
        .and_then(|members| deserializer.end().map(|()| members))
        .map_err(|error| RpcError::parse(format!("Parse error: {error}")))?;
    if members.further > 0 {
        return Err(RpcError::invalid_request(format!(
            "Invalid request: a batch may hold at most {limit} messages, and this one holds {}",
            limit + members.further
        )));
    }
    if members.first.is_empty() {
        return Err(RpcError::invalid_request("Invalid request: the batch is empty"));
    }
    Ok(members.first.into_iter().map(|member| envelope::parse(member.get().as_bytes())).collect())
}

/// The members of an array up to a limit, and how many there are beyond: to keep them all would take many times the
/// room of the message.
struct Members<'a> {
    first: Vec<&'a RawValue>,
    further: usize,
}

struct FirstMembers {
    limit: usize,
}

impl<'de> de::Visitor<'de> for FirstMembers {
    type Value = Members<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of messages")
    }

    fn visit_seq<A: de::SeqAccess<'de>>(self, mut array: A) -> Result<Members<'de>, A::Error> {
        let mut members = Members { first: Vec::new(), further: 0 };
        while members.first.len() < self.limit {
            let Some(member) = array.next_element()? else { return Ok(members) };
            members.first.push(member);
        }
        while array.next_element::<IgnoredAny>()?.is_some() {
            members.further += 1;
        }
        Ok(members)
    }
}

/// Whether a message of a batch is answered.
pub(crate) fn wants_answer(member: &Member<'_>) -> bool {
    matches!(member, Err(_) | Ok(Incoming::Request { .. }))
}

/// The answers to a batch, sent together when the last one is there.
#[derive(Debug)]
pub(crate) struct Batch {
    outbox: Arc<Outbox>,
    /// How large the answers may be together: they are kept until the last one is there.
    max_bytes: usize,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// The array so far, without its end.
    answers: Vec<u8>,
    missing: usize,
}

impl Batch {
    /// A batch that so many answers are wanted to, at least one.
    pub(crate) fn new(outbox: Arc<Outbox>, missing: usize, max_bytes: usize) -> Arc<Self> {
        Arc::new(Self { outbox, max_bytes, state: Mutex::new(State { answers: vec![b'['], missing }) })
    }

    /// Takes one answer, which is small.
    pub(crate) fn answer(&self, bytes: &[u8]) {
        self.count(Some((None, bytes)));
    }

    /// Takes the answer to a call, or an error in its place where those so far leave no room for it.
    pub(crate) fn answer_call(&self, call: &Call, bytes: &[u8]) {
        self.count(Some((Some(call), bytes)));
    }

    /// Does without one answer: the request was cancelled.
    pub(crate) fn leave_out(&self) {
        self.count(None);
    }

    fn count(&self, answer: Option<(Option<&Call>, &[u8])>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((call, answer)) = answer {
            if state.answers.len() > 1 {
                state.answers.push(b',');
            }
            match call.filter(|_| state.answers.len() + answer.len() > self.max_bytes) {
                Some(call) => {
                    let limit = self.max_bytes;
                    let error = RpcError::too_large("The answer to the batch", limit);
                    encode::error(&mut state.answers, Some(call.id()), &error, call.revision());
                }
                None => state.answers.extend_from_slice(answer),
            }
        }
        state.missing -= 1;
        if state.missing > 0 {
            return;
        }
        let mut answers = std::mem::take(&mut state.answers);
        drop(state);
        if answers.len() > 1 {
            answers.push(b']');
            self.outbox.answer(None, answers, Verdict::SERVED);
        } else {
            self.outbox.end();
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on says why")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn member() -> impl Strategy<Value = String> {
        let messages = prop::sample::select(vec![
            r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#,
            r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#,
            r#"{"jsonrpc":"2.0","id":1,"result":{}}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":[]}"#,
            r#"{"id":1}"#,
            "[]",
            "7",
            "null",
            r#""],[""#,
        ]);
        (messages, "[ \t\r\n]{0,2}").prop_map(|(message, space)| format!("{space}{message}{space}"))
    }

    proptest! {
        #[test]
        fn a_batch_is_its_members(members in prop::collection::vec(member(), 0..12), limit in 0..9_usize) {
            let text = format!("[{}]", members.join(","));
            match read(text.as_bytes(), limit) {
                Ok(read) => {
                    prop_assert!(!members.is_empty() && members.len() <= limit);
                    let alone = members.iter().map(|member| envelope::parse(member.trim().as_bytes()));
                    prop_assert_eq!(format!("{read:?}"), format!("{:?}", alone.collect::<Vec<_>>()));
                }
                Err(error) if members.is_empty() => prop_assert!(error.message.contains("empty")),
                Err(error) => {
                    prop_assert!(members.len() > limit);
                    let count = format!("holds {}", members.len());
                    prop_assert!(error.message.ends_with(&count), "{error}");
                }
            }
        }

        #[test]
        fn any_bytes_are_a_batch_or_none(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            let bytes = [b"[".as_slice(), &bytes, b"]"].concat();
            let is_json = serde_json::from_slice::<IgnoredAny>(&bytes).is_ok();
            prop_assert!(read(&bytes, 100).is_ok() <= is_json);
        }
    }
}
