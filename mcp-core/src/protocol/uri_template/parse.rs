//! Reading a template: literals and expressions, and why one is refused (RFC 6570, section 2).

use std::fmt;

use super::{operator::Operator, percent};

/// The most variables of a template, so that a set of them fits in a word.
const MAX_VARIABLES: usize = 32;

/// Why a template was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TemplateError {
    /// A brace without its partner.
    #[error("unbalanced braces")]
    Unbalanced,
    /// What stands in braces is no expression.
    #[error("`{{{0}}}` is no expression of RFC 6570, levels 1 to 3")]
    Expression(String),
    /// A modifier of level 4.
    #[error(
        "`{{{0}}}` has a modifier of RFC 6570, level 4; templates are matched up to level 3, without `*` and `:`"
    )]
    Modifier(String),
    /// A literal with a `%` that begins no escape, or with escapes that are not UTF-8.
    #[error("the percent-encoding in `{0}` is not that of UTF-8")]
    Escape(String),
    /// A name used twice.
    #[error("variable `{0}` stands there twice")]
    Repeated(String),
    /// More variables than anybody needs.
    #[error("there are more than {MAX_VARIABLES} variables")]
    TooMany,
    /// Two expressions with nothing between them that tells them apart.
    #[error("nothing tells `{first}` from `{second}` behind it: `{text}` could be divided in two ways")]
    Adjacent {
        /// The expression that may take more or less of the text.
        first: String,
        /// The one that may take the rest.
        second: String,
        /// A text that could be divided in two ways.
        text: String,
    },
    /// Expressions side by side that are too many or too long to be checked.
    #[error(
        "the expressions side by side are too intricate to tell whether a URI could be divided in two ways"
    )]
    Intricate,
    /// No scheme in front.
    #[error("a URI begins with a literal scheme, such as `notes:`")]
    NoScheme,
}

/// A piece of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// Text that stands for itself; never empty.
    Literal(String),
    /// What stands for values.
    Expression(Expression),
}

/// An operator and its variables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Expression {
    pub(super) operator: Operator,
    /// Never empty.
    pub(super) names: Vec<String>,
}

impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{{{}{}}}", self.operator.sign(), self.names.join(","))
    }
}

/// The parts of a template.
pub(super) fn parse(text: &str) -> Result<Vec<Part>, TemplateError> {
    let mut pieces = text.split('{');
    let mut parts = Vec::new();
    push_literal(&mut parts, pieces.next().unwrap_or_default())?;
    for piece in pieces {
        let (inner, literal) = piece.split_once('}').ok_or(TemplateError::Unbalanced)?;
        parts.push(Part::Expression(expression(inner)?));
        push_literal(&mut parts, literal)?;
    }
    if !matches!(parts.first(), Some(Part::Literal(head)) if has_scheme(head)) {
        return Err(TemplateError::NoScheme);
    }
    check_names(&parts)?;
    Ok(parts)
}

fn push_literal(parts: &mut Vec<Part>, text: &str) -> Result<(), TemplateError> {
    if text.contains('}') {
        return Err(TemplateError::Unbalanced);
    }
    if !percent::is_sound(text) {
        return Err(TemplateError::Escape(text.to_owned()));
    }
    if !text.is_empty() {
        parts.push(Part::Literal(text.to_owned()));
    }
    Ok(())
}

/// Reads what stands between two braces.
fn expression(inner: &str) -> Result<Expression, TemplateError> {
    let operator = inner.chars().next().and_then(Operator::of).unwrap_or(Operator::Simple);
    let names: Vec<_> = inner[operator.sign().len()..].split(',').map(str::to_owned).collect();
    if names.iter().all(|name| is_name(name)) {
        return Ok(Expression { operator, names });
    }
    if names.iter().all(|name| is_name(without_modifier(name))) {
        return Err(TemplateError::Modifier(inner.to_owned()));
    }
    Err(TemplateError::Expression(inner.to_owned()))
}

/// Whether it is a variable's name (section 2.3), but for escapes, which no field's name could hold.
fn is_name(text: &str) -> bool {
    let is_name_character = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.split('.').all(|label| !label.is_empty() && label.chars().all(is_name_character))
}

