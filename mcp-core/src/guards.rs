//! What guards the calls of a server, and what is known of a tool, a resource or a prompt before it is called.

use std::{
    fmt,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
};

use serde_json::Value;

use crate::{
    access::Access,
    annotations::Annotations,
    audit::Audit,
    policy::{Action, ByGrants, Policy},
    protocol::JsonObject,
};

/// Has the person agree before a destructive tool runs, to exactly what it will do.
///
/// What they are asked is the tool's [`preview`](crate::Tool::preview), or its name and arguments where it has none. A
/// client that cannot ask its user cannot call destructive tools then, unless the policy lets it through unasked
/// ([`Decision::AllowUnasked`](crate::Decision::AllowUnasked)).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConfirmDestructive;

impl ConfirmDestructive {
    /// Asks before everything that [`Annotations::destructive`](crate::Annotations) marks.
    pub fn new() -> Self {
        Self
    }
}

/// What guards the calls of a server.
pub(crate) struct Guards {
    pub(crate) policy: Box<dyn Policy>,
    pub(crate) confirm: Option<ConfirmDestructive>,
    pub(crate) audit: Option<Box<dyn Audit>>,
    /// How many calls are on record.
    serials: AtomicU64,
}

impl Default for Guards {
    fn default() -> Self {
        Self { policy: Box::new(ByGrants::new()), confirm: None, audit: None, serials: AtomicU64::new(0) }
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
    /// What every caller needs, whatever the arguments.
    pub(crate) requires: Access,
    /// Where arguments stand that are shown to nobody.
    pub(crate) hidden: Vec<Place>,
}

impl Guarded {
    /// The places of arguments that a schema marks as write-only: they are secrets.
    pub(crate) fn hidden_in(schema: &JsonObject) -> Vec<Place> {
        let mut hidden = Vec::new();
        find_hidden(schema, &mut Vec::new(), &mut hidden);
        hidden
    }

    /// Puts an ellipsis in place of what is shown to nobody.
    pub(crate) fn hide(&self, arguments: &mut Value) {
        self.hidden.iter().for_each(|place| hide_at(place, arguments));
    }
}

/// A place in arguments, as the steps to it.
pub(crate) type Place = Vec<Step>;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// The member of this name.
    Member(String),
    /// Every item of a list, or every member of a map that is not named.
    Each,
}

fn find_hidden(schema: &JsonObject, place: &mut Place, hidden: &mut Vec<Place>) {
    let parts = ["allOf", "anyOf", "oneOf", "prefixItems"].map(|keyword| schema.get(keyword));
    let parts = parts.into_iter().zip([None, None, None, Some(Step::Each)]).flat_map(|(parts, step)| {
        parts.and_then(Value::as_array).into_iter().flatten().map(move |part| (step.clone(), part))
    });
    let rest = ["items", "additionalProperties", "patternProperties"].map(|keyword| schema.get(keyword));
    let [items, others, patterns] = rest;
    let patterns = patterns.and_then(Value::as_object).into_iter().flat_map(|patterns| patterns.values());
    let each = items.into_iter().chain(others).chain(patterns).map(|schema| (Some(Step::Each), schema));
    let members = schema.get("properties").and_then(Value::as_object).into_iter().flatten();
    let members = members.map(|(name, schema)| (Some(Step::Member(name.clone())), schema));
    for (step, schema) in parts.chain(each).chain(members) {
        let Value::Object(schema) = schema else { continue };
        let depth = place.len();
        place.extend(step);
        let is_secret = |key: &str, value: Value| schema.get(key) == Some(&value);
        if is_secret("writeOnly", true.into()) || is_secret("format", "password".into()) {
            hidden.push(place.clone());
        } else {
            find_hidden(schema, place, hidden);
        }
        place.truncate(depth);
    }
}

fn hide_at(place: &[Step], value: &mut Value) {
    match (place, value) {
        ([], value) => *value = "…".into(),
        ([Step::Member(name), rest @ ..], Value::Object(members)) => {
            if let Some(member) = members.get_mut(name) {
                hide_at(rest, member);
            }
        }
        ([Step::Each, rest @ ..], Value::Array(items)) => {
            items.iter_mut().for_each(|item| hide_at(rest, item));
        }
        ([Step::Each, rest @ ..], Value::Object(members)) => {
            members.values_mut().for_each(|member| hide_at(rest, member));
        }
        _ => {}
    }
}

/// What one call does, as its call keeps it.
#[derive(Debug)]
pub(crate) struct Doing {
    pub(crate) guarded: Arc<Guarded>,
    /// The URI that is read, where it is one of many.
    pub(crate) uri: Option<Box<str>>,
    /// Its number among those on record, once it is.
    serial: OnceLock<u64>,
}

impl Doing {
    pub(crate) fn new(guarded: &Arc<Guarded>, uri: Option<&str>) -> Self {
        Self { guarded: Arc::clone(guarded), uri: uri.map(Into::into), serial: OnceLock::new() }
    }

    pub(crate) fn action<'a>(&'a self, access: &'a Access) -> Action<'a> {
        let Guarded { method, name, annotations, .. } = &*self.guarded;
        Action::new(method, self.uri.as_deref().unwrap_or(name), *annotations, access)
    }
}

impl Guards {
    /// The number of a call among those on record.
    pub(crate) fn serial_of(&self, doing: &Doing) -> u64 {
        *doing.serial.get_or_init(|| self.serials.fetch_add(1, Ordering::Relaxed) + 1)
    }
}
