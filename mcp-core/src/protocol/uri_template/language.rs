//! The set of URIs that a template matches, as an automaton that reads a URI character by character.
//!
//! Its states are made when they are asked for: a query of ten optional parameters in any order has thousands of them,
//! few of which two templates ever reach together. What an escape spells is not looked at: `%FF` is in the set, though
//! it is not UTF-8 and matches nothing. Whether it is depends on the URI alone, so that no comparison of two sets
//! comes out differently.

use std::collections::BTreeSet;

use super::{
    operator::Operator,
    parse::{Expression, Part},
    percent,
};

/// What was read so far of a URI.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct State {
    /// The part that the last character belongs to.
    pub(super) part: usize,
    place: Place,
    /// Which names of the expression stood there, a bit each.
    used: u32,
}

/// A place in a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Place {
    /// Nothing is read of it.
    Start,
    /// So many bytes of a literal, and so many characters of the next one's escapes.
    Literal { read: usize, escapes: usize },
    /// Behind what a pair of name and value begins with.
    Pair,
    /// So many bytes of a name.
    Name { index: usize, read: usize },
    /// A whole name.
    Named,
    /// In the value of this index, or of any name; and so many characters of an escape.
    Value { index: usize, escape: u8 },
}

/// The automaton of some parts of a template.
#[derive(Clone, Copy)]
pub(super) struct Language<'a> {
    parts: &'a [Part],
    /// Whether a name may come again: a larger set, with far fewer states.
    repeats: bool,
}

impl<'a> Language<'a> {
    pub(super) fn new(parts: &'a [Part]) -> Self {
        Self { parts, repeats: false }
    }

    /// The same with names that may come again and again.
    pub(super) fn with_repeats(parts: &'a [Part]) -> Self {
        Self { parts, repeats: true }
    }

    /// The state before the first character.
    pub(super) fn start() -> State {
        State { part: 0, place: Place::Start, used: 0 }
    }

    /// Whether the text may end here.
    pub(super) fn accepts(self, state: State) -> bool {
        let rest = self.parts.get(state.part + 1..).unwrap_or_default();
        state.part == self.parts.len()
            || self.is_end(state)
                && rest
                    .iter()
                    .all(|part| matches!(part, Part::Expression(e) if e.operator.prefix().is_some()))
    }

    /// What may be so once this character is read, too.
    pub(super) fn step(self, state: State, c: char) -> Vec<State> {
        let mut next = Vec::new();
        let mut state = state;
        while let Some(part) = self.parts.get(state.part) {
            match part {
                Part::Literal(literal) => read_literal(literal, state, c, &mut next),
                Part::Expression(expression) if expression.operator.is_named() => {
                    self.read_named(expression, state, c, &mut next);
                }
                Part::Expression(expression) => read_list(expression, state, c, &mut next),
            }
            if !self.is_end(state) {
                break;
            }
            state = State { part: state.part + 1, ..Self::start() };
        }
        next
    }

    /// Whether the part may end here.
    fn is_end(self, state: State) -> bool {
        match (self.parts.get(state.part), state.place) {
            (Some(Part::Literal(literal)), Place::Literal { read, escapes: 0 }) => read == literal.len(),
            (Some(Part::Expression(expression)), Place::Start) => expression.operator.prefix().is_some(),
            (Some(Part::Expression(_)), Place::Named | Place::Value { escape: 0, .. }) => true,
            _ => false,
        }
    }

    fn read_named(self, expression: &Expression, state: State, c: char, next: &mut Vec<State>) {
        let operator = expression.operator;
        let mut name = |index: usize, read: usize| {
            let used = if self.repeats { 0 } else { state.used | 1 << index };
            match &expression.names[index] {
                name if !name[read..].starts_with(c) => {}
                name if name.len() == read + 1 => next.push(State { place: Place::Named, used, ..state }),
                _ => next.push(State { place: Place::Name { index, read: read + 1 }, ..state }),
            }
        };
        match state.place {
            Place::Pair => (0..expression.names.len())
                .filter(|index| state.used & (1 << index) == 0)
                .for_each(|index| name(index, 0)),
            Place::Name { index, read } => name(index, read),
            Place::Start if operator.prefix() == Some(c) => next.push(State { place: Place::Pair, ..state }),
            Place::Named if c == '=' => {
                next.push(State { place: Place::Value { index: 0, escape: 0 }, ..state })
            }
            Place::Named | Place::Value { escape: 0, .. } if c == operator.separator() => {
                next.push(State { place: Place::Pair, ..state });
            }
            Place::Value { index, escape } => next.extend(read_value(operator, state, index, escape, c)),
            _ => {}
        }
    }

