//! The questions of one request: what was asked and answered in earlier rounds, and what is open now.

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde::{Deserialize, Serialize};
use serde_json::{Value, value::RawValue};

use super::{
    binding::{Hash, Subject, base64_of, binding},
    desk::Desk,
    once::Nonce,
    seal::random_id,
};
use crate::{
    failure::Failure,
    principal::Principal,
    protocol::{JsonObject, error::RpcError},
};

/// What a request brings along from an earlier round, as it came.
#[derive(Debug)]
pub(crate) struct Arrived {
    pub(crate) state: Option<Box<str>>,
    pub(crate) responses: Option<Box<JsonObject>>,
}

/// The questions of one request.
#[derive(Debug, Default)]
pub(crate) struct Interview {
    /// What the request asks for; nothing where the client could not be asked anyway.
    subject: Option<Subject>,
    /// What was carried over from earlier rounds.
    earlier: Option<Earlier>,
    /// What the client answers now.
    responses: JsonObject,
    /// The keys that were asked for in this run.
    asked: Vec<String>,
    /// The answers that were used in this run.
    used: BTreeMap<String, Given>,
    /// Questions that go out at the end of this round.
    open: Vec<OpenQuestion>,
    has_asked: bool,
    failure: Option<Failure>,
    /// The code of the failure, once the request has ended with it.
    failure_code: Option<String>,
}

/// A question that is about to go out.
#[derive(Debug)]
pub(crate) struct OpenQuestion {
    pub(crate) key: String,
    pub(crate) method: &'static str,
    pub(crate) params: Box<RawValue>,
    pub(crate) mark: Mark,
}

/// How a request ends before its result.
#[derive(Debug)]
pub(crate) enum RoundEnd {
    /// Questions are open.
    Asks(InputRequired),
    /// It cannot go on.
    Failed(Failure),
}

/// The questions of a round, and the state that the client brings back with the answers.
#[derive(Debug)]
pub(crate) struct InputRequired {
    pub(crate) questions: Vec<OpenQuestion>,
    pub(crate) state: String,
}

/// What a question is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Purpose {
    Plain,
    /// Its answer lets something happen, and so counts once.
    Consent,
}

impl Purpose {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Consent => "consent",
        }
    }
}

/// What tells a question from another under the same key: a digest of all that the client was shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Mark {
    purpose: Purpose,
    digest: String,
}

impl Mark {
    /// A short name for a text, the same whenever it is made.
    pub(crate) fn name_of(text: &str) -> String {
        base64_of(&Hash::of(text)[..6])
    }

    /// The purpose keeps an answer to a plain question from ever counting as consent.
    pub(crate) fn of(purpose: Purpose, method: &str, params: &RawValue) -> Self {
        let mut hash = Hash::new("toolpack question");
        hash.part(purpose.as_str().as_bytes());
        hash.part(method.as_bytes());
        hash.part(params.get().as_bytes());
        // Half of it is plenty: whoever could find another question of the same digest would still have to have the
        // tool ask it.
        Self { purpose, digest: base64_of(&hash.finish()[..16]) }
    }

    /// Whether an answer may be carried on that nobody has looked at yet.
    ///
    /// Consent may not: the state that it came with can be sent again, and every time would bring forth another one that
    /// holds it.
    fn keeps_unused(&self) -> bool {
        self.purpose == Purpose::Plain
    }
}

/// The state between two rounds, as it is sealed.
#[derive(Debug, Serialize, Deserialize)]
struct Sealed {
    /// Milliseconds since 1970 at which it is worth nothing any more.
    until: u64,
    /// How many rounds there were.
    round: usize,
    /// The process that sealed it.
    boot: String,
    /// Whatever is confirmed through this state is confirmed once.
    nonce: String,
    answers: BTreeMap<String, Given>,
    open: BTreeMap<String, Mark>,
}

/// An answer, and what it is an answer to.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Given {
    mark: Mark,
    response: Value,
}

/// What a sealed state said.
#[derive(Debug)]
struct Earlier {
    sealed: Sealed,
    /// Whether confirmations count that were asked for by whoever sealed it.
    is_of_ours: bool,
}

/// An answer that was found, and what its confirmation would use up.
pub(crate) struct Found {
    pub(crate) response: Value,
    /// Where a state vouches for it, with the time at which the state is worth nothing any more.
    pub(crate) voucher: Option<(Nonce, u64)>,
}

impl Interview {
    /// Takes up what a request brings along.
    pub(crate) fn take_up(
        desk: &Desk,
        principal: &Principal,
        subject: Subject,
        arrived: Option<&Arrived>,
    ) -> Result<Self, RpcError> {
        let mut interview = Self::default();
        if let Some(Arrived { state, responses }) = arrived {
            interview.responses = responses.as_deref().cloned().unwrap_or_default();
            if let Some(state) = state {
                let sealed = open(desk, principal, &subject, state)?;
                if sealed.until <= now() {
                    // What was asked is too long ago: it is asked anew.
                    interview.responses.clear();
                } else {
                    let is_of_ours = sealed.boot == base64_of(&desk.boot) || desk.once.is_shared();
                    interview.earlier = Some(Earlier { sealed, is_of_ours });
                }
            }
        }
        interview.subject = Some(subject);
        Ok(interview)
    }

    /// Takes note that a key is asked for; false if it was already, in this very run.
    pub(crate) fn begin(&mut self, key: &str) -> bool {
        let is_new = !self.asked.iter().any(|known| known == key);
        self.asked.push(key.to_owned());
        is_new
    }

