//! Who may do what: the decision on one call, and who makes it.

mod callers;
mod denied;
mod grants;
mod rules;
mod selection;

pub use self::{
    callers::{CallerRules, Unasked, UnaskedCaller},
    denied::Denied,
    grants::{ByGrants, ScopePatterns},
    rules::Rules,
    selection::Selection,
};
use crate::{access::Access, annotations::Annotations, principal::Principal};

/// What is about to be done.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Action<'a> {
    /// The method: `tools/call`, `resources/read` or `prompts/get`; empty where code of an author's asks on behalf of a
    /// list or a completion.
    pub method: &'static str,
    /// The name of the tool or prompt, the URI of the resource, or its template where it is only to be shown; empty
    /// where the method is.
    pub name: &'a str,
    /// Under which name it is registered: the same, but of a resource that is one of many its template.
    pub registered: &'a str,
    /// The effect of a tool.
    pub annotations: Option<Annotations>,
    /// What its author calls it besides its name ([`About::tag`](crate::About::tag)).
    pub tags: &'a [String],
    /// What the caller needs for it.
    pub access: &'a Access,
}

impl<'a> Action<'a> {
    /// An action on something of this name that carries no tags.
    pub fn new(
        method: &'static str,
        name: &'a str,
        annotations: Option<Annotations>,
        access: &'a Access,
    ) -> Self {
        Self { method, name, registered: name, annotations, tags: &[], access }
    }

    /// The same on something that carries these tags.
    #[must_use]
    pub fn tagged(self, tags: &'a [String]) -> Self {
        Self { tags, ..self }
    }

    /// The same on something that is registered under another name, as resources of a template are.
    #[must_use]
    pub fn registered_as(self, registered: &'a str) -> Self {
        Self { registered, ..self }
    }
}

/// Decides whether a caller may do something.
///
/// It is asked at each stage of a call, with what has become known: before the arguments are read, with what is stated
/// of it; after, with these and what [`access`](crate::Tool::access) names, if it names anything or consent is needed;
/// for each [`Call::require`](crate::Call::require) and [`Call::allows`](crate::Call::allows); and once more when a
/// person has answered over a session. Lists, completions and subscriptions ask whether something may be shown. All
/// have to agree. A caller whose credentials are no good any more is refused without asking.
///
/// It is asked about names that stand for nothing, too, so that what it hides takes no other work than what is not
/// there.
pub trait Policy: Send + Sync + 'static {
    /// The decision; to be quick, since every call waits for it.
    fn decide(&self, principal: &Principal, action: &Action<'_>) -> Decision;

    /// Whether some caller might be denied this for another reason than a scope of `action.access`. It is asked of
    /// everything that is registered, and if it says no, lists and resources may be kept by caches that many callers
    /// share.
    fn may_hide(&self, action: &Action<'_>) -> bool {
        let _ = action;
        true
    }

    /// What is wrong with the policy itself, such as a name in it that nothing has; a server with any does not start.
    fn problems(&self, registered: &Registered<'_>) -> Vec<String> {
        let _ = registered;
        Vec::new()
    }
}

impl<P: Policy + ?Sized> Policy for std::sync::Arc<P> {
    fn decide(&self, principal: &Principal, action: &Action<'_>) -> Decision {
        (**self).decide(principal, action)
    }

    fn may_hide(&self, action: &Action<'_>) -> bool {
        (**self).may_hide(action)
    }

    fn problems(&self, registered: &Registered<'_>) -> Vec<String> {
        (**self).problems(registered)
    }
}

/// The names that a server starts with, for policies to look for their own among.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Registered<'a> {
    /// Of the tools; also of those that are left out because the server is [read-only](crate::Server::read_only).
    pub tools: Vec<&'a str>,
    /// The URIs of the resources and their templates.
    pub resources: Vec<&'a str>,
    /// Of the prompts.
    pub prompts: Vec<&'a str>,
    /// Every tag that something carries.
    pub tags: Vec<&'a str>,
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
