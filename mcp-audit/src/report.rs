//! What comes of looking at a log: it is whole, or where it breaks and how.

use std::{fmt, path::PathBuf};

use crate::head::Head;

/// What comes of looking at a log.
///
/// Printed, it is one line for a log that is whole, and one more for every place where it breaks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// How many records were read.
    pub records: u64,
    /// The number of the first one that is kept; those before it were removed because they were old.
    pub first: u64,
    /// Where the chain stands.
    pub head: Option<Head>,
    /// How many whole records stand behind the signed head: a process ended between writing them and signing. They are
    /// as good as the others, but nobody was told that they were written.
    pub unsigned: u64,
    /// A line that was never written to its end, which is no damage: nobody was told that it was.
    pub torn: Option<Place>,
    /// Where it breaks, in the order of the log; the first hundred.
    pub damage: Vec<Damage>,
    /// How many more there are.
    pub more_damage: u64,
}

/// A place in a log.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Place {
    /// The file, or the database.
    pub file: PathBuf,
    /// The line in it, or the id of the row; the first is 1. `None` for the file as a whole.
    pub line: Option<u64>,
}

/// One place where a log breaks.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Damage {
    /// Where it shows.
    pub place: Place,
    /// The number of the record that is there, or should be.
    pub seq: Option<u64>,
    /// How.
    pub kind: DamageKind,
}

/// How a log breaks.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DamageKind {
    /// A record is not the one that was written.
    Changed,
    /// A record was written by somebody who did not have the key.
    Forged,
    /// A line is no record.
    Unreadable,
    /// A record does not follow from the one before it.
    Unlinked,
    /// Records are missing, from the first of these numbers to the second.
    Removed(u64, u64),
    /// A record stands at another place than it was written to.
    Reordered,
    /// A record was put in, again or by somebody else.
    Inserted,
    /// Records are missing at the end, from the first of these numbers to the second.
    Cut(u64, u64),
    /// There is no head.
    HeadMissing,
    /// What should be the head is none.
    HeadUnreadable,
    /// The head was not signed with this key: one of them was replaced.
    HeadForged,
    /// The record that the head covers last is another one.
    HeadDiffers,
    /// The head is older than the log: it was put back.
    HeadRolledBack,
    /// There is no key, so that it cannot be said who wrote the log.
    KeyMissing,
    /// What a writer found when it came to the log.
    Found(String),
    /// The head that was kept elsewhere is none of this log.
    Unexpected(Head),
}

impl Report {
    /// Whether nothing is amiss.
    pub fn is_whole(&self) -> bool {
        self.damage.is_empty()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = |count: u64| if count == 1 { "" } else { "s" };
        let count = self.records;
        match self.damage.len() as u64 + self.more_damage {
            0 => write!(f, "whole: {count} record{}", plural(count))?,
            breaks => {
                write!(f, "DAMAGED in {breaks} place{}: {count} record{}", plural(breaks), plural(count))?
            }
        }
        if self.first > 1 {
            write!(f, " from {} on (earlier ones were removed as old)", self.first)?;
        }
        if let Some(head) = &self.head {
            write!(f, ", head {head}")?;
        }
        if self.unsigned > 0 {
            write!(f, "\n{} record{} behind the head", self.unsigned, plural(self.unsigned))?;
        }
        if let Some(place) = &self.torn {
            write!(f, "\n{place}: a line that was never finished, by a process that ended suddenly")?;
        }
        self.damage.iter().try_for_each(|damage| write!(f, "\n{damage}"))?;
        match self.more_damage {
            0 => Ok(()),
            more => write!(f, "\nand {more} more"),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}", self.file.display()),
            None => write!(f, "{}", self.file.display()),
        }
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.place)?;
        if let Some(seq) = self.seq {
            write!(f, "record {seq}: ")?;
        }
        self.kind.fmt(f)
    }
}

impl fmt::Display for DamageKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Changed => f.write_str("was changed"),
            Self::Forged => f.write_str("was written by somebody without the key"),
            Self::Unreadable => f.write_str("this is no record"),
            Self::Unlinked => f.write_str("does not follow from the record before it"),
            Self::Removed(from, to) if from == to => write!(f, "record {from} was removed before it"),
            Self::Removed(from, to) => write!(f, "records {from} to {to} were removed before it"),
            Self::Reordered => f.write_str("stands at the wrong place"),
            Self::Inserted => f.write_str("was put in"),
            Self::Cut(from, to) if from == to => write!(f, "record {from} was cut off"),
            Self::Cut(from, to) => write!(f, "records {from} to {to} were cut off"),
            Self::HeadMissing => f.write_str("the signed head is missing"),
            Self::HeadUnreadable => f.write_str("the signed head cannot be read"),
            Self::HeadForged => f.write_str("the head was not signed with this key"),
            Self::HeadDiffers => f.write_str("is not the one that the signed head covers"),
            Self::HeadRolledBack => f.write_str("is newer than the signed head, which is an old one"),
            Self::KeyMissing => f.write_str("the key is missing, so signatures cannot be looked at"),
            // Without the key anybody may have written it, for a terminal to obey.
            Self::Found(reason) => write!(f, "when this was written, {}", reason.escape_debug()),
            Self::Unexpected(head) => {
                write!(f, "the head {head} that was kept elsewhere is none of this log")
            }
        }
    }
}
