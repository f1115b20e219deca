//! Keys in files: who may read them, and several processes over one directory.

use std::{
    collections::BTreeSet, fs, os::unix::fs::PermissionsExt, path::Path, process::Command, time::Duration,
};

use mcp_transport_http::{
    ApiKeys, Granted, Http, KeyError, KeyHash, KeyKind, KeyRecord, KeyStore, MemoryKeys, NewKey, SqliteKeys,
};
use serde_json::json;

use crate::client::{TestServer, call, post, within};

/// What another process does: what, and in which directory.
const TASK: &str = "KEY_FILES_TASK";
const FOLDER: &str = "KEY_FILES_FOLDER";

/// Runs a task in a process of its own: this very program, with the one test that is none.
fn in_another_process(task: &str, folder: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--ignored", "--exact", "--nocapture", "key_files::what_another_process_does"]);
    command.env(TASK, task).env(FOLDER, folder).stdout(std::process::Stdio::null());
    command
}

#[tokio::test]
#[ignore = "others run it, in a process of its own"]
async fn what_another_process_does() {
    let (task, folder) = (std::env::var(TASK).unwrap(), std::env::var_os(FOLDER).unwrap());
    let keys = ApiKeys::open(folder).unwrap();
    match task.split_once(' ') {
        Some(("revoke", id)) => assert!(keys.revoke(id).await.unwrap()),
        Some(("create", name)) => {
            for number in 0..20 {
                keys.create(NewKey::named(format!("{name}-{number}"))).await.unwrap();
            }
        }
        _ => panic!("{task}"),
    }
}

#[tokio::test]
async fn what_another_process_revokes_is_refused_with_the_next_request() {
    let folder = tempfile::tempdir().unwrap();
    let keys = ApiKeys::open(folder.path()).unwrap();
    let server = TestServer::closed(Http::new().keys(keys.clone())).await;
    let (record, key) = keys.create(NewKey::named("a")).await.unwrap();
    let header = format!("Bearer {}", key.expose());
    let request = post(&call("who", json!({})), &[("Authorization", Some(&header))]);
    // One connection, so that nothing begins anew with it.
    let mut client = server.connect().await;
    client.send(&request).await;
    assert_eq!(client.response().await.status, 200);
    let task = format!("revoke {}", record.id);
    let mut other = in_another_process(&task, folder.path());
    assert!(tokio::task::spawn_blocking(move || other.status().unwrap().success()).await.unwrap());
    client.send(&request).await;
    assert_eq!(client.response().await.status, 401);
}

#[test]
fn processes_that_begin_at_once_make_keys_in_one_directory() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("not/there/yet");
    let names = ["a", "b", "c"];
    let others: Vec<_> = names
        .iter()
        .map(|name| in_another_process(&format!("create {name}"), &folder).spawn().unwrap())
        .collect();
    for mut other in others {
        assert!(other.wait().unwrap().success());
    }
    let store = SqliteKeys::open(&folder).unwrap();
    let records = store.load().unwrap();
    let made: BTreeSet<_> = records.iter().map(|record| record.name.clone()).collect();
    let expected =
        names.iter().flat_map(|name| (0..20).map(move |number| format!("{name}-{number}"))).collect();
    assert_eq!(made, expected);
}

#[test]
fn the_files_are_their_owners_alone_whatever_the_umask() {
    let folder = tempfile::tempdir().unwrap();
    let inner = folder.path().join("keys");
    let store = SqliteKeys::open(&inner).unwrap();
    store.insert(&record("a")).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&inner), 0o700);
    let files: Vec<_> = fs::read_dir(&inner).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(files.len() >= 3, "{files:?}");
    for file in files {
        assert_eq!(mode(&file), 0o600, "{}", file.display());
    }
}

#[test]
fn files_that_others_may_read_or_write_are_taken_from_them() {
    let folder = tempfile::tempdir().unwrap();
    let first = SqliteKeys::open(folder.path()).unwrap();
    first.insert(&record("a")).unwrap();
    let files =
        ["keys.db", "keys.db-wal", "keys.db-shm", "keys.generation"].map(|name| folder.path().join(name));
    for file in &files {
        fs::set_permissions(file, fs::Permissions::from_mode(0o666)).unwrap();
    }
    let second = SqliteKeys::open(folder.path()).unwrap();
    for file in &files {
        assert_eq!(fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600, "{}", file.display());
    }
    assert_eq!(second.load().unwrap(), first.load().unwrap());
}

