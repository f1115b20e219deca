//! The inner ring: what stands between a request whose arguments are read and the work that it asks for.
//!
//! From the outside in: the policy's decision, consent to what is destructive, the audit. The outer ring, around every
//! request, is in [`rings`](crate::rings).

use std::{
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
};

use tokio::time::Instant;

use crate::{
    access::Access,
    audit::{AuditEntry, AuditEvent, Confirmation, Ending, Recording},
    call::Call,
    consent_text::consent_text,
    guards::{Doing, Guards},
    policy::{Action, Decision, Denied},
    principal::Principal,
    protocol::{JsonObject, meta::TraceContext, method},
    questions::Ability,
    redaction::redacted_uri,
    request_error::RequestError,
    tool_error::ToolError,
};

/// What a name needs that stands for nothing.
static NOTHING: Access = Access::none();

impl Guards {
    /// Decides by what is known of the thing itself, before arguments are read; of a resource that is all that its URI says.
    pub(crate) fn admit(&self, call: &Call, doing: &Doing, access: &Access) -> Result<(), Denied> {
        let judged = self.judge(call.principal(), &doing.action(access)).map_err(Denied::hiding_tenants);
        judged.map(|_| ()).inspect_err(|denied| self.record(call, doing, access, AuditEvent::Denied(denied)))
    }

    /// Whether a caller may know of something: what there is to read or to fill in, and when it changes. Of that nobody
    /// keeps a record.
    pub(crate) fn shows(&self, principal: &Principal, action: &Action<'_>) -> Result<(), Denied> {
        self.judge(principal, action).map(|_| ()).map_err(Denied::hiding_tenants)
    }

    /// Goes through the decision on a name that stands for nothing, and puts it on record where what is hidden would be:
    /// that takes no other work. Only whether the caller's credentials are good comes of it.
    ///
    /// `noting` adds to the record what was asked; it says `None` where nobody keeps one.
    pub(crate) fn ask_in_vain(
        &self,
        call: &Call,
        method: &'static str,
        name: &str,
        noting: impl FnOnce(&Self, Doing) -> Option<Doing>,
    ) -> Result<(), Denied> {
        let judged = self.judge_nothing(call.principal(), method, name);
        if self.audit.is_some()
            && let Some(mut doing) = noting(self, Doing::nothing(method, name))
        {
            // Whoever makes up names could fill the record with what they please: of that the digest is enough. The rest is
            // looked at all the same, so that it takes as long as where something is hidden.
            if let Some(noted) = &mut doing.noted {
                noted.shown = None;
            }
            let denied = judged.clone().err().unwrap_or_else(|| Denied::hidden("nothing here has this name"));
            self.record(call, &doing, &NOTHING, AuditEvent::Denied(&denied));
        }
        judged
    }

    /// The same decision without a record: of what a caller wants to hear of.
    pub(crate) fn judge_nothing(
        &self,
        principal: &Principal,
        method: &'static str,
        name: &str,
    ) -> Result<(), Denied> {
        match self.judge(principal, &Action::new(method, name, None, &NOTHING)) {
            Err(denied) if denied.is_unauthorized() => Err(denied),
            _ => Ok(()),
        }
    }

    /// The policy's decision, on whatever way it is come to; whether nobody need be asked.
    fn judge(&self, principal: &Principal, action: &Action<'_>) -> Result<bool, Denied> {
        if !principal.is_valid() {
            return Err(Denied::ended());
        }
        match self.policy.decide(principal, action) {
            Decision::Allow => Ok(false),
            Decision::AllowUnasked => Ok(true),
            // Its URI names the tenant, however late that is found out.
            Decision::Deny(denied) if action.method == method::RESOURCES_READ => Err(denied.hiding_tenants()),
            Decision::Deny(denied) => Err(denied),
        }
    }

    /// Whether the person has to agree before this is done, unless the policy says otherwise.
    pub(crate) fn confirms(&self, doing: &Doing) -> bool {
        self.confirm.as_ref().is_some_and(|confirm| confirm.covers(&doing.guarded))
    }

    /// Whether there is anything to decide, to agree to or to record once the arguments are read.
    pub(crate) fn hold_up(&self, doing: &Doing, access: &Access) -> bool {
        !access.is_none() || self.audit.is_some() || self.confirms(doing)
    }

    /// Decides by what the arguments name, has the person agree where that is needed, and begins the record.
    ///
    /// `arguments` are those that may be shown, `preview` says what will happen; both only where consent is needed.
    pub(crate) async fn enter<F>(
        &self,
        call: &Call,
        doing: &Doing,
        access: Access,
        arguments: Option<JsonObject>,
        preview: impl Fn() -> F,
    ) -> Result<Record, ToolError>
    where
        F: Future<Output = Result<Option<String>, ToolError>>,
    {
        let confirms = self.confirms(doing);
        let touches = !access.is_none();
        let access = doing.guarded.requires.clone().and(access);
        let unasked = if touches || confirms { self.decide(call, doing, &access)? } else { false };
        let confirmation = match (confirms, unasked) {
            (false, _) => Confirmation::NotNeeded,
            (true, true) => Confirmation::Waived,
            (true, false) => {
                self.ask_consent(call, doing, &access, arguments.as_ref(), preview).await?;
                Confirmation::Given
            }
        };
        if self.audit.is_none() {
            return Ok(Record::none());
        }
        let open = Open { call: call.clone(), access, confirmation, since: Instant::now() };
        let begins = open.record(AuditEvent::Begins(confirmation));
        // Open from here on: who goes away while they wait for it is on record as gone.
        let record = Record(Some(Box::new(open)));
        if self.needs_record(doing)
            && let Err(error) = begins.settled().await
        {
            let message = "Not done: it has to be recorded first, and cannot be recorded now";
            let error = ToolError::new("audit_unavailable", message).later().caused_by(error);
            drop(record.end(Some(error.code())));
            return Err(error);
        }
        Ok(record)
    }

