//! What of a pack is taken into a server, and under which names.

use std::{fmt, sync::Arc};

use crate::{
    access::Access,
    annotations::Annotations,
    build::Problem,
    entry::{Entry, EntryKind},
    schema::nearest,
};

/// What of a pack is taken, and under which names; by default all of it, under its own.
#[derive(Clone, Default)]
pub struct PackOptions {
    prefix: String,
    only: Option<Vec<String>>,
    without: Vec<String>,
    effects: Vec<Arc<dyn Fn(Annotations) -> bool + Send + Sync>>,
    tags: Vec<String>,
    requires: Access,
}

impl PackOptions {
    /// All of it, under its own names.
    pub fn new() -> Self {
        Self::default()
    }

    /// Puts this before the names of tools and prompts, such as `shop_`. URIs stay as they are, and so do the texts, which
    /// may speak of tools by their own names.
    #[must_use]
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// Takes only these: tools and prompts by their own names, resources by their URI or template. A name that the pack does
    /// not have keeps the server from starting.
    #[must_use]
    pub fn only<I>(mut self, names: I) -> Self
    where
        I: IntoIterator,
        I::Item: Into<String>,
    {
        self.only = Some(names.into_iter().map(Into::into).collect());
        self
    }

    /// Takes all but these, named as for [`only`](Self::only): the way out where two packs have one URI.
    #[must_use]
    pub fn without<I>(mut self, names: I) -> Self
    where
        I: IntoIterator,
        I::Item: Into<String>,
    {
        self.without.extend(names.into_iter().map(Into::into));
        self
    }

    /// Has everything that is taken carry this tag; as [`About::tag`](crate::About::tag).
    #[must_use]
    pub fn tag(mut self, tag: impl Into<String>) -> Self {
        self.tags.push(tag.into());
        self
    }

    /// What everybody needs for whatever is taken, such as [`Access::tenant`] for a pack that is there for one tenant alone; as
    /// [`About::requires`](crate::About::requires).
    #[must_use]
    pub fn requires(mut self, access: Access) -> Self {
        self.requires = self.requires.and(access);
        self
    }

    /// Takes only tools whose effect is so; given several times, all have to agree.
    #[must_use]
    pub fn tools_that(mut self, keep: impl Fn(Annotations) -> bool + Send + Sync + 'static) -> Self {
        self.effects.push(Arc::new(keep));
        self
    }
}

impl fmt::Debug for PackOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PackOptions")
            .field("prefix", &self.prefix)
            .field("only", &self.only)
            .field("without", &self.without)
            .finish_non_exhaustive()
    }
}

/// A pack that is being registered.
#[derive(Debug)]
pub(crate) struct Taking {
    options: PackOptions,
    /// The names of all that it has, by which a misspelt one is told.
    seen: Vec<String>,
}

impl Taking {
    pub(crate) fn new(options: PackOptions) -> Self {
        Self { options, seen: Vec::new() }
    }

    /// What is registered of an entry, and under which name; `None` where it is left out.
    pub(crate) fn take(&mut self, mut entry: Entry) -> Result<Option<Entry>, Problem> {
        let name = entry.name().to_owned();
        let is_allowed = self.options.only.as_ref().is_none_or(|only| only.contains(&name))
            && !self.options.without.contains(&name);
        self.seen.push(name);
        let has_effect = match &entry.0 {
            EntryKind::Tool(tool) => {
                self.options.effects.iter().all(|keep| keep(tool.definition().annotations))
            }
            EntryKind::Resource(_) | EntryKind::Prompt(_) => true,
        };
        if !is_allowed || !has_effect {
            return Ok(None);
        }
        let guarded = entry.guarded_mut();
        guarded.tags.extend_from_slice(&self.options.tags);
        guarded.requires = std::mem::take(&mut guarded.requires).and(self.options.requires.clone());
        if self.options.prefix.is_empty() {
            Ok(Some(entry))
        } else {
            entry.prefixed(&self.options.prefix).map(Some)
        }
    }

    /// What was asked for and is not there.
    pub(crate) fn missing(self) -> impl Iterator<Item = Problem> {
        let Self { options, seen } = self;
        let only = options.only.into_iter().flatten().map(|name| ("only", name));
        let without = options.without.into_iter().map(|name| ("without", name));
        let missing: Vec<_> = only.chain(without).filter(|(_, name)| !seen.contains(name)).collect();
        missing.into_iter().map(move |(option, name)| {
            let hint = nearest(&name, &seen).map(|near| format!("; did you mean `{near}`?"));
            Problem::new(
                format!("pack option `{option}`: `{name}`"),
                format!("the pack has nothing of this name{}", hint.unwrap_or_default()),
            )
        })
    }
}
