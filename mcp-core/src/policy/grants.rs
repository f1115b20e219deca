//! What a caller was granted, held against what a call needs.

use serde::{Deserialize, Serialize};

use super::{Action, Decision, Denied, Policy, Registered, Rules, Unasked};
use crate::{
    access::Access,
    principal::{Principal, PrincipalKind},
};

/// Which scopes a grant stands for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ScopePatterns {
    /// Itself alone; a `*` in it means nothing. The default.
    #[default]
    Exact,
    /// Itself alone, but that `*` stands for every scope.
    Star,
    /// Where it ends in a `*`, every scope that begins as it does: `db:*` for `db:read`, and `*` for every one.
    Prefix,
}

impl ScopePatterns {
    /// Whether the caller was granted this scope, under whatever pattern.
    fn grant(self, principal: &Principal, scope: &str) -> bool {
        principal.has_scope(scope)
            || match self {
                Self::Exact => false,
                Self::Star => principal.has_scope("*"),
                Self::Prefix => principal
                    .scopes()
                    .filter_map(|granted| granted.strip_suffix('*'))
                    .any(|prefix| scope.starts_with(prefix)),
            }
    }
}

/// What of this the caller was not granted; a tenant before a scope, since it may hide what is asked for.
pub(super) fn missing(principal: &Principal, access: &Access, patterns: ScopePatterns) -> Option<Denied> {
    if let Some(tenant) = access.tenants().find(|tenant| !principal.has_tenant(tenant)) {
        return Some(Denied::no_member_of(tenant));
    }
    let mut missing = access.scopes().filter(|scope| !patterns.grant(principal, scope)).peekable();
    missing.peek().is_some().then(|| Denied::missing_scopes(missing))
}

/// The default policy: a caller needs every scope and every tenant that a call names. [`Rules`] can do more.
#[derive(Clone, Debug, Default)]
pub struct ByGrants(Rules);

impl ByGrants {
    /// Everybody is asked before something destructive, where the server asks.
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets callers of this kind do destructive things unasked, such as the operator's own services.
    #[must_use]
    pub fn without_asking(self, kind: PrincipalKind) -> Self {
        Self(self.0.unasked(|unasked: Unasked| unasked.kind(kind)))
    }
}

impl Policy for ByGrants {
    fn decide(&self, principal: &Principal, action: &Action<'_>) -> Decision {
        self.0.decide(principal, action)
    }

    fn may_hide(&self, action: &Action<'_>) -> bool {
        self.0.may_hide(action)
    }

    fn problems(&self, registered: &Registered<'_>) -> Vec<String> {
        self.0.problems(registered)
    }
}
