//! The operators of expressions: what stands before, between and in their values (RFC 6570, section 3.2.1).

/// What an expression does with its variables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    /// `{x}`, section 3.2.2.
    Simple,
    /// `{+x}`, section 3.2.3.
    Reserved,
    /// `{#x}`, section 3.2.4.
    Fragment,
    /// `{.x}`, section 3.2.5.
    Label,
    /// `{/x}`, section 3.2.6.
    Path,
    /// `{;x}`, section 3.2.7.
    Parameter,
    /// `{?x}`, section 3.2.8.
    Query,
    /// `{&x}`, section 3.2.9.
    Continuation,
}

impl Operator {
    /// The operator that is written with this sign; a simple expression has none.
    pub(super) fn of(sign: char) -> Option<Self> {
        Some(match sign {
            '+' => Self::Reserved,
            '#' => Self::Fragment,
            '.' => Self::Label,
            '/' => Self::Path,
            ';' => Self::Parameter,
            '?' => Self::Query,
            '&' => Self::Continuation,
            _ => return None,
        })
    }

    /// How it is written behind the brace.
    pub(super) fn sign(self) -> &'static str {
        match self {
            Self::Simple => "",
            Self::Reserved => "+",
            Self::Fragment => "#",
            Self::Label => ".",
            Self::Path => "/",
            Self::Parameter => ";",
            Self::Query => "?",
            Self::Continuation => "&",
        }
    }

    /// What an expansion begins with; an expression that has a prefix may be absent, and then has none.
    pub(super) fn prefix(self) -> Option<char> {
        match self {
            Self::Simple | Self::Reserved => None,
            Self::Fragment => Some('#'),
            Self::Label => Some('.'),
            Self::Path => Some('/'),
            Self::Parameter => Some(';'),
            Self::Query => Some('?'),
            Self::Continuation => Some('&'),
        }
    }

    /// What stands between two values.
    pub(super) fn separator(self) -> char {
        match self {
            Self::Simple | Self::Reserved | Self::Fragment => ',',
            Self::Label => '.',
            Self::Path => '/',
            Self::Parameter => ';',
            Self::Query | Self::Continuation => '&',
        }
    }

    /// Whether each value stands behind its name.
    pub(super) fn is_named(self) -> bool {
        matches!(self, Self::Parameter | Self::Query | Self::Continuation)
    }

    /// Whether a value may hold this character unencoded, where `%` stands for a whole escape.
    ///
    /// Expansion would encode far more, but clients do not: what delimits nothing is tolerated.
    pub(super) fn takes(self, c: char) -> bool {
        match self {
            Self::Simple | Self::Label | Self::Path | Self::Parameter => !"/?#,;&".contains(c),
            // A query may well hold a path or a list (RFC 3986, section 3.4).
            Self::Query | Self::Continuation => !"?#&".contains(c),
            Self::Reserved | Self::Fragment => true,
        }
    }

    /// Whether this character ends a value and begins the next, rather than being a part of it.
    pub(super) fn is_separated_by(self, c: char) -> bool {
        c == self.separator() && !self.takes(c)
    }
}
