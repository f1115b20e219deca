//! The body of a response: an answer that is there, or an event stream that a running request feeds.

use std::{
    convert::Infallible,
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use mcp_core::{Principal, RpcError, Running, Step};
use tokio::time::{Instant, Sleep};

use crate::figures::Open;

/// Once so many bytes of events are ready they go out, and the request runs on when they are written: one that reports
/// without end must not fill the memory, nor keep its client's going away from being noticed.
const HIGH_WATER: usize = 64 << 10;

/// How long a subscription may take to end with its principal.
const LAST_WORD: Duration = Duration::from_secs(1);

/// An event that says nothing.
const COMMENT: &[u8] = b":\n\n";

/// The body of a response.
#[derive(Debug)]
pub struct ResponseBody(Kind);

#[derive(Debug)]
enum Kind {
    /// All of it, once.
    Whole(Option<Bytes>),
    Events(Box<Events>),
}

/// An event stream (<https://html.spec.whatwg.org/multipage/server-sent-events.html>).
#[derive(Debug)]
struct Events {
    /// Events that are ready to go out.
    ready: Vec<u8>,
    /// What feeds it; none once that is over.
    running: Option<Box<Running>>,
    keep_alive: Duration,
    silence: Pin<Box<Sleep>>,
    /// The end of its principal; none of one that has no end, and once it has come.
    ended: Option<Ended>,
    /// Whether the principal has ended, and only the last word is waited for.
    is_ending: bool,
    /// Counts it among those that are open.
    _open: Open,
}

/// Ready when the credentials of a principal are no good any more.
pub(crate) struct Ended(Pin<Box<dyn Future<Output = ()> + Send>>);

impl Ended {
    /// None for a principal whose credentials have no end.
    pub(crate) fn of(principal: &Principal) -> Option<Self> {
        principal.may_end().then(|| {
            let principal = principal.clone();
            Self(Box::pin(async move { principal.ended().await }))
        })
    }

    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.0.as_mut().poll(cx)
    }
}

impl fmt::Debug for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ended")
    }
}

impl ResponseBody {
    pub(crate) fn empty() -> Self {
        Self(Kind::Whole(None))
    }

    pub(crate) fn whole(bytes: impl Into<Bytes>) -> Self {
        Self(Kind::Whole(Some(bytes.into())))
    }

    /// The stream of a request or a session, beginning with a message that there is for its client, or with a comment,
    /// which has the headers go out at once. It does not outlive its principal, whose end is given where there will be one.
    pub(crate) fn events(
        first: Option<&[u8]>,
        running: Box<Running>,
        keep_alive: Duration,
        ended: Option<Ended>,
        open: Open,
    ) -> Self {
        let mut ready = Vec::new();
        match first {
            Some(message) => push_event(&mut ready, message),
            None => ready.extend_from_slice(COMMENT),
        }
        let silence = Box::pin(tokio::time::sleep(keep_alive));
        let running = Some(running);
        Self(Kind::Events(Box::new(Events {
            ready,
            running,
            keep_alive,
            silence,
            ended,
            is_ending: false,
            _open: open,
        })))
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let bytes = match &mut self.0 {
            Kind::Whole(bytes) => bytes.take(),
            Kind::Events(events) => std::task::ready!(events.poll_ready(cx)),
        };
        Poll::Ready(bytes.map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Kind::Whole(bytes) => bytes.is_none(),
            Kind::Events(events) => events.running.is_none() && events.ready.is_empty(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Kind::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64)),
            Kind::Events(_) => SizeHint::default(),
        }
    }
}

impl Events {
    /// Ends with the principal: a call with an error, a subscription with its result, for which it is given a moment, since
    /// it learns of the end by itself.
    fn heed_the_end(&mut self, cx: &mut Context<'_>) {
        let Some(ended) = &mut self.ended else { return };
        let Some(running) = &mut self.running else { return };
        if ended.poll(cx).is_pending() {
            return;
        }
        self.ended = None;
        if running.is_subscription() {
            self.is_ending = true;
            self.silence.as_mut().reset(Instant::now() + LAST_WORD);
            return;
        }
        if let Some(answer) = running.give_up(&credentials_ended()) {
            push_event(&mut self.ready, &answer.bytes);
        }
        self.running = None;
    }

    /// All events that are ready together; `None` after the last.
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        // First, so that nothing that happens after the end is told.
        self.heed_the_end(cx);
        while let Some(running) = &mut self.running
            && self.ready.len() < HIGH_WATER
        {
            match running.poll_step(cx) {
                // Not for whoever had the credentials any more.
                Poll::Ready(Step::Notification(_)) if self.is_ending => {}
                Poll::Ready(Step::Notification(message)) => push_event(&mut self.ready, &message),
                Poll::Ready(Step::Answer(answer)) => {
                    push_event(&mut self.ready, &answer.bytes);
                    self.running = None;
                }
                Poll::Ready(Step::End) => self.running = None,
                Poll::Pending => break,
            }
        }
        if self.ready.is_empty() && self.running.is_some() {
            std::task::ready!(self.silence.as_mut().poll(cx));
            if self.is_ending {
                self.running = None;
            } else {
                self.ready.extend_from_slice(COMMENT);
            }
        }
        if self.ready.is_empty() {
            return Poll::Ready(None);
        }
        if !self.is_ending {
            self.silence.as_mut().reset(Instant::now() + self.keep_alive);
        }
        Poll::Ready(Some(std::mem::take(&mut self.ready).into()))
    }
}

/// What a request is told whose credentials end while it runs.
pub(crate) fn credentials_ended() -> RpcError {
    RpcError::unauthorized("Unauthorized: the credentials of this request have expired, or were revoked")
}

/// One message as one event. Messages are JSON on one line.
fn push_event(out: &mut Vec<u8>, message: &[u8]) {
    out.extend_from_slice(b"data: ");
    out.extend_from_slice(message);
    out.extend_from_slice(b"\n\n");
}
