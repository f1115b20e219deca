//! What the work of one request asks, and who has to look at it again when it does.

use std::{
    fmt,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Waker},
};

use super::{
    binding::Subject,
    desk::Desk,
    interview::{Arrived, Interview, RoundEnd},
};
use crate::{principal::Principal, protocol::error::RpcError};

/// The questions of a request, shared by whoever runs it and the work that asks.
#[derive(Default)]
pub(crate) struct Asking {
    state: Mutex<State>,
    /// How many questions wait for the client of a session now.
    waiting: AtomicUsize,
}

#[derive(Default)]
struct State {
    /// There from the first question on, or where the request brings answers along.
    interview: Option<Box<Interview>>,
    /// Who runs the request, to be woken where work in other tasks asks.
    waker: Option<Waker>,
}

impl Asking {
    /// Takes up what the request brings along from an earlier round.
    pub(crate) fn take_up(
        &self,
        desk: &Desk,
        principal: &Principal,
        subject: Subject,
        arrived: Option<&Arrived>,
    ) -> Result<(), RpcError> {
        let interview = Interview::take_up(desk, principal, subject, arrived)?;
        self.lock().interview = Some(Box::new(interview));
        Ok(())
    }

    /// Does something with the questions.
    pub(super) fn interview<T>(&self, act: impl FnOnce(&mut Interview) -> T) -> T {
        act(self.lock().interview.get_or_insert_default())
    }

    /// Has whoever runs the request look at it again.
    pub(super) fn wake(&self) {
        let waker = self.lock().waker.take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Whether the request ends with questions.
    pub(crate) fn has_asked(&self) -> bool {
        self.lock().interview.as_ref().is_some_and(|interview| interview.has_asked())
    }

    /// The code of the error with which the request ended because of a question.
    pub(crate) fn failure_code(&self) -> Option<String> {
        self.lock().interview.as_ref().and_then(|interview| interview.failure_code().map(str::to_owned))
    }

    /// How the request ends, if its work asked something or cannot go on; to be called when it waits.
    pub(crate) fn poll_end(
        &self,
        desk: &Desk,
        principal: &Principal,
        cx: &mut Context<'_>,
    ) -> Poll<RoundEnd> {
        let mut state = self.lock();
        // Only where it changes, and before the look: work in another task may ask at this very moment.
        if state.waker.as_ref().is_none_or(|waker| !waker.will_wake(cx.waker())) {
            state.waker = Some(cx.waker().clone());
        }
        let end = state.interview.as_mut().and_then(|interview| interview.end(desk, principal));
        end.map_or(Poll::Pending, Poll::Ready)
    }

    /// Says, until it is dropped, that the work waits for the client of a session.
    pub(super) fn pause(&self) -> Paused<'_> {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        self.wake();
        Paused(self)
    }

    /// Whether the work waits for the client of a session: its time does not count then, nor does its place.
    pub(crate) fn is_paused(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) > 0
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing that runs with the lock held is the author's.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Asking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Asking").field("waiting", &self.waiting).finish_non_exhaustive()
    }
}

/// See [`Asking::pause`].
pub(super) struct Paused<'a>(&'a Asking);

impl Drop for Paused<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
        self.0.wake();
    }
}