/// The name before `*` or `:3` (section 2.4).
fn without_modifier(name: &str) -> &str {
    let is_length = |text: &str| text.chars().all(|c| c.is_ascii_digit());
    match name.split_once(':') {
        Some((name, length)) if is_length(length) => name,
        _ => name.strip_suffix('*').unwrap_or(name),
    }
}

fn check_names(parts: &[Part]) -> Result<(), TemplateError> {
    let names: Vec<_> = names(parts).collect();
    if names.len() > MAX_VARIABLES {
        return Err(TemplateError::TooMany);
    }
    let repeated = names.iter().enumerate().find(|(index, name)| names[..*index].contains(*name));
    repeated.map_or(Ok(()), |(_, name)| Err(TemplateError::Repeated((*name).to_owned())))
}

/// The names of the variables, in order.
pub(super) fn names(parts: &[Part]) -> impl Iterator<Item = &str> {
    parts
        .iter()
        .flat_map(|part| match part {
            Part::Literal(_) => [].iter(),
            Part::Expression(expression) => expression.names.iter(),
        })
        .map(String::as_str)
}

/// Whether the text begins with a scheme and its colon (RFC 3986, section 3.1).
fn has_scheme(text: &str) -> bool {
    text.split_once(':').is_some_and(|(scheme, _)| {
        scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on says why")]
mod tests {
    use super::*;

    #[test]
    fn expressions_of_levels_1_to_3_are_read() {
        for text in [
            "a:",
            "a:b",
            "a:{x}",
            "a:{+x}",
            "a:{#x}",
            "a:{x,y}",
            "a:{+x,y}",
            "a:{#x,y}",
            "a:{.x,y}",
            "a:{/x,y}",
            "a:{;x,y}",
            "a:{?x,y}",
            "a:{&x,y}",
            "a:{x_1.y}",
            "a:%C3%A9{x}",
            "a:é{x}",
        ] {
            let written: String = parse(text)
                .unwrap()
                .iter()
                .map(|part| match part {
                    Part::Literal(literal) => literal.clone(),
                    Part::Expression(expression) => expression.to_string(),
                })
                .collect();
            assert_eq!(written, text);
        }
    }

    #[test]
    fn what_is_no_template_is_refused_with_the_reason() {
        let many: Vec<_> = (0..33).map(|number| format!("x{number}")).collect();
        for (text, why) in [
            ("a:{", "unbalanced braces"),
            ("a:}", "unbalanced braces"),
            ("a:{x}}", "unbalanced braces"),
            ("a:{x{y}}", "unbalanced braces"),
            ("a:{}", "`{}` is no expression of RFC 6570, levels 1 to 3"),
            ("a:{+}", "`{+}` is no expression"),
            ("a:{x,}", "`{x,}` is no expression"),
            ("a:{x y}", "`{x y}` is no expression"),
            ("a:{é}", "`{é}` is no expression"),
            ("a:{x..y}", "`{x..y}` is no expression"),
            ("a:{=x}", "`{=x}` is no expression"),
            ("a:{|x}", "`{|x}` is no expression"),
            ("a:{x*}", "`{x*}` has a modifier of RFC 6570, level 4"),
            ("a:{?x,y*}", "`{?x,y*}` has a modifier"),
            ("a:{x:3}", "`{x:3}` has a modifier"),
            ("a:{x:y}", "`{x:y}` is no expression"),
            ("a:%zz{x}", "the percent-encoding in `a:%zz` is not that of UTF-8"),
            ("a:{x}%C3{y}%A9", "the percent-encoding in `%C3`"),
            ("a:{x}/{x}", "variable `x` stands there twice"),
            ("a:{?x,x}", "variable `x` stands there twice"),
            (&format!("a:{{?{}}}", many.join(",")), "there are more than 32 variables"),
            ("{x}", "a URI begins with a literal scheme"),
            ("x/{y}", "a URI begins with a literal scheme"),
            ("1:{y}", "a URI begins with a literal scheme"),
            ("", "a URI begins with a literal scheme"),
        ] {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.starts_with(why), "{text}: {error}");
        }
    }
}
