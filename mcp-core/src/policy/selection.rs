//! Some of the tools, resources or prompts there are: by name and by tag.

use serde::{Deserialize, Serialize};

use super::Action;
use crate::schema::nearest;

/// Which tools, resources or prompts there are for a caller; by default all of them.
///
/// Names are those under which things are registered: of a resource its URI or its template, as it is written. Where
/// [`Rules::name_patterns`](super::Rules::name_patterns) is on, one that ends in a `*` stands for all that begin so.
/// What is denied is denied also where it is allowed.
///
/// ```
/// # use mcp_core::Selection;
/// let reading = Selection::only(["list_tables", "query"]).or_tagged("reading").without_tagged("slow");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct Selection {
    /// Only these, and those with one of the tags in `allow_tags`; everything where neither is given. Such as
    /// `["list_tables", "query"]`; `[]` for nothing at all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allow: Option<Vec<String>>,
    /// Only what carries one of these tags, and what `allow` names. Such as `["reading"]`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allow_tags: Option<Vec<String>>,
    /// None of these; none by default. Such as `["drop_table"]`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub deny: Vec<String>,
    /// Nothing that carries one of these tags; none by default. Such as `["admin"]`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub deny_tags: Vec<String>,
}

impl Selection {
    /// All there are.
    pub fn all() -> Self {
        Self::default()
    }

    /// Only those of these names.
    pub fn only<I>(names: I) -> Self
    where
        I: IntoIterator,
        I::Item: Into<String>,
    {
        Self { allow: Some(names.into_iter().map(Into::into).collect()), ..Self::default() }
    }

    /// Only those that carry this tag.
    pub fn tagged(tag: impl Into<String>) -> Self {
        Self::all().or_tagged(tag)
    }

    /// Those that carry this tag as well.
    #[must_use]
    pub fn or_tagged(mut self, tag: impl Into<String>) -> Self {
        self.allow_tags.get_or_insert_default().push(tag.into());
        self
    }

    /// None of these names.
    #[must_use]
    pub fn without<I>(mut self, names: I) -> Self
    where
        I: IntoIterator,
        I::Item: Into<String>,
    {
        self.deny.extend(names.into_iter().map(Into::into));
        self
    }

    /// None that carry this tag.
    #[must_use]
    pub fn without_tagged(mut self, tag: impl Into<String>) -> Self {
        self.deny_tags.push(tag.into());
        self
    }

    /// Whether it is all there are.
    pub(super) fn is_all(&self) -> bool {
        *self == Self::default()
    }

    /// Why this is not among them, if it is not.
    pub(super) fn leaves_out(&self, action: &Action<'_>, names: NamePatterns) -> Option<&'static str> {
        let has_name = |entries: &[String]| names.find(entries, action.registered);
        let has_tag = |tags: &[String]| tags.iter().any(|tag| action.tags.contains(tag));
        // Where patterns are off one keeps the server from starting; where nobody looked, it rather denies too much.
        if NamePatterns::On.find(&self.deny, action.registered) {
            return Some("`deny` has its name");
        }
        if has_tag(&self.deny_tags) {
            return Some("`deny_tags` has a tag of it");
        }
        let is_allowed = match (&self.allow, &self.allow_tags) {
            (None, None) => true,
            (names, tags) => names.as_deref().is_some_and(has_name) || tags.as_deref().is_some_and(has_tag),
        };
        (!is_allowed).then_some("neither `allow` nor `allow_tags` has it")
    }

    /// What is wrong with the names and tags, each with the way to it.
    pub(super) fn problems<'a>(
        &'a self,
        place: &'a str,
        check: &'a Check<'a>,
    ) -> impl Iterator<Item = String> + 'a {
        let allow = self.allow.iter().flatten().map(move |name| ("allow", name));
        let deny = self.deny.iter().map(move |name| ("deny", name));
        let names = allow
            .chain(deny)
            .filter_map(move |(list, name)| Some(format!("`{place}.{list}`: {}", check.name(name)?)));
        let allow = self.allow_tags.iter().flatten().map(move |tag| ("allow_tags", tag));
        let deny = self.deny_tags.iter().map(move |tag| ("deny_tags", tag));
        let tags = allow
            .chain(deny)
            .filter_map(move |(list, tag)| Some(format!("`{place}.{list}`: {}", check.tag(tag)?)));
        names.chain(tags)
    }
}

/// Whether names may be patterns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NamePatterns {
    Off,
    On,
}

impl NamePatterns {
    /// Whether one of the entries is this name, or stands for it.
    pub(super) fn find(self, entries: &[String], name: &str) -> bool {
        entries.iter().any(|entry| match entry.strip_suffix('*') {
            Some(prefix) if self == Self::On => name.starts_with(prefix),
            _ => entry == name,
        })
    }
}

/// Holds names and tags against those there are.
pub(super) struct Check<'a> {
    /// What the names are of, in a word.
    pub(super) kind: &'static str,
    pub(super) names: NamePatterns,
    pub(super) known: &'a [&'a str],
    pub(super) tags: &'a [&'a str],
    /// Whether names and tags may be of things that are registered later.
    pub(super) may_come: bool,
}

impl Check<'_> {
    /// What is wrong with a name.
    pub(super) fn name(&self, name: &str) -> Option<String> {
        let kind = self.kind;
        if let Some(prefix) = name.strip_suffix('*') {
            return match self.names {
                NamePatterns::On if prefix.contains('*') => {
                    Some(format!("`{name}` has more than one `*`; only the last character may be one"))
                }
                NamePatterns::On => {
                    let is_met = self.may_come || self.known.iter().any(|known| known.starts_with(prefix));
                    (!is_met).then(|| format!("no {kind} begins with `{prefix}`{LATER}"))
                }
                NamePatterns::Off => Some(format!(
                    "`{name}` is a pattern, and patterns are off; name each {kind}, or set `name_patterns = true` to have \
                     it stand for every one that begins with `{prefix}`"
                )),
            };
        }
        if name.contains('*') && !self.known.contains(&name) {
            return Some(format!(
                "`{name}`: a `*` can only be the last character, where it stands for the rest"
            ));
        }
        (!self.may_come && !self.known.contains(&name))
            .then(|| format!("there is no {kind} `{name}`{}", remedy(name, self.known)))
    }

    /// What is wrong with a tag.
    fn tag(&self, tag: &str) -> Option<String> {
        (!self.may_come && !self.tags.contains(&tag))
            .then(|| format!("nothing carries the tag `{tag}`{}", remedy(tag, self.tags)))
    }
}

/// What to do where it is right after all.
const LATER: &str = "; where it is registered while the server runs, set `names_may_come = true`";

/// What to do about a name that nothing has.
fn remedy(name: &str, known: &[&str]) -> String {
    let known: Vec<String> = known.iter().copied().map(str::to_owned).collect();
    nearest(name, &known).map_or_else(|| LATER.to_owned(), |near| format!("; did you mean `{near}`?"))
}
