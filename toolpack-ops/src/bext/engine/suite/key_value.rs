//! Promises of [`KeyValue`](crate::bext::engine::KeyValue).

use std::time::Duration;

use tokio::task::JoinSet;

use super::{Engines, Harness, app, expect};
use crate::bext::engine::{AppRef, Cursor, Entry, Key, KeyPage, ListKeys, PageSize, SetKey, Ttl, Written};
use crate::error::ErrorKind;

impl Engines {
    async fn get(&self, app: &AppRef, key: &str) -> Option<Entry> {
        self.key_value.get(app, &key.parse().unwrap()).await.unwrap()
    }

    async fn set(&self, app: &AppRef, key: &str, value: &str, ttl: Option<u64>) -> Written {
        let ttl = ttl.map(|seconds| Ttl::try_from(seconds).unwrap());
        let options = SetKey::new(value.parse().unwrap()).with_ttl(ttl);
        self.key_value.set(app, &key.parse().unwrap(), options).await.unwrap()
    }

    async fn delete(&self, app: &AppRef, key: &str) -> bool {
        self.key_value.delete(app, &key.parse().unwrap()).await.unwrap().deleted
    }

    async fn keys(&self, app: &AppRef, prefix: &str, limit: u64, cursor: Option<Cursor>) -> KeyPage {
        let options = ListKeys::default()
            .with_prefix(prefix.parse().unwrap())
            .with_limit(PageSize::try_from(limit).unwrap())
            .with_cursor(cursor);
        self.key_value.list(app, options).await.unwrap()
    }

    /// All keys of a prefix, by pages of that size.
    async fn all_keys(&self, app: &AppRef, prefix: &str, limit: u64) -> Vec<String> {
        let mut keys = Vec::new();
        let mut cursor = None;
        loop {
            let page = self.keys(app, prefix, limit, cursor).await;
            assert!(page.keys.len() as u64 <= limit);
            keys.extend(page.keys.into_iter().map(String::from));
            cursor = page.next_cursor;
            if cursor.is_none() {
                return keys;
            }
        }
    }
}

/// Reads of a store that does not exist find nothing; what is set is found.
pub async fn a_key_is_absent_until_it_is_set(harness: &dyn Harness) {
    let (engines, app) = (harness.open().await, app(harness, "a"));
    assert_eq!(engines.get(&app, "k").await, None);
    assert!(!engines.delete(&app, "k").await);
    assert!(engines.all_keys(&app, "", 10).await.is_empty());
    assert_eq!(engines.set(&app, "k", "v", None).await.expires_at, None);
    assert_eq!(engines.get(&app, "k").await, Some(Entry { value: "v".into(), expires_at: None }));
    assert_eq!(engines.get(&app, "K").await, None);
}

/// A set without a lifetime takes the earlier expiry away.
pub async fn a_set_replaces_value_and_expiry(harness: &dyn Harness) {
    let (engines, app) = (harness.open().await, app(harness, "a"));
    let written = engines.set(&app, "k", "1", Some(60)).await;
    assert!(written.expires_at.is_some());
    assert_eq!(engines.get(&app, "k").await.unwrap().expires_at, written.expires_at);
    engines.set(&app, "k", "2", None).await;
    harness.advance(Duration::from_secs(3600));
    assert_eq!(engines.get(&app, "k").await, Some(Entry { value: "2".into(), expires_at: None }));
}

/// A key is there to the last moment of its lifetime, and from then on in no method.
pub async fn an_expired_key_is_absent(harness: &dyn Harness) {
    let (engines, app) = (harness.open().await, app(harness, "a"));
    engines.set(&app, "short", "v", Some(1)).await;
    engines.set(&app, "long", "v", Some(100)).await;
    harness.advance(Duration::from_millis(999));
    assert!(engines.get(&app, "short").await.is_some());
    harness.advance(Duration::from_millis(1));
    assert_eq!(engines.get(&app, "short").await, None);
    assert_eq!(engines.all_keys(&app, "", 10).await, ["long"]);
    assert!(!engines.delete(&app, "short").await);
    engines.set(&app, "short", "again", None).await;
    assert_eq!(engines.all_keys(&app, "", 10).await, ["long", "short"]);
    // Many at once: they vanish at once, whenever they are swept.
    for n in 0..100 {
        engines.set(&app, &format!("many{n}"), "v", Some(1)).await;
    }
    harness.advance(Duration::from_secs(1));
    assert!(engines.all_keys(&app, "many", 10).await.is_empty());
    engines.set(&app, "other", "v", None).await;
    assert_eq!(engines.all_keys(&app, "", 2).await, ["long", "other", "short"]);
}

