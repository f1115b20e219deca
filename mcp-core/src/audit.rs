//! What is told of every call to whoever keeps a record: the decision, the confirmation, the outcome.

use crate::{
    policy::{Action, Denied},
    principal::Principal,
    protocol::id::RequestId,
    questions::NotAccepted,
};

/// Keeps a record of calls, resources read and prompts filled in.
///
/// It is told before the work begins and after it has ended, so that work that takes the process down with it is on
/// record too. Calls wait for it: an implementation that writes far away takes a copy and returns.
pub trait Audit: Send + Sync + 'static {
    /// Takes note of one event.
    fn record(&self, entry: &AuditEntry<'_>);
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
    /// What was to be done. Arguments are not here: they may hold secrets, and what matters of them is what
    /// [`Access`](crate::Access) names.
    pub action: Action<'a>,
    /// What happened.
    pub event: AuditEvent<'a>,
}

/// What happened to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AuditEvent<'a> {
    /// The policy said no.
    Denied(&'a Denied),
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
    fn record(&self, entry: &AuditEntry<'_>) {
        (**self).record(entry);
    }
}
