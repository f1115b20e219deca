//! What the server tells and asks the client between the answers: kept in order, answered by the check that runs.

#![expect(
    deprecated,
    reason = "sampling, roots and logging, on their way out in 2026-07-28, are what we try here"
)]

use std::sync::{Mutex, MutexGuard, PoisonError};

use rmcp::{
    ClientHandler, ErrorData,
    model::{
        ClientConfig, CreateMessageRequestParams, CreateMessageResult, ElicitRequestParams, ElicitResult,
        Implementation, ListRootsResult, LoggingMessageNotificationParam, ProgressNotificationParam,
        ResourceUpdatedNotificationParam,
    },
    service::{NotificationContext, RequestContext, RoleClient},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use tokio::sync::{
    Mutex as AsyncMutex,
    mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
};

/// Gives the answer to a question, in JSON.
type Answer = Box<dyn FnMut(&Value) -> Value + Send>;

/// The client's side of the dialogue, in JSON as it is on the wire.
pub(crate) struct Ears {
    answer: Mutex<Answer>,
    asked: Mutex<Vec<Value>>,
    told: UnboundedSender<(&'static str, Value)>,
    heard: AsyncMutex<UnboundedReceiver<(&'static str, Value)>>,
}

impl Default for Ears {
    fn default() -> Self {
        let (told, heard) = unbounded_channel();
        let answer: Answer = Box::new(|question| panic!("nobody is asked here: {question}"));
        Self { answer: Mutex::new(answer), asked: Mutex::default(), told, heard: AsyncMutex::new(heard) }
    }
}

impl Ears {
    /// From now on questions are answered so.
    pub(crate) fn answer_with(&self, answer: impl FnMut(&Value) -> Value + Send + 'static) {
        lock(&self.asked).clear();
        *lock(&self.answer) = Box::new(answer);
    }

    /// What was asked since then.
    pub(crate) fn asked(&self) -> Vec<Value> {
        lock(&self.asked).clone()
    }

    /// The parameters of the next notification of this kind, skipping others.
    pub(crate) async fn next(&self, kind: &str) -> Value {
        let mut heard = self.heard.lock().await;
        loop {
            match heard.recv().await {
                Some((told, params)) if told == kind => return params,
                Some(_) => {}
                // The sender is in `self`.
                None => unreachable!(),
            }
        }
    }

    /// All of this kind that have come and were not looked at.
    pub(crate) async fn all(&self, kind: &str) -> Vec<Value> {
        let mut heard = self.heard.lock().await;
        std::iter::from_fn(|| heard.try_recv().ok())
            .filter_map(|(told, params)| (told == kind).then_some(params))
            .collect()
    }

    fn tell(&self, kind: &'static str, params: impl Serialize) {
        // Whoever listens goes away with the sender.
        let _ = self.told.send((kind, to_json(params)));
    }

    fn ask<A: DeserializeOwned>(&self, params: impl Serialize) -> Result<A, ErrorData> {
        let question = to_json(params);
        lock(&self.asked).push(question.clone());
        let answer = lock(&self.answer)(&question);
        serde_json::from_value(answer).map_err(|error| ErrorData::internal_error(error.to_string(), None))
    }
}

#[expect(
    deprecated,
    reason = "sampling, roots and logging, on their way out in 2026-07-28, are what we try here"
)]
impl ClientHandler for Ears {
    fn get_info(&self) -> ClientConfig {
        let capabilities = json!({"elicitation": {"form": {}, "url": {}}, "sampling": {}, "roots": {}});
        let capabilities = serde_json::from_value(capabilities).expect("capabilities as the wire has them");
        ClientConfig::new(capabilities, Implementation::new("toolpack-rmcp", "1.0.0"))
    }

    async fn create_elicitation(
        &self,
        params: ElicitRequestParams,
        _: RequestContext<RoleClient>,
    ) -> Result<ElicitResult, ErrorData> {
        self.ask(params)
    }

    async fn create_message(
        &self,
        params: CreateMessageRequestParams,
        _: RequestContext<RoleClient>,
    ) -> Result<CreateMessageResult, ErrorData> {
        self.ask(params)
    }

    async fn list_roots(&self, _: RequestContext<RoleClient>) -> Result<ListRootsResult, ErrorData> {
        self.ask(json!({}))
    }

    async fn on_progress(&self, params: ProgressNotificationParam, _: NotificationContext<RoleClient>) {
        self.tell("progress", params);
    }

    async fn on_logging_message(
        &self,
        params: LoggingMessageNotificationParam,
        _: NotificationContext<RoleClient>,
    ) {
        self.tell("log", params);
    }

    async fn on_resource_updated(
        &self,
        params: ResourceUpdatedNotificationParam,
        _: NotificationContext<RoleClient>,
    ) {
        self.tell("updated", params);
    }

    async fn on_tool_list_changed(&self, _: NotificationContext<RoleClient>) {
        self.tell("tools", json!({}));
    }
}

/// As it is on the wire.
pub(crate) fn to_json(value: impl Serialize) -> Value {
    serde_json::to_value(value).expect("what came as JSON can be written as JSON")
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
