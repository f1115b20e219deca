//! Whether everything shows that somebody without the key can do to a log.

use std::{fs, path::Path};

use mcp_audit::{AuditConfig, DamageKind, Head, Sink, Verify};
use proptest::prelude::*;
use sha2::{Digest as _, Sha256};

use crate::harness::{SINKS, config, damage, files, lines, put, report, whole, written};

type Edit = fn(&mut Vec<String>);
/// How it shows: at which line, and as what.
type Shows = Vec<(Option<u64>, DamageKind)>;

/// What is done to ten records, and how it shows.
fn edits() -> Vec<(&'static str, Edit, Shows)> {
    use DamageKind::{Changed, Cut, Inserted, Removed, Reordered, Unreadable};
    vec![
        (
            "a subject is changed",
            |lines| lines[3] = lines[3].replace("local", "locol"),
            vec![(Some(4), Changed)],
        ),
        ("a digit of a hash is changed", |lines| flip(&mut lines[3], -130), vec![(Some(4), Changed)]),
        (
            "a digit of a number is changed",
            |lines| lines[3].replace_range(7..8, "9"),
            vec![(Some(4), Changed)],
        ),
        ("a line is no record any more", |lines| lines[9].truncate(60), vec![(Some(10), Unreadable)]),
        ("the first is removed", |lines| drop(lines.remove(0)), vec![(Some(1), Removed(1, 1))]),
        ("two are removed", |lines| drop(lines.drain(4..6)), vec![(Some(5), Removed(5, 6))]),
        ("the last is removed", |lines| drop(lines.pop()), vec![(None, Cut(10, 10))]),
        ("all are removed", Vec::clear, vec![(None, Cut(1, 10))]),
        ("two are swapped", |lines| lines.swap(4, 5), vec![(Some(6), Reordered)]),
        ("one is moved to the end", |lines| lines.push_again(2), vec![(Some(10), Reordered)]),
        ("one is there again", |lines| lines.insert(5, lines[2].clone()), vec![(Some(6), Inserted)]),
        ("one is there again at the end", |lines| lines.push(lines[9].clone()), vec![(Some(11), Inserted)]),
        ("something else is put in", |lines| lines.insert(5, "{}".into()), vec![(Some(6), Unreadable)]),
        (
            "a changed one is put in beside it",
            |lines| lines.insert(5, lines[5].replace("local", "locol")),
            vec![(Some(6), Changed)],
        ),
    ]
}

trait Again {
    fn push_again(&mut self, at: usize);
}

impl Again for Vec<String> {
    fn push_again(&mut self, at: usize) {
        let line = self.remove(at);
        self.push(line);
    }
}

/// Changes a hexadecimal digit, counted from the end.
fn flip(line: &mut String, from_end: isize) {
    let at = line.len().checked_add_signed(from_end).unwrap();
    let other = if &line[at..=at] == "0" { "1" } else { "0" };
    line.replace_range(at..=at, other);
}

#[tokio::test]
async fn every_edit_of_records_shows_where_it_was_made() {
    for sink in SINKS {
        for (what, edit, expected) in edits() {
            let (_directory, config) = config(sink);
            written(&config, 5).await;
            assert_eq!(whole(&config).records, 10);
            let mut edited = lines(&config);
            edit(&mut edited);
            put(&config, &edited);
            assert_eq!(damage(&config), expected, "{what}, {sink:?}");
            // It does not go away when the log is written to again.
            written(&config, 1).await;
            assert!(!report(&config).is_whole(), "{what}, {sink:?}, written to again");
        }
    }
}

