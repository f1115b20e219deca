//! The limits of a server, each with its default.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{protocol::error::RpcError, rates::Rates};

/// What a server lets its clients cost. Past a limit that request alone fails, with an error that names the limit.
///
/// The size of a message is a limit of the transport that reads it, and JSON may nest 127 levels deep.
///
/// In a file times are in seconds, as `call_seconds` and `answer_seconds`; what is not there has its default, and what is
/// not known is refused.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct Limits {
    /// How long a request may run; 5 minutes by default. Subscriptions are open for as long as the client likes.
    #[serde(rename = "call_seconds", with = "seconds")]
    pub call_time: Duration,
    /// How many requests may run at once over all connections; 1,024 by default.
    pub concurrent_calls: usize,
    /// How many requests of one caller may run at once; 64 by default. A caller is a principal or, where that is nobody in
    /// particular, an address ([`Caller::of`](crate::Caller::of)).
    pub calls_per_caller: usize,
    /// How often one caller may call.
    pub rates: Rates,
    /// How many messages may come at once as an array, as revision 2025-03-26 has it; 100 by default.
    pub batch_length: usize,
    /// How many items a list page holds; 100 by default.
    pub page_size: usize,
    /// How large an answer may be on the wire, in bytes, lists apart, and all answers to a batch together; 16 MiB by
    /// default.
    pub result_bytes: usize,
    /// How many subscriptions may be open at once; 16,384 by default.
    pub subscriptions: usize,
    /// How many of them one caller may have open; 1,024 by default.
    pub subscriptions_per_caller: usize,
    /// How many resources one subscription may name; 1,024 by default.
    pub subscribed_resources: usize,
    /// How long the URIs of one subscription may be together, in bytes; 64 KiB by default. A session keeps them for as long
    /// as it lasts.
    pub subscribed_bytes: usize,
    /// How much a client may say of itself when it opens a session, in bytes; 16 KiB by default. A session keeps its name
    /// and its capabilities.
    pub client_bytes: usize,
    /// How many notifications wait for a slow reader of one connection or stream; 256 by default.
    pub queued_notifications: usize,
    /// How many bytes of notifications wait for a slow reader, unless a single one is larger; 1 MiB by default.
    pub queued_bytes: usize,
    /// How many rounds of questions one request may ask; 8 by default.
    pub question_rounds: usize,
    /// How large the state may be that a client carries between two rounds, answers so far included, in bytes; 32 KiB by
    /// default.
    pub state_bytes: usize,
    /// How long an answer may take, before what was asked is asked anew or, in a session, given up; 10 minutes by default.
    #[serde(rename = "answer_seconds", with = "seconds")]
    pub answer_time: Duration,
    /// How many questions may wait for the answers of sessions at once; 1,024 by default. Calls that wait so do not
    /// count as running, and their time stands still.
    pub waiting_questions: usize,
    /// How many of them may be put to one caller; 64 by default.
    pub questions_per_caller: usize,
}

/// Times in files: seconds, whole or not.
mod seconds {
    use std::time::Duration;

    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    pub(super) fn serialize<S: Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(time.as_secs_f64())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        let seconds = f64::deserialize(deserializer)?;
        Duration::try_from_secs_f64(seconds)
            .map_err(|_| D::Error::custom(format!("{seconds} seconds is no time")))
    }
}

impl Limits {
    /// Lets one caller have all there is, as often as it likes: no rates, no shares. For a server that one caller has to
    /// itself, such as one under measurement: `Server::limits(Limits::for_one_caller)`.
    pub fn for_one_caller(&mut self) {
        self.rates = Rates::off();
        self.calls_per_caller = usize::MAX;
        self.subscriptions_per_caller = usize::MAX;
        self.questions_per_caller = usize::MAX;
    }

    /// Whether one subscription may name all of these.
    pub(crate) fn check_subscribed<'a>(
        &self,
        uris: impl IntoIterator<Item = &'a str>,
    ) -> Result<(), RpcError> {
        let (count, bytes) =
            uris.into_iter().fold((0, 0), |(count, bytes), uri| (count + 1, bytes + uri.len()));
        let too_much =
            |limit| Err(RpcError::invalid_params(format!("A subscription may name at most {limit}")));
        if count > self.subscribed_resources {
            return too_much(format!("{} resources", self.subscribed_resources));
        }
        if bytes > self.subscribed_bytes {
            return too_much(format!("{} bytes of URIs", self.subscribed_bytes));
        }
        Ok(())
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            call_time: Duration::from_secs(300),
            concurrent_calls: 1024,
            calls_per_caller: 64,
            rates: Rates::default(),
            batch_length: 100,
            page_size: 100,
            result_bytes: 16 << 20,
            subscriptions: 16_384,
            subscriptions_per_caller: 1024,
            subscribed_resources: 1024,
            subscribed_bytes: 64 << 10,
            client_bytes: 16 << 10,
            queued_notifications: 256,
            queued_bytes: 1 << 20,
            question_rounds: 8,
            state_bytes: 32 << 10,
            answer_time: Duration::from_secs(600),
            waiting_questions: 1024,
            questions_per_caller: 64,
        }
    }
}