/// Something that happens to a file.
type Touch = fn(&Path);

/// A server over keys in files, and one of them.
struct Served {
    folder: tempfile::TempDir,
    server: TestServer,
    id: String,
    request: String,
}

impl Served {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let keys = ApiKeys::open(folder.path()).unwrap();
        let (record, key) = keys.create(NewKey::named("a")).await.unwrap();
        let server = TestServer::closed(Http::new().keys(keys)).await;
        let header = format!("Bearer {}", key.expose());
        let request = post(&call("who", json!({})), &[("Authorization", Some(&header))]);
        let served = Self { folder, server, id: record.id, request };
        assert_eq!(served.status().await, 200);
        served
    }

    async fn status(&self) -> u16 {
        self.server.raw(&self.request).await.status
    }

    fn file(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    /// Does with a file of keys, and those that SQLite puts beside it.
    fn each_database(&self, act: impl Fn(&Path)) {
        for name in ["keys.db", "keys.db-wal", "keys.db-shm"] {
            act(&self.file(name));
        }
    }

    /// As another process does it.
    async fn revoke(&self) -> bool {
        ApiKeys::open(self.folder.path()).unwrap().revoke(&self.id).await.unwrap()
    }
}

#[tokio::test]
async fn a_revocation_counts_whatever_became_of_the_generation() {
    let touches: [(&str, Touch); 4] = [
        ("removed", |file| fs::remove_file(file).unwrap()),
        ("emptied", |file| fs::File::options().write(true).open(file).unwrap().set_len(0).unwrap()),
        ("moved away", |file| fs::rename(file, file.with_extension("old")).unwrap()),
        ("replaced", |file| {
            fs::copy(file, file.with_extension("new")).unwrap();
            fs::rename(file.with_extension("new"), file).unwrap();
        }),
    ];
    for (how, touch) in touches {
        for is_seen in [false, true] {
            let served = Served::start().await;
            touch(&served.file("keys.generation"));
            if is_seen {
                assert_eq!(served.status().await, 200, "{how}");
            }
            assert!(served.revoke().await);
            assert_eq!(served.status().await, 401, "{how}, seen before: {is_seen}");
            // It was not made anew at each look.
            assert!(!served.revoke().await);
            assert_eq!(served.status().await, 401, "{how}");
        }
    }
    // Twice, so that the file holds between what it held before.
    let served = Served::start().await;
    touches[1].1(&served.file("keys.generation"));
    assert!(served.revoke().await);
    touches[1].1(&served.file("keys.generation"));
    assert_eq!(served.status().await, 401);
}

#[tokio::test]
async fn no_key_is_taken_from_a_file_that_was_removed_or_cut() {
    // Whoever touches a file does not wait, as `revoke` does, until every server looks anew.
    let is_answered = async |served: &Served, status| {
        within(async {
            while served.status().await != status {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        })
        .await;
    };
    let served = Served::start().await;
    served.each_database(|file| fs::rename(file, file.with_extension("moved")).unwrap());
    is_answered(&served, 503).await;
    // Another, in its place, which has none of its keys.
    drop(SqliteKeys::open(served.folder.path()).unwrap());
    is_answered(&served, 401).await;

    let cut = Served::start().await;
    fs::File::options().write(true).open(cut.file("keys.db")).unwrap().set_len(0).unwrap();
    is_answered(&cut, 503).await;

    // One from before the key was made.
    let served = Served::start().await;
    let old = tempfile::tempdir().unwrap();
    drop(SqliteKeys::open(old.path()).unwrap());
    served.each_database(|file| fs::remove_file(file).unwrap());
    fs::rename(old.path().join("keys.db"), served.file("keys.db")).unwrap();
    is_answered(&served, 401).await;
}

#[tokio::test]
async fn whoever_writes_keeps_no_key_from_being_read() {
    let served = Served::start().await;
    let keys = ApiKeys::open(served.folder.path()).unwrap();
    let other = TestServer::closed(Http::new().keys(keys)).await;
    let plain = rusqlite::Connection::open(served.file("keys.db")).unwrap();
    plain.execute_batch("BEGIN IMMEDIATE").unwrap();
    let first = tokio::time::timeout(Duration::from_secs(3), other.raw(&served.request));
    assert_eq!(first.await.expect("it waits for whoever writes").status, 200);
}

fn record(id: &str) -> KeyRecord {
    let created = std::time::UNIX_EPOCH + Duration::from_millis(1_800_000_000_123);
    KeyRecord {
        id: id.to_owned(),
        name: "naïve".to_owned(),
        kind: KeyKind::Service,
        hash: KeyHash::of(b"bx_a.secret"),
        scopes: Granted::These(vec!["db:read".to_owned(), "\"quoted\"".to_owned()]),
        tenants: Granted::Every,
        created,
        expires: Some(created + Duration::from_secs(1)),
        revoked: None,
    }
}

#[test]
fn what_is_kept_is_what_was_given_and_changes_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let open = || SqliteKeys::open(folder.path()).unwrap();
    keeps_its_promises(&open(), &open());
    let memory = MemoryKeys::new();
    keeps_its_promises(&memory, &memory);
}