#[tokio::test]
async fn a_cut_shows_for_ever() {
    for sink in SINKS {
        let (_directory, config) = config(sink);
        written(&config, 5).await;
        put(&config, &lines(&config)[..6]);
        written(&config, 2).await;
        // Rows keep their ids.
        let place = if sink == Sink::Files { 7 } else { 11 };
        assert_eq!(damage(&config), [(Some(place), DamageKind::Removed(7, 10))], "{sink:?}");
        let text = report(&config).to_string();
        assert!(text.starts_with("DAMAGED in 1 place: 10 records, head 14:"), "{text}");
        let said = format!(":{place}: record 11: records 7 to 10 were removed before it");
        assert!(text.ends_with(&said), "{text}");
    }
}

#[tokio::test]
async fn a_chain_that_is_made_anew_is_not_sealed() {
    for sink in SINKS {
        let (_directory, config) = config(sink);
        let (_other_directory, other) = crate::harness::config(sink);
        written(&config, 5).await;
        written(&other, 6).await;
        // Another log, with hashes and seals that are all right under another key.
        put(&config, &lines(&other));
        let damage = damage(&config);
        assert_eq!(damage[0], (Some(1), DamageKind::Forged), "{sink:?}");
        assert!(damage.contains(&(Some(10), DamageKind::HeadDiffers)), "{sink:?}");
    }
}

/// The record that would follow the last of these, as somebody makes it who knows everything but the key.
fn made_up(lines: &[String]) -> String {
    made_up_of(lines, "\"event\":\"ended\"")
}

fn made_up_of(lines: &[String], fields: &str) -> String {
    let last: serde_json::Value = serde_json::from_str(&lines[lines.len() - 1]).unwrap();
    let (seq, prev) = (last["seq"].as_u64().unwrap(), last["hash"].as_str().unwrap());
    let body = format!("{{\"seq\":{},\"prev\":\"{prev}\",\"head\":{seq},{fields}", seq + 1);
    let hash = Sha256::digest(&body).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    format!("{body},\"hash\":\"{hash}\",\"seal\":\"{}\"}}", "0".repeat(32))
}

#[tokio::test]
async fn a_record_that_is_made_up_behind_the_head_is_not_taken_up() {
    for sink in SINKS {
        let (_directory, config) = config(sink);
        written(&config, 5).await;
        let mut edited = lines(&config);
        edited.push(made_up(&edited));
        put(&config, &edited);
        assert_eq!(damage(&config), [(Some(11), DamageKind::Forged)], "{sink:?}");
        // Whoever writes next does not follow it.
        written(&config, 1).await;
        assert_eq!(damage(&config), [(Some(11), DamageKind::Forged)], "{sink:?}");
        assert_eq!(lines(&config).len(), 13);
    }
}

#[tokio::test]
async fn a_report_on_what_is_made_up_cannot_speak_to_a_terminal() {
    let (_directory, config) = config(Sink::Files);
    written(&config, 1).await;
    let mut edited = lines(&config);
    let fields = r#""time":"","event":"damaged","reason":"\u001b[2J\u202e""#;
    edited.push(made_up_of(&edited, fields));
    put(&config, &edited);
    // Nobody can say who wrote it.
    fs::remove_file(config.directory.join("audit.key")).unwrap();
    let text = report(&config).to_string();
    assert!(text.contains(r"when this was written, \u{1b}[2J\u{202e}"), "{text:?}");
    assert!(!text.chars().any(|c| (c.is_control() && c != '\n') || c == '\u{202e}'), "{text:?}");
}