/// `deleted` is true once.
pub async fn deleting_says_whether_there_was_a_key(harness: &dyn Harness) {
    let (engines, app) = (harness.open().await, app(harness, "a"));
    engines.set(&app, "k", "v", None).await;
    assert!(engines.delete(&app, "k").await);
    assert!(!engines.delete(&app, "k").await);
    assert_eq!(engines.get(&app, "k").await, None);
}

/// Texts come back as they were, whatever is in them.
pub async fn any_text_is_a_key_and_a_value(harness: &dyn Harness) {
    let (engines, app) = (harness.open().await, app(harness, "a"));
    let long = "ä".repeat(512);
    for text in
        ["'", "\"; DROP TABLE kv; --", "%", "_", "a\0b", "\u{10ffff}", "\n", " ", "日本", "x'00'", &long]
    {
        engines.set(&app, text, text, None).await;
        assert_eq!(engines.get(&app, text).await.unwrap().value, text, "{text:?}");
        assert!(engines.delete(&app, text).await, "{text:?}");
    }
    engines.set(&app, "empty", "", None).await;
    assert_eq!(engines.get(&app, "empty").await.unwrap().value, "");
}

/// A value of the largest size is kept, one byte more is refused and the old value stays.
pub async fn a_value_over_the_limit_is_refused(harness: &dyn Harness) {
    let (engines, app) = (harness.open().await, app(harness, "a"));
    let largest = "x".repeat(harness.limits().max_kv_value_bytes);
    engines.set(&app, "k", &largest, None).await;
    let options = SetKey::new(format!("{largest}x").parse().unwrap());
    let refused = engines.key_value.set(&app, &"k".parse().unwrap(), options).await;
    expect(refused, ErrorKind::InvalidInput, "value_too_large", "set");
    assert_eq!(engines.get(&app, "k").await.unwrap().value.len(), largest.len());
}

/// A prefix is a text, not a pattern; the order is that of bytes.
pub async fn keys_are_listed_by_prefix_in_byte_order(harness: &dyn Harness) {
    let (engines, app) = (harness.open().await, app(harness, "a"));
    let mut keys =
        ["a", "A", "ab", "a%", "a_", "aé", "b", "z\u{10ffff}", "z\u{10ffff}x", "é", "\u{10ffff}", "1"];
    for key in keys {
        engines.set(&app, key, "v", None).await;
    }
    keys.sort_unstable_by_key(|key| key.as_bytes());
    assert_eq!(engines.all_keys(&app, "", 1000).await, keys);
    for prefix in ["a", "a%", "a_", "z\u{10ffff}", "\u{10ffff}", "é", "none"] {
        let want: Vec<&str> = keys.into_iter().filter(|key| key.starts_with(prefix)).collect();
        assert_eq!(engines.all_keys(&app, prefix, 1000).await, want, "{prefix:?}");
    }
}

/// Whatever the size of the pages.
pub async fn pages_hold_every_key_once(harness: &dyn Harness) {
    let (engines, app) = (harness.open().await, app(harness, "a"));
    let mut want = Vec::new();
    for n in 0..25 {
        let key = format!("k{n:02}");
        engines.set(&app, &key, "v", None).await;
        want.push(key);
    }
    engines.set(&app, "other", "v", None).await;
    for limit in [1, 5, 7, 24, 25, 26, 1000] {
        assert_eq!(engines.all_keys(&app, "k", limit).await, want, "pages of {limit}");
    }
    assert_eq!(engines.keys(&app, "k", 25, None).await.next_cursor, None);
}

/// Keys that come and go between two pages neither repeat nor hide others, not even the last one of a page.
pub async fn a_cursor_is_a_place_not_a_count(harness: &dyn Harness) {
    let (engines, app) = (harness.open().await, app(harness, "a"));
    for key in ["b", "d", "f", "h"] {
        engines.set(&app, key, "v", None).await;
    }
    let first = engines.keys(&app, "", 2, None).await;
    assert_eq!(first.keys, ["b", "d"].map(|key| key.parse::<Key>().unwrap()));
    engines.set(&app, "a", "v", None).await;
    engines.delete(&app, "b").await;
    engines.delete(&app, "d").await;
    engines.set(&app, "e", "v", None).await;
    let second = engines.keys(&app, "", 10, first.next_cursor).await;
    assert_eq!(second.keys, ["e", "f", "h"].map(|key| key.parse::<Key>().unwrap()));
    assert_eq!(second.next_cursor, None);
}

