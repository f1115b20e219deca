//! The templates of a registry, in the order in which a URI is held against them.

use std::sync::Arc;

use crate::{build::Problem, protocol::uri_template::Relation, resource::ResourceEntry};

/// Templates of which any two have no URI in common, or all URIs of one: narrower ones stand before wider ones.
#[derive(Clone, Debug, Default)]
pub(super) struct Templates(Vec<Ranked>);

/// A template and how many others are wider.
///
/// What is narrower than another has more wider ones, the other and those of the other. So this number sorts them, and
/// the order does not depend on that of registration.
#[derive(Clone, Debug)]
struct Ranked {
    entry: Arc<ResourceEntry>,
    wider: usize,
}

impl Templates {
    /// Adds a template, unless some URI would match two of which neither is narrower.
    pub(super) fn add(&mut self, entry: Arc<ResourceEntry>) -> Result<(), Problem> {
        let relations = self.0.iter().map(|known| {
            let relation = entry.template.relation_to(&known.entry.template);
            check(&entry, &known.entry, &relation).map(|()| relation)
        });
        let relations = relations.collect::<Result<Vec<_>, _>>()?;
        let wider = relations.iter().filter(|relation| **relation == Relation::Narrower).count();
        for (known, relation) in self.0.iter_mut().zip(&relations) {
            known.wider += usize::from(*relation == Relation::Wider);
        }
        self.0.push(Ranked { entry, wider });
        self.sort();
        Ok(())
    }

    /// Removes the template that is written so; whether there was one.
    pub(super) fn remove(&mut self, text: &str) -> bool {
        let Some(index) = self.0.iter().position(|known| known.entry.template.as_str() == text) else {
            return false;
        };
        let removed = self.0.remove(index).entry;
        for known in &mut self.0 {
            let is_narrower = known.entry.template.relation_to(&removed.template) == Relation::Narrower;
            known.wider -= usize::from(is_narrower);
        }
        self.sort();
        true
    }

    fn sort(&mut self) {
        self.0.sort_by(|a, b| {
            let (text, other) = (a.entry.template.as_str(), b.entry.template.as_str());
            b.wider.cmp(&a.wider).then_with(|| text.cmp(other))
        });
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<ResourceEntry>> {
        self.0.iter().map(|ranked| &ranked.entry)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// What is to be done about two templates that collide.
const REMEDY: &str = "leave one of them out, as with `PackOptions::without`";

/// Refuses what could not be told from a template that is there already.
fn check(new: &ResourceEntry, known: &ResourceEntry, relation: &Relation) -> Result<(), Problem> {
    let (new, known) = (&new.template, &known.template);
    let why = match relation {
        Relation::Disjoint | Relation::Narrower | Relation::Wider => return Ok(()),
        Relation::Equal(uri) => {
            format!(
                "matches the same URIs as `{known}`, which is there already; one of them is `{uri}`; {REMEDY}"
            )
        }
        Relation::Overlapping(uri) => format!(
            "`{uri}` would match `{known}` as well, and neither of the two is a special case of the other; {REMEDY}"
        ),
        Relation::Intricate => {
            format!("cannot be compared with `{known}`, which is there already: the two are too intricate")
        }
    };
    Err(Problem::new(format!("resource `{new}`"), why))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on says why")]
mod tests {
    use schemars::JsonSchema;
    use serde::Deserialize;

    use super::*;
    use crate::{Contents, resource_fn};

    #[derive(Deserialize, JsonSchema)]
    struct Path {
        #[allow(dead_code, reason = "the template has it")]
        path: String,
    }

    fn entry(uri: &str) -> Arc<ResourceEntry> {
        let resource = resource_fn(uri, uri, async |_: Path, _| Ok(Contents::text("")));
        Arc::new(resource.into_resource().unwrap())
    }

    fn templates(uris: &[&str]) -> Templates {
        let mut templates = Templates::default();
        uris.iter().for_each(|uri| templates.add(entry(uri)).unwrap());
        templates
    }

    fn texts(templates: &Templates) -> Vec<&str> {
        templates.iter().map(|entry| entry.template.as_str()).collect()
    }

    #[test]
    fn the_order_depends_on_what_is_there_alone() {
        let sorted = ["a:x/y/{path}", "a:x/{path}", "a:x/{+path}", "a:{+path}", "b:{path}"];
        for turns in 0..sorted.len() {
            let mut uris = sorted;
            uris.rotate_left(turns);
            let mut templates = templates(&uris);
            assert_eq!(texts(&templates), sorted);
            assert!(templates.remove("a:x/{+path}") && !templates.remove("a:x/{+path}"));
            assert_eq!(texts(&templates), ["a:x/y/{path}", "a:x/{path}", "a:{+path}", "b:{path}"]);
            templates.add(entry("a:x/{+path}")).unwrap();
            assert_eq!(texts(&templates), sorted);
        }
    }

    #[test]
    fn a_refused_template_changes_nothing() {
        let mut templates = templates(&["a:{+path}", "a:b/{path}"]);
        let problem = templates.add(entry("a:{path}/c")).unwrap_err().to_string();
        assert_eq!(
            problem,
            "resource `a:{path}/c`: `a:b/c` would match `a:b/{path}` as well, and neither of the two is a special \
             case of the other; leave one of them out, as with `PackOptions::without`"
        );
        assert_eq!(texts(&templates), ["a:b/{path}", "a:{+path}"]);
        templates.add(entry("a:c/{path}")).unwrap();
        assert_eq!(texts(&templates), ["a:b/{path}", "a:c/{path}", "a:{+path}"]);
    }
}
