//! What a node that is killed leaves behind, and that one that is not leaves nothing.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says why")]

use std::fs;
use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process};

#[cfg(target_os = "linux")]
use super::fixture::DAEMON;
use super::fixture::{Fixture, STUBBORN, ask, launch_in, lives, noted_pids, until};
use super::*;

const GRACE: Duration = Duration::from_secs(20);

/// In a process of its own: starts an app, says so, and waits to be killed.
#[tokio::test]
async fn holds_an_app_when_it_is_told_to() {
    let Some(directory) = std::env::var_os("TEST_HOLDS_IN").map(PathBuf::from) else { return };
    let script = fs::read_to_string(directory.join("script")).unwrap_or_else(|_| STUBBORN.to_owned());
    let process = Process::start(launch_in(&directory, &script)).await.unwrap();
    fs::write(directory.join("number"), process.status().pid.unwrap().to_string()).unwrap();
    fs::rename(directory.join("number"), directory.join("ready")).unwrap();
    std::future::pending().await
}

fn start_self(test: &str, variable: &str, value: &std::path::Path) -> std::process::Child {
    std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &format!("bext::node::process::sweep_tests::{test}"), "--nocapture"])
        .env(variable, value)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Starts a node that holds an app, kills it, and returns the processes of the app, which live on.
async fn orphans(fixture: &Fixture) -> Vec<u32> {
    let mut node = start_self("holds_an_app_when_it_is_told_to", "TEST_HOLDS_IN", &fixture.path(""));
    until("the app is ready", || fixture.path("ready").exists() && noted_pids(fixture).len() == 3).await;
    node.kill().unwrap();
    node.wait().unwrap();
    let pids = noted_pids(fixture);
    assert!(pids.iter().all(|pid| lives(*pid)), "{pids:?}");
    assert_eq!(fixture.notes(), 1);
    pids
}

