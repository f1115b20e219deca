//! `call.ask` and `call.confirm`: from a question to its answer, in either era.

use std::{
    future::pending,
    time::{Duration, UNIX_EPOCH},
};

use serde_json::{Value, value::RawValue};

use super::{
    Ability, Answer, Misfit, NotAccepted, Prepared, Question,
    form::Consent,
    interview::{Found, Mark, OpenQuestion, Purpose, millis},
    link::ClientLink,
    once::Nonce,
};
use crate::{
    call::Call,
    caller::Caller,
    failure::Failure,
    places::Full,
    protocol::error::{RpcError, code, shorten},
    tool_error::ToolError,
    transport_kind::TransportKind,
};

/// The end of the year 9999, in milliseconds since 1970: as late a time as every store can write down.
const FAR_OFF: u64 = 253_402_300_799_000;

/// Why there is no answer yet, and perhaps never.
enum Stop {
    /// The question goes out at the end of this round, and the request is sent again with its answer.
    Open(OpenQuestion),
    /// The request cannot go on.
    Failed(Failure),
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl From<RpcError> for Stop {
    fn from(error: RpcError) -> Self {
        Self::Failed(error.into())
    }
}

impl From<ToolError> for Stop {
    fn from(error: ToolError) -> Self {
        Self::Failed(error.into())
    }
}

impl Call {
    /// Asks the person or the model in front of the client, and waits for the answer.
    ///
    /// `key` names the question within this call, such as `party_size`; each is asked once, and several may be asked at
    /// once with `tokio::join!`. In revision 2026-07-28 the work is run again from its beginning once the answer is
    /// there, so what is done before a question has to be fit to be done twice.
    ///
    /// This only returns with an answer. Where there can be none (a client that cannot be asked, an answer that is
    /// none, too many rounds), the call ends with an error that says so; ask [`can_ask`](Self::can_ask) first where
    /// there is another way. Only tools, resources that are read and prompts that are filled in can ask.
    ///
    /// Tasks that the work spawned may ask too. One that is left waiting when the request ends waits for ever, so it has to
    /// end with the request: a `tokio::task::JoinSet` sees to that, a bare `tokio::spawn` does not.
    pub async fn ask<Q: Question>(&self, key: &str, question: Q) -> Q::Answer {
        let asked = self.inquire(key, question, Purpose::Plain).await;
        self.answer_or_end(asked).await
    }

    /// Asks the person for their consent to what this text says will happen.
    ///
    /// An answer counts for this very text in this very call, and once: neither a client that sends it a second time
    /// nor one that never asked gets through.
    ///
    /// Ask everything else first. Where something is asked after it or beside it, the work is run again with the same
    /// consent, and what was done on the strength of it is done again.
    ///
    /// # Errors
    ///
    /// They said no, or nothing; `?` ends the call with it.
    pub async fn confirm(&self, text: &str) -> Result<(), NotAccepted> {
        let question = Consent(text.to_owned());
        let key = format!("confirm-{}", Mark::name_of(text));
        let asked = self.inquire(&key, question, Purpose::Consent).await;
        let answer: Answer<()> = self.answer_or_end(asked).await;
        answer.accepted()
    }

    /// Whether the client says that it can be asked this.
    pub fn can_ask(&self, ability: Ability) -> bool {
        ability.is_among(self.client_capabilities(), self.revision())
    }

    async fn answer_or_end<A>(&self, asked: Result<A, Stop>) -> A {
        match asked {
            Ok(answer) => return answer,
            Err(Stop::Open(question)) => self.asking().interview(|interview| interview.open(question)),
            Err(Stop::Failed(failure)) => self.asking().interview(|interview| interview.fail(failure)),
        }
        self.asking().wake();
        // Whoever runs the request sees what is open and ends the round; nothing of it goes through the author's hands.
        pending().await
    }

