//! The policy that is written down: in code, or in a configuration file.

use serde::{Deserialize, Serialize};

use super::{
    Action, CallerRules, Decision, Denied, Policy, Registered, ScopePatterns, Selection, Unasked,
    callers::is_false,
    grants,
    selection::{Check, NamePatterns},
};
use crate::{principal::Principal, protocol::method};

/// A policy that is put down in one place: what there is, for whom there is less, and who is not asked.
///
/// Whatever it says, a caller needs every scope and every tenant that a call names. Who only lacks a scope sees what
/// needs it and is refused by name; everything else that it excludes is not there for the caller: lists leave it out,
/// and whoever names it is answered as for a name that stands for nothing.
///
/// ```
/// use mcp_core::{CallerRules, PrincipalKind, Rules, Selection};
///
/// let rules = Rules::new()
///     .tools(Selection::all().without_tagged("admin"))
///     .caller(CallerRules::of_kind(PrincipalKind::Anonymous).read_only())
///     .unasked(|unasked| unasked.kind(PrincipalKind::Service));
/// ```
///
/// The same from a file, of whatever format serde reads; fields that are none of these are refused:
///
/// ```
/// # use mcp_core::{CallerRules, PrincipalKind, Rules, Selection};
/// # let rules = Rules::new()
/// #     .tools(Selection::all().without_tagged("admin"))
/// #     .caller(CallerRules::of_kind(PrincipalKind::Anonymous).read_only())
/// #     .unasked(|unasked| unasked.kind(PrincipalKind::Service));
/// let file = r#"
///     tools.deny_tags = ["admin"]
///     unasked.callers = [{ kind = "service" }]
///
///     [[callers]]
///     kind = "anonymous"
///     read_only = true
/// "#;
/// assert_eq!(toml::from_str::<Rules>(file).unwrap(), rules);
/// ```
///
/// A name or a tag in it that nothing has, and a pattern where none is allowed, keep the server from starting.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct Rules {
    /// Whether there are only tools that change nothing; `false` by default.
    #[serde(skip_serializing_if = "is_false")]
    pub read_only: bool,
    /// Which scopes a grant stands for: `"exact"`, the default, is itself alone; with `"star"` a grant of `*` is every
    /// scope; with `"prefix"` a grant of `db:*` is every scope that begins with `db:`, too.
    pub scope_patterns: ScopePatterns,
    /// Whether a name in these rules that ends in a `*` stands for all that begin so, as `db_*` does for `db_read`;
    /// `false` by default.
    #[serde(skip_serializing_if = "is_false")]
    pub name_patterns: bool,
    /// Whether names and tags may be of what is registered only while the server runs; `false` by default: then one
    /// that nothing has is taken for a mistake.
    #[serde(skip_serializing_if = "is_false")]
    pub names_may_come: bool,
    /// Which tools there are, such as `{ allow = ["list_tables", "query"] }`; all by default.
    #[serde(skip_serializing_if = "Selection::is_all")]
    pub tools: Selection,
    /// Which resources and templates there are, such as `{ deny = ["logs://{service}"] }`; all by default.
    #[serde(skip_serializing_if = "Selection::is_all")]
    pub resources: Selection,
    /// Which prompts there are, such as `{ allow = [] }` for none; all by default.
    #[serde(skip_serializing_if = "Selection::is_all")]
    pub prompts: Selection,
    /// Who does what is destructive without a person being asked, such as `{ callers = [{ kind = "service" }] }`;
    /// nobody by default.
    #[serde(skip_serializing_if = "Unasked::is_nobody")]
    pub unasked: Unasked,
    /// For whom there is less, such as `[{ kind = "anonymous", read_only = true }]`; for nobody by default. They are
    /// looked through at every call, so they are meant for tens of callers; what thousands may do is better said by
    /// their scopes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub callers: Vec<CallerRules>,
}

impl Rules {
    /// Everything is there for everybody who has the scopes and the tenants that it needs.
    pub fn new() -> Self {
        Self::default()
    }

    /// Only tools that change nothing. Unlike [`Server::read_only`](crate::Server::read_only) this is a decision, which
    /// an audit is told of.
    #[must_use]
    pub fn read_only(mut self) -> Self {
        self.read_only = true;
        self
    }

    /// Which scopes a grant stands for.
    #[must_use]
    pub fn scope_patterns(mut self, patterns: ScopePatterns) -> Self {
        self.scope_patterns = patterns;
        self
    }

    /// Names that end in a `*` stand for all that begin so.
    #[must_use]
    pub fn name_patterns(mut self) -> Self {
        self.name_patterns = true;
        self
    }

