//! URI templates of RFC 6570, levels 1 to 3, matched rather than expanded.

mod ambiguity;
mod language;
mod matching;
mod operator;
mod parse;
mod percent;
#[cfg(test)]
mod properties;
mod relation;
mod search;

use std::fmt;

use self::parse::Part;
pub use self::parse::TemplateError;
pub(crate) use self::relation::Relation;

/// A parsed template, such as `notes://note/{id}` or `notes://search{?text,limit}`.
///
/// A URI matches if expanding the template with some values gives it (RFC 6570, section 3.2); the match gives these
/// values back, with percent-encoding undone.
///
/// | Expression | Section | Text | Absent if undefined |
/// |---|---|---|---|
/// | `{x}`, `{x,y}` | 3.2.2 | `1`, `1,2` | no |
/// | `{+x}`, `{+x,y}` | 3.2.3 | `a/b`, `a/b,2` | no |
/// | `{#x}`, `{#x,y}` | 3.2.4 | `#a/b`, `#a/b,2` | yes |
/// | `{.x,y}` | 3.2.5 | `.1.2` | yes |
/// | `{/x,y}` | 3.2.6 | `/1/2` | yes |
/// | `{;x,y}` | 3.2.7 | `;x=1;y=2` | yes |
/// | `{?x,y}` | 3.2.8 | `?x=1&y=2` | yes |
/// | `{&x,y}` | 3.2.9 | `&x=1&y=2` | yes |
///
/// - **Values.** Expansion encodes all but unreserved characters, or but these and reserved ones in `+` and `#`. Clients
///   are less strict, so a match is too: `+` and `#` take every character; `?` and `&` take all but `?`, `#` and `&`;
///   the others take all but `/`, `?`, `#`, `,`, `;` and `&`. Escapes are taken everywhere and undone, so that `%2F`
///   gives a `/` even to `{x}`, and `{+path}` gives `../..` to whoever asks for it: **whether a value may be used as a
///   path is for the author to check.**
/// - **Absent variables.** What is not in the URI is not among the values. A named variable (`;`, `?`, `&`) may be
///   absent alone; of the others the first ones are there: `{/x,y}` matches `/1` with `x`. `{x}` and `{+x}` take at
///   least one character all in all, though a value of a list may be empty: `1,` matches `{x,y}`.
/// - **Names.** Named variables come in any order, each at most once, and no others. Both `x` and `x=` give an empty
///   value.
/// - **Choice.** From left to right, each expression takes as little as it can: `1-2-3` matches `{x}-{y}` with `1` and
///   `2-3`. So do the variables of one expression: `1,2,3` matches `{+x,y}` with `1` and `2,3`.
/// - **Ambiguity.** Expressions side by side are refused if any text could be divided between them in two ways, since
///   there is nothing to choose by. So `{x}{?y}` and `{?x}{&y}` are fine, and `{x}{y}`, `{x}{.y}` and `{+x}{/y}`
///   are not, nor is `{+x}{?y}`: `+x` may hold all of `?y=1`.
/// - **Literals.** What is not ASCII in them may be percent-encoded in the URI (section 3.1); all else is compared as
///   it stands.
/// - **Several templates.** A server reads the fixed resource of a URI first, then the narrowest template that matches.
///   Registration refuses two templates that match the same URIs, or of which each matches URIs that the other does not
///   and some that it does; and two that it cannot compare, as may be with more than ten named variables in both.
///
/// Refused are the modifiers of level 4 (section 2.4), and a variable that stands there twice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UriTemplate {
    text: String,
    parts: Vec<Part>,
}

/// The values of a template's variables, by name.
pub type Variables = Vec<(String, String)>;

impl UriTemplate {
    /// Reads a template.
    ///
    /// # Errors
    ///
    /// What is not a URI with expressions, or could not be matched without guessing.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        let parts = parse::parse(text)?;
        ambiguity::check(&parts)?;
        Ok(Self { text: text.to_owned(), parts })
    }

    /// The template as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether there is no variable, so that exactly one URI matches.
    pub fn is_fixed(&self) -> bool {
        self.variables().next().is_none()
    }

    /// The names of the variables, in order.
    pub fn variables(&self) -> impl Iterator<Item = &str> {
        parse::names(&self.parts)
    }

    /// The values of the variables if `uri` is of this form, by name; variables that are absent are left out.
    ///
    /// It takes time in proportion to the length of the URI and the size of the template, whatever the URI.
    pub fn match_uri(&self, uri: &str) -> Option<Variables> {
        matching::match_uri(&self.parts, uri)
    }

    /// What the URIs of both have in common.
    pub(crate) fn relation_to(&self, other: &Self) -> Relation {
        relation::relation(&self.parts, &other.parts)
    }
}

impl fmt::Display for UriTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
