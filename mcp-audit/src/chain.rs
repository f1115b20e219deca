//! Holds one record after the other against the chain, and says what was done to those that do not fit.

use std::path::Path;

use crate::{
    fields::{DAMAGED, Fields},
    hash::Hash,
    head::{Head, SignedHead},
    key::Key,
    line::Line,
    report::{Damage, DamageKind, Place, Report},
};

/// The most places that a report names.
const MOST_DAMAGE: usize = 100;

/// A chain that is looked at, record by record.
pub(crate) struct Chain<'a> {
    key: Option<&'a Key>,
    /// The signed head, where it can be believed.
    head: Option<&'a SignedHead>,
    expected: Option<Head>,
    report: Report,
    /// The last record that was all right, or what the first one follows; `None` where that cannot be known.
    last: Option<Head>,
    /// How many lines since then were none: each may stand for a record, or have been put in.
    strays: u64,
    is_expected_seen: bool,
    is_rolled_back: bool,
}

impl<'a> Chain<'a> {
    pub(crate) fn new(key: Option<&'a Key>, head: Option<&'a SignedHead>, expected: Option<Head>) -> Self {
        let base = head.map(|head| head.base);
        let first = base.map_or(0, |base| base.next());
        let report = Report { first, head: head.map(|head| head.last), ..Report::default() };
        let is_expected_seen = expected.is_none_or(|expected| base == Some(expected));
        Self { key, head, expected, report, last: base, strays: 0, is_expected_seen, is_rolled_back: false }
    }

    /// A line that ends where it should.
    pub(crate) fn line(&mut self, file: &Path, number: u64, line: &[u8]) {
        let damage = |seq, kind| Damage { place: place(file, number), seq, kind };
        let Some(line) = Line::parse(line) else {
            self.strays += 1;
            return self.damage(damage(None, DamageKind::Unreadable));
        };
        if !line.is_whole() {
            self.strays += 1;
            return self.damage(damage(Some(line.seq), DamageKind::Changed));
        }
        self.is_expected_seen |= self.expected == Some(line.as_head());
        if self.key.is_some_and(|key| !line.is_sealed(key)) {
            // No writer goes on from it, unless its key was another one.
            self.strays += 1;
            self.damage(damage(Some(line.seq), DamageKind::Forged));
            return self.against_head(&line, &damage);
        }
        self.report.records += 1;
        if let Some(kind) = self.misfit(&line) {
            let is_behind = matches!(kind, DamageKind::Inserted | DamageKind::Reordered);
            self.damage(damage(Some(line.seq), kind));
            if is_behind {
                return;
            }
        }
        self.against_head(&line, &damage);
        self.behind_head(&line, &damage);
        if let Some(reason) = found(&line) {
            self.damage(damage(Some(line.seq), DamageKind::Found(reason)));
        }
        if self.report.first == 0 {
            self.report.first = line.seq;
        }
        (self.last, self.strays) = (Some(line.as_head()), 0);
    }

    /// What is wrong with the place of a record that is whole.
    fn misfit(&mut self, line: &Line<'_>) -> Option<DamageKind> {
        let Some(last) = self.last else {
            // Without a head that can be believed, a log begins where it begins, if it does so like one.
            let is_first = line.seq == 1 && line.prev != Hash::ZERO;
            return is_first.then_some(DamageKind::Unlinked);
        };
        let next = last.next();
        if line.seq < next {
            return Some(if self.was_missed(line.seq) {
                DamageKind::Reordered
            } else {
                DamageKind::Inserted
            });
        }
        if line.seq > next.saturating_add(self.strays) {
            return Some(DamageKind::Removed(next.saturating_add(self.strays), line.seq - 1));
        }
        // Behind lines that are no records nobody knows what it should follow.
        (line.seq == next && line.prev != last.hash()).then_some(DamageKind::Unlinked)
    }

    /// Whether a record was found missing before; it is not, then.
    fn was_missed(&mut self, seq: u64) -> bool {
        let is_it = |damage: &Damage| matches!(damage.kind, DamageKind::Removed(from, to) if from <= seq && seq <= to);
        let Some(at) = self.report.damage.iter().position(is_it) else { return false };
        match &mut self.report.damage[at].kind {
            DamageKind::Removed(from, to) if from == to => drop(self.report.damage.remove(at)),
            DamageKind::Removed(from, _) if *from == seq => *from += 1,
            DamageKind::Removed(_, to) if *to == seq => *to -= 1,
            _ => {}
        }
        true
    }

    /// Holds the record that the signed head covers last against what the head says of it.
    fn against_head(&mut self, line: &Line<'_>, damage: &impl Fn(Option<u64>, DamageKind) -> Damage) {
        let differs = |head: &SignedHead| line.seq == head.last.seq() && line.hash != head.last.hash();
        if self.head.is_some_and(differs) {
            self.damage(damage(Some(line.seq), DamageKind::HeadDiffers));
        }
    }

    /// Holds a record that the signed head does not cover against what a crash can leave.
    fn behind_head(&mut self, line: &Line<'_>, damage: &impl Fn(Option<u64>, DamageKind) -> Damage) {
        let Some(head) = self.head.map(|head| head.last) else { return };
        if line.seq > head.seq() {
            self.report.unsigned += 1;
            // A crash leaves behind only what was written over this very head.
            if line.head != head.seq() && !self.is_rolled_back {
                self.is_rolled_back = true;
                self.damage(damage(Some(line.seq), DamageKind::HeadRolledBack));
            }
        }
    }

    /// A line that the file ends in the middle of; it is no damage at the end of the log, if the head does not cover it.
    pub(crate) fn torn(&mut self, file: &Path, number: u64, is_last: bool) {
        let reached = self.last.map_or(0, |last| last.seq().saturating_add(self.strays));
        let covered = self.head.map_or(0, |head| head.last.seq());
        if is_last && reached >= covered {
            self.report.torn = Some(place(file, number));
        } else {
            self.strays += 1;
            self.damage(Damage { place: place(file, number), seq: None, kind: DamageKind::Unreadable });
        }
    }

    /// There is no more.
    pub(crate) fn finish(mut self, end: Place) -> Report {
        if let (Some(head), Some(last)) = (self.head, self.last) {
            let reached = last.seq().saturating_add(self.strays);
            if reached < head.last.seq() {
                let kind = DamageKind::Cut(reached + 1, head.last.seq());
                self.damage(Damage { place: end.clone(), seq: None, kind });
            }
        }
        if let Some(expected) = self.expected.filter(|_| !self.is_expected_seen) {
            let kind = DamageKind::Unexpected(expected);
            self.damage(Damage { place: end, seq: None, kind });
        }
        self.report
    }

    /// Takes note of something amiss.
    pub(crate) fn damage(&mut self, damage: Damage) {
        if self.report.damage.len() < MOST_DAMAGE {
            self.report.damage.push(damage);
        } else {
            self.report.more_damage += 1;
        }
    }
}

/// What a writer found amiss, where that is what a record says.
fn found(line: &Line<'_>) -> Option<String> {
    // The words may stand in the arguments of a call as well, so they only say that it is worth a look.
    let words = DAMAGED.as_bytes();
    line.body().windows(words.len()).any(|window| window == words).then_some(())?;
    let mut object = line.body().to_vec();
    object.push(b'}');
    let fields: Fields<'_> = serde_json::from_slice(&object).ok()?;
    (fields.event == DAMAGED).then(|| fields.reason.unwrap_or_default().into_owned())
}

pub(crate) fn place(file: &Path, line: u64) -> Place {
    Place { file: file.to_owned(), line: Some(line) }
}
