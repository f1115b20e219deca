//! Why a call may not go on, and what of that the client sees.

use std::{borrow::Cow, fmt};

use serde_json::{Map, Value, json};

use crate::{
    principal::ENDED,
    protocol::error::{RpcError, code, shorten},
};

/// Why a call may not go on: the client sees an error of the code 403, the same as for what does not exist, or 401.
///
/// Made by [`Call::require`](crate::Call::require); `?` in a tool, a resource or a prompt hands it on.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct Denied {
    kind: Kind,
    reason: Cow<'static, str>,
    scopes: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Refused by name.
    Refused,
    /// The caller is no member of a tenant: hidden where the thing itself names it, refused where its arguments do.
    ForeignTenant,
    /// Not there, as far as the caller is to know.
    Hidden,
    /// The caller's credentials are no good any more.
    Ended,
}

impl Denied {
    /// For another reason, in words for the client.
    pub fn because(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Kind::Refused, message)
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
        let message = format!("Forbidden: this needs the {noun} {names}");
        Self { scopes, ..Self::new(Kind::Refused, message) }
    }

    /// The caller is no member of this tenant, whether it exists or not.
    ///
    /// What needs it whatever its arguments, and a resource whose URI names it, is [hidden](Self::hidden) then. A tool
    /// or a prompt whose arguments name it is refused with the tenant's name, which the caller knows.
    pub fn no_member_of(tenant: &str) -> Self {
        let message = format!("Forbidden: you have no access to the tenant `{}`", shorten(tenant));
        Self::new(Kind::ForeignTenant, message)
    }

    /// The caller is not to know that there is such a thing: lists leave it out, and whoever names it is answered as
    /// for a name that stands for nothing. The reason is for the audit alone.
    pub fn hidden(reason: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Kind::Hidden, reason)
    }

    /// The caller's credentials have expired or were taken back.
    pub(crate) fn ended() -> Self {
        Self::new(Kind::Ended, ENDED)
    }

    fn new(kind: Kind, reason: impl Into<Cow<'static, str>>) -> Self {
        Self { kind, reason: reason.into(), scopes: Vec::new() }
    }

    /// The scopes that are missing.
    pub fn scopes(&self) -> &[String] {
        &self.scopes
    }

    /// Why, for the audit: what the client sees or, where it is to see nothing, what is kept from it.
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// Whether the caller is not to know that there is such a thing.
    pub fn is_hidden(&self) -> bool {
        self.kind == Kind::Hidden
    }

    /// Whether the caller's credentials are no good any more: the client sees the code 401.
    pub fn is_unauthorized(&self) -> bool {
        self.kind == Kind::Ended
    }

    /// The same where the thing itself names the tenant, and not the arguments of something everybody may know of.
    pub(crate) fn hiding_tenants(mut self) -> Self {
        if self.kind == Kind::ForeignTenant {
            self.kind = Kind::Hidden;
        }
        self
    }

    /// The error on the wire; `unknown` makes the one for a name that stands for nothing.
    pub(crate) fn into_rpc(self, unknown: impl FnOnce() -> RpcError) -> RpcError {
        match self.kind {
            Kind::Hidden => unknown(),
            Kind::Ended => RpcError::unauthorized(self.reason),
            Kind::Refused | Kind::ForeignTenant if self.scopes.is_empty() => {
                RpcError::new(code::FORBIDDEN, self.reason)
            }
            Kind::Refused | Kind::ForeignTenant => {
                let required = Map::from_iter([("requiredScopes".to_owned(), json!(self.scopes))]);
                RpcError::new(code::FORBIDDEN, self.reason).with_data(Value::Object(required))
            }
        }
    }
}

impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Tools put it into texts of their own.
        f.write_str(if self.is_hidden() { "Forbidden" } else { &self.reason })
    }
}

impl std::error::Error for Denied {}