#[tokio::test]
async fn what_a_killed_node_leaves_is_swept_away() {
    let fixture = Fixture::new();
    let pids = orphans(&fixture).await;
    assert_eq!(sweep(&fixture.path("ledger")).await.unwrap(), 1);
    assert!(!pids.iter().any(|pid| lives(*pid)));
    assert_eq!(fixture.notes(), 0);
    assert_eq!(sweep(&fixture.path("ledger")).await.unwrap(), 0);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn children_whose_first_process_is_gone_are_swept_away() {
    let fixture = Fixture::new();
    let pids = orphans(&fixture).await;
    let first: u32 = fs::read_to_string(fixture.path("ready")).unwrap().parse().unwrap();
    kill_process(Pid::from_raw(first.cast_signed()).unwrap(), Signal::KILL).unwrap();
    until("its first process is gone", || !lives(first)).await;
    assert_eq!(sweep(&fixture.path("ledger")).await.unwrap(), 1);
    assert!(!pids.iter().any(|pid| lives(*pid)));
    assert_eq!(fixture.notes(), 0);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn daemons_are_swept_away_also_if_nothing_else_is_left() {
    for is_alone in [false, true] {
        let fixture = Fixture::new();
        fs::write(fixture.path("script"), DAEMON).unwrap();
        let mut node = start_self("holds_an_app_when_it_is_told_to", "TEST_HOLDS_IN", &fixture.path(""));
        until("it is ready", || fixture.path("ready").exists() && noted_pids(&fixture).len() == 2).await;
        node.kill().unwrap();
        node.wait().unwrap();
        let daemons = noted_pids(&fixture);
        let first: u32 = fs::read_to_string(fixture.path("ready")).unwrap().parse().unwrap();
        if is_alone {
            kill_process(Pid::from_raw(first.cast_signed()).unwrap(), Signal::KILL).unwrap();
            until("its first process is gone", || !lives(first)).await;
        }
        assert!(daemons.iter().all(|pid| lives(*pid)), "{daemons:?}");
        assert_eq!(sweep(&fixture.path("ledger")).await.unwrap(), 1);
        assert!(!daemons.iter().chain([&first]).any(|pid| lives(*pid)), "{is_alone}");
        assert_eq!(fixture.notes(), 0);
    }
}

#[tokio::test]
async fn a_number_that_is_used_again_is_left_alone() {
    use std::os::unix::process::CommandExt;
    let fixture = Fixture::new();
    let ledger = fixture.path("ledger");
    let mut stranger = std::process::Command::new("sleep").arg("1000").process_group(0).spawn().unwrap();
    let pid = stranger.id();
    let since = system::process(pid).unwrap().unwrap().since;
    let note = |pid, since: &str| ledger::Note {
        pid,
        since: since.to_owned(),
        variables: vec!["PORT=1".to_owned()],
        directory: "/nowhere".into(),
        run: None,
    };
    ledger::Entry::write(&ledger, &note(pid, "another start/1")).unwrap();
    // These would reach everyone.
    ledger::Entry::write(&ledger, &note(0, &since)).unwrap();
    ledger::Entry::write(&ledger, &note(1, &since)).unwrap();
    fs::write(ledger.join("5.json"), "{\"pid\":").unwrap();
    fs::write(ledger.join("else.txt"), "not a note").unwrap();
    assert_eq!(sweep(&ledger).await.unwrap(), 0);
    assert!(lives(pid), "a stranger was killed");
    assert_eq!(fixture.notes(), 1, "notes are left");
    // The same, noted rightly, is not spared: so the above has shown something.
    ledger::Entry::write(&ledger, &note(pid, &since)).unwrap();
    assert_eq!(sweep(&ledger).await.unwrap(), 1);
    assert!(!stranger.wait().unwrap().success());
    assert_eq!(sweep(&fixture.path("none")).await.unwrap(), 0);
}

/// In a process of its own, so that what other tests open is not counted.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn leaks_nothing_when_it_is_told_to() {
    if std::env::var_os("TEST_LEAKS").is_none() {
        return;
    }
    let fixture = Fixture::new();
    let round = async || {
        let process = Process::start(fixture.app()).await.unwrap();
        let mut address = process.address();
        ask(address.borrow_and_update().unwrap(), "/crash");
        address.wait_for(Option::is_none).await.unwrap();
        address.wait_for(Option::is_some).await.unwrap();
        process.stop(GRACE).await;
        Process::start(fixture.script("exit 1")).await.unwrap_err();
        let dropped = Process::start(fixture.app()).await.unwrap();
        drop(dropped);
    };
    let open = || fs::read_dir("/proc/self/fd").unwrap().count();
    let children = || {
        let own = std::process::id().to_string();
        let is_child = |entry: &fs::DirEntry| {
            let stat = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
            let after_name = stat.rsplit_once(')').map(|(_, rest)| rest.to_owned()).unwrap_or_default();
            after_name.split_ascii_whitespace().nth(1) == Some(own.as_str())
        };
        fs::read_dir("/proc").unwrap().filter_map(Result::ok).filter(is_child).count()
    };
    // What is opened once stays: the runtime's own.
    round().await;
    until("no child is left", || children() == 0).await;
    let before = open();
    for _ in 0..5 {
        round().await;
    }
    until("no child is left", || children() == 0).await;
    until("no more is open than before", || open() <= before).await;
    assert_eq!(fixture.notes(), 0);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn no_child_and_no_descriptor_is_left_over() {
    let fixture = Fixture::new();
    let child = start_self("leaks_nothing_when_it_is_told_to", "TEST_LEAKS", &fixture.path(""));
    let output = tokio::task::spawn_blocking(|| child.wait_with_output()).await.unwrap().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}

/// In a process of its own: starts and stops apps until it is killed.
#[tokio::test]
async fn starts_and_stops_when_it_is_told_to() {
    let Some(directory) = std::env::var_os("TEST_STARTS_IN").map(PathBuf::from) else { return };
    let busy = || async {
        loop {
            let process = Process::start(launch_in(&directory, "sleep 1000 & exec \"$@\"")).await.unwrap();
            fs::write(directory.join("ready"), "").unwrap();
            process.stop(GRACE).await;
        }
    };
    tokio::join!(busy(), busy(), busy());
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_node_that_is_killed_at_any_moment_leaves_nothing_after_the_sweep() {
    let fixture = Fixture::new();
    let place = fs::canonicalize(fixture.path("")).unwrap();
    let left = || {
        let all = system::processes().unwrap().into_iter();
        all.filter(|process| !process.is_dead && system::works_in(process.pid, &place)).count()
    };
    let mut swept = 0;
    for round in 0..8_u64 {
        let _ = fs::remove_file(fixture.path("ready"));
        let mut node = start_self("starts_and_stops_when_it_is_told_to", "TEST_STARTS_IN", &fixture.path(""));
        until("it is busy", || fixture.path("ready").exists()).await;
        // No moment is better than another.
        tokio::time::sleep(Duration::from_micros(round * 7919 % 40_000)).await;
        node.kill().unwrap();
        node.wait().unwrap();
        swept += sweep(&fixture.path("ledger")).await.unwrap();
        // Shells that wait before the gate end by themselves.
        until("nothing is left", || left() == 0).await;
        assert_eq!(fixture.notes(), 0);
    }
    assert!(swept > 0, "nothing was ever left behind, so nothing was shown");
}
