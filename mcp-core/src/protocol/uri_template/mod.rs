//! URI templates of RFC 6570, level 1: literals and simple variables, matched rather than expanded.

use std::fmt;

/// A parsed template, such as `bext://instance/{id}`.
///
/// A variable stands for one or more characters other than `/`, `?` and `#`; percent-encoding is undone in its
/// value. Two variables side by side are refused, since no match could tell where one ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UriTemplate {
    text: String,
    /// The literal before the first variable.
    head: String,
    /// Each variable with the literal after it.
    variables: Vec<(String, String)>,
}

/// The values of a template's variables, by name.
pub type Variables = Vec<(String, String)>;

/// Why a template was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// A brace without its partner.
    #[error("unbalanced braces")]
    Unbalanced,
    /// An expression beyond level 1.
    #[error("`{{{0}}}` is not a plain variable name (RFC 6570, level 1)")]
    Expression(String),
    /// A name used twice.
    #[error("variable `{0}` stands there twice")]
    Repeated(String),
    /// Two variables with nothing between them.
    #[error("nothing tells variable `{0}` from the one before it")]
    Adjacent(String),
    /// No scheme in front.
    #[error("a URI begins with a literal scheme, such as `notes:`")]
    NoScheme,
}

impl UriTemplate {
    /// Reads a template.
    ///
    /// # Errors
    ///
    /// What is not a URI with simple variables, or could not be matched without guessing.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        let mut parts = text.split('{');
        let head = parts.next().unwrap_or_default().to_owned();
        let mut variables: Vec<(String, String)> = Vec::new();
        for part in parts {
            let (name, literal) = part.split_once('}').ok_or(TemplateError::Unbalanced)?;
            let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.';
            if name.is_empty() || !name.chars().all(is_name) {
                return Err(TemplateError::Expression(name.to_owned()));
            }
            if variables.iter().any(|(known, _)| known == name) {
                return Err(TemplateError::Repeated(name.to_owned()));
            }
            if variables.last().is_some_and(|(_, between)| between.is_empty()) {
                return Err(TemplateError::Adjacent(name.to_owned()));
            }
            variables.push((name.to_owned(), literal.to_owned()));
        }
        if head.contains('}') || variables.iter().any(|(_, literal)| literal.contains('}')) {
            return Err(TemplateError::Unbalanced);
        }
        if !has_scheme(&head) {
            return Err(TemplateError::NoScheme);
        }
        Ok(Self { text: text.to_owned(), head, variables })
    }

    /// The template as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether there is no variable, so that exactly one URI matches.
    pub fn is_fixed(&self) -> bool {
        self.variables.is_empty()
    }

    /// The names of the variables, in order.
    pub fn variables(&self) -> impl Iterator<Item = &str> {
        self.variables.iter().map(|(name, _)| name.as_str())
    }

    /// The values of the variables if `uri` is of this form, by name.
    pub fn match_uri(&self, uri: &str) -> Option<Variables> {
        let mut rest = uri.strip_prefix(&self.head)?;
        let mut values = Vec::with_capacity(self.variables.len());
        for (index, (name, literal)) in self.variables.iter().enumerate() {
            let is_last = index + 1 == self.variables.len();
            let end = match (is_last, literal.is_empty()) {
                (true, true) => rest.len(),
                (true, false) => rest.len().checked_sub(literal.len()).filter(|_| rest.ends_with(literal))?,
                // The value holds at least one character, so the literal is looked for behind it.
                (false, _) => {
                    let first = rest.chars().next()?.len_utf8();
                    first + rest[first..].find(literal)?
                }
            };
            let value = &rest[..end];
            if value.is_empty() || value.contains(['/', '?', '#']) {
                return None;
            }
            values.push((name.clone(), percent_decode(value)?));
            rest = &rest[end + literal.len()..];
        }
        rest.is_empty().then_some(values)
    }

    /// Whether both are the same but for the names of their variables: registration refuses such pairs.
    ///
    /// Templates that have only some URIs in common may stand side by side, as `a://{x}` and `a://b-{y}` do: the one
    /// that is literal for longer is tried first.
    pub(crate) fn collides_with(&self, other: &Self) -> bool {
        let shape = |template: &Self| {
            let mut shape = vec![template.head.clone()];
            shape.extend(template.variables.iter().map(|(_, literal)| literal.clone()));
            shape
        };
        shape(self) == shape(other)
    }
}

impl fmt::Display for UriTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Whether the text begins with a scheme and its colon (RFC 3986, section 3.1).
fn has_scheme(text: &str) -> bool {
    text.split_once(':').is_some_and(|(scheme, _)| {
        scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
    })
}

/// Undoes percent-encoding; `None` where what comes out is not UTF-8 or an escape is cut short.
fn percent_decode(text: &str) -> Option<String> {
    if !text.contains('%') {
        return Some(text.to_owned());
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let high = char::from(rest.next()?).to_digit(16)?;
            let low = char::from(rest.next()?).to_digit(16)?;
            bytes.push(u8::try_from(high * 16 + low).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on says why")]
mod tests {
    use super::*;

    fn matched(template: &str, uri: &str) -> Option<Vec<String>> {
        let values = UriTemplate::parse(template).unwrap().match_uri(uri)?;
        Some(values.into_iter().map(|(_, value)| value).collect())
    }

    #[test]
    fn variables_take_one_segment_and_are_decoded() {
        assert_eq!(matched("a://b/{id}", "a://b/7"), Some(vec!["7".into()]));
        assert_eq!(matched("a://b/{id}", "a://b/%C3%A9%20x"), Some(vec!["é x".into()]));
        assert_eq!(matched("a://{x}/m/{y}.md", "a://1/m/2.3.md"), Some(vec!["1".into(), "2.3".into()]));
        assert_eq!(matched("a://{x}-{y}", "a://1-2-3"), Some(vec!["1".into(), "2-3".into()]));
        assert_eq!(matched("a://fixed", "a://fixed"), Some(vec![]));
    }

    #[test]
    fn what_is_not_of_the_form_does_not_match() {
        for uri in [
            "a://b/",
            "a://b/7/8",
            "a://b/7?q",
            "a://b/7#f",
            "a://c/7",
            "",
            "a://b/%zz",
            "a://b/%ff",
            "a://b/%",
        ] {
            assert_eq!(matched("a://b/{id}", uri), None, "{uri}");
        }
        assert_eq!(matched("a://fixed", "a://fixed2"), None);
        assert_eq!(matched("a://{x}.md", "a://.md"), None);
    }

    #[test]
    fn templates_that_cannot_be_matched_are_refused() {
        for text in [
            "a://{",
            "a://}",
            "a://{}",
            "a://{+x}",
            "a://{x,y}",
            "a://{x}{y}",
            "a://{x}/{x}",
            "{x}",
            "x/{y}",
            "",
        ] {
            assert!(UriTemplate::parse(text).is_err(), "{text}");
        }
    }
}
