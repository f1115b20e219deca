//! What a call touches: the scopes it needs, the tenants and objects that its arguments name.

use std::borrow::Cow;

/// What a caller needs to be allowed for one call. The server's [`Policy`](crate::Policy) holds it against the caller.
///
/// ```
/// # use mcp_core::Access;
/// let access = Access::tenant("acme").and(Access::object("service", "shop")).and(Access::scope("shop:admin"));
/// assert_eq!(access.tenants().collect::<Vec<_>>(), ["acme"]);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Access {
    scopes: Vec<Cow<'static, str>>,
    tenants: Vec<String>,
    objects: Vec<(Cow<'static, str>, String)>,
}

impl Access {
    /// Nothing in particular.
    pub const fn none() -> Self {
        Self { scopes: Vec::new(), tenants: Vec::new(), objects: Vec::new() }
    }

    /// A scope that the caller must have been granted.
    pub fn scope(scope: impl Into<Cow<'static, str>>) -> Self {
        Self { scopes: vec![scope.into()], ..Self::none() }
    }

    /// Scopes that the caller must all have been granted.
    pub fn scopes_of<I>(scopes: I) -> Self
    where
        I: IntoIterator,
        I::Item: Into<Cow<'static, str>>,
    {
        Self { scopes: scopes.into_iter().map(Into::into).collect(), ..Self::none() }
    }

    /// A tenant that the caller must be a member of.
    pub fn tenant(id: impl Into<String>) -> Self {
        Self { tenants: vec![id.into()], ..Self::none() }
    }

    /// An object of some kind, such as `("service", "shop")`: for policies and audits that look at single objects.
    pub fn object(kind: impl Into<Cow<'static, str>>, id: impl Into<String>) -> Self {
        Self { objects: vec![(kind.into(), id.into())], ..Self::none() }
    }

    /// All of this and all of that.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.scopes.extend(other.scopes);
        self.tenants.extend(other.tenants);
        self.objects.extend(other.objects);
        self
    }

    /// The scopes that are needed.
    pub fn scopes(&self) -> impl Iterator<Item = &str> {
        self.scopes.iter().map(AsRef::as_ref)
    }

    /// The tenants that are touched.
    pub fn tenants(&self) -> impl Iterator<Item = &str> {
        self.tenants.iter().map(String::as_str)
    }

    /// The objects that are touched, each with its kind.
    pub fn objects(&self) -> impl Iterator<Item = (&str, &str)> {
        self.objects.iter().map(|(kind, id)| (kind.as_ref(), id.as_str()))
    }

    /// Whether it names nothing at all.
    pub fn is_none(&self) -> bool {
        self.scopes.is_empty() && self.tenants.is_empty() && self.objects.is_empty()
    }
}
