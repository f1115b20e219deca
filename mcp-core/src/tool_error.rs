//! How a tool says that it could not do its work, in words from which a model can correct the call.

use std::{borrow::Cow, error::Error, fmt};

use crate::{
    build::Problem,
    policy::Denied,
    protocol::error::shorten,
    questions::NotAccepted,
    schema::{escape, nearest},
};

/// Failed work or bad arguments: a result with `isError`, in every revision of the protocol.
///
/// The message goes to the model and to whoever reads its transcript, so it names what was wrong and what is
/// allowed, and holds no host, SQL of others, credential or cause. A cause is attached with
/// [`caused_by`](Self::caused_by) and goes to the log alone; there is no `From` for other errors on purpose.
#[derive(Debug)]
pub struct ToolError {
    code: Cow<'static, str>,
    message: String,
    retry: Retry,
    pointer: Option<String>,
    /// What the client sees instead, where the caller may not do this at all.
    denied: Option<Box<Denied>>,
    cause: Option<Box<dyn Error + Send + Sync>>,
}

/// Whether the same call may succeed at another time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Retry {
    /// The call itself has to change.
    #[default]
    Never,
    /// The same call may succeed later.
    Later,
}

impl ToolError {
    /// The code of arguments that do not fit.
    pub const INVALID_ARGUMENTS: &'static str = "invalid_arguments";

    /// An error of a stable code in lower snake case, such as `table_not_found`, with a message for the model.
    pub fn new(code: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self {
            code: code.into(),
            message: message.into(),
            retry: Retry::Never,
            pointer: None,
            denied: None,
            cause: None,
        }
    }

    /// Arguments that break a rule which the schema cannot say; `pointer` is a JSON pointer such as `/items/0`.
    pub fn invalid_argument(pointer: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(Self::INVALID_ARGUMENTS, message).at(pointer)
    }