    /// The characters that some state tells from others.
    pub(super) fn alphabet(self) -> BTreeSet<char> {
        let mut alphabet = BTreeSet::from(['%', '=']);
        for part in self.parts {
            match part {
                Part::Literal(literal) => {
                    alphabet.extend(literal.chars());
                    for escapes in literal.chars().filter(|c| !c.is_ascii()).map(percent::encode) {
                        alphabet.extend(escapes.chars().chain(escapes.to_lowercase().chars()));
                    }
                }
                Part::Expression(expression) if expression.operator.is_named() => {
                    alphabet.extend(expression.names.iter().flat_map(|name| name.chars()));
                }
                // These names stand in no URI.
                Part::Expression(_) => {}
            }
        }
        alphabet
    }
}

fn read_literal(literal: &str, state: State, c: char, next: &mut Vec<State>) {
    let (read, escapes) = match state.place {
        Place::Literal { read, escapes } => (read, escapes),
        _ => (0, 0),
    };
    let Some(wanted) = literal[read..].chars().next() else { return };
    let mut push = |read, escapes| next.push(State { place: Place::Literal { read, escapes }, ..state });
    if escapes == 0 && c == wanted {
        push(read + c.len_utf8(), 0);
    }
    if !wanted.is_ascii() {
        let encoded = percent::encode(wanted);
        match encoded[escapes..].chars().next() {
            Some(digit) if !digit.eq_ignore_ascii_case(&c) => {}
            _ if escapes + 1 == encoded.len() => push(read + wanted.len_utf8(), 0),
            _ => push(read, escapes + 1),
        }
    }
}

fn read_list(expression: &Expression, state: State, c: char, next: &mut Vec<State>) {
    let operator = expression.operator;
    let (index, escape) = match (state.place, operator.prefix()) {
        (Place::Value { index, escape }, _) => (index, escape),
        (_, None) => (0, 0),
        (_, Some(prefix)) if prefix == c => {
            next.push(State { place: Place::Value { index: 0, escape: 0 }, ..state });
            return;
        }
        _ => return,
    };
    if escape == 0 && operator.is_separated_by(c) && index + 1 < expression.names.len() {
        next.push(State { place: Place::Value { index: index + 1, escape: 0 }, ..state });
    }
    next.extend(read_value(operator, state, index, escape, c));
}

/// Reads a character in a value.
fn read_value(operator: Operator, state: State, index: usize, escape: u8, c: char) -> Option<State> {
    let escape = match escape {
        0 if c == '%' => 1,
        0 if operator.takes(c) => 0,
        1 if c.is_ascii_hexdigit() => 2,
        2 if c.is_ascii_hexdigit() => 0,
        _ => return None,
    };
    Some(State { place: Place::Value { index, escape }, ..state })
}

/// Characters enough to tell two automata apart: those that one of them knows, those that delimit, and one each for
/// all other hexadecimal digits and for everything else. What reads best in an error comes first.
pub(super) fn alphabet(known: &BTreeSet<char>) -> Vec<char> {
    let is_unknown = |c: &char| !known.contains(c);
    let other = "xyzwvutsrqponmlkjihg".chars().chain('\u{100}'..).find(is_unknown);
    let digit = "0123456789abcdefABCDEF".chars().find(is_unknown);
    let delimiters = "/?#,;&.".chars().filter(is_unknown);
    other.into_iter().chain(digit).chain(known.iter().copied()).chain(delimiters).collect()
}
