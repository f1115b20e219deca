//! Messages on their way to a client: a bounded queue between those who send and the one who writes.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

use tokio::sync::Notify;

use crate::{
    protocol::id::{ProgressToken, RequestId},
    verdict::Verdict,
};

/// One message, ready for the wire, without any framing.
#[derive(Debug)]
pub(crate) enum Item {
    /// A notification; progress names its token, so that a newer one may take its place.
    Note { progress: Option<ProgressToken>, bytes: Vec<u8> },
    /// The answer to a request that had been moved aside, or to a batch of them.
    Answer { id: Option<RequestId>, bytes: Vec<u8>, verdict: Verdict },
    /// Nothing more will come, and no answer either.
    End,
}

/// The queue of one request over HTTP, or of a whole connection.
///
/// Notifications are bounded: past the limit newer progress replaces older of the same request, and log messages
/// are left out. Answers are always taken; there are no more of them than calls in flight. Once it is closed it takes
/// nothing but answers.
#[derive(Debug)]
pub(crate) struct Outbox {
    max_notes: usize,
    max_bytes: usize,
    inner: Mutex<Inner>,
    /// Told when a notification was taken, or the queue was closed; whoever waits and gives up leaves nothing behind.
    room: Notify,
}

#[derive(Debug, Default)]
struct Inner {
    items: VecDeque<Item>,
    notes: usize,
    /// The bytes of the notifications.
    bytes: usize,
    is_closed: bool,
    reader: Option<Waker>,
}

impl Outbox {
    /// A queue that holds at most this many notifications and bytes of them, and one notification of any size at
    /// least: a subscription has to be acknowledged.
    pub(crate) fn new(max_notes: usize, max_bytes: usize) -> Self {
        Self { max_notes: max_notes.max(1), max_bytes, inner: Mutex::default(), room: Notify::new() }
    }

    fn has_room(&self, inner: &Inner, bytes: &[u8]) -> bool {
        inner.notes == 0 || (inner.notes < self.max_notes && inner.bytes + bytes.len() <= self.max_bytes)
    }

    /// Takes nothing but answers any more: nobody reads notifications, or requests of the server's.
    pub(crate) fn close(&self) {
        let mut inner = self.lock();
        inner.is_closed = true;
        inner.items.retain(|item| !matches!(item, Item::Note { .. }));
        (inner.notes, inner.bytes) = (0, 0);
        drop(inner);
        self.room.notify_waiters();
    }

    /// Waits until nobody reads notifications any more.
    pub(crate) async fn closed(&self) {
        loop {
            let news = self.room.notified();
            tokio::pin!(news);
            // Registered before the look, so that nothing is missed in between.
            news.as_mut().enable();
            if !self.is_open() {
                return;
            }
            news.await;
        }
    }

    /// Whether somebody reads notifications.
    pub(crate) fn is_open(&self) -> bool {
        !self.lock().is_closed
    }

    /// Queues a notification if there is room, or in place of an older one of the same progress.
    pub(crate) fn offer(&self, progress: Option<ProgressToken>, bytes: Vec<u8>) {
        if bytes.is_empty() {
            return;
        }
        let mut inner = self.lock();
        if inner.is_closed {
            return;
        }
        if self.has_room(&inner, &bytes) {
            inner.push(Item::Note { progress, bytes });
            return;
        }
        let Some(token) = &progress else { return };
        let Inner { items, notes, bytes: total, .. } = &mut *inner;
        let older = items.iter_mut().rev().find_map(|item| match item {
            Item::Note { progress: Some(known), bytes } if known == token => Some(bytes),
            _ => None,
        });
        if let Some(older) = older {
            let after = *total - older.len() + bytes.len();
            // In its place it may take no more room than there is, either.
            if after <= self.max_bytes.max(*total) || *notes == 1 {
                (*older, *total) = (bytes, after);
            }
        }
    }

    /// Queues a notification, waiting for room.
    pub(crate) async fn send(&self, bytes: Vec<u8>) {
        if bytes.is_empty() {
            return;
        }
        loop {
            let room = self.room.notified();
            tokio::pin!(room);
            // Registered before the look at the queue, so that nothing is missed in between.
            room.as_mut().enable();
            {
                let mut inner = self.lock();
                if inner.is_closed {
                    return;
                }
                if self.has_room(&inner, &bytes) {
                    inner.push(Item::Note { progress: None, bytes });
                    return;
                }
            }
            room.await;
        }
    }

    /// Queues an answer, that of a batch without an id.
    pub(crate) fn answer(&self, id: Option<RequestId>, bytes: Vec<u8>, verdict: Verdict) {
        self.lock().push(Item::Answer { id, bytes, verdict });
    }

    /// Takes back the answer to a request that was cancelled, so that it cannot answer a later one of the same id.
    pub(crate) fn forget_answer(&self, of: &RequestId) {
        self.lock().items.retain(|item| !matches!(item, Item::Answer { id: Some(id), .. } if id == of));
    }

    /// Says that nothing more will come, where there will be no answer.
    pub(crate) fn end(&self) {
        self.lock().push(Item::End);
    }

    /// How many messages are queued.
    pub(crate) fn len(&self) -> usize {
        self.lock().items.len()
    }

    /// Takes the oldest message, if there is one.
    pub(crate) fn pop(&self) -> Option<Item> {
        let item = self.lock().pop();
        self.tell_of_room(item.as_ref());
        item
    }

