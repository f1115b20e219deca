//! `audit`: which of its commands, with what.

use std::{ffi::OsString, path::PathBuf};

use super::{
    data_or_default,
    words::{Words, once},
};

/// What to do with the audit log in a data directory.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct AuditTask {
    pub(crate) data: PathBuf,
    pub(crate) command: AuditCommand,
}

/// A command of `audit`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum AuditCommand {
    /// See whether the chain holds; with a head that was kept elsewhere, whether it is still part of it.
    Verify { head: Option<String> },
    /// Print the last records.
    Tail { records: usize, is_short: bool },
}

/// How many records `audit tail` prints.
const RECORDS: usize = 20;

/// Reads the words after `audit`.
pub(super) fn parse(mut words: Words<impl Iterator<Item = OsString>>) -> Result<AuditTask, String> {
    const COMMANDS: &str = "audit wants verify or tail after it";
    let command = words.next().ok_or(COMMANDS)?;
    let (mut data, mut head, mut records, mut short) = (None, None, None, None);
    while let Some(word) = words.next() {
        match (command.flag.as_str(), word.flag.as_str()) {
            (_, "--data") => once(&word, &mut data, words.value(&word, "a directory")?)?,
            ("verify", "--head") => {
                once(&word, &mut head, words.text(&word, "a head, as audit verify prints it")?)?;
            }
            ("tail", "--records" | "-n") => {
                let given = words.text(&word, "a number")?;
                let number =
                    given.parse().map_err(|_| format!("{} {given}: that is no number", word.flag))?;
                once(&word, &mut records, number)?;
            }
            ("tail", "--short") => {
                word.alone()?;
                once(&word, &mut short, ())?;
            }
            _ => return Err(word.unknown()),
        }
    }
    let command = match command.flag.as_str() {
        "verify" => AuditCommand::Verify { head },
        "tail" => AuditCommand::Tail { records: records.unwrap_or(RECORDS), is_short: short.is_some() },
        _ => return Err(COMMANDS.to_owned()),
    };
    Ok(AuditTask { data: data_or_default(data)?, command })
}
