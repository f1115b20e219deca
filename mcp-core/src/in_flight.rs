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
    batch::Batch,
    call::Call,
    encode,
    endpoint::Core,
    outbox::Outbox,
    protocol::{error::RpcError, id::RequestId, method, notification::notification},
    request::{Outcome, OutcomeKind, Reply, Request},
    rings::OutcomeFuture,
    verdict::Verdict,
};

/// Requests by their ids.
///
/// A request is answered if it is still among them when it ends, and not otherwise: so that an answer and a
/// cancellation that meet cannot both count.
#[derive(Debug, Default)]
pub(crate) struct InFlight {
    requests: Mutex<Requests>,
    emptied: Notify,
}

#[derive(Debug, Default)]
struct Requests {
    by_id: HashMap<RequestId, Slot>,
    /// Whether none is taken any more.
    is_over: bool,
}

#[derive(Debug)]
enum Slot {
    /// It runs where it was received, and may be done before it ever waits.
    Begun {
        is_cancelled: bool,
    },
    Moved(Moved),
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

/// An id that is taken while its request runs where it was received; free again when dropped.
pub(crate) struct Place<'a> {
    in_flight: &'a InFlight,
    id: RequestId,
    /// Whether the id is free again, or the request's in its task.
    is_left: bool,
}

/// What came of a request so far.
pub(crate) enum Started {
    Done(Outcome),
    /// It waits in a task of its own.
    Moved,
    /// It was cancelled meanwhile, and is not answered.
    Cancelled,
}

impl InFlight {
    /// Refuses an id that is in use.
    pub(crate) fn check_new(&self, id: &RequestId) -> Result<(), RpcError> {
        if self.lock().by_id.contains_key(id) { Err(in_use()) } else { Ok(()) }
    }

