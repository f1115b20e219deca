//! Requests to the client of a handshake session, and the way of their answers back to who waits for them.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicI64, Ordering},
    },
};

use serde::Serialize;
use serde_json::{Value, value::RawValue};
use tokio::sync::oneshot;

use crate::{
    outbox::Outbox,
    protocol::{id::RequestId, method, notification::notification},
};

/// What a client answered: a result, or the message of an error.
type ClientAnswer = Result<Value, String>;

/// The requests of a session that its client has not answered yet.
#[derive(Debug, Default)]
pub(crate) struct ClientLink {
    last_id: AtomicI64,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    waiting: HashMap<i64, oneshot::Sender<ClientAnswer>>,
    /// Another way to the client than that of the request which asks, where there is one.
    standing: Option<Arc<Outbox>>,
    /// Whether the session is: nothing is asked any more, and no way stays open.
    is_over: bool,
}

impl ClientLink {
    /// Sends a request and waits for its answer. It goes the way of the request that asks, or the standing one where
    /// nobody reads that. Dropping this takes it back.
    pub(crate) async fn request(
        self: &Arc<Self>,
        outbox: &Arc<Outbox>,
        method: &'static str,
        params: &RawValue,
    ) -> ClientAnswer {
        #[derive(Serialize)]
        struct Request<'a> {
            jsonrpc: &'static str,
            id: i64,
            method: &'static str,
            params: &'a RawValue,
        }

        let own = outbox;
        let standing = || self.lock().standing.clone().filter(|standing| standing.is_open());
        let outbox = if own.is_open() { Some(Arc::clone(own)) } else { standing() };
        let outbox = outbox.ok_or("it has no stream open to be asked over")?;
        let id = self.last_id.fetch_add(1, Ordering::Relaxed) + 1;
        let (sender, answer) = oneshot::channel();
        {
            let mut state = self.lock();
            if state.is_over {
                return Err("the session ended".to_owned());
            }
            state.waiting.insert(id, sender);
        }
        let open = Open { link: self, outbox: &outbox, id };
        let message = serde_json::to_vec(&Request { jsonrpc: "2.0", id, method, params })
            .map_err(|error| error.to_string())?;
        outbox.send(message).await;
        // Whoever closes the way of the request that asks wants to hear of it no more, and must not hold the place of a
        // question until its time is up. The standing way may be closed because a newer one was opened.
        let gone = async {
            if Arc::ptr_eq(own, &outbox) { own.closed().await } else { std::future::pending().await }
        };
        let answer = tokio::select! {
            biased;
            answer = answer => answer.unwrap_or_else(|_| Err("the session ended".to_owned())),
            () = gone => Err("the stream that it was asked over was closed".to_owned()),
        };
        drop(open);
        answer
    }

    /// Hands an answer to who waits for it; one to nothing that is open is ignored.
    pub(crate) fn resolve(&self, id: &RequestId, answer: ClientAnswer) {
        let RequestId::Number(id) = id else { return };
        if let Some(waiting) = self.lock().waiting.remove(id) {
            // Whoever asked may have given up meanwhile.
            let _ = waiting.send(answer);
        }
    }

    /// Opens another way to the client than those of its requests, in place of an earlier one, for as long as the
    /// session lasts.
    pub(crate) fn stand(&self, outbox: &Arc<Outbox>) {
        let mut state = self.lock();
        let over =
            if state.is_over { Some(Arc::clone(outbox)) } else { state.standing.replace(Arc::clone(outbox)) };
        drop(state);
        over.iter().for_each(|outbox| outbox.end());
    }

    /// Forgets that way, unless another has taken its place.
    pub(crate) fn leave(&self, outbox: &Arc<Outbox>) {
        self.lock().standing.take_if(|standing| Arc::ptr_eq(standing, outbox));
    }

    /// Whether such a way is open.
    pub(crate) fn stands(&self) -> bool {
        self.lock().standing.as_ref().is_some_and(|outbox| outbox.is_open())
    }

    /// Gives up on every request, and closes that way: the session has ended.
    pub(crate) fn end(&self) {
        let mut state = self.lock();
        state.is_over = true;
        state.waiting.clear();
        let standing = state.standing.take();
        drop(state);
        standing.iter().for_each(|outbox| outbox.end());
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing in here panics with the lock held.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request that is open; taken back when dropped before its answer.
struct Open<'a> {
    link: &'a ClientLink,
    outbox: &'a Outbox,
    id: i64,
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        if self.link.lock().waiting.remove(&self.id).is_some() {
            let params = serde_json::json!({ "requestId": self.id });
            self.outbox.offer(None, notification(method::CANCELLED, &params));
        }
    }
}
