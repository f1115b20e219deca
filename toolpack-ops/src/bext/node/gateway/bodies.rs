//! Bodies on their way through the gateway: held to limits, and to an end that is known.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::{Instant, Sleep};

use super::backend::Passage;
use super::headers::strip_forwarded;
use super::pool::Connection;
use crate::bext::node::body::{Body, BodyError};

/// Why the gateway breaks off a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BodyFault {
    /// It is larger than a request may be.
    TooLarge,
    /// Nothing of it came for too long.
    Silent,
    /// The release was taken out, and there was no more time for what was under way.
    Cut,
}

impl std::fmt::Display for BodyFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::TooLarge => "the body is larger than the gateway takes",
            Self::Silent => "nothing of the body came for too long",
            Self::Cut => "the release was taken out",
        })
    }
}

impl std::error::Error for BodyFault {}

impl BodyFault {
    /// The one that is at the bottom of an error.
    pub(super) fn within(error: &(dyn std::error::Error + 'static)) -> Option<Self> {
        std::iter::successors(Some(error), |error| error.source())
            .find_map(|error| error.downcast_ref().copied())
    }
}

/// How long a body has been silent while someone waits for it.
#[derive(Debug)]
struct Silence {
    limit: Duration,
    /// Made when it is first waited for: most bodies are there at once.
    timer: Option<Pin<Box<Sleep>>>,
    is_waiting: bool,
}

impl Silence {
    fn new(limit: Duration) -> Self {
        Self { limit, timer: None, is_waiting: false }
    }

    fn broken(&mut self) {
        self.is_waiting = false;
    }

    /// Ready when it has lasted too long.
    fn poll_too_long(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let limit = self.limit;
        let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep(limit)));
        if !self.is_waiting {
            self.is_waiting = true;
            timer.as_mut().reset(Instant::now() + limit);
        }
        timer.as_mut().poll(context)
    }
}

/// The body of a request, as it comes from a client: no larger and no more silent than is allowed.
#[derive(Debug)]
pub(super) struct Upload {
    inner: Incoming,
    left: u64,
    silence: Silence,
}

impl Upload {
    pub(super) fn new(inner: Incoming, max_bytes: u64, idle_timeout: Duration) -> Self {
        Self { inner, left: max_bytes, silence: Silence::new(idle_timeout) }
    }
}

impl HttpBody for Upload {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        let Poll::Ready(frame) = Pin::new(&mut this.inner).poll_frame(context) else {
            ready!(this.silence.poll_too_long(context));
            return Poll::Ready(Some(Err(BodyFault::Silent.into())));
        };
        this.silence.broken();
        Poll::Ready(match frame {
            Some(Ok(frame)) => {
                let bytes = frame.data_ref().map_or(0, Bytes::len) as u64;
                match this.left.checked_sub(bytes) {
                    Some(left) => {
                        this.left = left;
                        Some(Ok(frame))
                    }
                    None => Some(Err(BodyFault::TooLarge.into())),
                }
            }
            other => other.map(|frame| frame.map_err(Into::into)),
        })
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// The body of a request on its way to an app, which others can look after.
#[derive(Debug)]
pub(super) struct Followed {
    inner: Body,
    trace: Arc<Trace>,
}

/// How far a request has got.
#[derive(Debug)]
pub(super) struct Trace {
    began: Instant,
    /// Milliseconds from the beginning to when a part of it was last handed on.
    moved: AtomicU64,
    is_complete: AtomicBool,
}

impl Trace {
    /// Of a request whose body has not been begun.
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            began: Instant::now(),
            moved: AtomicU64::new(0),
            is_complete: AtomicBool::new(false),
        })
    }

    /// When a part of it was last handed on, and whether that was the last.
    pub(super) fn last(&self) -> (Instant, bool) {
        (self.began + Duration::from_millis(self.moved.load(Relaxed)), self.is_complete.load(Relaxed))
    }

    fn moved(&self, is_complete: bool) {
        self.moved.store(u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX), Relaxed);
        self.is_complete.fetch_or(is_complete, Relaxed);
    }
}

impl Followed {
    pub(super) fn new(inner: Body, trace: Arc<Trace>) -> Self {
        Self { inner, trace }
    }
}

impl HttpBody for Followed {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let mut frame = ready!(Pin::new(&mut self.inner).poll_frame(context));
        if let Some(Ok(frame)) = &mut frame
            && let Some(trailers) = frame.trailers_mut()
        {
            // There are servers that add trailers to the headers.
            strip_forwarded(trailers);
        }
        self.trace.moved(frame.is_none() || self.inner.is_end_stream());
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// The body of a response on its way from a release, which counts as under way until it has ended or nobody
/// wants it.
#[derive(Debug)]
pub(super) struct Download<B> {
    inner: B,
    silence: Silence,
    /// The connection that it comes over, to be used again after it.
    connection: Option<Connection>,
    passage: Option<Passage>,
}

impl<B> Download<B> {
    pub(super) fn new(
        inner: B,
        idle_timeout: Duration,
        connection: Option<Connection>,
        passage: Passage,
    ) -> Self {
        Self { inner, silence: Silence::new(idle_timeout), connection, passage: Some(passage) }
    }

    fn end(&mut self) {
        if let (Some(connection), Some(passage)) = (self.connection.take(), &self.passage) {
            passage.release().pool().put(connection);
        }
        self.passage = None;
    }
}

impl<B> HttpBody for Download<B>
where
    B: HttpBody<Data = Bytes> + Unpin,
    B::Error: Into<BodyError>,
{
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        if this.passage.as_ref().is_some_and(|passage| passage.release().is_cut()) {
            return Poll::Ready(Some(Err(BodyFault::Cut.into())));
        }
        let Poll::Ready(frame) = Pin::new(&mut this.inner).poll_frame(context) else {
            ready!(this.silence.poll_too_long(context));
            return Poll::Ready(Some(Err(BodyFault::Silent.into())));
        };
        this.silence.broken();
        if frame.is_none() || (matches!(frame, Some(Ok(_))) && this.inner.is_end_stream()) {
            this.end();
        }
        Poll::Ready(frame.map(|frame| frame.map_err(Into::into)))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