    /// A name that names nothing: the message says which one was most likely meant, or which there are.
    ///
    /// `kind` is what it would be a name of, in a word or two. All of `known` may be shown to the caller.
    ///
    /// ```
    /// # use mcp_core::ToolError;
    /// let error = ToolError::unknown("table_not_found", "table", "user", ["orders", "users"]).at("/table");
    /// assert_eq!(error.message(), "There is no table `user`; did you mean `users`?");
    /// let error = ToolError::unknown("table_not_found", "table", "people", ["orders", "users"]).at("/table");
    /// assert_eq!(error.message(), "There is no table `people`; known are `orders`, `users`");
    /// ```
    pub fn unknown<I>(code: impl Into<Cow<'static, str>>, kind: &str, name: &str, known: I) -> Self
    where
        I: IntoIterator,
        I::Item: Into<String>,
    {
        /// More names than these are no help.
        const MAX_NAMES: usize = 20;

        let known: Vec<String> = known.into_iter().map(Into::into).collect();
        let hint = match nearest(name, &known) {
            Some(near) => format!("; did you mean `{near}`?"),
            None if known.is_empty() => " or any other".to_owned(),
            None => {
                let names: Vec<_> = known.iter().take(MAX_NAMES).map(|name| format!("`{name}`")).collect();
                let rest = known.len() - names.len();
                let rest = if rest == 0 { String::new() } else { format!(" and {rest} more") };
                format!("; known are {}{rest}", names.join(", "))
            }
        };
        Self::new(code, format!("There is no {kind} `{}`{hint}", shorten(name)))
    }

    /// Names the argument at fault by JSON pointer (RFC 6901).
    #[must_use]
    pub fn at(mut self, pointer: impl Into<String>) -> Self {
        self.pointer = Some(pointer.into());
        self
    }

    /// The same by the names and positions on the way to it, as they are: those of a caller's own choosing need no
    /// escaping here.
    ///
    /// ```
    /// # use mcp_core::ToolError;
    /// let error = ToolError::new("invalid_filter", "This column cannot be compared").at_path(["filter", "km/h"]);
    /// assert_eq!(error.pointer(), Some("/filter/km~1h"));
    /// ```
    #[must_use]
    pub fn at_path<I>(self, steps: I) -> Self
    where
        I: IntoIterator,
        I::Item: AsRef<str>,
    {
        let steps = steps.into_iter().map(|step| format!("/{}", escape(&shorten(step.as_ref()))));
        self.at(steps.collect::<String>())
    }

    /// Says that the same call may succeed later.
    #[must_use]
    pub fn later(mut self) -> Self {
        self.retry = Retry::Later;
        self
    }

    /// Attaches a cause for the log.
    #[must_use]
    pub fn caused_by(mut self, cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.cause = Some(cause.into());
        self
    }

    /// The stable code.
    pub fn code(&self) -> &str {
        &self.code
    }

    /// The message for the model.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Whether the same call may succeed later.
    pub fn retry(&self) -> Retry {
        self.retry
    }

    /// The argument at fault.
    pub fn pointer(&self) -> Option<&str> {
        self.pointer.as_deref()
    }

    /// Gives the cause away, to be logged elsewhere.
    pub(crate) fn into_cause(self) -> Option<Box<dyn Error + Send + Sync>> {
        self.cause
    }

    /// Why the caller may not do this at all, where that is what it says: an error of the protocol.
    pub(crate) fn take_denial(&mut self) -> Option<Denied> {
        self.denied.take().map(|denied| *denied)
    }

    /// The cause, for the log.
    pub(crate) fn cause(&self) -> Option<&(dyn Error + 'static)> {
        self.source()
    }
}

impl From<Denied> for ToolError {
    /// The client sees an error of the protocol, of the code 403.
    fn from(denied: Denied) -> Self {
        Self { denied: Some(Box::new(denied.clone())), ..Self::new("forbidden", denied.to_string()) }
    }
}

impl From<Problem> for ToolError {
    /// `not_registered`, and why: for tools that register others while the server runs (see
    /// [`Endpoint::edit`](crate::Endpoint::edit)).
    fn from(problem: Problem) -> Self {
        Self::new("not_registered", problem.to_string())
    }
}

impl From<NotAccepted> for ToolError {
    /// `declined` or `cancelled`, and that nothing was done.
    fn from(refusal: NotAccepted) -> Self {
        let message = match refusal {
            NotAccepted::Declined => "Not done: the person who was asked declined",
            NotAccepted::Cancelled => "Not done: the person who was asked did not answer",
        };
        Self::new(refusal.code(), message)
    }
}

impl fmt::Display for ToolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} [{}]", self.message, self.code)
    }
}

impl Error for ToolError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.cause.as_deref().map(|cause| cause as &(dyn Error + 'static))
    }
}

/// An error with all its sources, in one line.
pub(crate) struct Causes<'a>(pub(crate) &'a (dyn Error + 'static));

impl fmt::Display for Causes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut source = self.0.source();
        while let Some(error) = source {
            write!(f, ": {error}")?;
            source = error.source();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_name_is_answered_with_what_helps_and_no_more() {
        let message = |name: &str, known: &[&str]| {
            ToolError::unknown("x", "fish", name, known.iter().copied()).message().to_owned()
        };
        assert_eq!(message("Kod", &["cod", "eel"]), "There is no fish `Kod`; did you mean `cod`?");
        assert_eq!(message("whale", &["eel"]), "There is no fish `whale`; known are `eel`");
        assert_eq!(message("whale", &[]), "There is no fish `whale` or any other");
        let many: Vec<_> = (0..23).map(|number| format!("fish{number:02}")).collect();
        let many: Vec<_> = many.iter().map(String::as_str).collect();
        assert!(message("whale", &many).ends_with("`fish18`, `fish19` and 3 more"));
        assert!(message(&"x".repeat(5000), &many).len() < 500);
    }
}
