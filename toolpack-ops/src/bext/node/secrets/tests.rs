//! What is promised of secrets at rest, and what an attacker with the files can do.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says why")]

use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use rusqlite::{Connection, params};

use super::rotation::{drop_unused, encrypt_anew, put_first};
use super::{SecretKey, SecretStore};
use crate::bext::engine::{AppName, ListSecrets, PageSize, SecretName, SecretValue, Timestamp};
use crate::bext::node::Node;
use crate::bext::node::lock::NodeLock;
use crate::error::{Error, ErrorKind};

const MARK: &str = "wvutsrqponmlkjihgfedcba-0123456789";

fn name(text: &str) -> SecretName {
    text.parse().unwrap()
}

fn app(text: &str) -> AppName {
    text.parse().unwrap()
}

fn value(text: impl Into<String>) -> SecretValue {
    SecretValue::try_from(text.into()).unwrap()
}

fn at(millis: i64) -> Timestamp {
    Timestamp::from_unix_millis(millis)
}

fn base64_key(byte: u8) -> String {
    BASE64_STANDARD.encode([byte; 32])
}

fn key_of(root: &Path) -> SecretKey {
    SecretKey::of_variable(root, None).unwrap()
}

fn rotate(root: &Path) -> Vec<String> {
    SecretKey::rotate_of_variable(root, None).unwrap()
}

fn env_key(root: &Path, text: &str) -> Result<SecretKey, Error> {
    SecretKey::of_variable(root, Some(text.into()))
}

/// A data directory with one instance.
struct Place {
    root: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("instances")).unwrap();
        Self { root }
    }

    fn root(&self) -> &Path {
        self.root.path()
    }

    fn instance(&self, id: &str) -> PathBuf {
        self.root().join("instances").join(id)
    }

    fn open(&self) -> SecretStore {
        SecretStore::open(&self.instance("local"), key_of(self.root())).unwrap()
    }

    fn sqlite(&self) -> Connection {
        Connection::open(self.instance("local").join("secrets.sqlite")).unwrap()
    }

    /// The lines of keys in the file.
    fn keys_in_file(&self) -> Vec<String> {
        let text = fs::read_to_string(self.root().join("secret.key")).unwrap();
        text.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect()
    }
}

fn shown(given: Result<Vec<(SecretName, SecretValue)>, Error>) -> Vec<(String, String)> {
    given.unwrap().into_iter().map(|(name, value)| (name.into(), value.expose().to_owned())).collect()
}

fn pair(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

fn every_file(directory: &Path, visit: &mut dyn FnMut(&Path, Vec<u8>)) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            every_file(&path, visit);
        } else {
            visit(&path, fs::read(&path).unwrap());
        }
    }
}

