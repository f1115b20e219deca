//! What holds for some callers only: less than for others, or something destructive without asking.

use serde::{Deserialize, Serialize};

use super::{
    Action, Selection,
    selection::{Check, NamePatterns},
};
use crate::principal::{Principal, PrincipalKind};

/// What there is for some callers: less than the rest of the [`Rules`](super::Rules) leave.
///
/// It holds for callers of whom everything is true that is given of `kind`, `subject`, `scope` and `tenant`; at least
/// one is. A caller for whom several hold may do what all of them leave.
///
/// ```
/// # use mcp_core::{CallerRules, PrincipalKind, Rules, Selection};
/// let rules = Rules::new()
///     .caller(CallerRules::of_kind(PrincipalKind::Anonymous).read_only())
///     .caller(CallerRules::of_subject(PrincipalKind::Client, "dashboard").tools(Selection::tagged("charts")));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct CallerRules {
    /// Callers of this kind: `local`, `anonymous`, `user`, `client` or `service`. Of any when not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<PrincipalKind>,
    /// Callers of this name, such as `dashboard`; a name is unique within its kind. Of any when not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// Callers who were granted this scope by its very name, such as `trial`. Of any when not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// Callers who are members of this tenant by its very name, such as `acme`. Of any when not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// Whether there are only tools that change nothing for them; `false` by default.
    #[serde(skip_serializing_if = "is_false")]
    pub read_only: bool,
    /// Which tools there are for them; all by default.
    #[serde(skip_serializing_if = "Selection::is_all")]
    pub tools: Selection,
    /// Which resources and templates there are for them; all by default.
    #[serde(skip_serializing_if = "Selection::is_all")]
    pub resources: Selection,
    /// Which prompts there are for them; all by default.
    #[serde(skip_serializing_if = "Selection::is_all")]
    pub prompts: Selection,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference over")]
pub(super) fn is_false(value: &bool) -> bool {
    !value
}

impl CallerRules {
    /// For callers of this kind.
    pub fn of_kind(kind: PrincipalKind) -> Self {
        Self { kind: Some(kind), ..Self::default() }
    }

    /// For the one caller of this kind and name.
    pub fn of_subject(kind: PrincipalKind, subject: impl Into<String>) -> Self {
        Self { subject: Some(subject.into()), ..Self::of_kind(kind) }
    }

    /// For callers who were granted this scope by its very name.
    pub fn of_scope(scope: impl Into<String>) -> Self {
        Self { scope: Some(scope.into()), ..Self::default() }
    }

    /// For callers who are members of this tenant by its very name.
    pub fn of_tenant(tenant: impl Into<String>) -> Self {
        Self { tenant: Some(tenant.into()), ..Self::default() }
    }

    /// Only tools that change nothing.
    #[must_use]
    pub fn read_only(mut self) -> Self {
        self.read_only = true;
        self
    }

    /// Only these tools.
    #[must_use]
    pub fn tools(mut self, tools: Selection) -> Self {
        self.tools = tools;
        self
    }

    /// Only these resources and templates.
    #[must_use]
    pub fn resources(mut self, resources: Selection) -> Self {
        self.resources = resources;
        self
    }

    /// Only these prompts.
    #[must_use]
    pub fn prompts(mut self, prompts: Selection) -> Self {
        self.prompts = prompts;
        self
    }

    /// Whether it says whom it is for.
    pub(super) fn selects(&self) -> bool {
        self.kind.is_some() || self.subject.is_some() || self.scope.is_some() || self.tenant.is_some()
    }

    /// Whether it holds for this caller.
    pub(super) fn hold_for(&self, principal: &Principal) -> bool {
        let is = |wanted: &Option<String>, has: &dyn Fn(&str) -> bool| wanted.as_deref().is_none_or(has);
        self.kind.is_none_or(|kind| principal.kind() == kind)
            && is(&self.subject, &|subject| principal.subject() == subject)
            && is(&self.scope, &|scope| principal.scopes().any(|granted| granted == scope))
            && is(&self.tenant, &|tenant| principal.tenants().any(|own| own == tenant))
    }
}

/// Who does what is destructive without a person being asked first, where the server
/// [asks](crate::ConfirmDestructive); nobody by default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct Unasked {
    /// These callers, such as `[{ kind = "service" }, { kind = "user", subject = "ada" }]`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub callers: Vec<UnaskedCaller>,
    /// Everybody who may call these tools at all, such as `["empty_cache"]`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tools: Vec<String>,
}

/// Some callers: of a kind, or the one of a kind and name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct UnaskedCaller {
    /// Of this kind: `local`, `anonymous`, `user`, `client` or `service`.
    pub kind: PrincipalKind,
    /// Of this name; whatever the name when not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
}

impl Unasked {
    /// Callers of this kind as well.
    #[must_use]
    pub fn kind(mut self, kind: PrincipalKind) -> Self {
        self.callers.push(UnaskedCaller { kind, subject: None });
        self
    }

    /// The one caller of this kind and name as well.
    #[must_use]
    pub fn subject(mut self, kind: PrincipalKind, subject: impl Into<String>) -> Self {
        self.callers.push(UnaskedCaller { kind, subject: Some(subject.into()) });
        self
    }

    /// Whoever may call this tool as well.
    #[must_use]
    pub fn tool(mut self, name: impl Into<String>) -> Self {
        self.tools.push(name.into());
        self
    }

    pub(super) fn is_nobody(&self) -> bool {
        self.callers.is_empty() && self.tools.is_empty()
    }

    /// Whether nobody is asked before this.
    pub(super) fn lets(&self, principal: &Principal, action: &Action<'_>, names: NamePatterns) -> bool {
        let is_caller = |caller: &UnaskedCaller| {
            caller.kind == principal.kind()
                && caller.subject.as_deref().is_none_or(|subject| principal.subject() == subject)
        };
        self.callers.iter().any(is_caller)
            || (action.annotations.is_some() && names.find(&self.tools, action.registered))
    }

    /// What is wrong with the names of tools.
    pub(super) fn problems<'a>(&'a self, check: &'a Check<'a>) -> impl Iterator<Item = String> + 'a {
        self.tools.iter().filter_map(|name| Some(format!("`unasked.tools`: {}", check.name(name)?)))
    }
}
