//! Completions: what an argument of a prompt or a template may go on to say.

use std::{collections::BTreeMap, future::Future, pin::Pin, sync::Arc};

use serde::Serialize;

use crate::{call::Call, request_error::RequestError, schema::StringArguments};

/// An argument that a person is typing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Completing {
    /// The argument's name.
    pub argument: String,
    /// What stands there so far.
    pub value: String,
    /// What the other arguments say already.
    pub others: BTreeMap<String, String>,
}

/// Suggestions, best first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Completion {
    values: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    total: Option<usize>,
    has_more: bool,
}

impl Completion {
    /// The most that one answer may hold (specification, "Completion Results").
    pub const MAX_VALUES: usize = 100;

    /// These suggestions; the first hundred of them go out, with how many there are in all.
    pub fn new<I>(values: I) -> Self
    where
        I: IntoIterator,
        I::Item: Into<String>,
    {
        let mut values: Vec<String> = values.into_iter().map(Into::into).collect();
        let total = values.len();
        values.truncate(Self::MAX_VALUES);
        Self { has_more: total > values.len(), total: Some(total), values }
    }

    /// Those candidates that begin as the person has begun, without regard to case.
    pub fn matching<I>(completing: &Completing, candidates: I) -> Self
    where
        I: IntoIterator,
        I::Item: Into<String>,
    {
        let begun = completing.value.to_lowercase();
        Self::new(
            candidates
                .into_iter()
                .map(Into::into)
                .filter(|candidate: &String| candidate.to_lowercase().starts_with(&begun)),
        )
    }

    /// The suggestions that go out.
    pub fn values(&self) -> &[String] {
        &self.values
    }
}

/// Suggests values for arguments: from the type's own choices, or from code of the author's.
pub(crate) type CompleteFn = Arc<dyn Fn(Completing, Call) -> CompleteFuture + Send + Sync>;

/// What becomes of it.
type CompleteFuture = Pin<Box<dyn Future<Output = Result<Option<Completion>, RequestError>> + Send>>;

/// Suggests by the author's code, else from the choices of the argument's type.
pub(crate) async fn complete(
    arguments: &StringArguments,
    by_author: &CompleteFn,
    completing: Completing,
    call: Call,
) -> Result<Completion, RequestError> {
    if !arguments.names().contains(&completing.argument) {
        let known = arguments.names().join(", ");
        return Err(RequestError::invalid(format!(
            "there is no such argument to complete; known are: {known}"
        )));
    }
    match by_author(completing.clone(), call).await? {
        Some(completion) => Ok(completion),
        None => Ok(Completion::matching(&completing, arguments.choices(&completing.argument))),
    }
}
