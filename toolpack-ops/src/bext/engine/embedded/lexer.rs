//! Cuts SQL into words, literals and comments where SQLite does.
//!
//! Only the boundaries matter here: where a literal, a quoted name or a comment ends. Where SQLite would find an
//! illegal token, so may we find anything: such text does not run.

use crate::error::{Error, ErrorKind};

/// A token; blanks and comments are none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token<'s> {
    /// A keyword or a bare name.
    Word(&'s str),
    Semicolon,
    Open,
    Close,
    /// A literal, a quoted name, a parameter, a number or an operator.
    Other,
}

#[derive(Debug)]
pub(super) struct Lexer<'s> {
    sql: &'s str,
    at: usize,
}

impl<'s> Lexer<'s> {
    pub(super) fn new(sql: &'s str) -> Self {
        Self { sql, at: 0 }
    }

    fn peek(&self, ahead: usize) -> Option<u8> {
        self.sql.as_bytes().get(self.at + ahead).copied()
    }

    /// Goes on to the byte after the next `end`; to the end of the text, if there is none.
    fn skip_past(&mut self, end: &str) {
        let rest = self.sql.as_bytes().get(self.at..).unwrap_or_default();
        let found = rest.windows(end.len()).position(|window| window == end.as_bytes());
        self.at += found.map_or(rest.len(), |position| position + end.len());
    }

    fn skip_name(&mut self) {
        while self.peek(0).is_some_and(is_name_byte) {
            self.at += 1;
        }
    }

    /// A quoted text in which the quote itself is written twice; the first quote is read already.
    fn quoted(&mut self, quote: u8) -> Result<(), Error> {
        loop {
            match self.peek(0) {
                None => return Err(unfinished("a quote is not closed")),
                Some(byte) if byte == quote && self.peek(1) == Some(quote) => self.at += 2,
                Some(byte) if byte == quote => {
                    self.at += 1;
                    return Ok(());
                }
                Some(_) => self.at += 1,
            }
        }
    }

    fn token(&mut self) -> Option<Result<Token<'s>, Error>> {
        loop {
            let byte = self.peek(0)?;
            let start = self.at;
            self.at += 1;
            return Some(match byte {
                b' ' | b'\t' | b'\n' | 0x0c | b'\r' => continue,
                // SQLite reads a text only as far as its first NUL.
                0 => Err(unfinished("the text has a NUL character")),
                b'-' if self.peek(0) == Some(b'-') => {
                    self.skip_past("\n");
                    continue;
                }
                b'/' if self.peek(0) == Some(b'*') => {
                    // `/*/` does not close itself.
                    self.at += 1;
                    self.skip_past("*/");
                    continue;
                }
                // A byte order mark is a blank to SQLite and begins a name to us: left to SQLite, it would hide the
                // first letters of a word from us.
                0xef if self.peek(0) == Some(0xbb) && self.peek(1) == Some(0xbf) => {
                    Err(unfinished("the text has a byte order mark"))
                }
                b'\'' | b'"' | b'`' => self.quoted(byte).map(|()| Token::Other),
                b'[' => {
                    self.skip_past("]");
                    Ok(Token::Other)
                }
                b'?' => {
                    while self.peek(0).is_some_and(|byte| byte.is_ascii_digit()) {
                        self.at += 1;
                    }
                    Ok(Token::Other)
                }
                b':' | b'@' | b'#' => self.parameter(),
                // `$` stands within names too, but begins a parameter.
                b'$' => self.parameter(),
                b';' => Ok(Token::Semicolon),
                b'(' => Ok(Token::Open),
                b')' => Ok(Token::Close),
                byte if is_name_byte(byte) => {
                    self.skip_name();
                    // Both ends are next to an ASCII byte or an end of the text, so the cut is between characters.
                    Ok(Token::Word(self.sql.get(start..self.at).unwrap_or_default()))
                }
                _ => Ok(Token::Other),
            });
        }
    }

    /// A parameter such as `:name` or `$name::part`.
    fn parameter(&mut self) -> Result<Token<'s>, Error> {
        loop {
            self.skip_name();
            if self.peek(0) == Some(b':') && self.peek(1) == Some(b':') {
                self.at += 2;
            } else if self.peek(0) == Some(b'(') {
                // SQLite takes `$a(…)` for one token, with quotes and semicolons in it. Nobody needs that.
                return Err(unfinished("a parameter cannot be followed by `(`"));
            } else {
                return Ok(Token::Other);
            }
        }
    }
}

impl<'s> Iterator for Lexer<'s> {
    type Item = Result<Token<'s>, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        self.token()
    }
}

/// What SQLite takes for a part of a name: letters, digits, `_`, `$`, and every byte beyond ASCII.
fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'$' || byte >= 0x80
}

fn unfinished(message: &'static str) -> Error {
    Error::new(ErrorKind::InvalidInput, "sql_error", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(sql: &str) -> Vec<&str> {
        Lexer::new(sql)
            .filter_map(|token| match token {
                Ok(Token::Word(word)) => Some(word),
                _ => None,
            })
            .collect()
    }

    #[test]
    fn only_bare_words_are_words() {
        assert_eq!(words("a 'b' \"c\" `d` [e] -- f\ng /* h */ i/*j"), ["a", "g", "i"]);
        assert_eq!(words("'it''s' a \"x\"\"y\" b [q'] c `'` d"), ["a", "b", "c", "d"]);
        assert_eq!(words("/*/ a */ b --\rc\nd"), ["b", "d"]);
        assert_eq!(words("?1 :a @b $c $d::e #f g é_$1"), ["g", "é_$1"]);
        assert_eq!(words("x'00' 1e5 a.b"), ["x", "1e5", "a", "b"]);
    }

    #[test]
    fn what_sqlite_would_cut_elsewhere_is_refused() {
        for bad in ["'a", "\"a", "`a", "a\0b", "\u{feff}a", "$a(')", ":a::b(;)", "@(x)"] {
            assert!(Lexer::new(bad).any(|token| token.is_err()), "{bad:?}");
        }
    }
}
