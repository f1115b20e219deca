//! The gate before an app, and how ends are said.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says why")]

use super::super::fixture::{Fixture, until};
use super::*;

#[tokio::test]
async fn nothing_of_an_app_runs_before_the_gate_is_opened() {
    let fixture = Fixture::new();
    let launch = fixture.script("touch ran");
    // The node dies before the note is written: all it leaves is the end of the shell's input.
    let (started, gate) = Group::start_closed(&launch).unwrap();
    assert_eq!(started.group.exit(), None);
    drop(gate);
    until("the shell has ended", || started.group.exit().is_some()).await;
    assert_eq!(started.group.exit(), Some(Exit::Status(1)));
    assert!(!fixture.path("ran").exists());
    assert!(started.group.has_ended());
    started.group.bury();

    let started = Group::start(&launch).unwrap();
    until("the app has ended", || started.group.has_ended()).await;
    assert_eq!(started.group.exit(), Some(Exit::Status(0)));
    assert!(fixture.path("ran").exists());
    assert_eq!(fixture.notes(), 1);
    started.group.bury();
    assert_eq!(fixture.notes(), 0);
}

#[tokio::test]
async fn what_cannot_be_noted_does_not_run() {
    let fixture = Fixture::new();
    std::fs::write(fixture.path("ledger"), "a file").unwrap();
    let error = Group::start(&fixture.script("touch ran")).unwrap_err();
    assert_eq!(error.message, "it could not be noted that it runs");
    assert!(!fixture.path("ran").exists());
}

#[test]
fn ends_are_said_in_words() {
    assert_eq!(Exit::Status(3).to_string(), "it ended with status 3");
    assert_eq!(Exit::Status(127).to_string(), "it ended with status 127 (command not found)");
    assert_eq!(Exit::Signal(Signal::SEGV.as_raw()).to_string(), "it was ended by signal 11 (SIGSEGV)");
    assert_eq!(Exit::Signal(64).to_string(), "it was ended by signal 64");
}
