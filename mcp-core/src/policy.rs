//! Who may do what: the decision on one call, and the default that goes by what was granted.

use std::fmt;

use serde_json::{Map, Value, json};

use crate::{
    access::Access,
    annotations::Annotations,
    principal::{Principal, PrincipalKind},
    protocol::error::{RpcError, code, shorten},
};

/// What is about to be done.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Action<'a> {
    /// The method: `tools/call`, `resources/read` or `prompts/get`; empty where a list or a completion asks.
    pub method: &'static str,
    /// The name of the tool or prompt, the URI of the resource, or its template where it is only to be shown; empty where
    /// the method is.
    pub name: &'a str,
    /// The effect of a tool.
    pub annotations: Option<Annotations>,
    /// What the caller needs for it.
    pub access: &'a Access,
}

impl<'a> Action<'a> {
    /// An action, to try a policy with.
    pub fn new(
        method: &'static str,
        name: &'a str,
        annotations: Option<Annotations>,
        access: &'a Access,
    ) -> Self {
        Self { method, name, annotations, access }
    }
}

/// Decides whether a caller may do something.
///
/// It is asked at each stage of a call, with what has become known: before the arguments are read, with the scopes that
/// are stated; after, with these and what [`access`](crate::Tool::access) names, if it names anything or consent is
/// needed; for each [`Call::require`](crate::Call::require) and [`Call::allows`](crate::Call::allows); and once more when
/// a person has answered over a session. Lists, completions and subscriptions ask whether something may be shown. All
/// have to agree. Where a person is asked for consent
/// over a session, it is asked once more when they have answered.
pub trait Policy: Send + Sync + 'static {
    /// The decision; to be quick, since every call waits for it.
    fn decide(&self, principal: &Principal, action: &Action<'_>) -> Decision;
}

impl<P: Policy + ?Sized> Policy for std::sync::Arc<P> {
    fn decide(&self, principal: &Principal, action: &Action<'_>) -> Decision {
        (**self).decide(principal, action)
    }
}

/// Whether a call may go on.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Decision {
    /// It may; where the server [confirms](crate::ConfirmDestructive) destructive calls, the person is asked first.
    Allow,
    /// It may, and nobody need be asked.
    AllowUnasked,
    /// It may not.
    Deny(Denied),
}

/// Why a call may not go on: the client sees an error of the code 403.
///
/// Made by [`Call::require`](crate::Call::require); `?` in a tool, a resource or a prompt hands it on.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct Denied {
    message: String,
    scopes: Vec<String>,
}

impl Denied {
    /// For another reason, in words for the client.
    pub fn because(message: impl Into<String>) -> Self {
        Self { message: message.into(), scopes: Vec::new() }
    }

    /// These scopes are missing.
    pub fn missing_scopes<I>(scopes: I) -> Self
    where
        I: IntoIterator,
        I::Item: Into<String>,
    {
        let scopes: Vec<String> = scopes.into_iter().map(Into::into).collect();
        let names = scopes.iter().map(|scope| format!("`{scope}`")).collect::<Vec<_>>().join(" and ");
        let noun = if scopes.len() == 1 { "scope" } else { "scopes" };
        Self { message: format!("Forbidden: this needs the {noun} {names}"), scopes }
    }

    /// The caller is no member of this tenant, whether it exists or not.
    pub fn no_member_of(tenant: &str) -> Self {
        Self::because(format!("Forbidden: you have no access to the tenant `{}`", shorten(tenant)))
    }

    /// The scopes that are missing.
    pub fn scopes(&self) -> &[String] {
        &self.scopes
    }

    /// The error on the wire.
    pub(crate) fn into_rpc(self) -> RpcError {
        let error = RpcError::new(code::FORBIDDEN, self.message);
        if self.scopes.is_empty() {
            return error;
        }
        error.with_data(Value::Object(Map::from_iter([("requiredScopes".to_owned(), json!(self.scopes))])))
    }
}

impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Denied {}

/// The default policy: a caller needs every scope and every tenant that a call names.
#[derive(Clone, Debug, Default)]
pub struct ByGrants {
    unasked: Vec<PrincipalKind>,
}

impl ByGrants {
    /// Everybody is asked before something destructive, where the server asks.
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets callers of this kind do destructive things unasked, such as the operator's own services.
    #[must_use]
    pub fn without_asking(mut self, kind: PrincipalKind) -> Self {
        self.unasked.push(kind);
        self
    }
}

impl Policy for ByGrants {
    fn decide(&self, principal: &Principal, action: &Action<'_>) -> Decision {
        let missing: Vec<&str> = action.access.scopes().filter(|scope| !principal.has_scope(scope)).collect();
        if !missing.is_empty() {
            return Decision::Deny(Denied::missing_scopes(missing));
        }
        if let Some(tenant) = action.access.tenants().find(|tenant| !principal.has_tenant(tenant)) {
            return Decision::Deny(Denied::no_member_of(tenant));
        }
        if self.unasked.contains(&principal.kind()) { Decision::AllowUnasked } else { Decision::Allow }
    }
}
