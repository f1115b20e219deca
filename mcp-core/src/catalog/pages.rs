//! List pages, encoded once: a list request is a look-up and a copy.

use std::sync::{Arc, OnceLock};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Serialize;

use super::List;
use crate::protocol::revision::Revision;

/// How lists are cut into pages and what is said of their freshness.
#[derive(Clone, Debug)]
pub(crate) struct PageSettings {
    /// Items on a page.
    pub(crate) size: usize,
    /// For how long a client may keep a page, in milliseconds.
    pub(crate) ttl_ms: u64,
    /// The members of a modern result's `_meta`, as an encoded object.
    pub(crate) server_meta: Arc<str>,
}

/// Who may be handed the same list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Audience {
    /// Everybody: it comes from the catalog, and no policy makes two callers' catalogs differ.
    Everybody,
    /// Whoever sees the same of the catalog, which another may not.
    Alike,
    /// Whoever asked: code of an author's made it, knowing the caller.
    Caller,
}

/// An item's key, by which its list is sorted, and its encoding.
pub(super) type Item = (String, Vec<u8>);

/// One list, or a part of it, in one revision.
#[derive(Debug)]
pub(crate) struct Pages {
    list: List,
    revision: Revision,
    settings: PageSettings,
    audience: Audience,
    items: Vec<Arc<Item>>,
    /// The results of the pages that begin at every multiple of the page size, once they are made.
    ready: Vec<OnceLock<Arc<[u8]>>>,
}

impl Pages {
    pub(crate) fn new(
        list: List,
        revision: Revision,
        items: Vec<Arc<Item>>,
        settings: PageSettings,
        audience: Audience,
    ) -> Self {
        let count = items.len().div_ceil(settings.size).max(1);
        let ready = std::iter::repeat_with(OnceLock::new).take(count).collect();
        Self { list, revision, settings, audience, items, ready }
    }

    /// The same with every page made, before anybody asks.
    pub(super) fn made(self) -> Self {
        (0..self.ready.len()).for_each(|index| drop(self.ready_page(index)));
        self
    }

    /// How large all pages together are once they are made, but for what stands around the items.
    pub(super) fn bytes(&self) -> usize {
        self.items.iter().map(|item| item.1.len()).sum()
    }

    /// The result that holds the page after this cursor; `None` for a cursor that is none of ours.
    ///
    /// A cursor names the last item before the page, so that it stays good when the list changes.
    pub(crate) fn page(&self, cursor: Option<&str>) -> Option<Arc<[u8]>> {
        let start = match cursor {
            None => 0,
            Some(cursor) => {
                let last = decode_cursor(cursor)?;
                self.items.partition_point(|item| item.0 <= last)
            }
        };
        let is_ready = start.is_multiple_of(self.settings.size);
        let ready = if is_ready { self.ready_page(start / self.settings.size) } else { None };
        Some(ready.unwrap_or_else(|| self.page_from(start).into()))
    }

    fn ready_page(&self, index: usize) -> Option<Arc<[u8]>> {
        let page = self.ready.get(index)?;
        Some(Arc::clone(page.get_or_init(|| self.page_from(index * self.settings.size).into())))
    }

    fn page_from(&self, start: usize) -> Vec<u8> {
        let rest = self.items.get(start..).unwrap_or_default();
        let page = &rest[..rest.len().min(self.settings.size)];
        let next = (page.len() < rest.len()).then(|| page.last().map(|item| item.0.as_str())).flatten();
        let items = page.iter().map(|item| item.1.as_slice());
        assemble(self.list, self.revision, items, next, &self.settings, self.audience)
    }
}

/// The result of a list request, as the revision writes it; `next` is the key of the last item before the next page.
pub(crate) fn assemble<'a>(
    list: List,
    revision: Revision,
    items: impl Iterator<Item = &'a [u8]>,
    next: Option<&str>,
    settings: &PageSettings,
    audience: Audience,
) -> Vec<u8> {
    let mut out = Vec::new();
    out.push(b'{');
    if revision.is_modern() {
        out.extend_from_slice(br#""resultType":"complete","#);
    }
    out.extend_from_slice(format!(r#""{}":["#, list.member()).as_bytes());
    for (index, item) in items.enumerate() {
        if index > 0 {
            out.push(b',');
        }
        out.extend_from_slice(item);
    }
    out.push(b']');
    if let Some(next) = next {
        out.extend_from_slice(format!(r#","nextCursor":"{}""#, URL_SAFE_NO_PAD.encode(next)).as_bytes());
    }
    if revision.is_modern() {
        let meta = &settings.server_meta;
        // Nobody is told when a list that an author's code makes turns out differently, so none is kept.
        let (ttl_ms, scope) = match audience {
            Audience::Everybody => (settings.ttl_ms, "public"),
            Audience::Alike => (settings.ttl_ms, "private"),
            Audience::Caller => (0, "private"),
        };
        out.extend_from_slice(
            format!(r#","ttlMs":{ttl_ms},"cacheScope":"{scope}","_meta":{meta}"#).as_bytes(),
        );
    }
    out.push(b'}');
    out
}

/// The key that a cursor stands for.
pub(crate) fn decode_cursor(cursor: &str) -> Option<String> {
    String::from_utf8(URL_SAFE_NO_PAD.decode(cursor).ok()?).ok()
}

/// Serializes what is a map with string keys throughout, which cannot fail.
pub(crate) fn encode(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_default()
}
