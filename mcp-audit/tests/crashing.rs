//! Whether what was answered is on record, whatever becomes of the process; and whether several get on with each other.

use std::{collections::BTreeMap, env, process::Command};

use mcp_audit::{AuditConfig, DamageKind, Sink};
use serde_json::Value;

use crate::{
    child,
    harness::{SINKS, config, damage, files, lines, put, records, whole, written},
};

/// How often each record of a key is there: `begins` and `ended`.
fn by_key(config: &AuditConfig) -> BTreeMap<(String, String), usize> {
    let mut counts = BTreeMap::new();
    for record in records(config) {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        *counts.entry((text(&record["arguments"]["key"]), text(&record["event"]))).or_default() += 1;
    }
    counts
}

/// Every write that was answered is on record, from beginning to end.
fn hold(config: &AuditConfig, said: &[String]) {
    let counts = by_key(config);
    for key in said.iter().filter_map(|said| said.strip_prefix("answered ")) {
        for event in ["begins", "ended"] {
            assert_eq!(counts.get(&(key.to_owned(), event.to_owned())), Some(&1), "{key} {event}");
        }
    }
}

#[test]
fn what_was_answered_before_a_kill_is_on_record() {
    let rounds = env::var("TOOLPACK_KILL_ROUNDS").map_or(10, |rounds| rounds.parse().unwrap());
    for sink in SINKS {
        let (_directory, config) = config(sink);
        let mut said = Vec::new();
        for round in 0..rounds {
            let mut process = child::start(&config.directory, sink, None);
            // How many answers it takes differs from round to round, and where it is by then is anybody's guess.
            for _ in 0..1 + round * 37 % 101 {
                said.push(process.next().unwrap());
            }
            said.append(&mut process.kill());
            whole(&config);
            hold(&config, &said);
        }
        assert!(said.len() > rounds * 10);
        if sink == Sink::Files {
            assert!(files(&config.directory).len() > 1);
        }
    }
}

#[test]
fn three_processes_write_one_chain() {
    for sink in SINKS {
        let (_directory, config) = config(sink);
        let processes = [(); 3].map(|()| child::start(&config.directory, sink, Some(25)));
        let said: Vec<_> = processes.into_iter().flat_map(child::Process::rest).collect();
        assert_eq!(said.iter().filter(|said| said.starts_with("answered")).count(), 3 * 8 * 25, "{said:?}");
        assert_eq!(whole(&config).records, 2 * 3 * 8 * 25);
        hold(&config, &said);
    }
}

#[test]
fn a_process_that_is_killed_leaves_the_others_a_chain_to_go_on_with() {
    let (_directory, config) = config(Sink::Files);
    let lasting = child::start(&config.directory, Sink::Files, Some(200));
    let mut said = Vec::new();
    for answers in [1, 30, 7, 50] {
        let mut process = child::start(&config.directory, Sink::Files, None);
        said.extend((0..answers).map(|_| process.next().unwrap()));
        said.append(&mut process.kill());
    }
    said.append(&mut lasting.rest());
    whole(&config);
    hold(&config, &said);
}

#[test]
fn a_full_disk_refuses_writes_and_damages_nothing() {
    let (_directory, config) = config(Sink::Files);
    std::fs::create_dir(&config.directory).unwrap();
    // A file may grow to 26 KiB, and then no further; the process is told so instead of killed. That is room for some calls of
    // each task, however they come together.
    let mut command = Command::new("sh");
    command.args(["-c", "trap '' XFSZ; ulimit -f 52; exec \"$0\" \"$@\""]).arg(env::current_exe().unwrap());
    let said = child::start_with(&mut command, &config.directory, Sink::Files, Some(1000)).rest();
    let answered = said.iter().filter(|said| said.starts_with("answered")).count();
    let refused: Vec<_> = said.iter().filter_map(|said| said.strip_prefix("refused ")).collect();
    assert_eq!(refused.len(), 8, "{said:?}");
    let unavailable = refused.iter().filter(|said| said.starts_with("audit_unavailable")).count();
    // One that could not be recorded at its end had run.
    let ran = answered + refused.len() - unavailable;
    // All of them may have been at their end when there was no room any more, or none.
    assert!(answered > 0 && unavailable + refused_at_end(&refused) == refused.len(), "{said:?}");
    assert_eq!(said.last(), Some(&format!("ran {ran}")));
    whole(&config);
    hold(&config, &said);
}

