//! Forms: a few fields that a person fills in, typed or known only at run time.

use std::marker::PhantomData;

use serde::Deserialize;
use serde_json::{Value, json};

use super::{Ability, Answer, Forms, Misfit, Prepared, Question};
use crate::{
    input::Input,
    protocol::{JsonObject, method, revision::Revision, shape::Feature},
    schema::FormSchema,
};

/// Asks a person to fill in the fields of `F`; the answer is [`Answer<F>`](Answer).
///
/// `F` derives `Deserialize` and `JsonSchema` as arguments do. Its fields are text, numbers, booleans, or choices (enums
/// without data, and lists of them); a field that is anything else is an error that names it, the first time it is
/// asked. Doc comments describe the fields; `#[schemars(title = "…")]` on a variant is what a person sees of it.
///
/// Never ask for a password or a key this way: the client sees the answer. That is what [`OpenUrl`](crate::OpenUrl) is
/// for (specification 2026-07-28, "Elicitation").
#[derive(Clone, Debug)]
#[must_use = "a question does nothing until it is asked"]
pub struct Form<F> {
    message: String,
    fields: PhantomData<fn() -> F>,
}

impl<F: Input> Form<F> {
    /// A form under this message, which says what it is for.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), fields: PhantomData }
    }
}

impl<F: Input> Question for Form<F> {
    type Answer = Answer<F>;

    fn prepare(self, forms: &Forms, revision: Revision) -> Result<Prepared<Answer<F>>, String> {
        let schema = forms.of::<F>()?;
        let params = params(&self.message, &schema.listed(revision), revision);
        elicit(needed(&schema), &params, move |content| schema.read(content).map_err(Misfit::Unfit))
    }
}

/// Asks a person to fill in a form that is known only at run time; the answer is an [`Answer`] of its fields.
#[derive(Clone, Debug)]
#[must_use = "a question does nothing until it is asked"]
pub struct RawForm {
    message: String,
    schema: Value,
}

impl RawForm {
    /// A form under this message, with the fields of a JSON schema: one object of primitive properties, as the
    /// specification has them ("Requested Schema").
    pub fn new(message: impl Into<String>, schema: Value) -> Self {
        Self { message: message.into(), schema }
    }
}

impl Question for RawForm {
    type Answer = Answer<JsonObject>;

    fn prepare(self, _: &Forms, revision: Revision) -> Result<Prepared<Answer<JsonObject>>, String> {
        let schema = FormSchema::from_value(self.schema)?;
        let params = params(&self.message, &schema.listed(revision), revision);
        elicit(needed(&schema), &params, move |content| schema.read(content).map_err(Misfit::Unfit))
    }
}

/// Asks for consent: a form without fields, whose acceptance says it all.
pub(crate) struct Consent(pub(crate) String);

impl Question for Consent {
    type Answer = Answer<()>;

    fn prepare(self, _: &Forms, revision: Revision) -> Result<Prepared<Answer<()>>, String> {
        let params = params(&self.0, &json!({"type": "object", "properties": {}}), revision);
        elicit(Ability::Form, &params, |_| Ok(()))
    }
}

fn params(message: &str, schema: &Value, revision: Revision) -> Value {
    let mut params = json!({"message": message, "requestedSchema": schema});
    if revision.has(Feature::UrlVisits) {
        params["mode"] = "form".into();
    }
    params
}

/// What a client has to be able to do to show this form.
fn needed(schema: &FormSchema) -> Ability {
    if schema.has_lists() { Ability::FormWithLists } else { Ability::Form }
}

/// The request that shows a person a form or a URL, and how what they filled in is read.
pub(super) fn elicit<T>(
    needs: Ability,
    params: &Value,
    read: impl Fn(JsonObject) -> Result<T, Misfit> + Send + 'static,
) -> Result<Prepared<Answer<T>>, String> {
    Ok(Prepared {
        method: method::ELICITATION_CREATE,
        params: serde_json::value::to_raw_value(params).map_err(|error| error.to_string())?,
        needs: vec![needs],
        read: Box::new(move |response| read_action(response)?.try_map(&read)),
    })
}

/// What a person did with a form or a URL, with what they filled in.
fn read_action(response: Value) -> Result<Answer<JsonObject>, Misfit> {
    // The action is text and nothing else: serde would read an enum from `{"accept": null}` as well.
    #[derive(Deserialize)]
    struct Response {
        action: String,
        #[serde(default)]
        content: Option<JsonObject>,
    }

    let malformed = || {
        Misfit::Malformed(
            "it has to be an object with `action`: \"accept\", \"decline\" or \"cancel\", and `content`, an object, where it is accepted"
                .to_owned(),
        )
    };
    let is_object = response.is_object();
    let response: Response =
        serde_json::from_value(response).ok().filter(|_| is_object).ok_or_else(malformed)?;
    match response.action.as_str() {
        "accept" => Ok(Answer::Accepted(response.content.unwrap_or_default())),
        "decline" => Ok(Answer::Declined),
        "cancel" => Ok(Answer::Cancelled),
        _ => Err(malformed()),
    }
}

impl<T> Answer<T> {
    /// The same with what was answered turned into something else.
    fn try_map<U>(self, map: impl FnOnce(T) -> Result<U, Misfit>) -> Result<Answer<U>, Misfit> {
        Ok(match self {
            Self::Accepted(answer) => Answer::Accepted(map(answer)?),
            Self::Declined => Answer::Declined,
            Self::Cancelled => Answer::Cancelled,
        })
    }
}
