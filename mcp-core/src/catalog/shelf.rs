//! One list as different callers see it: what of it a policy shows them, and pages for all who see the same.

use std::sync::{Arc, Mutex, PoisonError};

use super::{List, PageSettings, Pages, pages::Item};
use crate::{
    access::Access,
    catalog::Audience,
    guards::Guarded,
    policy::{Action, Policy},
    protocol::revision::Revision,
};

/// For how many sets of items pages are kept, besides those with everything. Whoever sees yet another has theirs made,
/// and kept in place of those that nobody has asked for the longest.
const MOST_PARTS: usize = 16;

/// How large all that is kept so may be together, in bytes. A list that is larger by itself is made anew, page by page.
const MOST_BYTES: usize = 8 << 20;

/// One list in all revisions.
pub(super) struct Shelf {
    list: List,
    settings: PageSettings,
    /// What a policy is asked about each item, in the order of the list.
    listed: Vec<Listed>,
    /// Whether two callers may see different items.
    may_hide: bool,
    items: Vec<(Revision, Vec<Arc<Item>>)>,
    /// The pages with every item.
    whole: Vec<(Revision, Arc<Pages>)>,
    /// Those with some of them; what was asked for last comes first.
    parts: Mutex<Vec<Part>>,
}

/// What is known of an item before it is used.
pub(super) struct Listed {
    pub(super) guarded: Arc<Guarded>,
    /// What everybody needs for it.
    pub(super) access: Access,
}

impl Listed {
    fn action(&self) -> Action<'_> {
        self.guarded.action(&self.guarded.name, &self.access)
    }
}

/// The pages of those who see these items and no others.
struct Part {
    shown: Shown,
    revision: Revision,
    pages: Arc<Pages>,
    bytes: usize,
}

/// Which items of a list a caller sees, a bit each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Shown(Vec<u64>);

impl Shown {
    pub(crate) fn has(&self, index: usize) -> bool {
        self.0.get(index / 64).is_some_and(|bits| bits >> (index % 64) & 1 == 1)
    }
}

impl Shelf {
    pub(super) fn new(
        list: List,
        settings: &PageSettings,
        policy: &dyn Policy,
        listed: Vec<Listed>,
        items: Vec<(Revision, Vec<Arc<Item>>)>,
    ) -> Self {
        let may_hide = listed.iter().any(|listed| policy.may_hide(&listed.action()));
        let audience = if may_hide { Audience::Alike } else { Audience::Everybody };
        let whole = items
            .iter()
            .map(|(revision, items)| {
                let pages = Pages::new(list, *revision, items.clone(), settings.clone(), audience);
                (*revision, Arc::new(pages.made()))
            })
            .collect();
        Self { list, settings: settings.clone(), listed, may_hide, items, whole, parts: Mutex::default() }
    }

    /// Which items a caller sees, by what the policy says of each; `None` for all of them.
    pub(super) fn shown(&self, shows: impl Fn(&Action<'_>) -> bool) -> Option<Shown> {
        if !self.may_hide {
            return None;
        }
        let mut bits = vec![0_u64; self.listed.len().div_ceil(64)];
        let mut count = 0;
        for (index, listed) in self.listed.iter().enumerate() {
            if shows(&listed.action()) {
                bits[index / 64] |= 1 << (index % 64);
                count += 1;
            }
        }
        (count < self.listed.len()).then_some(Shown(bits))
    }

    /// The names of what a caller sees.
    pub(super) fn names<'a>(&'a self, shown: Option<&'a Shown>) -> impl Iterator<Item = &'a String> {
        let names = self.listed.iter().map(|listed| &listed.guarded.name);
        names
            .enumerate()
            .filter(move |(index, _)| shown.is_none_or(|shown| shown.has(*index)))
            .map(|(_, name)| name)
    }

    /// The pages of those who see these items and no others.
    pub(super) fn pages(&self, revision: Revision, shown: Option<&Shown>) -> Arc<Pages> {
        let Some(shown) = shown else { return Arc::clone(of(&self.whole, revision)) };
        if let Some(pages) = self.take_kept(revision, shown) {
            return pages;
        }
        // Without the lock, for which others need not wait: two who come at once may both make it.
        let items = of(&self.items, revision).iter().enumerate();
        let items = items.filter(|(index, _)| shown.has(*index)).map(|(_, item)| Arc::clone(item)).collect();
        let pages = Arc::new(Pages::new(self.list, revision, items, self.settings.clone(), Audience::Alike));
        let bytes = pages.bytes();
        self.keep(Part { shown: shown.clone(), revision, pages: Arc::clone(&pages), bytes });
        pages
    }

    fn take_kept(&self, revision: Revision, shown: &Shown) -> Option<Arc<Pages>> {
        let mut parts = self.parts.lock().unwrap_or_else(PoisonError::into_inner);
        let index = parts.iter().position(|part| part.revision == revision && part.shown == *shown)?;
        parts[..=index].rotate_right(1);
        parts.first().map(|part| Arc::clone(&part.pages))
    }

    fn keep(&self, part: Part) {
        let mut parts = self.parts.lock().unwrap_or_else(PoisonError::into_inner);
        parts.insert(0, part);
        let sums = parts.iter().take(MOST_PARTS).scan(0, |sum, part| {
            *sum += part.bytes;
            Some(*sum)
        });
        let most = sums.take_while(|sum| *sum <= MOST_BYTES).count();
        parts.truncate(most);
    }

    /// Whether clients who see everything would see the same list.
    pub(super) fn same_as(&self, other: &Self) -> bool {
        self.items == other.items
    }

    pub(super) fn settings(&self) -> &PageSettings {
        &self.settings
    }
}

impl std::fmt::Debug for Shelf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shelf")
            .field("list", &self.list)
            .field("may_hide", &self.may_hide)
            .finish_non_exhaustive()
    }
}