    /// Takes the oldest message, waiting for one.
    pub(crate) fn poll_pop(&self, cx: &mut Context<'_>) -> Poll<Item> {
        let mut inner = self.lock();
        match inner.pop() {
            Some(item) => {
                drop(inner);
                self.tell_of_room(Some(&item));
                Poll::Ready(item)
            }
            None => {
                inner.reader = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }

    fn tell_of_room(&self, taken: Option<&Item>) {
        if let Some(Item::Note { .. }) = taken {
            self.room.notify_waiters();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing in here panics with the lock held, and a queue is whole after every step.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn push(&mut self, item: Item) {
        if let Item::Note { bytes, .. } = &item {
            self.notes += 1;
            self.bytes += bytes.len();
        }
        self.items.push_back(item);
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
    }

    fn pop(&mut self) -> Option<Item> {
        let item = self.items.pop_front()?;
        if let Item::Note { bytes, .. } = &item {
            self.notes -= 1;
            self.bytes -= bytes.len();
        }
        Some(item)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What may happen to a queue; sizes are bytes, tokens and ids of few so that they meet.
    #[derive(Clone, Debug)]
    enum Step {
        Offer(Option<i64>, usize),
        Answer(i64, usize),
        Forget(i64),
        Pop,
        Close,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            8 => (prop::option::of(0..3_i64), 0..30_usize).prop_map(|(token, size)| Step::Offer(token, size)),
            4 => (0..4_i64, 0..90_usize).prop_map(|(id, size)| Step::Answer(id, size)),
            1 => (0..4_i64).prop_map(Step::Forget),
            4 => Just(Step::Pop),
            1 => Just(Step::Close),
        ]
    }

    proptest! {
        #[test]
        fn it_is_bounded_whatever_is_offered_and_no_answer_is_lost(
            max_notes in 0..5_usize,
            max_bytes in 0..60_usize,
            steps in prop::collection::vec(step(), 0..80),
        ) {
            let outbox = Outbox::new(max_notes, max_bytes);
            // The answers that are to come, oldest first.
            let mut answers: Vec<(i64, usize)> = Vec::new();
            let mut is_closed = false;
            let take = |item: Option<Item>, answers: &mut Vec<(i64, usize)>| match item {
                Some(Item::Answer { id, bytes, .. }) => {
                    let (expected, size) = answers.remove(0);
                    (id, bytes.len()) == (Some(expected.into()), size)
                }
                _ => true,
            };
            for step in steps {
                match step {
                    Step::Offer(token, size) => outbox.offer(token.map(Into::into), vec![b'n'; size]),
                    Step::Answer(id, size) => {
                        outbox.answer(Some(id.into()), vec![b'a'; size], Verdict::SERVED);
                        answers.push((id, size));
                    }
                    Step::Forget(id) => {
                        outbox.forget_answer(&id.into());
                        answers.retain(|(known, _)| *known != id);
                    }
                    Step::Pop => prop_assert!(take(outbox.pop(), &mut answers)),
                    Step::Close => {
                        outbox.close();
                        is_closed = true;
                    }
                }
                let inner = outbox.lock();
                let notes = inner.items.iter().filter_map(|item| match item {
                    Item::Note { bytes, .. } => Some(bytes.len()),
                    _ => None,
                });
                prop_assert_eq!(notes.clone().count(), inner.notes);
                prop_assert_eq!(notes.sum::<usize>(), inner.bytes);
                let most = if is_closed { 0 } else { max_notes.max(1) };
                prop_assert!(inner.notes <= most);
                prop_assert!(inner.bytes <= max_bytes || inner.notes == 1, "{} bytes", inner.bytes);
                prop_assert_eq!(inner.items.len() - inner.notes, answers.len());
            }
            while let Some(item) = outbox.pop() {
                prop_assert!(take(Some(item), &mut answers));
            }
            prop_assert!(answers.is_empty(), "lost: {answers:?}");
        }
    }

    fn bytes(item: Option<Item>) -> Option<Vec<u8>> {
        item.and_then(|item| match item {
            Item::Note { bytes, .. } | Item::Answer { bytes, .. } => Some(bytes),
            Item::End => None,
        })
    }

    #[test]
    fn past_the_limit_newer_progress_replaces_older_and_answers_still_fit() {
        let outbox = Outbox::new(2, 1000);
        outbox.offer(Some(1.into()), b"1/9".to_vec());
        outbox.offer(None, b"log".to_vec());
        outbox.offer(None, b"lost".to_vec());
        outbox.offer(Some(1.into()), b"2/9".to_vec());
        outbox.offer(Some(2.into()), b"lost".to_vec());
        outbox.answer(Some(1.into()), b"done".to_vec(), Verdict::SERVED);
        assert_eq!(bytes(outbox.pop()).as_deref(), Some(b"2/9".as_slice()));
        assert_eq!(bytes(outbox.pop()).as_deref(), Some(b"log".as_slice()));
        assert_eq!(bytes(outbox.pop()).as_deref(), Some(b"done".as_slice()));
        assert!(outbox.pop().is_none());
    }

    #[test]
    fn large_notifications_count_by_their_bytes_and_one_always_fits() {
        let outbox = Outbox::new(9, 10);
        outbox.offer(None, vec![b'a'; 20]);
        outbox.offer(None, vec![b'b'; 1]);
        assert_eq!(bytes(outbox.pop()).map(|bytes| bytes.len()), Some(20));
        assert!(outbox.pop().is_none());
        for _ in 0..3 {
            outbox.offer(None, vec![b'c'; 5]);
        }
        assert_eq!(outbox.len(), 2);
    }
}
