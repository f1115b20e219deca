//! What a statement may be, judged by its text alone, before SQLite sees it.
//!
//! The lexer cuts text the way SQLite's own does, so that quoting, comments and letter case hide nothing. It is the
//! first of several walls and the one with the helpful messages: the authorizer, the read-only connection and
//! SQLite's own check for a second statement stand behind it.

use super::error::multiple_statements;
use super::lexer::{Lexer, Token};
use crate::error::{Error, ErrorKind};

/// Which of the two tools the statement came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    Query,
    Execute,
}

/// Whether SQLite counts the rows that the statement changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    /// SELECT, WITH … SELECT, VALUES, EXPLAIN.
    Read,
    /// INSERT, REPLACE, UPDATE, DELETE, WITH … INSERT and the like.
    Change,
    /// CREATE, ALTER, ANALYZE, REINDEX.
    Define,
}

/// Judges the text; of a statement that may run, says what it does.
pub(super) fn check(sql: &str, mode: Mode, max_chars: usize) -> Result<Verb, Error> {
    let chars = sql.chars().take(max_chars + 1).count();
    if chars > max_chars {
        let message = format!("the statement is longer than {max_chars} characters");
        return Err(Error::new(ErrorKind::InvalidInput, "sql_too_long", message));
    }
    let words = scan(sql)?;
    let verb = main_verb(&words);
    let Some(verb) = verb else {
        return Err(Error::new(ErrorKind::InvalidInput, "sql_error", "there is no statement in this text"));
    };
    judge(&verb, &words, mode)
}

/// A bare word and how deep in parentheses it stands.
#[derive(Debug)]
struct Word<'s> {
    text: &'s str,
    depth: usize,
}

impl Word<'_> {
    fn is(&self, keyword: &str) -> bool {
        self.text.eq_ignore_ascii_case(keyword)
    }
}

/// The bare words of the one statement in the text.
fn scan(sql: &str) -> Result<Vec<Word<'_>>, Error> {
    let mut words: Vec<Word<'_>> = Vec::new();
    let mut depth = 0usize;
    let mut body = Body::None;
    let mut closed = false;
    let mut second = false;
    for token in Lexer::new(sql) {
        let token = token?;
        // Read to the end all the same: that a later word is blocked is the better answer.
        second |= closed;
        match token {
            Token::Semicolon if words.is_empty() => return Err(blocked("a statement cannot begin with `;`")),
            Token::Semicolon => closed |= body.semicolon(),
            Token::Word(text) => {
                let word = Word { text, depth };
                for forbidden in ["DROP", "TRUNCATE"] {
                    if word.is(forbidden) {
                        let message = format!(
                            "{forbidden} is blocked; a name of that spelling must stand in double quotes"
                        );
                        return Err(blocked(message));
                    }
                }
                body.word(&word, &words);
                words.push(word);
            }
            Token::Open => depth += 1,
            Token::Close => depth = depth.saturating_sub(1),
            Token::Other => {}
        }
        if !matches!(token, Token::Word(_) | Token::Semicolon) {
            body.other();
        }
    }
    if second { Err(multiple_statements()) } else { Ok(words) }
}

/// Where we are in `CREATE TRIGGER … BEGIN …; …; END;`, whose body holds semicolons of its own.
///
/// The rule is that of `sqlite3_complete()`: such a statement ends with a semicolon, `END` and a semicolon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Body {
    /// No trigger: the first semicolon ends the statement.
    None,
    /// In a trigger.
    Trigger,
    /// In a trigger, after a semicolon.
    Semicolon,
    /// In a trigger, after a semicolon and `END`.
    End,
}