    async fn inquire<Q: Question>(
        &self,
        key: &str,
        question: Q,
        purpose: Purpose,
    ) -> Result<Q::Answer, Stop> {
        if !self.may_ask() {
            return Err(mistake(key, "only tools, prompts and resources that are read can ask").into());
        }
        if !self.asking().interview(|interview| interview.begin(key)) {
            return Err(mistake(key, "a question of this key was asked already in this call").into());
        }
        let prepared = question.prepare(&self.desk().forms, self.revision()).map_err(|why| {
            ToolError::new("internal", format!("the question `{key}` cannot be asked: {why}"))
        })?;
        match self.link() {
            Some(link) => self.ask_over(link, key, prepared).await,
            None => self.ask_in_rounds(key, prepared, purpose).await,
        }
    }

    /// Looks for the answer in what the request brings along, and else has the question go out.
    async fn ask_in_rounds<A>(&self, key: &str, prepared: Prepared<A>, purpose: Purpose) -> Result<A, Stop> {
        let mark = Mark::of(purpose, prepared.method, &prepared.params);
        let found = self.asking().interview(|interview| interview.find(key, &mark));
        let mut misfit = None;
        if let Some(Found { response, voucher }) = found {
            let is_good = match (purpose, voucher) {
                (Purpose::Plain, _) => true,
                (Purpose::Consent, None) => false,
                // A refusal may be repeated at will, but what was refused is not agreed to by the same state any more.
                (Purpose::Consent, Some((nonce, until))) if is_refusal(&response) => {
                    self.use_up(&nonce, until).await?;
                    true
                }
                (Purpose::Consent, Some((nonce, until))) => self.use_up(&nonce, until).await?,
            };
            if is_good {
                match (prepared.read)(response.clone()) {
                    Ok(answer) => {
                        self.asking().interview(|interview| interview.keep(key, mark, response));
                        return Ok(answer);
                    }
                    Err(Misfit::Malformed(why)) => {
                        let key = shorten(key);
                        return Err(RpcError::invalid_params(format!(
                            "Invalid params: params.inputResponses.{key} is no answer: {why}"
                        ))
                        .into());
                    }
                    Err(Misfit::Unfit(why)) => misfit = Some(why),
                }
            }
        }
        self.check_abilities(&prepared.needs)?;
        let Prepared { method, mut params, .. } = prepared;
        if let Some(why) = misfit {
            // A person can do better when asked again, as long as there are rounds.
            if self.asking().interview(|interview| interview.rounds()) >= self.desk().limits.question_rounds {
                return Err(invalid_answer(key, &why).into());
            }
            params = asked_again(&params, &why).unwrap_or(params);
        }
        if matches!(self.transport(), TransportKind::Tcp | TransportKind::Unix) {
            self.desk().warn_of_random_key();
        }
        Err(Stop::Open(OpenQuestion { key: key.to_owned(), method, params, mark }))
    }

    /// Uses up a confirmation; false if it was before.
    ///
    /// It is remembered for longer than its state is good for: a request that came in time may run for a while before it
    /// gets here.
    async fn use_up(&self, nonce: &Nonce, until: u64) -> Result<bool, RpcError> {
        let desk = self.desk();
        let until = until.saturating_add(millis(desk.limits.call_time)).min(FAR_OFF);
        let until = UNIX_EPOCH + Duration::from_millis(until);
        desk.once.use_up(nonce, until).await.map_err(|error| {
            tracing::error!(%error, "it cannot be said whether a confirmation was used already");
            RpcError::overloaded(
                "Not done: it cannot be said just now whether this confirmation was used already; try again later",
            )
        })
    }

    /// Sends the question to the client of a session, and waits for its answer.
    async fn ask_over<A>(
        &self,
        link: &std::sync::Arc<ClientLink>,
        key: &str,
        prepared: Prepared<A>,
    ) -> Result<A, Stop> {
        self.check_abilities(&prepared.needs)?;
        let mut params = None;
        let mut attempts = 1;
        loop {
            let asked = params.as_deref().unwrap_or(&*prepared.params);
            let response = self.request_over(link, key, prepared.method, asked).await?;
            self.check_still_admitted()?;
            match (prepared.read)(response) {
                Ok(answer) => return Ok(answer),
                // A person can do better when asked again, as often as in rounds.
                Err(Misfit::Unfit(why)) if attempts < self.desk().limits.question_rounds => {
                    attempts += 1;
                    params = asked_again(&prepared.params, &why);
                }
                Err(Misfit::Malformed(why) | Misfit::Unfit(why)) => {
                    return Err(invalid_answer(key, &why).into());
                }
            }
        }
    }

