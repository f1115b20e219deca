//! Text scripts of what goes in and what must come out, replayed in memory, over stdio and over HTTP.
//!
//! `transcripts/README.md` says how they are written.

mod http;
mod layout;
mod matching;
mod replay;
mod script;
mod wire;

#[path = "../examples/everything/server.rs"]
#[allow(clippy::print_stdout, reason = "one of its tools does so on purpose")]
mod everything;

use std::{
    collections::BTreeSet,
    path::PathBuf,
    sync::{Mutex, PoisonError},
    thread,
};

use serde_json::Value;

use self::{
    http::Http,
    replay::replay,
    script::{Action, Script},
    wire::{Memory, Stdio, Wire},
};
use crate::support::wire_schema::{Sender, WireSchemas};

/// Set, lines that say something else than what came are written anew; whoever does so reads what was written.
const ACCEPT: &str = "TOOLPACK_ACCEPT";

/// Set, only scripts with this in their path are replayed.
const ONLY: &str = "TOOLPACK_SCRIPT";

#[test]
fn scripts_hold_in_memory() {
    replay_all(Transport::Memory);
}

#[test]
fn scripts_hold_over_stdio() {
    replay_all(Transport::Stdio);
}

#[test]
fn scripts_hold_over_http() {
    replay_all(Transport::Http);
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Transport {
    Memory,
    Stdio,
    Http,
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts")
}

fn scripts() -> Vec<Script> {
    let (scripts, wrong): (Vec<_>, Vec<_>) = script::all(&folder()).into_iter().partition(Result::is_ok);
    let wrong: Vec<_> = wrong.into_iter().filter_map(Result::err).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    scripts.into_iter().flatten().collect()
}

/// Replays every script over one transport, each with a server of its own.
fn replay_all(transport: Transport) {
    // One transport at a time changes the files.
    static ACCEPTING: Mutex<()> = Mutex::new(());
    let accepts = std::env::var_os(ACCEPT).is_some();
    let _lock = accepts.then(|| ACCEPTING.lock().unwrap_or_else(PoisonError::into_inner));
    let only = std::env::var(ONLY).unwrap_or_default();
    let scripts: Vec<Script> = scripts().into_iter().filter(|script| script.name.contains(&only)).collect();
    let play = |script: &Script| {
        let mut wire: Box<dyn Wire> = match transport {
            Transport::Memory => Box::new(Memory::open()),
            Transport::Stdio => Box::new(Stdio::open()),
            Transport::Http => Box::new(Http::open(&script.revision)),
        };
        let mut accepted = Vec::new();
        let accepts = (accepts && transport != Transport::Stdio).then_some(&mut accepted);
        let held = replay(script, &mut *wire, transport == Transport::Http, accepts);
        if !accepted.is_empty() {
            script.rewrite(&accepted);
        }
        held.err()
    };
    // Much of it is waiting: a revision need not wait for another.
    let failures: Vec<String> = thread::scope(|scope| {
        let revisions = scripts.chunk_by(|one, next| one.revision == next.revision);
        let playing: Vec<_> = revisions
            .map(|scripts| scope.spawn(|| scripts.iter().filter_map(play).collect::<Vec<_>>()))
            .collect();
        playing.into_iter().flat_map(|playing| playing.join().unwrap()).collect()
    });
    assert!(failures.is_empty(), "{} scripts do not hold:\n\n{}", failures.len(), failures.join("\n\n"));
}

/// What a revision has and this server neither serves nor sends, with the reason.
const ABSENT: [(Option<Sender>, &str, &str); 8] = [
    (Some(Sender::Server), "ping", "this server asks nobody whether they are there"),
    (
        Some(Sender::Server),
        "notifications/resources/list_changed",
        "the example's resources stay what they are",
    ),
    (
        Some(Sender::Server),
        "notifications/elicitation/complete",
        "the page of the example knows nothing of anybody",
    ),
    (None, "tasks/get", NO_TASKS),
    (None, "tasks/result", NO_TASKS),
    (None, "tasks/cancel", NO_TASKS),
    (None, "tasks/list", NO_TASKS),
    (None, "notifications/tasks/status", NO_TASKS),
];

const NO_TASKS: &str = "tasks, an experiment of 2025-11-25, are not served";

#[test]
#[cfg_attr(not(mcp_spec), ignore = "no MCP specification: set TOOLPACK_SPEC")]
fn every_method_of_every_revision_is_in_a_script() {
    let scripts = scripts();
    let schemas = WireSchemas::load().expect("the specification is there");
    let mut missing = Vec::new();
    for revision in schemas.revisions() {
        let mut seen = BTreeSet::new();
        for script in scripts.iter().filter(|script| script.revision == revision.name()) {
            for step in &script.steps {
                match &step.action {
                    Action::Say(saying) => {
                        let message = serde_json::from_str(&saying.text).unwrap_or_default();
                        collect(&message, Sender::Client, &mut seen);
                    }
                    Action::Hear(hearing) => {
                        hearing
                            .message
                            .iter()
                            .for_each(|message| collect(message, Sender::Server, &mut seen));
                    }
                    _ => {}
                }
            }
        }
        for (sender, method) in revision.methods() {
            let is_absent = ABSENT
                .iter()
                .any(|(whose, absent, _)| whose.is_none_or(|whose| whose == sender) && *absent == method);
            if !is_absent && !seen.contains(&(sender.to_string(), method.to_owned())) {
                missing.push(format!("{}: {sender}'s {method}", revision.name()));
            }
        }
    }
    missing.sort();
    assert!(missing.is_empty(), "no script has\n{}", missing.join("\n"));
}

/// The methods of a message, of the messages of a batch, and of the questions in a result.
fn collect(message: &Value, sender: Sender, seen: &mut BTreeSet<(String, String)>) {
    let members = message.as_array().map_or(std::slice::from_ref(message), Vec::as_slice);
    let questions = message["result"]["inputRequests"].as_object();
    let methods = members.iter().chain(questions.into_iter().flat_map(|questions| questions.values()));
    seen.extend(
        methods.filter_map(|message| Some((sender.to_string(), message["method"].as_str()?.to_owned()))),
    );
}