/// Two ways to one store that is empty.
fn keeps_its_promises(store: &dyn KeyStore, other: &dyn KeyStore) {
    assert_eq!(store.load().unwrap(), []);
    let mut seen = BTreeSet::from([store.generation().unwrap()]);
    let mut is_new = |generation: u64| seen.insert(generation);
    let (mut one, mut two) = (record("one"), record("two"));
    (two.scopes, two.tenants, two.expires) = (Granted::Every, Granted::These(vec![]), None);
    two.kind = KeyKind::User;
    store.insert(&one).unwrap();
    store.insert(&two).unwrap();
    let loaded = |store: &dyn KeyStore| {
        let mut records = store.load().unwrap();
        records.sort_by(|one, other| one.id.cmp(&other.id));
        records
    };
    assert_eq!(loaded(store), [one.clone(), two.clone()]);

    // Each way to a store says in its own words which one it is of.
    assert!(is_new(store.generation().unwrap()));
    let before = (store.generation().unwrap(), other.generation().unwrap());
    // What is there already stays as it is, and nobody reads anything anew.
    assert!(matches!(
        other.insert(&KeyRecord { name: "another".to_owned(), ..one.clone() }),
        Err(KeyError::Taken)
    ));
    assert_eq!(loaded(store), [one.clone(), two.clone()]);
    assert_eq!((store.generation().unwrap(), other.generation().unwrap()), before);
    one.revoked = Some(one.created + Duration::from_secs(5));
    assert!(other.revoke("one", one.created + Duration::from_secs(5)).unwrap());
    assert!(!other.revoke("one", one.created).unwrap() && !other.revoke("none", one.created).unwrap());
    assert_eq!(loaded(store), [one, two]);
    assert!(is_new(store.generation().unwrap()) && other.generation().unwrap() != before.1);
}

#[test]
fn what_is_no_file_of_keys_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(
        folder.path().join("keys.db"),
        "something else, and longer than a header of such a file would be",
    )
    .unwrap();
    let refused = SqliteKeys::open(folder.path()).unwrap_err();
    assert!(matches!(&refused, KeyError::Store { .. }), "{refused}");
    assert!(refused.to_string().contains(&folder.path().display().to_string()), "{refused}");

    let folder = tempfile::tempdir().unwrap();
    drop(SqliteKeys::open(folder.path()).unwrap());
    let plain = rusqlite::Connection::open(folder.path().join("keys.db")).unwrap();
    plain.pragma_update(None, "user_version", 9).unwrap();
    let refused = SqliteKeys::open(folder.path()).unwrap_err();
    let why = std::error::Error::source(&refused).unwrap().to_string();
    assert!(why.contains("version 9"), "{why}");
    // And a file where the directory would be.
    assert!(SqliteKeys::open(folder.path().join("keys.db")).is_err());
}

#[tokio::test]
async fn a_record_that_makes_no_sense_lets_nobody_in() {
    let folder = tempfile::tempdir().unwrap();
    let keys = ApiKeys::open(folder.path()).unwrap();
    let (record, key) = keys.create(NewKey::named("a")).await.unwrap();
    let plain = rusqlite::Connection::open(folder.path().join("keys.db")).unwrap();
    let server = TestServer::closed(Http::new().keys(keys)).await;
    let header = format!("Bearer {}", key.expose());
    for change in ["scopes = ''", "scopes = 'any'", "kind = 'root'", "hash = x'00'"] {
        plain.execute(&format!("UPDATE keys SET {change} WHERE id = ?1"), [&record.id]).unwrap();
        let request = post(&call("who", json!({})), &[("Authorization", Some(&header))]);
        assert_eq!(server.raw(&request).await.refusal(), (503, 503), "{change}");
    }
}
