//! The words of a command line: flags with and without values, each at most once.

use std::ffi::{OsStr, OsString};

/// The words that are not read yet.
pub(super) struct Words<I>(pub(super) I);

/// A word, with the value that stands behind its `=`.
pub(super) struct Word {
    pub(super) flag: String,
    joined: Option<OsString>,
}

impl<I: Iterator<Item = OsString>> Words<I> {
    pub(super) fn next(&mut self) -> Option<Word> {
        let word = self.0.next()?;
        let (flag, joined) = split(&word);
        Some(Word { flag, joined })
    }

    /// The value of a flag: what stands behind its `=`, or the word after it.
    pub(super) fn value(&mut self, word: &Word, what: &str) -> Result<OsString, String> {
        let next = word.joined.clone().or_else(|| self.0.next());
        next.filter(|value| !value.is_empty() && !value.to_string_lossy().starts_with("--"))
            .ok_or_else(|| format!("{} wants {what} after it", word.flag))
    }

    /// The value of a flag that is a text.
    pub(super) fn text(&mut self, word: &Word, what: &str) -> Result<String, String> {
        let value = self.value(word, what)?;
        value.into_string().map_err(|value| format!("{} {} is not Unicode", word.flag, value.display()))
    }
}

impl Word {
    /// Refuses a value where the flag takes none.
    pub(super) fn alone(&self) -> Result<(), String> {
        if self.joined.is_some() { Err(format!("{} takes no value", self.flag)) } else { Ok(()) }
    }

    /// What is said of a word that nobody knows.
    pub(super) fn unknown(&self) -> String {
        let joined = self.joined.as_ref().map(|value| format!("={}", value.display())).unwrap_or_default();
        format!("there is no flag {}{joined}", self.flag)
    }
}

/// Takes note of a value, which may be there once.
pub(super) fn once<T>(word: &Word, place: &mut Option<T>, value: T) -> Result<(), String> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(format!("{} is there twice", word.flag)),
    }
}

/// A flag, and the value that stands behind its `=`.
fn split(word: &OsStr) -> (String, Option<OsString>) {
    let text = word.to_string_lossy();
    match word.to_str().and_then(|word| word.split_once('=')) {
        Some((flag, value)) if flag.starts_with("--") => (flag.to_owned(), Some(value.into())),
        _ => (text.into_owned(), None),
    }
}