    /// How many rounds there were before this one.
    pub(crate) fn rounds(&self) -> usize {
        self.earlier.as_ref().map_or(0, |earlier| earlier.sealed.round)
    }

    /// The answer to this very question, if there is one.
    pub(crate) fn find(&self, key: &str, mark: &Mark) -> Option<Found> {
        let Some(earlier) = &self.earlier else {
            // Without a state only the first questions can be meant. Nothing vouches for the answers.
            return self
                .responses
                .get(key)
                .map(|response| Found { response: response.clone(), voucher: None });
        };
        let Earlier { sealed, is_of_ours } = earlier;
        let given = sealed.answers.get(key).filter(|given| given.mark == *mark).map(|given| &given.response);
        let response = given.or_else(|| {
            let is_open = sealed.open.get(key) == Some(mark);
            self.responses.get(key).filter(|_| is_open)
        })?;
        let voucher = is_of_ours.then(|| {
            (Nonce::new(format!("{}.{}", sealed.nonce, base64_of(&Hash::of(key)[..16]))), sealed.until)
        });
        Some(Found { response: response.clone(), voucher })
    }

    /// Takes note that an answer was used, so that later rounds have it too.
    pub(crate) fn keep(&mut self, key: &str, mark: Mark, response: Value) {
        self.used.insert(key.to_owned(), Given { mark, response });
    }

    /// Asks a question at the end of this round.
    pub(crate) fn open(&mut self, question: OpenQuestion) {
        self.has_asked = true;
        self.open.push(question);
    }

    /// Ends the request.
    pub(crate) fn fail(&mut self, failure: Failure) {
        self.failure.get_or_insert(failure);
    }

    /// Whether the request ended with questions, or is about to.
    pub(crate) fn has_asked(&self) -> bool {
        self.has_asked
    }

    /// How the request ends, if its work asked something or cannot go on.
    pub(crate) fn end(&mut self, desk: &Desk, principal: &Principal) -> Option<RoundEnd> {
        let end = match self.failure.take() {
            Some(failure) => Err(failure),
            None if self.open.is_empty() => return None,
            None => self.end_round(desk, principal),
        };
        self.failure_code = end.as_ref().err().map(|failure| failure.code().to_owned());
        Some(end.map_or_else(RoundEnd::Failed, RoundEnd::Asks))
    }

    /// The code of the failure that the request ended with.
    pub(crate) fn failure_code(&self) -> Option<&str> {
        self.failure_code.as_deref()
    }

    /// Seals what was answered so far together with what is open.
    fn end_round(&mut self, desk: &Desk, principal: &Principal) -> Result<InputRequired, Failure> {
        let internal = || Failure::Rpc(RpcError::internal());
        let questions = std::mem::take(&mut self.open);
        let earlier = self.earlier.take().map(|earlier| earlier.sealed);
        let (rounds, known, was_open) =
            earlier.map_or_else(Default::default, |sealed| (sealed.round, sealed.answers, sealed.open));
        if rounds >= desk.limits.question_rounds {
            let limit = desk.limits.question_rounds;
            return Err(RpcError::invalid_params(format!(
                "Invalid params: {limit} rounds of questions were asked already, as many as one request may have"
            ))
            .into());
        }
        let open: BTreeMap<String, Mark> =
            questions.iter().map(|question| (question.key.clone(), question.mark.clone())).collect();
        // What was answered is carried on, but for what is asked again, and consent that was not used in this round.
        let mut answers = known;
        answers.retain(|_, given| given.mark.keeps_unused());
        for (key, mark) in was_open.into_iter().filter(|(_, mark)| mark.keeps_unused()) {
            if let Some(response) = self.responses.remove(&key) {
                answers.insert(key, Given { mark, response });
            }
        }
        answers.extend(std::mem::take(&mut self.used));
        answers.retain(|key, _| !open.contains_key(key));
        let until = now().saturating_add(millis(desk.limits.answer_time));
        let sealed = Sealed {
            until,
            round: rounds + 1,
            boot: base64_of(&desk.boot),
            nonce: random_id().map_err(|_| internal())?,
            answers,
            open,
        };
        let subject = self.subject.as_ref().ok_or_else(internal)?;
        let payload = serde_json::to_vec(&sealed).map_err(|_| internal())?;
        let state = desk.sealer.seal(&payload, &binding(desk, principal, subject)).ok_or_else(internal)?;
        if state.len() > desk.limits.state_bytes {
            return Err(too_large(desk).into());
        }
        Ok(InputRequired { questions, state })
    }
}

/// Opens a state that is good for this very request.
fn open(desk: &Desk, principal: &Principal, subject: &Subject, state: &str) -> Result<Sealed, RpcError> {
    if state.len() > desk.limits.state_bytes {
        return Err(too_large(desk));
    }
    // Why it does not open is of use only to whoever made it up.
    let refused = || {
        RpcError::invalid_params(
            "Invalid params: params.requestState is not one that this server gave for this very request; send the \
             request again without it",
        )
    };
    let payload = desk.sealer.open(state, &binding(desk, principal, subject)).ok_or_else(refused)?;
    let sealed: Sealed = serde_json::from_slice(&payload).map_err(|_| refused())?;
    if sealed.round > desk.limits.question_rounds {
        return Err(refused());
    }
    Ok(sealed)
}

fn too_large(desk: &Desk) -> RpcError {
    let limit = desk.limits.state_bytes;
    RpcError::invalid_params(format!(
        "Invalid params: params.requestState, which holds the answers so far, is over the limit of {limit} bytes"
    ))
}

/// Milliseconds since 1970.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, millis)
}

/// A time in milliseconds, as far as they can be counted.
pub(super) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
