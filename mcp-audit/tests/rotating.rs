//! Whether the chain goes on from file to file, and what is removed as old is told from what was taken away.

use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use mcp_audit::{AuditConfig, DamageKind, Sink, Verify, tail};

use crate::harness::{config, damage, files, report, whole, written};

/// A log whose files hold a few records each.
fn rotating(most: Option<usize>) -> (tempfile::TempDir, AuditConfig) {
    let (directory, config) = config(Sink::Files);
    let config = config.with(|config| (config.max_file_bytes, config.max_files) = (2000, most));
    (directory, config)
}

#[tokio::test]
async fn the_chain_goes_on_across_files() {
    let (_directory, config) = rotating(None);
    written(&config, 15).await;
    let first = files(&config.directory);
    assert!(first.len() > 3 && first[0].ends_with("audit-00000000000000000001.jsonl"), "{first:?}");
    assert!(first.iter().all(|file| file.metadata().unwrap().len() < 3000));
    assert_eq!(whole(&config).records, 30);
    written(&config, 5).await;
    assert_eq!(whole(&config).records, 40);
    let last = tail(&config.directory, 13).unwrap();
    let seqs = last.iter().map(|record| {
        serde_json::from_str::<serde_json::Value>(record.as_json()).unwrap()["seq"].as_u64().unwrap()
    });
    assert_eq!(seqs.collect::<Vec<_>>(), (28..=40).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_file_that_was_taken_away_is_missed() {
    let (_directory, config) = rotating(None);
    written(&config, 15).await;
    let all = files(&config.directory);
    for (at, file) in all.iter().enumerate() {
        let text = fs::read(file).unwrap();
        fs::remove_file(file).unwrap();
        let found = damage(&config);
        let is_last = at + 1 == all.len();
        let is_missed = |kind: &DamageKind| match kind {
            DamageKind::Removed(..) => !is_last,
            DamageKind::Cut(..) => is_last,
            _ => false,
        };
        assert!(found.len() == 1 && is_missed(&found[0].1), "{}", report(&config));
        fs::write(file, text).unwrap();
    }
    whole(&config);
    fs::remove_file(&all[all.len() - 1]).unwrap();
    written(&config, 1).await;
    assert!(matches!(damage(&config)[..], [(Some(1), DamageKind::Removed(..))]), "{}", report(&config));
}

#[tokio::test]
async fn what_is_removed_as_old_is_not_missed_and_all_else_is() {
    for most in [1, 2, 3] {
        let (_directory, config) = rotating(Some(most));
        let early = written(&config, 1).await;
        let late = written(&config, 20).await;
        let left = files(&config.directory);
        assert_eq!(left.len(), most);
        let report = whole(&config);
        assert_eq!(report.first + report.records, late.seq() + 1);
        assert!(report.to_string().contains("removed as old"), "{report}");
        let expecting = |head| Verify::new(&config.directory).expecting(head).run().unwrap();
        assert!(expecting(late).is_whole());
        // Nobody can say that any more of what is not there.
        assert!(!expecting(early).is_whole());

        let oldest = fs::read(&left[0]).unwrap();
        fs::remove_file(&left[0]).unwrap();
        assert!(!crate::harness::report(&config).is_whole(), "{most}");
        fs::write(&left[0], oldest).unwrap();
        whole(&config);
        // An old file that is there although it was removed, as after a crash in between, is none of the log.
        fs::write(config.directory.join("audit-00000000000000000001.jsonl"), "old\n").unwrap();
        whole(&config);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_can_be_looked_at_while_it_is_written_and_old_files_go() {
    let (_directory, config) = rotating(Some(2));
    written(&config, 1).await;
    let directory = config.directory.clone();
    let done = Arc::new(AtomicBool::new(false));
    let is_done = Arc::clone(&done);
    let looking = std::thread::spawn(move || {
        let mut looks = 0;
        while !is_done.load(Ordering::Relaxed) {
            let report = mcp_audit::verify(&directory).unwrap();
            assert!(report.is_whole(), "{report}");
            looks += 1;
        }
        looks
    });
    written(&config, 150).await;
    done.store(true, Ordering::Relaxed);
    assert!(looking.join().unwrap() > 0);
    assert!(whole(&config).first > 250);
}
