//! Keys in files: who may read them, and several processes over one directory.

use std::{
    collections::BTreeSet, fs, os::unix::fs::PermissionsExt, path::Path, process::Command, time::Duration,
};

use mcp_transport_http::{
    ApiKeys, Granted, Http, KeyError, KeyHash, KeyKind, KeyRecord, KeyStore, MemoryKeys, NewKey, SqliteKeys,
};
use serde_json::json;

use crate::client::{TestServer, call, post};

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
    assert_eq!(store.generation().unwrap(), 60);
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
    assert_eq!((store.load().unwrap(), store.generation().unwrap()), (vec![], 0));
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

    assert_eq!(other.generation().unwrap(), 2);
    // What is there already stays as it is, and nobody reads anything anew.
    assert!(matches!(
        other.insert(&KeyRecord { name: "another".to_owned(), ..one.clone() }),
        Err(KeyError::Taken)
    ));
    assert_eq!((loaded(store), store.generation().unwrap()), (vec![one.clone(), two.clone()], 2));
    one.revoked = Some(one.created + Duration::from_secs(5));
    assert!(other.revoke("one", one.created + Duration::from_secs(5)).unwrap());
    assert!(!other.revoke("one", one.created).unwrap() && !other.revoke("none", one.created).unwrap());
    assert_eq!((loaded(store), store.generation().unwrap()), (vec![one, two], 3));
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