/// A made-up cursor, one of another prefix and one of another list are all refused.
pub async fn a_foreign_cursor_is_refused(harness: &dyn Harness) {
    let (engines, app) = (harness.open().await, app(harness, "a"));
    for key in ["x1", "x2", "y1"] {
        engines.set(&app, key, "v", None).await;
    }
    let of_x = engines.keys(&app, "x", 1, None).await.next_cursor.unwrap();
    let made_up = Cursor::try_from("bm8".to_owned()).unwrap();
    for (prefix, cursor) in [("", made_up), ("y", of_x.clone())] {
        let options = ListKeys::default().with_prefix(prefix.parse().unwrap()).with_cursor(Some(cursor));
        let refused = engines.key_value.list(&app, options).await;
        expect(refused, ErrorKind::InvalidInput, "invalid_cursor", prefix);
    }
    let options = crate::bext::engine::ListInstances::default().with_cursor(Some(of_x));
    let refused = engines.instances.list(options).await;
    expect(refused, ErrorKind::InvalidInput, "invalid_cursor", "list_instances");
}

/// One app's keys are out of another's reach.
pub async fn apps_share_no_keys(harness: &dyn Harness) {
    let engines = harness.open().await;
    let (one, two) = (app(harness, "one"), app(harness, "two"));
    engines.set(&one, "k", "1", None).await;
    assert_eq!(engines.get(&two, "k").await, None);
    assert!(!engines.delete(&two, "k").await);
    assert!(engines.all_keys(&two, "", 10).await.is_empty());
    assert_eq!(engines.get(&one, "k").await.unwrap().value, "1");
}

/// An app's SQL neither sees nor counts its keys.
pub async fn sql_does_not_reach_the_keys(harness: &dyn Harness) {
    let (engines, app) = (harness.open().await, app(harness, "a"));
    engines.set(&app, "k", "v", None).await;
    engines.query_fails(&app, "SELECT * FROM kv", ErrorKind::NotFound, "table_not_found").await;
    engines.execute(&app, "CREATE TABLE kv (key TEXT)").await;
    engines.execute(&app, "DELETE FROM kv").await;
    assert_eq!(engines.get(&app, "k").await.unwrap().value, "v");
}

/// Many first writes at once, through two engines, all arrive.
pub async fn first_sets_race_to_one_store(harness: &dyn Harness) {
    let app = app(harness, "a");
    let engines = [harness.open().await, harness.open().await];
    let mut sets = JoinSet::new();
    for n in 0..24 {
        let (engine, app) = (engines[n % 2].clone(), app.clone());
        sets.spawn(async move { engine.set(&app, &format!("k{n:02}"), "v", None).await });
    }
    sets.join_all().await;
    for engine in &engines {
        assert_eq!(engine.all_keys(&app, "", 1000).await.len(), 24);
    }
}

/// Of many deletes of one key at once, through two engines.
pub async fn of_concurrent_deletes_one_succeeds(harness: &dyn Harness) {
    let app = app(harness, "a");
    let engines = [harness.open().await, harness.open().await];
    engines[0].set(&app, "k", "v", None).await;
    let mut deletes = JoinSet::new();
    for n in 0..12 {
        let (engine, app) = (engines[n % 2].clone(), app.clone());
        deletes.spawn(async move { engine.delete(&app, "k").await });
    }
    let deleted = deletes.join_all().await;
    assert_eq!(deleted.into_iter().filter(|deleted| *deleted).count(), 1);
}

/// While a key is overwritten, a reader of another engine sees one value or the other.
pub async fn a_reader_sees_whole_values(harness: &dyn Harness) {
    let app = app(harness, "a");
    let (writer, reader) = (harness.open().await, harness.open().await);
    let size = harness.limits().max_kv_value_bytes;
    let values = ["x", "y"].map(|letter| letter.repeat(size));
    writer.set(&app, "k", &values[0], None).await;
    let writing = {
        let (app, values) = (app.clone(), values.clone());
        tokio::spawn(async move {
            for n in 0..20 {
                writer.set(&app, "k", &values[n % 2], None).await;
            }
        })
    };
    while !writing.is_finished() {
        let entry = reader.get(&app, "k").await.unwrap();
        assert!(values.contains(&entry.value));
    }
    writing.await.unwrap();
}

/// Values and expiries are there after all engines are closed and another is opened.
pub async fn keys_survive_a_restart(harness: &dyn Harness) {
    let app = app(harness, "a");
    let engines = harness.open().await;
    let written = engines.set(&app, "k", "v", Some(60)).await;
    engines.set(&app, "gone", "v", None).await;
    engines.delete(&app, "gone").await;
    drop(engines);
    let engines = harness.open().await;
    assert_eq!(
        engines.get(&app, "k").await,
        Some(Entry { value: "v".into(), expires_at: written.expires_at })
    );
    assert_eq!(engines.get(&app, "gone").await, None);
    harness.advance(Duration::from_secs(60));
    assert_eq!(engines.get(&app, "k").await, None);
}