    /// Takes note that a call ends before its work begins, with this error.
    pub(crate) fn refuse(&self, call: &Call, error: ToolError) -> ToolError {
        if let Some(doing) = call.doing() {
            self.record(call, doing, &doing.guarded.requires, AuditEvent::Refused { code: error.code() });
        }
        error
    }

    /// Has the person agree to what will happen, as it is by the time that they do.
    async fn ask_consent<F>(
        &self,
        call: &Call,
        doing: &Doing,
        access: &Access,
        arguments: Option<&JsonObject>,
        preview: impl Fn() -> F,
    ) -> Result<(), ToolError>
    where
        F: Future<Output = Result<Option<String>, ToolError>>,
    {
        let text = async || {
            let text = preview().await.and_then(|preview| consent_text(&doing.guarded, preview, arguments));
            text.map_err(|error| self.refuse(call, error))
        };
        let mut shown = text().await?;
        let mut asked = Vec::new();
        for _ in 0..call.desk().limits.question_rounds {
            // A text is asked once in a call: one that comes back has kept changing.
            if asked.contains(&shown) {
                break;
            }
            let mut consent = Consenting { guards: self, call, doing, access, is_open: true };
            if call.link().is_some() && call.can_ask(Ability::Form) {
                consent.record();
            }
            let answer = call.confirm(&shown).await;
            consent.is_open = false;
            if let Err(refusal) = answer {
                self.record(call, doing, access, AuditEvent::NotConfirmed(refusal));
                return Err(refusal.into());
            }
            if call.link().is_none() {
                return Ok(());
            }
            // In a session minutes may have gone by, in which the caller lost their rights, or other things came to be
            // touched. Elsewhere the request has begun anew.
            self.decide(call, doing, access)?;
            let now = text().await?;
            if now == shown {
                return Ok(());
            }
            asked.push(std::mem::replace(&mut shown, now));
        }
        let message = "Not done: what it would do kept changing while the person was asked";
        Err(self.refuse(call, ToolError::new("changed_meanwhile", message).later()))
    }

    /// The same around a resource that is read or a prompt that is filled in, which nobody has to agree to.
    pub(crate) async fn around<T>(
        &self,
        call: &Call,
        access: Access,
        work: impl Future<Output = Result<T, RequestError>>,
    ) -> Result<T, RequestError> {
        let record = match call.doing() {
            Some(doing) if self.hold_up(doing, &access) => {
                self.enter(call, doing, access, None, async || Ok(None)).await?
            }
            _ => Record::none(),
        };
        let done = work.await;
        // Nothing waits for the record of what changes nothing.
        drop(record.end(done.as_ref().err().map(|_| "error")));
        done
    }

    /// The policy's decision on a part of what a call needs; whether nobody need be asked.
    fn decide(&self, call: &Call, doing: &Doing, access: &Access) -> Result<bool, Denied> {
        let judged = self.judge(call.principal(), &doing.action(access));
        judged.inspect_err(|denied| self.record(call, doing, access, AuditEvent::Denied(denied)))
    }

    /// Records an event that nothing depends on.
    fn record(&self, call: &Call, doing: &Doing, access: &Access, event: AuditEvent<'_>) {
        drop(self.record_of(call, doing, access, event, None));
    }

    /// Records an event; of work that has begun, with whether somebody agreed to it and since when it runs.
    fn record_of(
        &self,
        call: &Call,
        doing: &Doing,
        access: &Access,
        event: AuditEvent<'_>,
        work: Option<(Confirmation, Instant)>,
    ) -> Recording {
        let Some(audit) = &self.audit else { return Recording::Done };
        let mut action = doing.action(access);
        let uri = doing.uri.as_deref().map(redacted_uri);
        action.name = uri.as_deref().unwrap_or(action.name);
        let is_awaited = match event {
            AuditEvent::Begins(_) | AuditEvent::Ended(Ending::Completed) => self.needs_record(doing),
            _ => false,
        };
        let ended = matches!(event, AuditEvent::Ended(_));
        audit.record(&AuditEntry {
            serial: self.serial_of(doing),
            request: call.id(),
            principal: call.principal(),
            transport: call.transport(),
            peer: call.peer(),
            trace_id: call.trace_context().and_then(TraceContext::trace_id),
            action,
            arguments: doing.noted.as_ref().and_then(|noted| noted.shown.as_ref()),
            arguments_digest: doing.noted.as_ref().map(|noted| &noted.digest),
            confirmation: work.map(|(confirmation, _)| confirmation),
            event,
            took: work.filter(|_| ended).map(|(_, since)| since.elapsed()),
            is_awaited,
        })
    }
}

