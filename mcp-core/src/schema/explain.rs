//! Says what is wrong with arguments in words from which they can be corrected, and never what they were.

use jsonschema::{
    ValidationError,
    error::{TypeKind, ValidationErrorKind as Kind},
};
use serde_json::Value;

use super::actions::MeantAction;
use crate::{
    protocol::error::{shorten, without_value},
    tool_error::ToolError,
};

/// More than this many mistakes at once help nobody.
const MAX_ERRORS: usize = 5;

/// What is known at the top of a value.
#[derive(Clone, Copy)]
pub(super) struct Known<'a> {
    /// The names of all properties.
    pub(super) names: &'a [String],
    /// The action that the value names, where it is to name one.
    pub(super) action: Option<MeantAction<'a>>,
}

/// A mistake in a value.
pub(super) struct Mistake {
    /// Where, as a JSON pointer.
    pub(super) pointer: String,
    /// Why: what follows a name for the place.
    pub(super) why: String,
    kind: MistakeKind,
}

#[derive(PartialEq, Eq)]
enum MistakeKind {
    /// A name that is not known, and the place of the one that is probably meant.
    Misspelt(Option<String>),
    /// Something that is not there.
    Missing,
    Other,
}

/// What is wrong with a value, as far as anyone wants to know at once.
pub(super) fn mistakes(validator: &jsonschema::Validator, value: &Value, known: Known<'_>) -> Vec<Mistake> {
    let mut mistakes: Vec<_> =
        validator.iter_errors(value).take(MAX_ERRORS).map(|error| explain(&error, known)).collect();
    // What is missing because it is misspelt is one mistake.
    let meant: Vec<_> = mistakes
        .iter()
        .filter_map(|mistake| match &mistake.kind {
            MistakeKind::Misspelt(meant) => meant.clone(),
            _ => None,
        })
        .collect();
    mistakes.retain(|mistake| mistake.kind != MistakeKind::Missing || !meant.contains(&mistake.pointer));
    mistakes
}

/// The error of a call whose arguments do not fit.
pub(super) fn invalid_arguments(mistakes: &[Mistake]) -> ToolError {
    let mut why = String::new();
    for mistake in mistakes {
        let separator = if why.is_empty() {
            ""
        } else if why.ends_with('?') {
            " "
        } else {
            "; "
        };
        why += separator;
        let place = if mistake.pointer.is_empty() { "the arguments object" } else { &mistake.pointer };
        let colon = if mistake.pointer.is_empty() { "" } else { ":" };
        why += &format!("{place}{colon} {}", mistake.why);
    }
    let first = mistakes.first().map(|mistake| mistake.pointer.clone());
    ToolError::invalid_argument(first.unwrap_or_default(), sentence(&why))
}

/// The error of arguments that fit the schema and that serde refuses all the same, as by a rule of their type.
///
/// serde's own words repeat the value; those of a type's rule are its author's.
pub(super) fn unreadable_arguments(error: &serde_json::Error) -> ToolError {
    ToolError::invalid_argument("", sentence(&without_value(error)))
}

fn sentence(why: &str) -> String {
    format!("Invalid arguments. {why}{}", if why.ends_with('?') { "" } else { "." })
}

/// Where and why.
///
/// No value of the caller's is repeated: it may be a secret, and the caller knows it.
fn explain(error: &ValidationError<'_>, known: Known<'_>) -> Mistake {
    let pointer = error.instance_path().to_string();
    // Only the names at the top are at hand.
    let (known, action) = if pointer.is_empty() { (known.names, known.action) } else { (&[][..], None) };
    let why = match error.kind() {
        Kind::Required { property } => {
            let name = property.as_str().unwrap_or_default();
            let why = action.map_or_else(|| "is required and missing".to_owned(), |action| action.missing());
            let pointer = format!("{pointer}/{}", escape(name));
            return Mistake { pointer, why, kind: MistakeKind::Missing };
        }
        Kind::AdditionalProperties { unexpected } => {
            let name = unexpected.first().map(String::as_str).unwrap_or_default();
            let foreign = action.and_then(|action| action.foreign(name));
            let known = action.map_or(known, |action| action.properties);
            let near = nearest(name, known).filter(|_| foreign.is_none());
            let meant = near.map(|near| format!("{pointer}/{}", escape(near)));
            let why = foreign.unwrap_or_else(|| unknown(near, known));
            let pointer = format!("{pointer}/{}", escape(&shorten(name)));
            return Mistake { pointer, why, kind: MistakeKind::Misspelt(meant) };
        }
        Kind::Type { kind } => format!("must be {}", kinds(kind)),
        Kind::Enum { options } => format!("must be one of {options}"),
        Kind::Constant { expected_value } => format!("must be {expected_value}"),
        Kind::Minimum { limit } => format!("must be at least {limit}"),
        Kind::Maximum { limit } => format!("must be at most {limit}"),
        Kind::ExclusiveMinimum { limit } => format!("must be more than {limit}"),
        Kind::ExclusiveMaximum { limit } => format!("must be less than {limit}"),
        Kind::MultipleOf { multiple_of } => format!("must be a multiple of {multiple_of}"),
        Kind::MinLength { limit } => format!("must have at least {limit} characters"),
        Kind::MaxLength { limit } => format!("must have at most {limit} characters"),
        Kind::MinItems { limit } => format!("must have at least {limit} items"),
        Kind::MaxItems { limit } => format!("must have at most {limit} items"),
        Kind::MinProperties { limit } => format!("must have at least {limit} members"),
        Kind::MaxProperties { limit } => format!("must have at most {limit} members"),
        Kind::UniqueItems => "must not have the same item twice".to_owned(),
        Kind::Pattern { pattern } => format!("must match {pattern}"),
        Kind::Format { format } => format!("must be of the format {format}"),
        Kind::AnyOf { .. } | Kind::OneOfNotValid { .. } => "has none of the allowed forms".to_owned(),
        Kind::OneOfMultipleValid { .. } => "has more than one of the allowed forms".to_owned(),
        _ => error.masked().to_string(),
    };
    Mistake { pointer, why, kind: MistakeKind::Other }
}

fn unknown(near: Option<&str>, known: &[String]) -> String {
    if let Some(near) = near {
        return format!("is not known; did you mean `{near}`?");
    }
    match known {
        [] => "is not known".to_owned(),
        known => format!("is not known; known are {}", known.join(", ")),
    }
}

/// The known name that a misspelt one most likely means.
pub(crate) fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a String>) -> Option<&'a str> {
    // A long name of the caller's would make this costly, and is no misspelling.
    const MAX_CHARS: usize = 64;
    if name.len() > MAX_CHARS {
        return None;
    }
    let name = name.to_lowercase();
    // Names of another length are out of reach before they are compared: a misspelling must not cost more with every tool.
    let reach = |known: &String| known.len().max(3) / 3;
    known
        .into_iter()
        .filter(|known| known.len().abs_diff(name.len()) <= reach(known))
        .map(|known| (strsim::damerau_levenshtein(&name, &known.to_lowercase()), known))
        .min()
        .filter(|(distance, known)| *distance <= reach(known))
        .map(|(_, known)| known.as_str())
}

fn kinds(kind: &TypeKind) -> String {
    match kind {
        TypeKind::Single(kind) => format!("of type {kind}"),
        TypeKind::Multiple(kinds) => {
            let names: Vec<_> = kinds.iter().map(|kind| kind.to_string()).collect();
            format!("of type {}", names.join(" or "))
        }
    }
}

/// A member's name as a step of a JSON pointer (RFC 6901, section 3).
pub(crate) fn escape(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}
