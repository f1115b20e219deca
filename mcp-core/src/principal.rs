//! On whose behalf a request is made, and what that caller was granted.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use serde::{Deserialize, Serialize};

use crate::{
    protocol::{JsonObject, error::RpcError},
    signal::Signal,
};

/// Who makes a request; cheap to clone.
///
/// What a principal was granted is held against a call by the server's [`Policy`](crate::Policy) and nowhere else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal(Arc<Inner>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Inner {
    kind: PrincipalKind,
    subject: String,
    scopes: Grants,
    tenants: Grants,
    claims: Claims,
    expires_at: Option<SystemTime>,
    revoked: Revocation,
}

/// What sort of caller a principal is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum PrincipalKind {
    /// A process of the same user on the same machine, over stdio or a Unix socket.
    Local,
    /// Nobody in particular.
    Anonymous,
    /// A person.
    User,
    /// An application.
    Client,
    /// A service of the operator's own.
    Service,
}

impl PrincipalKind {
    /// The kind in one word, as logs and sealed state have it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Anonymous => "anonymous",
            Self::User => "user",
            Self::Client => "client",
            Self::Service => "service",
        }
    }
}

/// Names that were granted: some, or whichever there are.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Grants {
    Every,
    These(Vec<String>),
}

impl Grants {
    fn these<I>(names: I) -> Self
    where
        I: IntoIterator,
        I::Item: Into<String>,
    {
        Self::These(names.into_iter().map(Into::into).collect())
    }

    fn has(&self, name: &str) -> bool {
        match self {
            Self::Every => true,
            Self::These(names) => names.iter().any(|known| known == name),
        }
    }

    fn named(&self) -> impl Iterator<Item = &str> {
        let names = match self {
            Self::Every => &[][..],
            Self::These(names) => names.as_slice(),
        };
        names.iter().map(String::as_str)
    }
}

/// Claims of a token, which may say more of a person than a log should.
#[derive(Clone, Default, PartialEq, Eq)]
struct Claims(JsonObject);

impl std::fmt::Debug for Claims {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// Raised when credentials are taken back; two are the same where the same signal raises them.
#[derive(Clone, Debug, Default)]
struct Revocation(Option<Signal>);

impl PartialEq for Revocation {
    fn eq(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Some(own), Some(other)) => own.is_same(other),
            (own, other) => own.is_none() && other.is_none(),
        }
    }
}

impl Eq for Revocation {}

impl Principal {
    /// A caller of this kind and name, to whom nothing is granted yet.
    pub fn new(kind: PrincipalKind, subject: impl Into<String>) -> Self {
        let nothing = || Grants::These(Vec::new());
        Self(Arc::new(Inner {
            kind,
            subject: subject.into(),
            scopes: nothing(),
            tenants: nothing(),
            claims: Claims::default(),
            expires_at: None,
            revoked: Revocation::default(),
        }))
    }

    /// The process at the other end of a pipe or a Unix socket: it runs as the same user on the same machine, so it may
    /// do all that the server can.
    pub fn local() -> Self {
        Self::new(PrincipalKind::Local, "local").with_every_scope().with_every_tenant()
    }

    /// A caller who showed no credentials, to whom nothing is granted.
    pub fn anonymous() -> Self {
        Self::new(PrincipalKind::Anonymous, "anonymous")
    }

    /// Grants these scopes, in place of earlier ones.
    #[must_use]
    pub fn with_scopes<I>(self, scopes: I) -> Self
    where
        I: IntoIterator,
        I::Item: Into<String>,
    {
        self.change(|inner| inner.scopes = Grants::these(scopes))
    }

    /// Grants every scope there is.
    #[must_use]
    pub fn with_every_scope(self) -> Self {
        self.change(|inner| inner.scopes = Grants::Every)
    }

    /// Makes it a member of these tenants, in place of earlier ones.
    #[must_use]
    pub fn with_tenants<I>(self, tenants: I) -> Self
    where
        I: IntoIterator,
        I::Item: Into<String>,
    {
        self.change(|inner| inner.tenants = Grants::these(tenants))
    }

