//! What is told of every call to whoever keeps a record: the decision, the confirmation, the outcome.

use std::{error::Error, fmt, future::Future, net::IpAddr, pin::Pin, time::Duration};

use serde::Deserialize;

use crate::{
    policy::{Action, Denied},
    principal::Principal,
    protocol::{JsonObject, id::RequestId},
    questions::NotAccepted,
    transport_kind::TransportKind,
};

/// Keeps a record of calls, resources read and prompts filled in.
///
/// It is told before the work begins and after it has ended, so that work that takes the process down with it is on
/// record too. What it is told holds no secrets that core could know of, and no long values; it is told of calls that
/// were refused as well, also because nothing has the name that they asked for.
///
/// Calls wait for [`record`](Self::record) to return: an implementation that writes far away takes a copy and returns.
/// For a disk or a network there is [`Recording::Later`].
pub trait Audit: Send + Sync + 'static {
    /// Takes note of one event.
    fn record(&self, entry: &AuditEntry<'_>) -> Recording;

    /// What depends on the record; asked once, when the server is put together. [`AuditMode::BestEffort`] when not given.
    fn mode(&self) -> AuditMode {
        AuditMode::BestEffort
    }
}

/// What depends on whether a call is on record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum AuditMode {
    /// Nothing is recorded, and nothing is spent on it.
    Off,
    /// A call neither waits for its record nor fails with it.
    #[default]
    BestEffort,
    /// What is not read-only runs only once its beginning is durable, and returns success only once its end is. All else
    /// is recorded as in [`BestEffort`](Self::BestEffort).
    Required,
}

/// What became of an event.
#[must_use]
pub enum Recording {
    /// It is on record, as durable as it will be; or nobody waits for it.
    Done,
    /// It is on its way, and durable when the future is done.
    Later(Pin<Box<dyn Future<Output = Result<(), NotRecorded>> + Send>>),
    /// It is not on record.
    Failed(NotRecorded),
}

impl Recording {
    /// Waits until it is decided.
    pub(crate) async fn settled(self) -> Result<(), NotRecorded> {
        match self {
            Self::Done => Ok(()),
            Self::Later(durable) => durable.await,
            Self::Failed(error) => Err(error),
        }
    }
}

impl fmt::Debug for Recording {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Done => f.write_str("Done"),
            Self::Later(_) => f.write_str("Later"),
            Self::Failed(error) => f.debug_tuple("Failed").field(error).finish(),
        }
    }
}

/// Why an event could not be recorded. It goes to the log; the client learns only that it is so.
#[derive(Debug)]
pub struct NotRecorded(Box<dyn Error + Send + Sync>);

impl NotRecorded {
    /// For this reason.
    pub fn because(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self(cause.into())
    }
}

impl fmt::Display for NotRecorded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the audit could not record an event")
    }
}

impl Error for NotRecorded {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(self.0.as_ref())
    }
}

/// One event in the course of a request.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct AuditEntry<'a> {
    /// The number of the call in this process, by which the entries of one are told from those of others.
    pub serial: u64,
    /// The id that the client gave its request; other clients may have given it too.
    pub request: &'a RequestId,
    /// On whose behalf.
    pub principal: &'a Principal,
    /// Over what the request came.
    pub transport: TransportKind,
    /// From where, if it came over a network.
    pub peer: Option<IpAddr>,
    /// The trace that the request belongs to, of the 32 hexadecimal digits that W3C's `traceparent` has for it.
    pub trace_id: Option<&'a str>,
    /// What was to be done. A URI is cut to [`LONGEST_TEXT`](Self::LONGEST_TEXT) in its middle, and credentials in it are
    /// hidden.
    pub action: Action<'a>,
    /// The arguments of a tool or a prompt as they came, with secrets hidden and long values cut; `None` where there are
    /// none, and where nothing has the name that was asked for.
    ///
    /// Hidden are places that the schema marks as `writeOnly` or as of the format `password`, members whose name is like a
    /// credential's (`password`, `api_key`, `token` and others), and in texts what is a credential by its form. Cut are
    /// texts (in their middle), lists and objects, each at a length of its own, and all of them together.
    pub arguments: Option<&'a JsonObject>,
    /// A digest of all arguments as they came, secrets and all, by which it can be proved what they were: see
    /// [`digest`](Self::digest). A short secret can be guessed from it, so it is to be kept only under a key (as of an HMAC).
    pub arguments_digest: Option<&'a [u8; 32]>,
    /// Whether a person agreed, from when that is known.
    pub confirmation: Option<Confirmation>,
    /// What happened.
    pub event: AuditEvent<'a>,
    /// How long the work took, once it has ended.
    pub took: Option<Duration>,
    /// Whether the call waits until this is durable; where it does not, [`Recording::Later`] is not waited for.
    pub is_awaited: bool,
}

impl AuditEntry<'_> {
    /// The most characters that are shown of a text, before it is cut.
    pub const LONGEST_TEXT: usize = crate::redaction::LONGEST_TEXT;

    /// The digest that [`arguments_digest`](Self::arguments_digest) has of these: the SHA-256 of their JSON without blanks,
    /// the members of each object in the order of their names (by code points).
    pub fn digest(arguments: &JsonObject) -> [u8; 32] {
        crate::noted::digest(arguments)
    }
}

/// What happened to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AuditEvent<'a> {
    /// The policy said no.
    Denied(&'a Denied),
    /// Nothing was done, for another reason: the arguments do not fit, say, or the person could not be asked.
    Refused {
        /// The stable code of the tool's error.
        code: &'a str,
    },
    /// The person is asked for consent, and nothing is done before it is given.
    AsksForConsent,
    /// The person was asked, and did not agree.
    NotConfirmed(NotAccepted),
    /// The work is about to begin.
    Begins(Confirmation),
    /// The work has ended.
    Ended(Ending<'a>),
}

/// Whether a person agreed before the work began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Confirmation {
    /// Nobody had to.
    NotNeeded,
    /// Somebody would have had to, and the policy let this caller through unasked.
    Waived,
    /// The person agreed to exactly what is done now.
    Given,
}

/// How the work ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ending<'a> {
    /// With a result.
    Completed,
    /// With an error of this code.
    Failed {
        /// The stable code of a tool's error; `error` where there is none: of a resource, a prompt, a reply that says of
        /// itself that it failed, or an error of the protocol.
        code: &'a str,
    },
    /// With a question to the client, who may come back with the answer.
    Asks,
    /// Before its end: the client went away, the time was up, or the work panicked.
    Cancelled,
}

impl<A: Audit + ?Sized> Audit for std::sync::Arc<A> {
    fn record(&self, entry: &AuditEntry<'_>) -> Recording {
        (**self).record(entry)
    }

    fn mode(&self) -> AuditMode {
        (**self).mode()
    }
}