/// How many calls had run and could not be recorded.
fn refused_at_end(refused: &[&str]) -> usize {
    refused.iter().filter(|said| said.starts_with("not_recorded")).count()
}

/// A log of ten records, and its directory.
async fn ten_records() -> (tempfile::TempDir, AuditConfig) {
    let (directory, config) = config(Sink::Files);
    written(&config, 5).await;
    (directory, config)
}

#[tokio::test]
async fn a_line_that_was_never_finished_is_no_damage_and_goes_away() {
    let (_directory, config) = ten_records().await;
    let file = &files(&config.directory)[0];
    let text = std::fs::read_to_string(file).unwrap();
    for torn in ["{", "{\"seq\":11,\"prev\":\"", "\0\0\0\0"] {
        std::fs::write(file, format!("{text}{torn}")).unwrap();
        let report = whole(&config);
        assert_eq!(report.torn.as_ref().and_then(|place| place.line), Some(11));
        assert!(report.to_string().contains("never finished"));
    }
    written(&config, 1).await;
    assert_eq!((whole(&config).records, whole(&config).torn), (12, None));
}

#[tokio::test]
async fn a_record_that_was_cut_in_the_middle_is_damage_and_stays() {
    let (_directory, config) = ten_records().await;
    let file = &files(&config.directory)[0];
    let text = std::fs::read_to_string(file).unwrap();
    std::fs::write(file, &text[..text.len() - 1]).unwrap();
    assert_eq!(damage(&config), [(Some(10), DamageKind::Unreadable)]);
    std::fs::write(file, &text[..text.len() - 40]).unwrap();
    assert_eq!(damage(&config), [(Some(10), DamageKind::Unreadable)]);
    written(&config, 1).await;
    assert_eq!(damage(&config), [(Some(10), DamageKind::Unreadable)]);
    assert_eq!(lines(&config).len(), 12);
}

#[tokio::test]
async fn records_behind_the_head_are_taken_up() {
    for sink in SINKS {
        let (_directory, config) = config(sink);
        written(&config, 2).await;
        let head = std::fs::read(config.directory.join("audit.head")).unwrap();
        written(&config, 1).await;
        // As if the process had died between its record and the head of it: the second of the two never came.
        put(&config, &lines(&config)[..5]);
        std::fs::write(config.directory.join("audit.head"), head).unwrap();
        let report = whole(&config);
        assert_eq!((report.records, report.unsigned), (5, 1), "{sink:?}");
        written(&config, 1).await;
        let report = whole(&config);
        assert_eq!((report.records, report.unsigned), (7, 0), "{sink:?}");
    }
}

#[tokio::test]
async fn an_end_at_any_byte_of_a_record_leaves_a_chain_to_go_on_with() {
    let (_directory, config) = config(Sink::Files);
    written(&config, 2).await;
    let (path, head_path) = (files(&config.directory)[0].clone(), config.directory.join("audit.head"));
    let (before, head) = (std::fs::read(&path).unwrap(), std::fs::read(&head_path).unwrap());
    written(&config, 1).await;
    let after = std::fs::read(&path).unwrap();
    let record = after[before.len()..].iter().position(|byte| *byte == b'\n').unwrap() + 1;
    for len in 0..=record {
        std::fs::write(&path, &after[..before.len() + len]).unwrap();
        std::fs::write(&head_path, &head).unwrap();
        let report = whole(&config);
        assert_eq!(report.unsigned, u64::from(len == record));
        assert_eq!(report.torn.is_some(), 0 < len && len < record);
        if len % 50 == 0 || len == record {
            written(&config, 1).await;
            let report = whole(&config);
            assert_eq!((report.records, report.torn), (6 + u64::from(len == record), None));
        }
    }
}