    /// Makes it a member of every tenant there is, as administrators are.
    #[must_use]
    pub fn with_every_tenant(self) -> Self {
        self.change(|inner| inner.tenants = Grants::Every)
    }

    /// What its credentials say of it, such as the claims of a token. Only their names are shown by `Debug`.
    #[must_use]
    pub fn with_claims(self, claims: JsonObject) -> Self {
        self.change(|inner| inner.claims = Claims(claims))
    }

    /// Until when its credentials are good; for ever when not given.
    #[must_use]
    pub fn with_expiry(self, at: SystemTime) -> Self {
        self.change(|inner| inner.expires_at = Some(at))
    }

    /// What is raised when its credentials are taken back. Whoever finds principals keeps one signal for each of the
    /// credentials, and raises it once they are no good any more.
    #[must_use]
    pub fn with_revocation(self, revoked: Signal) -> Self {
        self.change(|inner| inner.revoked = Revocation(Some(revoked)))
    }

    fn change(mut self, change: impl FnOnce(&mut Inner)) -> Self {
        change(Arc::make_mut(&mut self.0));
        self
    }

    /// What sort of caller this is.
    pub fn kind(&self) -> PrincipalKind {
        self.0.kind
    }

    /// The caller's name, unique within its kind.
    pub fn subject(&self) -> &str {
        &self.0.subject
    }

    /// The scopes that were granted by name.
    pub fn scopes(&self) -> impl Iterator<Item = &str> {
        self.0.scopes.named()
    }

    /// Whether this scope was granted. For policies: tools state what they need and leave the comparison to them.
    pub fn has_scope(&self, scope: &str) -> bool {
        self.0.scopes.has(scope)
    }

    /// The tenants that it is a member of by name.
    pub fn tenants(&self) -> impl Iterator<Item = &str> {
        self.0.tenants.named()
    }

    /// Whether it is a member of this tenant. For policies, as [`has_scope`](Self::has_scope) is.
    pub fn has_tenant(&self, tenant: &str) -> bool {
        self.0.tenants.has(tenant)
    }

    /// Until when its credentials are good.
    pub fn expires_at(&self) -> Option<SystemTime> {
        self.0.expires_at
    }

    /// Whether its credentials are good: neither expired nor taken back.
    pub fn is_valid(&self) -> bool {
        let is_revoked = self.0.revoked.0.as_ref().is_some_and(Signal::is_raised);
        !is_revoked && self.0.expires_at.is_none_or(|at| SystemTime::now() < at)
    }

    /// Refuses a caller whose credentials are no good any more.
    pub(crate) fn check_valid(&self) -> Result<(), RpcError> {
        if self.is_valid() { Ok(()) } else { Err(RpcError::unauthorized(ENDED)) }
    }

    /// Waits until its credentials are no good any more, which may be for ever: for streams, which outlive the look at the
    /// credentials that opened them.
    pub async fn ended(&self) {
        let revoked = async {
            match &self.0.revoked.0 {
                Some(signal) => signal.raised().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = revoked => {}
            () = expired(self.0.expires_at) => {}
        }
    }

    /// Whether its credentials are of the kind that may end: for whoever keeps something open for it, and would wait for
    /// [its end](Self::ended).
    pub fn may_end(&self) -> bool {
        self.0.expires_at.is_some() || self.0.revoked.0.is_some()
    }

    /// What its credentials say of it.
    pub fn claims(&self) -> &JsonObject {
        &self.0.claims.0
    }
}

/// What a caller is told whose credentials are no good any more.
pub(crate) const ENDED: &str = "Unauthorized: the credentials have expired or were taken back";

/// Waits until a point in time by the clock on the wall, which may be set while it waits.
async fn expired(at: Option<SystemTime>) {
    const LONGEST_NAP: Duration = Duration::from_secs(60);
    let Some(at) = at else { return std::future::pending().await };
    while let Ok(left) = at.duration_since(SystemTime::now()) {
        if left.is_zero() {
            return;
        }
        tokio::time::sleep(left.min(LONGEST_NAP)).await;
    }
}