    /// Refuses to go on for a caller who lost the right to the call while it waited. Elsewhere the request has begun anew.
    fn check_still_admitted(&self) -> Result<(), ToolError> {
        let Some(doing) = self.doing() else { return Ok(()) };
        Ok(self.guards().admit(self, doing, &doing.guarded.requires)?)
    }

    /// Sends one request to the client of a session, and waits for what it answers.
    async fn request_over(
        &self,
        link: &std::sync::Arc<ClientLink>,
        key: &str,
        method: &'static str,
        params: &RawValue,
    ) -> Result<Value, Stop> {
        let desk = self.desk();
        let place = desk.wait(&Caller::of(self.principal(), self.peer())).map_err(|full| match full {
            Full::InAll(limit) => RpcError::overloaded(format!(
                "{limit} questions are waiting for their answers already, as many as the server takes"
            )),
            Full::OfCaller(limit) => RpcError::too_many_calls(
                format!(
                    "{limit} questions are waiting for one caller's answers already, as many as it may have"
                ),
                Duration::from_secs(1),
            ),
        })?;
        let answer = {
            let _paused = self.asking().pause();
            let asking = link.request(self.outbox(), method, params);
            tokio::select! {
                answer = tokio::time::timeout(desk.limits.answer_time, asking) => Some(answer),
                // Work in a task of its own is not dropped with its request, and must not hold on to what others need.
                () = self.cancelled() => None,
            }
        };
        drop(place);
        let Some(answer) = answer else { return pending().await };
        let answer = answer.map_err(|_| {
            let limit = desk.limits.answer_time;
            ToolError::new("not_answered", format!("The question `{key}` was not answered within {limit:?}"))
                .later()
        })?;
        answer.map_err(|why| {
            let why = shorten(&why);
            let message = format!("The client did not take the question `{key}`: {why}");
            ToolError::new("question_refused", message).into()
        })
    }

    fn check_abilities(&self, needs: &[Ability]) -> Result<(), Stop> {
        let Some(missing) = needs.iter().find(|need| !self.can_ask(**need)) else { return Ok(()) };
        let message = format!("This needs a client that can {}", missing.in_words());
        if self.link().is_none() {
            let required = serde_json::json!({ "requiredCapabilities": Ability::required(needs) });
            return Err(RpcError::new(code::MISSING_CAPABILITY, message).with_data(required).into());
        }
        let advice = "this client did not declare that it can when it opened the session. Do without, or do this from another client";
        Err(ToolError::new("client_cannot_answer", format!("{message}, and {advice}")).into())
    }
}

/// The end of a question whose answers never fit.
fn invalid_answer(key: &str, why: &str) -> ToolError {
    ToolError::new("invalid_answer", format!("The client's answer to `{key}` does not fit: {why}"))
}

/// The same form with what was wrong with the answer to it.
fn asked_again(params: &RawValue, why: &str) -> Option<Box<RawValue>> {
    let mut params: Value = serde_json::from_str(params.get()).ok()?;
    let message = params["message"].as_str()?;
    params["message"] = Value::from(format!("{message}\n\nPlease look again: {why}."));
    serde_json::value::to_raw_value(&params).ok()
}

/// Whether a person said no, or turned away.
fn is_refusal(response: &Value) -> bool {
    matches!(response["action"].as_str(), Some("decline" | "cancel"))
}

/// A mistake of the author's, who sees it in the first test.
fn mistake(key: &str, why: &str) -> ToolError {
    ToolError::new("internal", format!("the question `{key}` cannot be asked: {why}"))
}
