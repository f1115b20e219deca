//! The tables of a store, and what is done right after a change.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says why")]

use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use super::*;
use crate::bext::engine::{AppName, Runtime, Timestamp};
use crate::bext::node::runs::{Journal, RunKind, RunState, StepState};
use crate::bext::node::source::ArtifactId;

const NOW: i64 = 1_767_225_600_000;

fn now() -> Timestamp {
    Timestamp::from_unix_millis(NOW)
}

fn add(connection: &Connection, name: &str) -> AppName {
    let name: AppName = name.parse().unwrap();
    let row = AppRow {
        name: name.clone(),
        source: "/srv/shop".parse().unwrap(),
        runtime: Runtime::Static,
        runtime_chosen: false,
        created_at: now(),
        updated_at: now(),
    };
    AppsTable(connection).insert(&row).unwrap();
    assert_eq!(AppsTable(connection).get(&name).unwrap(), Some(row));
    name
}

#[test]
fn releases_on_a_route_and_the_last_of_each_app_are_kept() {
    let connection = in_memory();
    let (shop, blog) = (add(&connection, "shop"), add(&connection, "blog"));
    let releases = ReleasesTable(&connection);
    let put = |app: &AppName, n: u32| {
        let (version, artifact) = (format!("1.{n}").parse().unwrap(), ArtifactId(format!("{app}-{n}")));
        releases.put(app, &version, &artifact, Runtime::Process, now()).unwrap()
    };
    let ids: Vec<_> = (0..6).map(|n| put(&shop, n)).collect();
    put(&blog, 0);
    RoutesTable(&connection).set(&shop, ids[0], Some(ids[1]), None).unwrap();
    // Used once more, it is the last of all.
    assert_eq!(put(&shop, 2), ids[2]);
    releases.prune(1).unwrap();
    let kept: Vec<_> = releases.of(&shop).unwrap().into_iter().map(|release| release.id).collect();
    assert_eq!(kept, [ids[2], ids[1], ids[0]]);
    assert_eq!(releases.of(&blog).unwrap().len(), 1);
    releases.prune(0).unwrap();
    assert_eq!(releases.artifacts().unwrap().len(), 2);
    let route = RoutesTable(&connection).get(&shop).unwrap().unwrap();
    assert_eq!((route.live.id, route.previous.unwrap().id, route.canary), (ids[0], ids[1], None));
    AppsTable(&connection).remove(&shop).unwrap();
    assert_eq!(RoutesTable(&connection).all().unwrap(), []);
    assert_eq!(releases.artifacts().unwrap().len(), 0);
}

#[test]
fn a_run_says_its_steps_and_how_they_ended() {
    let connection = in_memory();
    let journal = Journal(&connection);
    journal.begin(("a", RunKind::Deploy, "shop"), Some("p"), &json!({"v": 1}), "resolve", now()).unwrap();
    journal.came_of_it("a", &json!({"version": "1.0.0"})).unwrap();
    journal.next("a", "artifact", &Value::Null, now()).unwrap();
    let [run] = &journal.unfinished().unwrap()[..] else { panic!() };
    assert_eq!((run.kind, run.state, run.parent.as_deref()), (RunKind::Deploy, RunState::Running, Some("p")));
    let steps: Vec<_> = run.steps.iter().map(|step| (step.name.as_str(), step.state)).collect();
    assert_eq!(steps, [("resolve", StepState::Done), ("artifact", StepState::Running)]);
    assert_eq!(run.steps[0].data, json!({"version": "1.0.0"}));
    journal.end("a", RunState::Undone, Some("it broke"), now()).unwrap();
    let run = &journal.page(None, 10).unwrap()[0];
    assert_eq!(
        (run.state, run.error.as_deref(), run.finished_at),
        (RunState::Undone, Some("it broke"), Some(now()))
    );
    assert!(run.steps.iter().all(|step| step.state == StepState::Undone && step.finished_at.is_some()));
    assert_eq!(journal.parts_of("p").unwrap().len(), 1);
    assert!(journal.unfinished().unwrap().is_empty());
}

#[test]
fn a_thousand_runs_are_kept_and_those_under_way() {
    let connection = in_memory();
    let journal = Journal(&connection);
    let begin = |n: usize| {
        let id = format!("{n:08}");
        journal.begin((&id, RunKind::Deploy, "shop"), None, &Value::Null, "resolve", now()).unwrap();
        id
    };
    let under_way = begin(0);
    for n in 1..=1_005 {
        journal.end(&begin(n), RunState::Done, None, now()).unwrap();
    }
    let count: i64 = connection.query_row("SELECT count(*) FROM runs", [], |row| row.get(0)).unwrap();
    assert_eq!(count, 1_001);
    assert_eq!(journal.unfinished().unwrap()[0].id, under_way);
    let steps: i64 = connection.query_row("SELECT count(*) FROM steps", [], |row| row.get(0)).unwrap();
    assert_eq!(steps, 1_001);
    let page = journal.page(Some("00000100"), 3).unwrap();
    assert_eq!(
        page.iter().map(|run| run.id.as_str()).collect::<Vec<_>>(),
        ["00000099", "00000098", "00000097"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_follows_a_change_is_done_in_the_order_of_the_changes_and_whoever_waits() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(directory.path().join("state.sqlite")).await.unwrap();
    store.write(|transaction| Ok(add(transaction, "app-0"))).await.unwrap();
    let last = Arc::new(AtomicUsize::new(0));
    let changes = (0..50).map(|_| {
        let (store, last) = (store.clone(), last.clone());
        tokio::spawn(async move {
            store
                .write_then(
                    |transaction| {
                        let count = AppsTable(transaction).names()?.len();
                        add(transaction, &format!("app-{count}"));
                        Ok(count)
                    },
                    move |count| assert_eq!(last.swap(count, Ordering::SeqCst) + 1, count),
                )
                .await
        })
    });
    for change in changes.collect::<Vec<_>>() {
        change.await.unwrap().unwrap();
    }
    // A failed one leaves nothing, and nothing follows it.
    let failed = store.write_then(
        |transaction| {
            add(transaction, "never");
            Err::<(), _>(Fault::Io(std::io::Error::other("disk")))
        },
        |()| panic!("it failed"),
    );
    assert_eq!(failed.await.unwrap_err().code(), "store_unavailable");
    assert_eq!(store.read(|connection| Ok(AppsTable(connection).names()?.len())).await.unwrap(), 51);
    assert_eq!(last.load(Ordering::SeqCst), 50);
}
