//! Records as events of `tracing`, for whoever collects those.

use crate::fields::Fields;

/// Tells of one event, under the target `audit`.
pub(crate) fn tell(fields: &Fields<'_>) {
    let arguments = fields.arguments.as_ref().and_then(|arguments| serde_json::to_string(arguments).ok());
    tracing::info!(
        target: "audit",
        event = &*fields.event,
        call = fields.call.as_deref(),
        request = fields.request.as_deref(),
        kind = fields.kind.as_deref(),
        subject = fields.subject.as_deref(),
        transport = fields.transport.as_deref(),
        peer = fields.peer.as_deref(),
        trace = fields.trace.as_deref(),
        method = fields.method.as_deref(),
        name = fields.name.as_deref(),
        arguments = arguments.as_deref(),
        decision = fields.decision.as_deref(),
        reason = fields.reason.as_deref(),
        scopes = (!fields.scopes.is_empty()).then(|| fields.scopes.join(" ")),
        confirmation = fields.confirmation.as_deref(),
        outcome = fields.outcome.as_deref(),
        code = fields.code.as_deref(),
        micros = fields.micros,
    );
}