    /// Names and tags may be of what is registered only while the server runs.
    #[must_use]
    pub fn names_may_come(mut self) -> Self {
        self.names_may_come = true;
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

    /// Who does what is destructive without a person being asked.
    #[must_use]
    pub fn unasked(mut self, change: impl FnOnce(Unasked) -> Unasked) -> Self {
        self.unasked = change(self.unasked);
        self
    }

    /// Less for some callers; may be given many times.
    #[must_use]
    pub fn caller(mut self, rules: CallerRules) -> Self {
        self.callers.push(rules);
        self
    }

    fn names(&self) -> NamePatterns {
        if self.name_patterns { NamePatterns::On } else { NamePatterns::Off }
    }

    /// What holds for everybody.
    fn common(&self) -> Part<'_> {
        let Self { read_only, tools, resources, prompts, .. } = self;
        Part { read_only: *read_only, tools, resources, prompts }
    }

    /// Why this is not there for the caller, if it is not.
    fn leave_out(&self, principal: &Principal, action: &Action<'_>) -> Option<&'static str> {
        let own = self.callers.iter().filter(|rules| rules.hold_for(principal)).map(Part::of);
        std::iter::once(self.common()).chain(own).find_map(|part| part.leaves_out(action, self.names()))
    }
}

/// What is left of everything there is: for everybody, or for some callers.
struct Part<'a> {
    read_only: bool,
    tools: &'a Selection,
    resources: &'a Selection,
    prompts: &'a Selection,
}

impl<'a> Part<'a> {
    fn of(rules: &'a CallerRules) -> Self {
        let CallerRules { read_only, tools, resources, prompts, .. } = rules;
        Self { read_only: *read_only, tools, resources, prompts }
    }

    fn leaves_out(&self, action: &Action<'_>, names: NamePatterns) -> Option<&'static str> {
        let is_write = action.annotations.is_some_and(|annotations| !annotations.read_only);
        if self.read_only && is_write {
            return Some("`read_only`, and it changes something");
        }
        let selection = match action.method {
            method::TOOLS_CALL => self.tools,
            method::RESOURCES_READ => self.resources,
            method::PROMPTS_GET => self.prompts,
            // Code of an author's, which says what it needs and has no name.
            _ => return None,
        };
        selection.leaves_out(action, names)
    }

    /// Whether it could leave out something of this method.
    fn narrows(&self, method: &str) -> bool {
        match method {
            method::TOOLS_CALL => self.read_only || !self.tools.is_all(),
            method::RESOURCES_READ => !self.resources.is_all(),
            method::PROMPTS_GET => !self.prompts.is_all(),
            _ => false,
        }
    }
}

impl Policy for Rules {
    fn decide(&self, principal: &Principal, action: &Action<'_>) -> Decision {
        if let Some(why) = self.leave_out(principal, action) {
            return Decision::Deny(Denied::hidden(why));
        }
        if let Some(denied) = grants::missing(principal, action.access, self.scope_patterns) {
            return Decision::Deny(denied);
        }
        match self.unasked.lets(principal, action, self.names()) {
            true => Decision::AllowUnasked,
            false => Decision::Allow,
        }
    }

    fn may_hide(&self, action: &Action<'_>) -> bool {
        let mut parts = std::iter::once(self.common()).chain(self.callers.iter().map(Part::of));
        action.access.tenants().next().is_some() || parts.any(|part| part.narrows(action.method))
    }

    fn problems(&self, registered: &Registered<'_>) -> Vec<String> {
        let check = |kind, known| Check {
            kind,
            names: self.names(),
            known,
            tags: &registered.tags,
            may_come: self.names_may_come,
        };
        let tools = check("tool", &registered.tools);
        let resources = check("resource", &registered.resources);
        let prompts = check("prompt", &registered.prompts);
        let mut problems: Vec<String> = self.unasked.problems(&tools).collect();
        problems.extend(self.tools.problems("tools", &tools));
        problems.extend(self.resources.problems("resources", &resources));
        problems.extend(self.prompts.problems("prompts", &prompts));
        for (index, rules) in self.callers.iter().enumerate() {
            if !rules.selects() {
                problems.push(format!(
                    "`callers[{index}]`: it does not say whom it is for; give `kind`, `subject`, `scope` or `tenant`, or \
                     put what holds for everybody outside of `callers`"
                ));
            }
            problems.extend(rules.tools.problems(&format!("callers[{index}].tools"), &tools));
            problems.extend(rules.resources.problems(&format!("callers[{index}].resources"), &resources));
            problems.extend(rules.prompts.problems(&format!("callers[{index}].prompts"), &prompts));
        }
        problems
    }
}
