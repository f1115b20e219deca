//! What guards the calls of a server, and what is known of a tool, a resource or a prompt before it is called.

use std::{
    fmt,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use crate::{
    access::Access,
    annotations::Annotations,
    audit::Audit,
    hidden::HiddenPlaces,
    noted::Noted,
    policy::{Action, ByGrants, Policy},
    protocol::{JsonObject, method},
};

/// Has the person agree before a destructive tool runs, to exactly what it will do.
///
/// What they are asked is the tool's [`preview`](crate::Tool::preview), or its name and arguments where it has none. A
/// client that cannot ask its user cannot call destructive tools then, unless the policy lets it through unasked
/// ([`Decision::AllowUnasked`](crate::Decision::AllowUnasked)).
///
/// ```
/// # use mcp_core::{ConfirmDestructive, PrincipalKind, Rules, Server};
/// let server = Server::new("shop", "1.0.0")
///     .confirm(ConfirmDestructive::new().except_tool("empty_cache"))
///     .policy(Rules::new().unasked(|unasked| unasked.kind(PrincipalKind::Service)));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConfirmDestructive {
    exceptions: Vec<String>,
}

impl ConfirmDestructive {
    /// Asks before everything that [`Annotations::destructive`](crate::Annotations) marks.
    pub fn new() -> Self {
        Self::default()
    }

    /// But not before this tool, by the name that it has in the server.
    #[must_use]
    pub fn except_tool(mut self, name: impl Into<String>) -> Self {
        self.exceptions.push(name.into());
        self
    }

    /// Whether the person is asked before this.
    pub(crate) fn covers(&self, guarded: &Guarded) -> bool {
        guarded.annotations.is_some_and(|annotations| annotations.destructive)
            && !self.exceptions.contains(&guarded.name)
    }
}

/// What guards the calls of a server.
pub(crate) struct Guards {
    pub(crate) policy: Box<dyn Policy>,
    pub(crate) confirm: Option<ConfirmDestructive>,
    pub(crate) audit: Option<Box<dyn Audit>>,
    /// Whether what is not read-only depends on its record.
    pub(crate) audit_required: bool,
    /// How many calls are on record.
    serials: AtomicU64,
}

impl Default for Guards {
    fn default() -> Self {
        Self {
            policy: Box::new(ByGrants::new()),
            confirm: None,
            audit: None,
            audit_required: false,
            serials: AtomicU64::new(0),
        }
    }
}

impl fmt::Debug for Guards {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guards").field("confirm", &self.confirm).finish_non_exhaustive()
    }
}

/// What is known of a tool, a resource or a prompt before it is called.
#[derive(Clone, Debug)]
pub(crate) struct Guarded {
    pub(crate) method: &'static str,
    /// The name of a tool or prompt, the URI or template of a resource.
    pub(crate) name: String,
    pub(crate) annotations: Option<Annotations>,
    /// What its author calls it besides its name.
    pub(crate) tags: Vec<String>,
    /// What every caller needs, whatever the arguments.
    pub(crate) requires: Access,
    /// Where arguments stand that are shown to nobody.
    pub(crate) hidden: HiddenPlaces,
}

/// What one call does, as its call keeps it.
#[derive(Debug)]
pub(crate) struct Doing {
    pub(crate) guarded: Arc<Guarded>,
    /// The URI that is read, where it is one of many.
    pub(crate) uri: Option<Box<str>>,
    /// What a record is told of its arguments, where one is kept.
    pub(crate) noted: Option<Box<Noted>>,
    /// Its number among those on record, once it is.
    serial: OnceLock<u64>,
    /// Whether the caller may know that there is such a thing, once that is decided.
    is_known: AtomicBool,
}

impl Doing {
    pub(crate) fn new(guarded: &Arc<Guarded>, uri: Option<&str>) -> Self {
        Self {
            guarded: Arc::clone(guarded),
            uri: uri.map(Into::into),
            noted: None,
            serial: OnceLock::new(),
            is_known: AtomicBool::new(false),
        }
    }

    /// What a call does that asks for what is not there.
    pub(crate) fn nothing(method: &'static str, name: &str) -> Self {
        let is_uri = method == method::RESOURCES_READ;
        let guarded = Guarded {
            method,
            name: name.to_owned(),
            annotations: None,
            tags: Vec::new(),
            requires: Access::none(),
            hidden: HiddenPlaces::NONE,
        };
        Self::new(&Arc::new(guarded), is_uri.then_some(name))
    }

    /// Takes note that the caller may know that there is such a thing.
    pub(crate) fn make_known(&self) {
        self.is_known.store(true, Ordering::Relaxed);
    }

    /// Whether the caller may know that there is such a thing.
    pub(crate) fn is_known(&self) -> bool {
        self.is_known.load(Ordering::Relaxed)
    }

    pub(crate) fn action<'a>(&'a self, access: &'a Access) -> Action<'a> {
        self.guarded.action(self.name(), access)
    }

    /// The name of a tool or a prompt, the URI of a resource.
    pub(crate) fn name(&self) -> &str {
        self.uri.as_deref().unwrap_or(&self.guarded.name)
    }
}

impl Guarded {
    /// What is about to be done with what is called so here, and needs this.
    pub(crate) fn action<'a>(&'a self, name: &'a str, access: &'a Access) -> Action<'a> {
        Action::new(self.method, name, self.annotations, access).registered_as(&self.name).tagged(&self.tags)
    }
}

impl Guards {
    /// Takes note of the arguments, where a record is kept.
    pub(crate) fn noting(&self, mut doing: Doing, arguments: &JsonObject) -> Doing {
        if self.audit.is_some() {
            doing.noted = Some(Box::new(Noted::of(arguments, &doing.guarded.hidden)));
        }
        doing
    }

    /// The same where all arguments are texts.
    pub(crate) fn noting_texts(&self, doing: Doing, arguments: &[(String, String)]) -> Doing {
        if self.audit.is_none() {
            return doing;
        }
        let arguments = arguments.iter().map(|(name, value)| (name.clone(), value.as_str().into()));
        self.noting(doing, &arguments.collect())
    }

    /// Whether what a call does depends on its record.
    pub(crate) fn needs_record(&self, doing: &Doing) -> bool {
        self.audit_required && doing.guarded.annotations.is_some_and(|annotations| !annotations.read_only)
    }

    /// The number of a call among those on record.
    pub(crate) fn serial_of(&self, doing: &Doing) -> u64 {
        *doing.serial.get_or_init(|| self.serials.fetch_add(1, Ordering::Relaxed) + 1)
    }
}