/// Does something to the files beside the records, and says how it shows: before and after the log is written to again.
type Aside = (&'static str, fn(&AuditConfig), fn(&DamageKind) -> bool);

#[tokio::test]
async fn a_head_or_a_key_that_was_tampered_with_shows() {
    let asides: [Aside; 6] = [
        (
            "the head is removed",
            |config| fs::remove_file(config.directory.join("audit.head")).unwrap(),
            |kind| *kind == DamageKind::HeadMissing,
        ),
        (
            "the head is empty",
            |config| fs::write(config.directory.join("audit.head"), "").unwrap(),
            |kind| *kind == DamageKind::HeadUnreadable,
        ),
        (
            "the head is edited",
            |config| edit_head(config, |text| text.replace("\"last\":\"10:", "\"last\":\"11:")),
            |kind| *kind == DamageKind::HeadForged,
        ),
        (
            "the key is replaced",
            |config| fs::write(config.directory.join("audit.key"), "ab".repeat(32)).unwrap(),
            |kind| *kind == DamageKind::HeadForged,
        ),
        (
            "the key is removed",
            |config| fs::remove_file(config.directory.join("audit.key")).unwrap(),
            |kind| *kind == DamageKind::KeyMissing,
        ),
        (
            "the head is rolled back",
            |config| {
                let old = fs::read_to_string(config.directory.with_extension("old")).unwrap();
                edit_head(config, |_| old.clone());
            },
            |kind| *kind == DamageKind::HeadRolledBack,
        ),
    ];
    for sink in SINKS {
        for (what, aside, is_it) in asides {
            let (_directory, config) = config(sink);
            written(&config, 3).await;
            fs::copy(config.directory.join("audit.head"), config.directory.with_extension("old")).unwrap();
            written(&config, 2).await;
            aside(&config);
            let report = report(&config);
            assert!(report.damage.iter().any(|damage| is_it(&damage.kind)), "{what}, {sink:?}: {report}");
            written(&config, 1).await;
            let report = crate::harness::report(&config);
            let is_found = |kind: &DamageKind| matches!(kind, DamageKind::Found(_));
            assert!(report.damage.iter().any(|damage| is_found(&damage.kind)), "{what}, {sink:?}: {report}");
            // It has been found once and goes on from there.
            written(&config, 1).await;
            assert_eq!(crate::harness::report(&config).damage.len(), report.damage.len(), "{what}, {sink:?}");
        }
    }
}

fn edit_head(config: &AuditConfig, edit: impl Fn(&str) -> String) {
    let path = config.directory.join("audit.head");
    let text = fs::read_to_string(&path).unwrap();
    let edited = edit(&text);
    assert_ne!(edited, text);
    fs::write(path, edited).unwrap();
}

#[tokio::test]
async fn what_is_done_while_a_writer_runs_shows_as_well() {
    let (_directory, config) = config(Sink::Files);
    let log = mcp_audit::AuditLog::open(config.clone()).unwrap();
    let client =
        mcp_core::testing::Client::new(crate::harness::server(&log, &std::sync::Arc::default())).await;
    let call = async || client.call("store", serde_json::json!({"key": "k"})).await.text();
    call().await;
    let head = config.directory.join("audit.head");
    let old = (fs::read(&head).unwrap(), lines(&config));
    call().await;
    // Put back as a whole: only the writer knows that there was more.
    fs::write(&head, &old.0).unwrap();
    put(&config, &old.1);
    whole(&config);
    call().await;
    let found = damage(&config);
    assert_eq!(found[0], (Some(3), DamageKind::Removed(3, 4)));
    assert!(matches!(found[1], (Some(3), DamageKind::Found(_))), "{found:?}");
    assert_eq!(found.len(), 2);

    fs::remove_file(&head).unwrap();
    call().await;
    assert_eq!(damage(&config).len(), 3);
    fs::remove_file(&files(&config.directory)[0]).unwrap();
    call().await;
    assert!(matches!(damage(&config)[..], [(Some(1), DamageKind::Removed(1, _))]), "{}", report(&config));
}

#[tokio::test]
async fn a_head_kept_elsewhere_shows_what_no_file_here_could() {
    for sink in SINKS {
        let (directory, config) = config(sink);
        let early = written(&config, 2).await;
        let copy = directory.path().join("copy");
        copy_all(&config.directory, &copy);
        let late: Head = written(&config, 2).await.to_string().parse().unwrap();
        let look = |directory: &Path, head| Verify::new(directory).expecting(head).run().unwrap();
        assert!(look(&config.directory, early).is_whole());
        assert!(look(&config.directory, late).is_whole());
        // The whole log was put back to what it was.
        let report = look(&copy, late);
        assert_eq!(report.damage[0].kind, DamageKind::Unexpected(late), "{report}");
        assert!(look(&copy, early).is_whole());
    }
}

fn copy_all(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
    }
}