impl Body {
    fn word(&mut self, word: &Word<'_>, before: &[Word<'_>]) {
        *self = match *self {
            Self::None => {
                let explain = before.first().is_some_and(|first| first.is("EXPLAIN"));
                let before = if explain { skip_explain(before) } else { before };
                let creates = match before {
                    [create] => create.is("CREATE"),
                    [create, temp] => create.is("CREATE") && (temp.is("TEMP") || temp.is("TEMPORARY")),
                    _ => false,
                };
                if creates && word.is("TRIGGER") { Self::Trigger } else { Self::None }
            }
            Self::Semicolon if word.is("END") => Self::End,
            _ => Self::Trigger,
        };
    }

    /// Whether this semicolon ends the statement.
    fn semicolon(&mut self) -> bool {
        match *self {
            Self::None | Self::End => true,
            Self::Trigger | Self::Semicolon => {
                *self = Self::Semicolon;
                false
            }
        }
    }

    fn other(&mut self) {
        if *self != Self::None {
            *self = Self::Trigger;
        }
    }
}

fn skip_explain<'w, 's>(words: &'w [Word<'s>]) -> &'w [Word<'s>] {
    match words {
        [explain, query, plan, rest @ ..]
            if explain.is("EXPLAIN") && query.is("QUERY") && plan.is("PLAN") =>
        {
            rest
        }
        [explain, rest @ ..] if explain.is("EXPLAIN") => rest,
        _ => words,
    }
}

/// The word that says what the statement does, in capitals; whether it is only explained.
#[derive(Debug)]
struct MainVerb {
    word: String,
    explained: bool,
}

fn main_verb(words: &[Word<'_>]) -> Option<MainVerb> {
    let rest = skip_explain(words);
    let explained = rest.len() < words.len();
    let first = rest.first()?;
    let verb = if first.is("WITH") {
        // The tables of WITH stand in parentheses; the verb is the first one outside of them.
        let verbs = ["SELECT", "VALUES", "INSERT", "REPLACE", "UPDATE", "DELETE"];
        rest.iter().find(|word| word.depth == first.depth && verbs.iter().any(|verb| word.is(verb)))
    } else {
        Some(first)
    };
    let word = verb.map_or("WITH", |verb| verb.text).to_ascii_uppercase();
    Some(MainVerb { word, explained })
}

fn judge(verb: &MainVerb, words: &[Word<'_>], mode: Mode) -> Result<Verb, Error> {
    let kind = match verb.word.as_str() {
        "SELECT" | "VALUES" => Verb::Read,
        "INSERT" | "REPLACE" | "UPDATE" | "DELETE" => Verb::Change,
        "CREATE" | "ALTER" | "ANALYZE" | "REINDEX" => Verb::Define,
        "BEGIN" | "COMMIT" | "END" | "ROLLBACK" | "SAVEPOINT" | "RELEASE" => {
            let message = format!(
                "{} is blocked; each statement is a transaction of its own, and transactions cannot be held open",
                verb.word
            );
            return Err(blocked(message));
        }
        word @ ("PRAGMA" | "ATTACH" | "DETACH" | "VACUUM") => {
            return Err(blocked(format!("{word} is blocked")));
        }
        _ => {
            let word = words.first().map_or("", |first| first.text);
            let word: String = word.chars().take(40).collect();
            let allowed = match mode {
                Mode::Query => "SELECT, WITH, VALUES or EXPLAIN",
                Mode::Execute => "INSERT, REPLACE, UPDATE, DELETE, WITH, CREATE, ALTER, ANALYZE or REINDEX",
            };
            let message = format!("near \"{word}\": a statement here begins with {allowed}");
            return Err(Error::new(ErrorKind::InvalidInput, "sql_error", message));
        }
    };
    match (mode, kind) {
        (Mode::Query, Verb::Read) => Ok(Verb::Read),
        (Mode::Query, _) => {
            let message = format!("{} writes; db_query only reads, db_execute writes", verb.word);
            Err(Error::new(ErrorKind::InvalidInput, "not_read_only", message))
        }
        (Mode::Execute, kind) if kind == Verb::Read || verb.explained => {
            let word = if verb.explained { "EXPLAIN" } else { &verb.word };
            let message = format!("{word} reads; db_execute returns no rows, db_query does");
            Err(Error::new(ErrorKind::InvalidInput, "not_a_write", message))
        }
        (Mode::Execute, kind) => Ok(kind),
    }
}

pub(super) fn blocked(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidInput, "sql_blocked", message)
}

#[cfg(test)]
#[path = "guard_tests.rs"]
mod tests;
