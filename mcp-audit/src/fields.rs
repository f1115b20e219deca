//! What a record says of an event, beside its place in the chain.

use std::borrow::Cow;

use jiff::Timestamp;
use mcp_core::{AuditEntry, AuditEvent, Confirmation, Ending, NotAccepted};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::key::Key;

/// The most characters of a name, a subject or a reason that are kept.
const LONGEST_WORDS: usize = 200;

/// The members of a record, in the order that they stand in.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Fields<'a> {
    /// When it was told, in UTC (RFC 3339).
    pub(crate) time: Cow<'a, str>,
    /// `begins`, `ended`, `denied`, `refused`, `asks_for_consent`, `not_confirmed`; or of the log itself `lost`, `damaged`.
    pub(crate) event: Cow<'a, str>,
    /// By which the records of one call are told from others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) call: Option<Cow<'a, str>>,
    /// The id that the client gave the request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) request: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) kind: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) subject: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) transport: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) peer: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) trace: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) method: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) arguments: Option<Cow<'a, Map<String, Value>>>,
    /// Of all arguments as they came, under the key: 32 hexadecimal digits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) digest: Option<Cow<'a, str>>,
    /// `allowed` or `denied`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) decision: Option<Cow<'a, str>>,
    /// Why it was denied, or what is wrong with the log.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<Cow<'a, str>>,
    /// The scopes that were missing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) scopes: Vec<Cow<'a, str>>,
    /// `not_needed`, `waived`, `given`, `declined` or `cancelled`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) confirmation: Option<Cow<'a, str>>,
    /// `ok`, `error`, `asks` or `cancelled`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) outcome: Option<Cow<'a, str>>,
    /// The code of an error.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) code: Option<Cow<'a, str>>,
    /// How long the work took.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) micros: Option<u64>,
    /// How many records were lost.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) count: Option<u64>,
}

impl<'a> Fields<'a> {
    /// Of an event in the course of a call; with a digest of its arguments where there is a key for it.
    pub(crate) fn of(entry: &AuditEntry<'a>, call: &'a str, key: Option<&Key>) -> Self {
        let mut fields = Self {
            time: now(),
            call: Some(call.into()),
            request: Some(cut(&entry.request.to_string()).into_owned().into()),
            kind: Some(entry.principal.kind().as_str().into()),
            subject: Some(cut(entry.principal.subject())),
            transport: Some(entry.transport.as_str().into()),
            peer: entry.peer.map(|peer| peer.to_string().into()),
            trace: entry.trace_id.map(Into::into),
            method: Some(entry.action.method.into()),
            name: Some(cut(entry.action.name).into_owned().into()),
            arguments: entry.arguments.map(Cow::Borrowed),
            digest: key.zip(entry.arguments_digest).map(|(key, digest)| key.digest(digest).into()),
            decision: Some("allowed".into()),
            confirmation: entry.confirmation.map(confirmation),
            micros: entry.took.map(|took| u64::try_from(took.as_micros()).unwrap_or(u64::MAX)),
            ..Self::default()
        };
        fields.event = match entry.event {
            AuditEvent::Denied(denied) => {
                fields.decision = Some("denied".into());
                // Not what the client is told, which says nothing of what is hidden.
                fields.reason = Some(cut(denied.reason()));
                fields.scopes = denied.scopes().iter().map(|scope| cut(scope)).collect();
                "denied"
            }
            AuditEvent::Refused { code } => {
                fields.code = Some(cut(code));
                "refused"
            }
            AuditEvent::AsksForConsent => "asks_for_consent",
            AuditEvent::NotConfirmed(refusal) => {
                fields.confirmation = Some(refused(refusal).into());
                "not_confirmed"
            }
            AuditEvent::Begins(_) => "begins",
            AuditEvent::Ended(ending) => {
                fields.end(ending);
                "ended"
            }
            _ => "other",
        }
        .into();
        fields
    }

    fn end(&mut self, ending: Ending<'a>) {
        let (outcome, code) = match ending {
            Ending::Completed => ("ok", None),
            Ending::Failed { code } => ("error", Some(code)),
            Ending::Asks => ("asks", None),
            Ending::Cancelled => ("cancelled", None),
            _ => ("other", None),
        };
        self.outcome = Some(outcome.into());
        self.code = code.map(cut);
    }

    /// Records that could not be kept.
    pub(crate) fn lost(count: u64) -> Self {
        Self { time: now(), event: "lost".into(), count: Some(count), ..Self::default() }
    }

    /// What is wrong with the log that the writer found.
    pub(crate) fn damaged(reason: &'a str) -> Self {
        Self { time: now(), event: DAMAGED.into(), reason: Some(reason.into()), ..Self::default() }
    }

    /// As JSON, without the braces.
    pub(crate) fn to_text(&self) -> String {
        // Texts, numbers and what was JSON before: there is nothing that could not be written.
        let mut text = serde_json::to_string(self).unwrap_or_default();
        text.pop();
        if !text.is_empty() {
            text.remove(0);
        }
        text
    }
}

/// The event of a record that says what is wrong with the log.
pub(crate) const DAMAGED: &str = "damaged";

fn now() -> Cow<'static, str> {
    // As many digits in every record.
    format!("{:.6}", Timestamp::now()).into()
}

fn cut(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(LONGEST_WORDS) {
        None => text.into(),
        Some((end, _)) => format!("{}…", &text[..end]).into(),
    }
}

fn confirmation(confirmation: Confirmation) -> Cow<'static, str> {
    match confirmation {
        Confirmation::NotNeeded => "not_needed",
        Confirmation::Waived => "waived",
        Confirmation::Given => "given",
        _ => "other",
    }
    .into()
}

fn refused(refusal: NotAccepted) -> &'static str {
    match refusal {
        NotAccepted::Declined => "declined",
        NotAccepted::Cancelled => "cancelled",
    }
}
