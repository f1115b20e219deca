//! What is under way for one client over a transport without a standing connection.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use crate::{
    answer::EncodedAnswer,
    call::Call,
    encode,
    endpoint::Core,
    outbox::{Item, Outbox},
    protocol::error::RpcError,
    request::Request,
    rings::OutcomeFuture,
    verdict::Verdict,
};

/// What is under way for a client, and says what it has to say while it is polled.
///
/// A modern request is cancelled when this is dropped before its answer. A request of a session goes on: only the client
/// can cancel it.
pub struct Running {
    outbox: Arc<Outbox>,
    work: Work,
    /// The answer, while notifications before it are still to be handed out.
    answer: Option<EncodedAnswer>,
}

enum Work {
    /// A request that runs while it is polled.
    Here { call: Call, core: Arc<Core>, is_subscription: bool, future: Option<OutcomeFuture> },
    /// Requests in tasks of their own.
    Elsewhere,
    /// What tells a client of changes as long as it is polled.
    Standing(Pin<Box<dyn Future<Output = ()> + Send>>),
}

/// What a client is to be told.
#[derive(Debug)]
pub enum Step {
    /// A message before the answer; more will come.
    Notification(Vec<u8>),
    /// The answer; nothing comes after it.
    Answer(EncodedAnswer),
    /// There is no answer, and nothing more to say: the request was cancelled, or the stream has ended.
    End,
}

impl Running {
    pub(crate) fn here(core: &Arc<Core>, request: Request) -> Box<Self> {
        let (call, is_subscription) = (request.call.clone(), request.is_subscription());
        let future = Some(core.run(request));
        let outbox = Arc::clone(call.outbox());
        let work = Work::Here { call, core: Arc::clone(core), is_subscription, future };
        Box::new(Self { outbox, work, answer: None })
    }

    pub(crate) fn elsewhere(outbox: Arc<Outbox>) -> Box<Self> {
        Box::new(Self { outbox, work: Work::Elsewhere, answer: None })
    }

    pub(crate) fn standing(
        outbox: Arc<Outbox>,
        telling: impl Future<Output = ()> + Send + 'static,
    ) -> Box<Self> {
        Box::new(Self { outbox, work: Work::Standing(Box::pin(telling)), answer: None })
    }

    /// Whether this is a stream of notifications, of no use to a client that takes none.
    pub fn is_subscription(&self) -> bool {
        match &self.work {
            Work::Here { is_subscription, .. } => *is_subscription,
            Work::Elsewhere => false,
            Work::Standing(_) => true,
        }
    }

    /// Gives up what runs here, and ends it with this error. Nothing for what runs elsewhere, in a session, or has no end.
    ///
    /// Not to be polled again.
    pub fn give_up(&mut self, error: &RpcError) -> Option<EncodedAnswer> {
        let Work::Here { call, future, .. } = &mut self.work else { return None };
        if future.is_some() {
            call.cancel();
            *future = None;
        }
        self.answer = None;
        Some(EncodedAnswer::refusal(Some(call.id()), error, call.revision()))
    }

    /// Goes on until there is something to tell. Not to be polled again after the answer or the end.
    pub fn poll_step(&mut self, cx: &mut Context<'_>) -> Poll<Step> {
        loop {
            if let Poll::Ready(item) = self.outbox.poll_pop(cx) {
                return Poll::Ready(item.into());
            }
            if let Some(answer) = self.answer.take() {
                return Poll::Ready(Step::Answer(answer));
            }
            if !self.work_on(cx) {
                // The work may have queued something after the look above.
                return self.outbox.poll_pop(cx).map(Into::into);
            }
        }
    }

    /// Goes on with what is done here; true if it has ended by that.
    fn work_on(&mut self, cx: &mut Context<'_>) -> bool {
        match &mut self.work {
            Work::Here { call, core, future: slot, .. } => {
                let Some(future) = slot else { return false };
                let Poll::Ready(outcome) = future.as_mut().poll(cx) else { return false };
                *slot = None;
                call.end();
                let mut bytes = Vec::with_capacity(256);
                encode::answer(&mut bytes, call.id(), &outcome, core.terms(call.revision()));
                self.answer = Some(EncodedAnswer::new(bytes, Verdict::of(outcome.rpc_error())));
                true
            }
            Work::Elsewhere => false,
            Work::Standing(telling) => {
                if telling.as_mut().poll(cx).is_ready() {
                    self.work = Work::Elsewhere;
                }
                false
            }
        }
    }
}

impl From<Item> for Step {
    fn from(item: Item) -> Self {
        match item {
            Item::Note { bytes, .. } => Self::Notification(bytes),
            Item::Answer { bytes, verdict, .. } => Self::Answer(EncodedAnswer::new(bytes, verdict)),
            Item::End => Self::End,
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Work::Here { call, future: Some(_), .. } = &self.work {
            call.cancel();
        }
        // Whatever is said after this is said to nobody.
        self.outbox.close();
    }
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match &self.work {
            Work::Here { .. } => "here",
            Work::Elsewhere => "elsewhere",
            Work::Standing(_) => "standing",
        };
        f.debug_struct("Running").field("work", &kind).finish_non_exhaustive()
    }
}
