//! The requests of one client that have no answer yet: each in a task of its own, until it is answered or cancelled.

use std::{
    collections::{HashMap, hash_map::Entry},
    future::Future,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Waker},
};

use tokio::{sync::Notify, task::AbortHandle};

use crate::{
    answer::AnswerStatus,
    batch::Batch,
    call::Call,
    encode,
    endpoint::Core,
    outbox::Outbox,
    protocol::{error::RpcError, id::RequestId, method, notification::notification},
    request::{Outcome, OutcomeKind, Reply, Request},
    rings::OutcomeFuture,
};

/// Requests by their ids.
///
/// A request is answered if it is still among them when it ends, and not otherwise: so that an answer and a
/// cancellation that meet cannot both count.
#[derive(Debug, Default)]
pub(crate) struct InFlight {
    running: Mutex<HashMap<RequestId, Moved>>,
    emptied: Notify,
}

/// A request that was moved to a task.
#[derive(Debug)]
struct Moved {
    call: Call,
    task: AbortHandle,
    batch: Option<Arc<Batch>>,
    /// Of its [`Ending`].
    is_end_due: Arc<AtomicBool>,
}

impl InFlight {
    /// Refuses an id that is in use.
    pub(crate) fn check_new(&self, id: &RequestId) -> Result<(), RpcError> {
        if self.lock().contains_key(id) { Err(in_use()) } else { Ok(()) }
    }

    /// Runs a request here, and moves it to a task if it does not end at once; its answer goes to its outbox then, or to
    /// its batch.
    pub(crate) fn start(
        self: &Arc<Self>,
        core: &Core,
        request: Request,
        batch: Option<&Arc<Batch>>,
    ) -> Option<Outcome> {
        let call = request.call.clone();
        let mut work = core.run(request);
        // Whatever it waits for wakes the task that polls it next.
        if let Poll::Ready(outcome) = work.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            call.end();
            return Some(outcome);
        }
        // Held until it is among them: it may end before.
        let mut running = self.lock();
        match running.entry(call.id().clone()) {
            Entry::Occupied(_) => {
                call.cancel();
                Some(Outcome::error(in_use()))
            }
            Entry::Vacant(place) => {
                let ending = Ending { outbox: Arc::clone(call.outbox()), is_due: Arc::default() };
                let is_end_due = Arc::clone(&ending.is_due);
                let waiting =
                    Waiting { work, call: call.clone(), in_flight: Arc::clone(self), _ending: ending };
                let task = tokio::spawn(waiting).abort_handle();
                place.insert(Moved { call, task, batch: batch.cloned(), is_end_due });
                None
            }
        }
    }

    /// Ends a request that nobody wants an answer to any more; false if there is none of this id.
    pub(crate) fn cancel(&self, id: &RequestId) -> bool {
        let Some(moved) = self.remove(id, |moved| {
            moved.is_end_due.store(moved.batch.is_none(), Ordering::Relaxed);
        }) else {
            return false;
        };
        moved.cancel();
        moved.batch.iter().for_each(|batch| batch.leave_out());
        true
    }

    /// Ends all of them, each with an error that says why, if there is one to say.
    pub(crate) fn cancel_all(&self, why: Option<&RpcError>) {
        for moved in std::mem::take(&mut *self.lock()).into_values() {
            moved.cancel();
            let call = &moved.call;
            let error = why.map(|error| {
                let mut bytes = Vec::new();
                encode::error(&mut bytes, Some(call.id()), error, call.revision());
                (bytes, AnswerStatus::in_session(Some(error)))
            });
            match (&moved.batch, error) {
                (Some(batch), Some((bytes, _))) => batch.answer(&bytes),
                (Some(batch), None) => batch.leave_out(),
                (None, Some((bytes, status))) => call.outbox().answer(Some(call.id().clone()), bytes, status),
                (None, None) => call.outbox().end(),
            }
        }
        self.emptied.notify_waiters();
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    /// Waits until there is none.
    pub(crate) async fn emptied(&self) {
        loop {
            let emptied = self.emptied.notified();
            tokio::pin!(emptied);
            // Registered before the look, so that nothing is missed in between.
            emptied.as_mut().enable();
            if self.is_empty() {
                return;
            }
            emptied.await;
        }
    }

    /// The task of a request that waits, to see when it has ended.
    pub(crate) fn task_of(&self, id: &RequestId) -> Option<AbortHandle> {
        self.lock().get(id).map(|moved| moved.task.clone())
    }

    /// Takes a request out; whoever finds it gone finds done what is done `first`.
    fn remove(&self, id: &RequestId, first: impl FnOnce(&Moved)) -> Option<Moved> {
        let mut running = self.lock();
        let moved = running.remove(id).inspect(first);
        if running.is_empty() {
            self.emptied.notify_waiters();
        }
        moved
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<RequestId, Moved>> {
        // Nothing that runs with the lock held is the author's.
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Moved {
    fn cancel(&self) {
        self.call.cancel();
        self.task.abort();
    }
}

fn in_use() -> RpcError {
    RpcError::invalid_request("Invalid request: a request of the same id is still running")
}

/// A request in its own task; sees to its answer.
struct Waiting {
    work: OutcomeFuture,
    call: Call,
    in_flight: Arc<InFlight>,
    /// After the work, so that it is dropped after the work.
    _ending: Ending,
}

/// Says that nothing more will come, where a request was cancelled: not before its work is dropped, which takes back what
/// it asked the client.
struct Ending {
    outbox: Arc<Outbox>,
    is_due: Arc<AtomicBool>,
}

impl Drop for Ending {
    fn drop(&mut self) {
        if self.is_due.load(Ordering::Relaxed) {
            self.outbox.end();
        }
    }
}

impl Future for Waiting {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let outcome = std::task::ready!(self.work.as_mut().poll(cx));
        let call = &self.call;
        let mut bytes = Vec::with_capacity(256);
        write_answer(&mut bytes, &Core::of(call), call, &outcome);
        call.end();
        // A cancelled request is not answered, even if it was done by then.
        let Some(moved) = self.in_flight.remove(call.id(), |_| {}) else { return Poll::Ready(()) };
        match moved.batch {
            Some(batch) => batch.answer(&bytes),
            None => call.outbox().answer(
                Some(call.id().clone()),
                bytes,
                AnswerStatus::in_session(outcome.rpc_error()),
            ),
        }
        Poll::Ready(())
    }
}

/// Appends the answer; a subscription that the server ended is also cancelled, as the specification wants it on
/// a channel that all requests share.
pub(crate) fn write_answer(out: &mut Vec<u8>, core: &Core, call: &Call, outcome: &Outcome) {
    encode::answer(out, call.id(), outcome, core.terms(call.revision()));
    if matches!(outcome.0, OutcomeKind::Complete(Reply::Ended)) {
        out.push(b'\n');
        out.extend_from_slice(&notification(
            method::CANCELLED,
            &serde_json::json!({ "requestId": call.id() }),
        ));
    }
}