impl Call {
    /// Holds what only the engine could say against the caller: whose the object is, say, that was looked up first.
    ///
    /// ```
    /// # use mcp_core::{Access, Call, ToolError};
    /// # fn owner_of(service: &str) -> String { "acme".to_owned() }
    /// async fn restart(service: &str, call: &Call) -> Result<(), ToolError> {
    ///     let owner = owner_of(service);
    ///     call.require(Access::tenant(owner))?;
    ///     // …
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// The server's [`Policy`](crate::Policy) says no; with `?` the client sees the error 403 or, of a resource that belongs
    /// to a foreign tenant, that there is none.
    pub fn require(&self, access: Access) -> Result<(), Denied> {
        match self.doing() {
            Some(doing) => self.guards().decide(self, doing, &access).map(|_| ()),
            // A list or a completion, of which nobody keeps a record.
            None => self.guards().judge(self.principal(), &Action::new("", "", None, &access)).map(|_| ()),
        }
    }

    /// Whether the caller may do what takes this access, to leave out of an answer what they may not see. Nobody keeps a
    /// record of the question.
    pub fn allows(&self, access: Access) -> bool {
        let action =
            self.doing().map_or_else(|| Action::new("", "", None, &access), |doing| doing.action(&access));
        self.guards().shows(self.principal(), &action).is_ok()
    }
}

/// A request that waits for consent: on record once the question goes out.
struct Consenting<'a> {
    guards: &'a Guards,
    call: &'a Call,
    doing: &'a Doing,
    access: &'a Access,
    is_open: bool,
}

impl Consenting<'_> {
    fn record(&mut self) {
        self.is_open = false;
        self.guards.record(self.call, self.doing, self.access, AuditEvent::AsksForConsent);
    }
}

impl Drop for Consenting<'_> {
    fn drop(&mut self) {
        if !self.is_open {
            return;
        }
        // Dropped at its await: the round has ended with the question, unless it could not be asked.
        if self.call.asking().has_asked() {
            without_panic(|| self.record());
        } else if let Some(code) = self.call.asking().failure_code() {
            let refused = AuditEvent::Refused { code: &code };
            without_panic(|| self.guards.record(self.call, self.doing, self.access, refused));
        }
    }
}

/// The record of work that has begun; closed by [`end`](Self::end), or as cancelled when it is dropped.
#[derive(Debug)]
pub(crate) struct Record(Option<Box<Open>>);

#[derive(Debug)]
struct Open {
    call: Call,
    access: Access,
    confirmation: Confirmation,
    since: Instant,
}

impl Open {
    fn record(&self, event: AuditEvent<'_>) -> Recording {
        let Some(doing) = self.call.doing() else { return Recording::Done };
        let work = Some((self.confirmation, self.since));
        self.call.guards().record_of(&self.call, doing, &self.access, event, work)
    }
}

impl Record {
    /// Of what nobody keeps a record.
    pub(crate) const fn none() -> Self {
        Self(None)
    }

    /// Closes the record; an error by its code. Where success depends on that, it has to be waited for.
    pub(crate) fn end(mut self, error: Option<&str>) -> Option<Closing> {
        let open = self.0.take()?;
        let ending = error.map_or(Ending::Completed, |code| Ending::Failed { code });
        let recording = open.record(AuditEvent::Ended(ending));
        let is_awaited = error.is_none()
            && open.call.doing().is_some_and(|doing| open.call.guards().needs_record(doing))
            && !matches!(recording, Recording::Done);
        is_awaited.then_some(Closing(recording))
    }
}

/// The end of work that is not on record yet.
#[derive(Debug)]
pub(crate) struct Closing(Recording);

impl Closing {
    /// Holds an answer back until the end of the work is on record.
    pub(crate) async fn before<T>(self, answer: Result<T, ToolError>) -> Result<T, ToolError> {
        self.0.settled().await.map_err(|error| {
            let message =
                "It was done, but that could not be recorded; do not do it again before you have looked";
            ToolError::new("not_recorded", message).caused_by(error)
        })?;
        answer
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        let Some(open) = self.0.take() else { return };
        let asking = open.call.asking();
        let failure = asking.failure_code();
        let ending = match failure.as_deref() {
            _ if std::thread::panicking() => Ending::Cancelled,
            Some(code) => Ending::Failed { code },
            None if asking.has_asked() => Ending::Asks,
            None => Ending::Cancelled,
        };
        without_panic(|| drop(open.record(AuditEvent::Ended(ending))));
    }
}

/// Has a record made while something is dropped: perhaps because of a panic, where a second one would end the process.
fn without_panic(record: impl FnOnce()) {
    // The trace of the panic is on standard error by then, as of every panic.
    if catch_unwind(AssertUnwindSafe(record)).is_err() {
        tracing::error!("the audit panicked");
    }
}
