//! `keys`: which of its commands, with what.

use std::{ffi::OsString, path::PathBuf, time::Duration};

use super::{
    data_or_default,
    words::{Words, once},
};

/// What to do with the keys in a data directory.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct KeysTask {
    pub(crate) data: PathBuf,
    pub(crate) command: KeysCommand,
}

/// A command of `keys`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum KeysCommand {
    /// Make one, and print it.
    Create(NewKeyArgs),
    /// Print those that there are.
    List,
    /// Take this one back.
    Revoke(String),
}

/// What a new key is to be.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NewKeyArgs {
    pub(crate) name: String,
    /// Those that are granted; `*` is each of them.
    pub(crate) scopes: Vec<String>,
    pub(crate) expires_in: Option<Duration>,
}

/// Reads the words after `keys`.
pub(super) fn parse(mut words: Words<impl Iterator<Item = OsString>>) -> Result<KeysTask, String> {
    const COMMANDS: &str = "keys wants create, list or revoke after it";
    let command = words.next().ok_or(COMMANDS)?;
    let mut data = None;
    let (mut name, mut scopes, mut expires_in) = (None, None, None);
    let mut id = None;
    while let Some(word) = words.next() {
        match (command.flag.as_str(), word.flag.as_str()) {
            (_, "--data") => once(&word, &mut data, words.value(&word, "a directory")?)?,
            ("create", "--name") => {
                let given = words.text(&word, "a name")?;
                once(&word, &mut name, read_name(given)?)?;
            }
            ("create", "--scopes") => {
                let given = words.text(&word, "scopes such as bext:read,bext:write, or *")?;
                once(&word, &mut scopes, read_scopes(&given)?)?;
            }
            ("create", "--expires") => {
                let given = words.text(&word, "a time such as 30d")?;
                once(&word, &mut expires_in, read_time(&given)?)?;
            }
            ("revoke", given) if !given.starts_with('-') && id.is_none() => id = Some(given.to_owned()),
            _ => return Err(word.unknown()),
        }
    }
    let command = match command.flag.as_str() {
        "create" => KeysCommand::Create(NewKeyArgs {
            name: name.ok_or("keys create wants --name NAME: what the key is for")?,
            scopes: scopes
                .ok_or("keys create wants --scopes: which it grants, such as bext:read,bext:write")?,
            expires_in,
        }),
        "list" => KeysCommand::List,
        "revoke" => {
            KeysCommand::Revoke(id.ok_or("keys revoke wants the ID of a key, as keys list shows it")?)
        }
        _ => return Err(COMMANDS.to_owned()),
    };
    Ok(KeysTask { data: data_or_default(data)?, command })
}

/// A name that can be told from others when it is listed.
fn read_name(name: String) -> Result<String, String> {
    // What the standard library would print as it is behind a letter.
    let is_seen = |c: char| matches!(c, '"' | '\'' | '\\') || format!("a{c}").escape_debug().skip(1).eq([c]);
    if name.trim().is_empty() || !name.chars().all(is_seen) {
        return Err("--name: it takes a name of characters that can be seen".to_owned());
    }
    Ok(name)
}

/// Scopes with commas between them.
fn read_scopes(text: &str) -> Result<Vec<String>, String> {
    let scopes: Vec<String> = text.split(',').map(|scope| scope.trim().to_owned()).collect();
    // As RFC 6749, section 3.3, has them.
    let is_scope = |scope: &String| {
        !scope.is_empty() && scope.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"\\".contains(&byte))
    };
    match scopes.iter().find(|scope| !is_scope(scope)) {
        Some(wrong) => Err(format!("--scopes: `{wrong}` is no scope; they look like bext:read,bext:write")),
        None if scopes.len() > 1 && scopes.iter().any(|scope| scope == "*") => {
            Err("--scopes: * is every scope there is, and stands alone".to_owned())
        }
        None => Ok(scopes),
    }
}

/// A number and its unit.
fn read_time(text: &str) -> Result<Duration, String> {
    let wrong = || format!("--expires {text}: it takes a number and a unit, such as 12h, 30d or 8w");
    let unit = text.chars().next_back().ok_or_else(wrong)?;
    let seconds: u64 = match unit {
        's' => 1,
        'm' => 60,
        'h' => 60 * 60,
        'd' => 24 * 60 * 60,
        'w' => 7 * 24 * 60 * 60,
        _ => return Err(wrong()),
    };
    let digits = &text[..text.len() - unit.len_utf8()];
    let number: u64 = digits
        .bytes()
        .all(|byte| byte.is_ascii_digit() && !digits.is_empty())
        // More than fits is longer than anything.
        .then(|| digits.parse().unwrap_or(u64::MAX))
        .filter(|&number| number > 0)
        .ok_or_else(wrong)?;
    // A century is as good as for ever, and far from what times can be computed with.
    const LONGEST: u64 = 100 * 366 * 24 * 60 * 60;
    let seconds = number.checked_mul(seconds).filter(|&seconds| seconds <= LONGEST);
    seconds.map(Duration::from_secs).ok_or_else(|| format!("--expires {text}: that is longer than 100 years"))
}