fn holds(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

#[test]
fn an_app_is_given_its_own_before_those_of_the_instance() {
    let place = Place::new();
    let store = place.open();
    store.set(None, &name("SHARED"), &value("all"), at(1)).unwrap();
    store.set(None, &name("BOTH"), &value("instance"), at(1)).unwrap();
    store.set(Some(&app("shop")), &name("BOTH"), &value("shop"), at(2)).unwrap();
    store.set(Some(&app("shop")), &name("A"), &value(""), at(2)).unwrap();
    let of_shop = [pair("A", ""), pair("BOTH", "shop"), pair("SHARED", "all")];
    assert_eq!(shown(store.for_app(&app("shop"))), of_shop);
    assert_eq!(shown(store.for_app(&app("blog"))), [pair("BOTH", "instance"), pair("SHARED", "all")]);
    drop(store);
    // They survive, and can be replaced and deleted.
    let store = place.open();
    assert_eq!(shown(store.for_app(&app("shop"))), of_shop);
    store.set(Some(&app("shop")), &name("A"), &value("ä\n"), at(3)).unwrap();
    assert!(store.delete(Some(&app("shop")), &name("BOTH")).unwrap());
    assert!(!store.delete(Some(&app("shop")), &name("BOTH")).unwrap());
    assert!(!store.delete(Some(&app("blog")), &name("SHARED")).unwrap());
    let now = [pair("A", "ä\n"), pair("BOTH", "instance"), pair("SHARED", "all")];
    assert_eq!(shown(store.for_app(&app("shop"))), now);
    store.forget(&app("shop")).unwrap();
    assert_eq!(shown(store.for_app(&app("shop"))), [pair("BOTH", "instance"), pair("SHARED", "all")]);
}

#[test]
fn names_are_listed_by_pages() {
    let place = Place::new();
    let store = place.open();
    for (n, text) in ["B", "A", "__", "a", "C2"].into_iter().enumerate() {
        store.set(Some(&app("shop")), &name(text), &value("x"), at(n as i64)).unwrap();
    }
    store.set(None, &name("OTHER"), &value("x"), at(9)).unwrap();
    let (mut seen, mut cursor) = (Vec::new(), None);
    loop {
        let options =
            ListSecrets::default().with_limit(PageSize::try_from(2).unwrap()).with_cursor(cursor.take());
        let page = store.list(Some(&app("shop")), &options).unwrap();
        assert!(page.secrets.len() <= 2);
        seen.extend(
            page.secrets.into_iter().map(|s| (s.name.as_str().to_owned(), s.updated_at.unix_millis())),
        );
        cursor = page.next_cursor;
        if cursor.is_none() {
            break;
        }
    }
    let seen: Vec<(&str, i64)> = seen.iter().map(|(name, at)| (name.as_str(), *at)).collect();
    assert_eq!(seen, [("A", 1), ("B", 0), ("C2", 4), ("__", 2), ("a", 3)]);
    let all = store.list(None, &ListSecrets::default()).unwrap();
    assert_eq!((all.secrets.len(), all.next_cursor), (1, None));
    for (list, place) in [("apps", "A"), ("secrets", "not a name"), ("secrets", "")] {
        let cursor = crate::bext::engine::Cursor::after(list, place.as_bytes());
        let error = store.list(None, &ListSecrets::default().with_cursor(Some(cursor))).unwrap_err();
        assert_eq!(error.code(), "invalid_cursor");
    }
}

#[cfg(unix)]
#[test]
fn files_are_for_their_owner_only() {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    let place = Place::new();
    let store = place.open();
    store.set(None, &name("A"), &value("x"), at(1)).unwrap();
    let mut files = Vec::new();
    every_file(place.root(), &mut |path, _| {
        assert_eq!(fs::metadata(path).unwrap().mode() & 0o777, 0o600, "{path:?}");
        files.push(path.file_name().unwrap().to_string_lossy().into_owned());
    });
    files.sort();
    assert_eq!(files, ["secret.key", "secrets.sqlite", "secrets.sqlite-shm", "secrets.sqlite-wal"]);
    assert_eq!(fs::metadata(place.instance("local")).unwrap().mode() & 0o777, 0o700);

    let file = place.root().join("secret.key");
    for mode in [0o640, 0o604, 0o620, 0o601] {
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        let error = SecretKey::of_variable(place.root(), None).unwrap_err();
        assert_eq!((error.code(), error.kind()), ("secret_key_exposed", ErrorKind::PermissionDenied));
        assert!(error.message().contains("chmod 600 secret.key"), "{}", error.message());
    }
    for mode in [0o600, 0o400] {
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        SecretKey::of_variable(place.root(), None).unwrap();
    }
}

#[test]
fn a_value_reaches_no_file_and_no_text() {
    let place = Place::new();
    let store = place.open();
    let key = key_of(place.root());
    store.set(Some(&app("shop")), &name("A"), &value(MARK), at(1)).unwrap();
    store.set(Some(&app("shop")), &name("B"), &value(MARK.repeat(1000)), at(1)).unwrap();
    store.set(Some(&app("shop")), &name("A"), &value(format!("{MARK}2")), at(2)).unwrap();
    let mut looked_at = 0;
    let mut look = |path: &Path, bytes: Vec<u8>| {
        looked_at += 1;
        assert!(!holds(&bytes, &MARK.as_bytes()[..12]), "{path:?}");
    };
    every_file(place.root(), &mut look);
    drop(store);
    every_file(place.root(), &mut look);
    assert!(looked_at >= 6, "{looked_at}");
    let store = place.open();
    let base64 = &place.keys_in_file()[0][17..];
    for text in [format!("{store:?}"), format!("{key:?}"), format!("{:?}", key.current())] {
        assert!(!text.contains(base64) && !text.contains(MARK), "{text}");
    }
}

#[test]
fn a_row_opens_only_unchanged_and_in_its_place() {
    let place = Place::new();
    let store = place.open();
    let shop = app("shop");
    store.set(Some(&shop), &name("A"), &value(MARK), at(1000)).unwrap();
    store.set(Some(&app("blog")), &name("A"), &value("other"), at(1000)).unwrap();
    store.set(Some(&shop), &name("B"), &value("other"), at(1000)).unwrap();
    let raw = place.sqlite();
    let (sealed, key_id): (Vec<u8>, String) = raw
        .query_row("SELECT sealed, key_id FROM secret WHERE app = 'shop' AND name = 'A'", [], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .unwrap();
    let put = |sealed: &[u8], key_id: &str, updated_at: i64| {
        let sql =
            "UPDATE secret SET sealed = ?1, key_id = ?2, updated_at = ?3 WHERE app = 'shop' AND name = 'A'";
        assert_eq!(raw.execute(sql, params![sealed, key_id, updated_at]).unwrap(), 1);
    };
    let fails = |what: &str, code: &str| {
        let error = store.for_app(&shop).unwrap_err();
        assert_eq!(error.code(), code, "{what}");
        assert!(error.message().contains("A of the app shop on local"), "{}", error.message());
        assert!(!format!("{error:?}").contains(MARK));
    };
    for at in 0..sealed.len() {
        let mut changed = sealed.clone();
        changed[at] ^= 1;
        put(&changed, &key_id, 1000);
        fails("a bit", "secret_damaged");
        put(&sealed[..at], &key_id, 1000);
        fails("a shorter one", "secret_damaged");
    }
    put(&[sealed.as_slice(), &[0]].concat(), &key_id, 1000);
    fails("a longer one", "secret_damaged");
    put(&sealed, &key_id, 1001);
    fails("the time", "secret_damaged");
    for at in 0..key_id.len() {
        let mut changed = key_id.clone().into_bytes();
        changed[at] = if changed[at] == b'0' { b'1' } else { b'0' };
        put(&sealed, std::str::from_utf8(&changed).unwrap(), 1000);
        fails("the id of the key", "secret_key_wrong");
    }
    put(&sealed, &key_id, 1000);
    assert_eq!(shown(store.for_app(&shop))[0], pair("A", MARK));

    // Copied to another name, to another app, to the whole instance, and swapped with another.
    for (to_app, to_name) in [("shop", "B"), ("blog", "A"), ("", "A")] {
        let sql = "INSERT OR REPLACE INTO secret SELECT ?1, ?2, updated_at, key_id, sealed FROM secret
                   WHERE app = 'shop' AND name = 'A'";
        raw.execute(sql, [to_app, to_name]).unwrap();
        let reader = if to_app.is_empty() { "third" } else { to_app };
        assert_eq!(store.for_app(&app(reader)).unwrap_err().code(), "secret_damaged", "{to_app}/{to_name}");
    }
    // To another instance.
    drop(raw);
    drop(store);
    fs::create_dir(place.instance("other")).unwrap();
    let copy = place.instance("other").join("secrets.sqlite");
    fs::copy(place.instance("local").join("secrets.sqlite"), copy).unwrap();
    let other = SecretStore::open(&place.instance("other"), key_of(place.root())).unwrap();
    assert_eq!(other.for_app(&shop).unwrap_err().code(), "secret_damaged");
}

#[test]
fn equal_values_are_not_seen_to_be_equal() {
    let place = Place::new();
    let store = place.open();
    for text in ["A", "B"] {
        store.set(None, &name(text), &value(MARK), at(1)).unwrap();
    }
    let raw = place.sqlite();
    let distinct: i64 = raw
        .query_row("SELECT count(DISTINCT substr(sealed, 1, 24)) FROM secret", [], |row| row.get(0))
        .unwrap();
    assert_eq!(distinct, 2);
}

#[test]
fn with_a_lost_key_names_are_listed_and_secrets_can_be_set_anew() {
    let place = Place::new();
    let shop = app("shop");
    place.open().set(Some(&shop), &name("A"), &value("x"), at(1)).unwrap();
    let kept = place.root().join("kept");
    fs::rename(place.root().join("secret.key"), &kept).unwrap();
    let store = place.open();
    let error = store.for_app(&shop).unwrap_err();
    assert_eq!(error.code(), "secret_key_wrong");
    assert!(error.message().contains("put that key back"), "{}", error.message());
    assert_eq!(store.list(Some(&shop), &ListSecrets::default()).unwrap().secrets[0].name.as_str(), "A");
    store.set(Some(&shop), &name("B"), &value("y"), at(2)).unwrap();
    drop(store);
    // The lost line, put behind the new one, opens what it encrypted.
    let lost = fs::read_to_string(kept).unwrap();
    let file = place.root().join("secret.key");
    let text = format!("{}{lost}", fs::read_to_string(&file).unwrap());
    fs::write(&file, text).unwrap();
    assert_eq!(shown(place.open().for_app(&shop)), [pair("A", "x"), pair("B", "y")]);
    // And, without it, the other way is to set it anew.
    fs::remove_file(&file).unwrap();
    let store = place.open();
    store.set(Some(&shop), &name("A"), &value("z"), at(3)).unwrap();
    assert!(store.delete(Some(&shop), &name("B")).unwrap());
    assert_eq!(shown(store.for_app(&shop)), [pair("A", "z")]);
}

#[test]
fn the_key_may_come_from_the_environment() {
    let place = Place::new();
    let shop = app("shop");
    let instance = place.instance("local");
    let (one, two) = (base64_key(1), base64_key(2));
    let store = SecretStore::open(&instance, env_key(place.root(), &one).unwrap()).unwrap();
    store.set(Some(&shop), &name("A"), &value("x"), at(1)).unwrap();
    drop(store);
    assert!(!place.root().join("secret.key").exists());
    let other = SecretStore::open(&instance, env_key(place.root(), &two).unwrap()).unwrap();
    assert_eq!(other.for_app(&shop).unwrap_err().code(), "secret_key_wrong");
    drop(other);
    // Rotated by putting the new one first; then the old one is not needed.
    drop(SecretStore::open(&instance, env_key(place.root(), &format!("{two}, {one}\n")).unwrap()).unwrap());
    let store = SecretStore::open(&instance, env_key(place.root(), &two).unwrap()).unwrap();
    assert_eq!(shown(store.for_app(&shop)), [pair("A", "x")]);

    for bad in ["x", &one[1..], &format!("{one},"), &BASE64_STANDARD.encode([1; 31]), &"A".repeat(44)] {
        let error = env_key(place.root(), bad).unwrap_err();
        assert_eq!(error.code(), "secret_key_invalid", "{bad}");
        assert!(!error.message().contains(bad) || bad == "x");
    }
    let error = SecretKey::rotate_of_variable(place.root(), Some(two.into())).unwrap_err();
    assert_eq!(error.code(), "secret_key_in_environment");
    assert!(!place.root().join("secret.key").exists());
    // An empty variable is none.
    SecretKey::of_variable(place.root(), Some("".into())).unwrap();
    assert!(place.root().join("secret.key").exists());
}

#[test]
fn from_the_file_to_the_environment_nothing_is_lost() {
    let place = Place::new();
    let shop = app("shop");
    place.open().set(Some(&shop), &name("A"), &value("x"), at(1)).unwrap();
    let key = base64_key(7);
    drop(SecretStore::open(&place.instance("local"), env_key(place.root(), &key).unwrap()).unwrap());
    fs::remove_file(place.root().join("secret.key")).unwrap();
    let store = SecretStore::open(&place.instance("local"), env_key(place.root(), &key).unwrap()).unwrap();
    assert_eq!(shown(store.for_app(&shop)), [pair("A", "x")]);
}

#[test]
fn a_rotation_leaves_one_key_and_every_secret() {
    let place = Place::new();
    let shop = app("shop");
    place.open().set(Some(&shop), &name("A"), &value(MARK), at(5)).unwrap();
    let other = SecretStore::open(&place.instance("other"), key_of(place.root())).unwrap();
    other.set(None, &name("B"), &value("y"), at(6)).unwrap();
    drop(other);
    let before = place.keys_in_file();
    assert!(rotate(place.root()).is_empty());
    let key = key_of(place.root());
    let after = place.keys_in_file();
    assert_eq!((before.len(), after.len()), (1, 1));
    assert_ne!(before, after);
    assert!(after[0].starts_with(key.current().id.as_str()));
    let store = place.open();
    assert_eq!(shown(store.for_app(&shop)), [pair("A", MARK)]);
    // When it was set is not when it was rotated.
    let listed = store.list(Some(&shop), &ListSecrets::default()).unwrap();
    assert_eq!(listed.secrets[0].updated_at, at(5));
    let other = SecretStore::open(&place.instance("other"), key).unwrap();
    assert_eq!(shown(other.for_app(&shop)), [pair("B", "y")]);
}

#[tokio::test]
async fn a_rotation_has_the_directory_for_itself() {
    let place = Place::new();
    let shop = app("shop");
    place.open().set(Some(&shop), &name("A"), &value("x"), at(1)).unwrap();
    let before = place.keys_in_file();
    let node = NodeLock::take(place.root()).unwrap();
    let error = Node::rotate_secret_key(place.root()).await.unwrap_err();
    assert_eq!(error.code(), "node_running");
    assert_eq!(place.keys_in_file(), before);
    drop(node);
    assert_eq!(Node::rotate_secret_key(place.root()).await.unwrap(), [""; 0]);
    assert_ne!(place.keys_in_file(), before);
    assert_eq!(shown(place.open().for_app(&shop)), [pair("A", "x")]);
    let nowhere = place.root().join("nowhere");
    assert!(Node::rotate_secret_key(&nowhere).await.is_err());
    assert!(!nowhere.exists());
}

#[test]
fn a_rotation_that_is_killed_between_any_two_steps_loses_nothing() {
    // Whether each step was done; the first instance is encrypted anew, and the second is not.
    for steps in 0..=3 {
        let place = Place::new();
        let shop = app("shop");
        place.open().set(Some(&shop), &name("A"), &value(MARK), at(1)).unwrap();
        let second = SecretStore::open(&place.instance("second"), key_of(place.root())).unwrap();
        second.set(Some(&shop), &name("B"), &value("y"), at(1)).unwrap();
        drop(second);
        let old = place.keys_in_file();
        if steps >= 1 {
            let keys = put_first(place.root()).unwrap();
            if steps == 2 {
                drop(SecretStore::open(&place.instance("local"), keys.clone()).unwrap());
            }
            if steps >= 3 {
                encrypt_anew(place.root(), &keys).unwrap();
            }
        }
        assert_eq!(place.keys_in_file().len(), if steps == 0 { 1 } else { 2 });
        // Whatever comes next, a start or a rotation: all is read, and a rotation ends with one key.
        let check = || {
            assert_eq!(shown(place.open().for_app(&shop)), [pair("A", MARK)], "{steps}");
            let second = SecretStore::open(&place.instance("second"), key_of(place.root())).unwrap();
            assert_eq!(shown(second.for_app(&shop)), [pair("B", "y")], "{steps}");
        };
        check();
        assert!(rotate(place.root()).is_empty());
        check();
        let new = place.keys_in_file();
        assert_eq!(new.len(), 1);
        assert_ne!(new, old);
    }
}

#[test]
fn a_rotation_keeps_a_key_that_a_damaged_secret_still_names() {
    let place = Place::new();
    let shop = app("shop");
    let store = place.open();
    store.set(Some(&shop), &name("A"), &value("x"), at(1)).unwrap();
    store.set(Some(&shop), &name("B"), &value("y"), at(1)).unwrap();
    drop(store);
    let raw = place.sqlite();
    let spoil = "UPDATE secret SET updated_at = updated_at + 1 WHERE name = 'A'";
    raw.execute(spoil, []).unwrap();
    let rotated = rotate(place.root());
    assert_eq!(rotated, ["the secret A of the app shop on local"]);
    assert_eq!(place.keys_in_file().len(), 2);
    // Repaired, it opens: nothing was thrown away that could be needed.
    raw.execute("UPDATE secret SET updated_at = updated_at - 1 WHERE name = 'A'", []).unwrap();
    assert_eq!(shown(place.open().for_app(&shop)), [pair("A", "x"), pair("B", "y")]);
    // However often it is rotated with a damaged one, the file does not fill up with keys.
    raw.execute(spoil, []).unwrap();
    for _ in 0..20 {
        rotate(place.root());
    }
    assert_eq!(place.keys_in_file().len(), 2);
    let keys = key_of(place.root());
    raw.execute("DELETE FROM secret WHERE name = 'A'", []).unwrap();
    assert!(drop_unused(place.root(), &keys).unwrap().is_empty());
    assert_eq!(place.keys_in_file().len(), 1);
}

#[test]
fn after_a_rotation_nothing_is_left_of_the_old_encryption() {
    let place = Place::new();
    place.open().set(None, &name("A"), &value("x"), at(1)).unwrap();
    let sealed: Vec<u8> =
        place.sqlite().query_row("SELECT sealed FROM secret", [], |row| row.get(0)).unwrap();
    rotate(place.root());
    let mut looked_at = 0;
    every_file(place.root(), &mut |path, bytes| {
        looked_at += 1;
        assert!(!holds(&bytes, &sealed), "{path:?}");
    });
    assert!(looked_at >= 2);
}

#[test]
fn what_a_killed_process_wrote_beside_the_key_is_removed() {
    let place = Place::new();
    let left = place.root().join(".secret.key.x.new");
    fs::write(&left, "a copy of keys").unwrap();
    key_of(place.root());
    assert!(!left.exists());
}

#[test]
fn reserved_names_are_refused() {
    let place = Place::new();
    let store = place.open();
    for reserved in ["PATH", "LD_PRELOAD", "BEXT_ANY", "UID", "_"] {
        let error = store.set(None, &name(reserved), &value("x"), at(1)).unwrap_err();
        assert_eq!(error.code(), "secret_reserved");
    }
    assert!(store.list(None, &ListSecrets::default()).unwrap().secrets.is_empty());
}

#[test]
fn an_app_has_a_thousand_secrets_at_most() {
    let place = Place::new();
    let store = place.open();
    let shop = app("shop");
    store.set(Some(&shop), &name("FIRST"), &value("x"), at(1)).unwrap();
    // Rows of others' making count as well.
    let fill = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 999)
                INSERT INTO secret SELECT 'shop', 'N' || i, 0, 'x', zeroblob(41) FROM n";
    place.sqlite().execute_batch(fill).unwrap();
    let error = store.set(Some(&shop), &name("LAST"), &value("x"), at(1)).unwrap_err();
    assert_eq!((error.code(), error.kind()), ("too_many_secrets", ErrorKind::Conflict));
    // One that exists can be replaced; other apps and the instance have their own count.
    store.set(Some(&shop), &name("FIRST"), &value("y"), at(2)).unwrap();
    store.set(Some(&app("blog")), &name("LAST"), &value("x"), at(1)).unwrap();
    store.set(None, &name("LAST"), &value("x"), at(1)).unwrap();
    store.delete(Some(&shop), &name("N1")).unwrap();
    store.set(Some(&shop), &name("LAST"), &value("x"), at(1)).unwrap();
}

#[test]
fn all_that_an_app_is_given_fits_into_an_environment() {
    let place = Place::new();
    let store = place.open();
    let shop = app("shop");
    let large = value("x".repeat(SecretValue::MAX_BYTES));
    for n in 0..7 {
        store.set(Some(&shop), &name(&format!("S{n}")), &large, at(1)).unwrap();
    }
    // What is left: 512 KiB less seven of 64 KiB, seven names of 2 and 2 for each, and the same for the last.
    let left = (512 << 10) - 7 * ((64 << 10) + 4) - 4;
    let too_large = value("x".repeat(left + 1));
    let error = store.set(Some(&shop), &name("S7"), &too_large, at(1)).unwrap_err();
    assert_eq!((error.code(), error.kind()), ("secrets_too_large", ErrorKind::Conflict));
    assert!(error.message().contains("the app shop would be given 524289 bytes"), "{}", error.message());
    assert_eq!(store.for_app(&shop).unwrap().len(), 7);
    store.set(Some(&shop), &name("S7"), &value("x".repeat(left)), at(1)).unwrap();
    // Of the instance, it is given to that app too, and would be too much there, unless it has its own of that name.
    let error = store.set(None, &name("T"), &value(""), at(1)).unwrap_err();
    assert_eq!(error.code(), "secrets_too_large");
    store.set(None, &name("S1"), &large, at(1)).unwrap();
    assert_eq!(shown(store.for_app(&app("blog"))).len(), 1);
}

#[test]
fn a_store_of_a_later_version_and_a_file_that_is_none_are_refused() {
    let place = Place::new();
    drop(place.open());
    place.sqlite().execute_batch("PRAGMA user_version = 2").unwrap();
    let error = SecretStore::open(&place.instance("local"), key_of(place.root())).unwrap_err();
    assert_eq!((error.code(), error.kind()), ("store_version", ErrorKind::Unsupported));
    fs::create_dir(place.instance("other")).unwrap();
    fs::write(place.instance("other").join("secrets.sqlite"), "x".repeat(5000)).unwrap();
    let error = SecretStore::open(&place.instance("other"), key_of(place.root())).unwrap_err();
    assert_eq!(error.code(), "secrets_unavailable");
}

#[test]
fn many_write_at_once() {
    let place = Place::new();
    let store = place.open();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let store = &store;
            scope.spawn(move || {
                for n in 0..10 {
                    let name = name(&format!("S{thread}_{n}"));
                    store.set(Some(&app("shop")), &name, &value(format!("{thread}/{n}")), at(n)).unwrap();
                    store.for_app(&app("shop")).unwrap();
                }
            });
        }
    });
    assert_eq!(store.for_app(&app("shop")).unwrap().len(), 40);
}