    /// Takes an id, unless it is in use: where messages come from several threads, of two requests of the same id one
    /// would otherwise be begun in vain, and a cancellation that comes in between be lost.
    pub(crate) fn reserve(&self, id: &RequestId) -> Result<Place<'_>, RpcError> {
        let mut requests = self.lock();
        if requests.is_over {
            return Err(RpcError::unknown_session());
        }
        match requests.by_id.entry(id.clone()) {
            Entry::Occupied(_) => Err(in_use()),
            Entry::Vacant(slot) => {
                slot.insert(Slot::Begun { is_cancelled: false });
                Ok(Place { in_flight: self, id: id.clone(), is_left: false })
            }
        }
    }

    /// Runs a request here, and moves it to a task if it does not end at once; its answer goes to its outbox then, or to
    /// its batch.
    ///
    /// Without a place its id has to be new, and to stay so while this runs.
    pub(crate) fn start(
        self: &Arc<Self>,
        core: &Core,
        request: Request,
        mut place: Option<Place<'_>>,
        batch: Option<&Arc<Batch>>,
    ) -> Started {
        let call = request.call.clone();
        let mut work = core.run(request);
        // Whatever it waits for wakes the task that polls it next.
        if let Poll::Ready(outcome) = work.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            call.end();
            return match place {
                Some(place) if place.is_cancelled() => Self::begun_in_vain(batch),
                _ => Started::Done(outcome),
            };
        }
        // Held until it is among them: it may end before.
        let mut requests = self.lock();
        let is_wanted = match (requests.by_id.get(call.id()), &place) {
            (Some(Slot::Begun { is_cancelled }), Some(_)) => !is_cancelled,
            (slot, None) => slot.is_none(),
            _ => false,
        };
        if !is_wanted {
            drop(requests);
            call.cancel();
            return Self::begun_in_vain(batch);
        }
        let ending = Ending { outbox: Arc::clone(call.outbox()), is_due: Arc::default() };
        let is_end_due = Arc::clone(&ending.is_due);
        let waiting = Waiting { work, call: call.clone(), in_flight: Arc::clone(self), ending };
        let task = tokio::spawn(waiting).abort_handle();
        let moved = Moved { call: call.clone(), task, batch: batch.cloned(), is_end_due };
        requests.by_id.insert(call.id().clone(), Slot::Moved(moved));
        // With the lock held: once it is not, the id may be free, and taken by another.
        place.iter_mut().for_each(|place| place.is_left = true);
        Started::Moved
    }

    fn begun_in_vain(batch: Option<&Arc<Batch>>) -> Started {
        batch.iter().for_each(|batch| batch.leave_out());
        Started::Cancelled
    }

    /// Ends a request that nobody wants an answer to any more; false if there is none of this id.
    pub(crate) fn cancel(&self, id: &RequestId) -> bool {
        let mut requests = self.lock();
        if let Some(Slot::Begun { is_cancelled }) = requests.by_id.get_mut(id) {
            *is_cancelled = true;
            return true;
        }
        let Some(moved) = requests.take_moved(id, &self.emptied) else { return false };
        // Before the lock is let go: a task that finds itself gone may end by it.
        moved.is_end_due.store(moved.batch.is_none(), Ordering::Relaxed);
        drop(requests);
        moved.cancel();
        moved.batch.iter().for_each(|batch| batch.leave_out());
        true
    }

    /// Ends all of them without an answer, and takes no more.
    pub(crate) fn end(&self) {
        self.lock().is_over = true;
        self.cancel_all(None);
    }

    /// Ends all of them, each with an error that says why, if there is one to say.
    pub(crate) fn cancel_all(&self, why: Option<&RpcError>) {
        let all = std::mem::take(&mut self.lock().by_id);
        // One that was only begun finds its place gone.
        let moved = all.into_values().filter_map(Slot::moved);
        for moved in moved {
            moved.cancel();
            let call = &moved.call;
            let error = why.map(|error| {
                let mut bytes = Vec::new();
                encode::error(&mut bytes, Some(call.id()), error, call.revision());
                (bytes, Verdict::in_session(Some(error)))
            });
            match (&moved.batch, error) {
                (Some(batch), Some((bytes, _))) => batch.answer(&bytes),
                (Some(batch), None) => batch.leave_out(),
                (None, Some((bytes, verdict))) => {
                    call.outbox().answer(Some(call.id().clone()), bytes, verdict)
                }
                (None, None) => call.outbox().end(),
            }
        }
        self.emptied.notify_waiters();
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.lock().by_id.is_empty()
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
        match self.lock().by_id.get(id) {
            Some(Slot::Moved(moved)) => Some(moved.task.clone()),
            _ => None,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Requests> {
        // Nothing that runs with the lock held is the author's.
        self.requests.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Requests {
    /// Takes out a request that waits.
    fn take_moved(&mut self, id: &RequestId, emptied: &Notify) -> Option<Moved> {
        self.take(id, emptied, |slot| matches!(slot, Slot::Moved(_))).and_then(Slot::moved)
    }

    /// Takes out a request of this kind.
    fn take(&mut self, id: &RequestId, emptied: &Notify, is_kind: impl Fn(&Slot) -> bool) -> Option<Slot> {
        self.by_id.get(id).filter(|slot| is_kind(slot))?;
        let slot = self.by_id.remove(id);
        if self.by_id.is_empty() {
            emptied.notify_waiters();
        }
        slot
    }
}

impl Slot {
    fn moved(self) -> Option<Moved> {
        match self {
            Self::Moved(moved) => Some(moved),
            Self::Begun { .. } => None,
        }
    }
}

impl Place<'_> {
    /// Whether nobody wants the answer any more.
    fn is_cancelled(&self) -> bool {
        match self.in_flight.lock().by_id.get(&self.id) {
            Some(Slot::Begun { is_cancelled }) => *is_cancelled,
            _ => true,
        }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if !self.is_left {
            let is_begun = |slot: &Slot| matches!(slot, Slot::Begun { .. });
            self.in_flight.lock().take(&self.id, &self.in_flight.emptied, is_begun);
        }
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
    ending: Ending,
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
        // With the lock held: whoever sees that it is gone finds its answer queued, so that none is lost at the end.
        let mut requests = self.in_flight.lock();
        // A cancelled request is not answered, even if it was done by then; nor does it answer a later one of its id.
        let is_own = |slot: &Slot| match slot {
            Slot::Moved(moved) => Arc::ptr_eq(&moved.is_end_due, &self.ending.is_due),
            Slot::Begun { .. } => false,
        };
        let taken = requests.take(call.id(), &self.in_flight.emptied, is_own);
        let Some(moved) = taken.and_then(Slot::moved) else { return Poll::Ready(()) };
        match &moved.batch {
            Some(batch) => batch.answer_call(call, &bytes),
            None => {
                let verdict = Verdict::in_session(outcome.rpc_error());
                call.outbox().answer(Some(call.id().clone()), bytes, verdict);
            }
        }
        drop(requests);
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
