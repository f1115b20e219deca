//! An answer over HTTP/2 goes out in small pieces, and its client has to take each within a while.
//!
//! The connection itself does not stall when a client grants a stream no window, so that [`Patient`] does not see it.
//! Hyper asks a body for its next piece once there is window for the one before: that is what is watched.
//!
//! [`Patient`]: crate::stream::Patient

use std::{
    cell::Cell,
    convert::Infallible,
    future::Future,
    pin::{Pin, pin},
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::time::{Instant, Sleep};

use crate::ResponseBody;

/// What a stream hands over at a time: a frame. Of an answer that nobody takes, no more than two of them are anywhere
/// but in the body.
const PIECE_BYTES: usize = 16 << 10;

tokio::task_local! {
    /// Which piece of the stream that is polled waits for its client; 0 for none.
    static WAITING: Cell<u64>;
}

/// The body of a response, in pieces.
#[derive(Debug)]
pub(crate) struct Paced {
    body: ResponseBody,
    rest: Bytes,
    pieces: u64,
}

impl Paced {
    pub(crate) fn new(body: ResponseBody) -> Self {
        Self { body, rest: Bytes::new(), pieces: 0 }
    }
}

impl Body for Paced {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        tell(0);
        if self.rest.is_empty() {
            match std::task::ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(bytes) => self.rest = bytes,
                    Err(frame) => return Poll::Ready(Some(Ok(frame))),
                },
                end => return Poll::Ready(end),
            }
        }
        let length = self.rest.len().min(PIECE_BYTES);
        self.pieces += 1;
        tell(self.pieces);
        Poll::Ready(Some(Ok(Frame::data(self.rest.split_to(length)))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        match self.body.size_hint().exact() {
            Some(length) => SizeHint::with_exact(length + self.rest.len() as u64),
            None => SizeHint::default(),
        }
    }
}

/// Notes which piece waits. Outside of [`watch`] nobody is interested.
fn tell(piece: u64) {
    _ = WAITING.try_with(|waiting| waiting.set(piece));
}

/// Runs a stream to its end, or drops it, which resets it, when one of its pieces has waited for too long.
pub(crate) async fn watch(stream: impl Future<Output = ()>, limit: Duration) {
    let mut stream = pin!(stream);
    let mut waiting = 0;
    let mut patience: Option<Pin<Box<Sleep>>> = None;
    std::future::poll_fn(|cx| {
        let (polled, now_waiting) =
            WAITING.sync_scope(Cell::new(waiting), || (stream.as_mut().poll(cx), WAITING.with(Cell::get)));
        if polled.is_ready() {
            return polled;
        }
        if now_waiting != waiting {
            waiting = now_waiting;
            match &mut patience {
                // Most answers go out at once, and never need it.
                None if waiting != 0 => patience = Some(Box::pin(tokio::time::sleep(limit))),
                None => {}
                Some(patience) => patience.as_mut().reset(Instant::now() + limit),
            }
        }
        match &mut patience {
            Some(patience) if waiting != 0 => patience.as_mut().poll(cx).map(|()| {
                tracing::debug!("a stream ended: its client has taken nothing for {limit:?}");
            }),
            _ => Poll::Pending,
        }
    })
    .await;
}
