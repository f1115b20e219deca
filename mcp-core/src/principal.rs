//! On whose behalf a request is made.

use std::sync::Arc;

/// Who makes a request; cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal(Arc<Inner>);

#[derive(Debug, PartialEq, Eq)]
struct Inner {
    kind: PrincipalKind,
    subject: String,
    scopes: Vec<String>,
}

/// What sort of caller a principal is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PrincipalKind {
    /// A process of the same user on the same machine, over stdio.
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

impl Principal {
    /// A caller of this kind and name, with these scopes.
    pub fn new<I>(kind: PrincipalKind, subject: impl Into<String>, scopes: I) -> Self
    where
        I: IntoIterator,
        I::Item: Into<String>,
    {
        let scopes = scopes.into_iter().map(Into::into).collect();
        Self(Arc::new(Inner { kind, subject: subject.into(), scopes }))
    }

    /// The process at the other end of a pipe.
    pub fn local() -> Self {
        Self::new(PrincipalKind::Local, "local", std::iter::empty::<String>())
    }

    /// A caller who showed no credentials.
    pub fn anonymous() -> Self {
        Self::new(PrincipalKind::Anonymous, "anonymous", std::iter::empty::<String>())
    }

    /// What sort of caller this is.
    pub fn kind(&self) -> PrincipalKind {
        self.0.kind
    }

    /// The caller's name, unique within its kind.
    pub fn subject(&self) -> &str {
        &self.0.subject
    }

    /// What the caller was granted.
    pub fn scopes(&self) -> impl Iterator<Item = &str> {
        self.0.scopes.iter().map(String::as_str)
    }
}