/// What belongs to a revision; every one has its own.
fn of<T>(all: &[(Revision, T)], revision: Revision) -> &T {
    let position = all.iter().position(|(known, _)| *known == revision).unwrap_or_default();
    &all[position].1
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on says why")]
mod tests {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    use proptest::prelude::*;

    use super::*;
    use crate::{hidden::HiddenPlaces, policy::Rules, protocol::method};

    const REVISION: Revision = Revision::V2026_07_28;

    /// A list of these names, each item of so many bytes, on pages of so many items.
    fn shelf(names: &[String], bytes: usize, page_size: usize) -> Shelf {
        let listed = names.iter().map(|name| Listed {
            guarded: Arc::new(Guarded {
                method: method::TOOLS_CALL,
                name: name.clone(),
                annotations: None,
                tags: Vec::new(),
                requires: Access::none(),
                hidden: HiddenPlaces::NONE,
            }),
            access: Access::none(),
        });
        let item =
            |name: &String| Arc::new((name.clone(), format!("{name:?}{}", " ".repeat(bytes)).into_bytes()));
        let items = names.iter().map(item).collect();
        let settings = PageSettings { size: page_size, ttl_ms: 0, server_meta: "{}".into() };
        let rules = Rules::new().read_only();
        Shelf::new(List::Tools, &settings, &rules, listed.collect(), vec![(REVISION, items)])
    }

    fn names() -> Vec<String> {
        (100..200).map(|number| format!("tool{number}")).collect()
    }

    fn page(pages: &Pages, cursor: Option<&str>) -> (Vec<String>, Option<String>) {
        let page: serde_json::Value = serde_json::from_slice(&pages.page(cursor).unwrap()).unwrap();
        let names = page["tools"].as_array().unwrap().iter().map(|name| name.as_str().unwrap().to_owned());
        (names.collect(), page["nextCursor"].as_str().map(str::to_owned))
    }

    #[test]
    fn pages_are_kept_for_a_number_of_sets_and_no_more() {
        let names = names();
        let shelf = shelf(&names, 0, 100);
        let pages = |name: &str| shelf.pages(REVISION, shelf.shown(|action| action.name != name).as_ref());
        let first = pages(&names[0]);
        for name in &names[1..MOST_PARTS] {
            let (shown, _) = page(&pages(name), None);
            assert!(shown.len() == 99 && !shown.contains(name));
            assert_eq!(
                pages(name).page(None).unwrap().windows(9).filter(|part| part == br#""private""#).count(),
                1
            );
        }
        // Asked for again they are the very same, and the next to go are others.
        assert!(Arc::ptr_eq(&first, &pages(&names[0])));
        let second = pages(&names[1]);
        (MOST_PARTS..99).for_each(|index| drop(pages(&names[index])));
        assert_eq!(shelf.parts.lock().unwrap().len(), MOST_PARTS);
        assert!(!Arc::ptr_eq(&second, &pages(&names[1])));
        assert!(shelf.shown(|_| true).is_none(), "who sees everything has the pages of everybody");
    }

    #[test]
    fn what_is_kept_is_bounded_in_bytes_too() {
        for (bytes, kept) in [(MOST_BYTES / 300, 3), (MOST_BYTES / 90, 0)] {
            let names = names();
            let shelf = shelf(&names, bytes, 10);
            for name in &names[..5] {
                let pages = shelf.pages(REVISION, shelf.shown(|action| action.name != name).as_ref());
                assert_eq!(page(&pages, None).0.len(), 10);
            }
            assert_eq!(shelf.parts.lock().unwrap().len(), kept);
        }
    }

    proptest! {
        #[test]
        fn whoever_turns_the_pages_sees_what_is_theirs_and_nothing_else(
            seen in prop::collection::vec(any::<bool>(), 0..150),
            page_size in 1..20_usize,
            from in "tool[0-9]{0,3}",
        ) {
            let names: Vec<String> = (0..seen.len()).map(|number| format!("tool{number:03}")).collect();
            let shelf = shelf(&names, 0, page_size);
            let sees = |name: &str| seen[name[4..].parse::<usize>().unwrap()];
            let shown = shelf.shown(|action| sees(action.name));
            let own: Vec<String> = names.iter().filter(|name| sees(name)).cloned().collect();
            prop_assert_eq!(shelf.names(shown.as_ref()).cloned().collect::<Vec<_>>(), own.clone());
            let pages = shelf.pages(REVISION, shown.as_ref());
            // From the beginning, and from wherever a cursor of somebody else's, or a made-up one, points to.
            for start in [None, Some(from)] {
                let mut cursor = start.as_ref().map(|name| URL_SAFE_NO_PAD.encode(name));
                let mut turned = Vec::new();
                loop {
                    let (names, next) = page(&pages, cursor.as_deref());
                    prop_assert!(names.len() <= page_size);
                    turned.extend(names);
                    match next {
                        Some(next) => cursor = Some(next),
                        None => break,
                    }
                }
                let after = start.unwrap_or_default();
                prop_assert_eq!(turned, own.iter().filter(|name| **name > after).cloned().collect::<Vec<_>>());
            }
        }
    }
}