#[tokio::test]
async fn a_log_that_was_taken_away_but_for_its_key_shows() {
    let (_directory, config) = config(Sink::Files);
    written(&config, 2).await;
    for file in files(&config.directory).into_iter().chain([config.directory.join("audit.head")]) {
        fs::remove_file(file).unwrap();
    }
    assert_eq!(damage(&config), [(None, DamageKind::HeadMissing)]);
    written(&config, 1).await;
    assert!(matches!(damage(&config)[..], [(Some(1), DamageKind::Found(_))]), "{}", report(&config));
}

#[tokio::test]
async fn a_log_that_was_taken_away_shows_by_a_key_that_is_elsewhere() {
    for sink in SINKS {
        let (directory, config) = config(sink);
        let key = directory.path().join("key");
        let config = config.with(|config| config.key_file = Some(key.clone()));
        let look = || Verify::new(&config.directory).key_file(&key).run().unwrap();
        written(&config, 2).await;
        assert!(look().is_whole());
        fs::remove_dir_all(&config.directory).unwrap();
        written(&config, 1).await;
        let found = look().damage;
        assert!(
            matches!(found[..], [mcp_audit::Damage { kind: DamageKind::Found(_), .. }]),
            "{sink:?}: {found:?}"
        );
    }
}

/// Puts a new file in place of another: writing into the old one would wait for the disk.
fn replace(path: &Path, bytes: impl AsRef<[u8]>) {
    fs::remove_file(path).unwrap();
    fs::write(path, bytes).unwrap();
}

#[test]
fn any_edit_of_the_bytes_is_found() {
    let (_directory, config) = config(Sink::Files);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(written(&config.clone().with(|config| config.max_file_bytes = 1200), 4));
    let mut paths = files(&config.directory);
    assert_eq!(paths.len(), 3);
    paths.push(config.directory.join("audit.head"));
    let originals: Vec<_> = paths.iter().map(|path| fs::read(path).unwrap()).collect();
    // Every single byte, each with one bit of it turned.
    for (path, original) in paths.iter().zip(&originals) {
        for at in 0..original.len() {
            let mut edited = original.clone();
            edited[at] ^= 1 << (at % 8);
            replace(path, &edited);
            assert!(!report(&config).is_whole(), "byte {at} of {}", path.display());
        }
        replace(path, original);
    }
    whole(&config);
    // And more of them at a time.
    let edit =
        (any::<prop::sample::Index>(), any::<prop::sample::Index>(), any::<prop::sample::Index>(), 0..4);
    let bytes = prop::collection::vec(any::<u8>(), 1..40);
    proptest!(ProptestConfig::with_cases(300), |(edit in edit, bytes in bytes)| {
        let (file, from, to, how) = edit;
        let (path, original) = (&paths[file.index(paths.len())], &originals[file.index(paths.len())]);
        let (from, to) = (from.index(original.len()), to.index(original.len()));
        let (from, to) = (from.min(to), from.max(to));
        let mut edited = original.clone();
        match how {
            0 => drop(edited.drain(from..=to)),
            1 => drop(edited.splice(from..from, bytes.iter().copied())),
            2 => drop(edited.splice(from..=to, bytes.iter().copied())),
            _ => {
                let part = edited[from..=to].to_vec();
                drop(edited.splice(to..to, part));
            }
        }
        // A line break more at the end of a head or a log, or less, is an edit as well.
        prop_assume!(edited != *original);
        replace(path, &edited);
        let report = report(&config);
        replace(path, original);
        prop_assert!(!report.is_whole(), "{how} {from}..={to} of {}: {report}", path.display());
    });
}
