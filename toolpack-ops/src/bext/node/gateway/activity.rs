//! Whether anything happens on a connection, and how long it may be before something has to.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use super::settings::GatewaySettings;

/// What happened on a connection, and when: in milliseconds from its beginning.
#[derive(Debug)]
pub(super) struct Activity {
    began: Instant,
    /// When bytes last went either way.
    moved: AtomicU64,
    /// Requests that are under way.
    requests: AtomicU64,
    /// When a client began to say something while no request was under way, plus one; 0 if it did not.
    head_began: AtomicU64,
    /// When the last request ended, plus one; 0 if there was none.
    rested: AtomicU64,
    speaks_http2: AtomicBool,
}

impl Activity {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            began: Instant::now(),
            moved: AtomicU64::new(0),
            requests: AtomicU64::new(0),
            head_began: AtomicU64::new(0),
            rested: AtomicU64::new(0),
            speaks_http2: AtomicBool::new(false),
        })
    }

    /// Counts a request as under way, until what it gives is dropped.
    pub(super) fn request(self: &Arc<Self>) -> UnderWay {
        self.requests.fetch_add(1, Relaxed);
        self.head_began.store(0, Relaxed);
        UnderWay(self.clone())
    }

    /// Notes that the connection is one of HTTP/2, whose clients say things that belong to no request.
    pub(super) fn has_http2(&self) {
        self.speaks_http2.store(true, Relaxed);
    }

    pub(super) fn speaks_http2(&self) -> bool {
        self.speaks_http2.load(Relaxed)
    }

    pub(super) fn is_idle(&self) -> bool {
        self.requests.load(Relaxed) == 0
    }

    /// When bytes last went either way.
    pub(super) fn last_moved(&self) -> Instant {
        self.at(self.moved.load(Relaxed))
    }

    /// By when something else has to have happened.
    pub(super) fn deadline(&self, settings: &GatewaySettings) -> Instant {
        if !self.is_idle() {
            // Streams are looked after one by one.
            let last = if self.speaks_http2() { Instant::now() } else { self.last_moved() };
            return last + settings.patience();
        }
        match (self.head_began.load(Relaxed), self.rested.load(Relaxed)) {
            (0, 0) => self.began + settings.header_timeout,
            (0, rested) => self.at(rested - 1) + settings.keep_alive,
            (head_began, _) => self.at(head_began - 1) + settings.header_timeout,
        }
    }

    fn at(&self, milliseconds: u64) -> Instant {
        self.began + Duration::from_millis(milliseconds)
    }

    fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX - 1)
    }

    fn moved(&self, is_read: bool) {
        let now = self.now();
        self.moved.store(now, Relaxed);
        if is_read && self.is_idle() && !self.speaks_http2() && self.head_began.load(Relaxed) == 0 {
            self.head_began.store(now + 1, Relaxed);
        }
    }
}

/// A request that is under way.
#[derive(Debug)]
pub(super) struct UnderWay(Arc<Activity>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.rested.store(self.0.now() + 1, Relaxed);
        self.0.requests.fetch_sub(1, Relaxed);
    }
}

/// A stream whose activity is noted.
#[derive(Debug)]
pub(super) struct Noted<S> {
    inner: S,
    activity: Arc<Activity>,
}

impl<S> Noted<S> {
    pub(super) fn new(inner: S, activity: Arc<Activity>) -> Self {
        Self { inner, activity }
    }

    fn wrote(&self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if matches!(written, Poll::Ready(Ok(bytes)) if bytes > 0) {
            self.activity.moved(false);
        }
        written
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Noted<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.inner).poll_read(context, buffer);
        if buffer.filled().len() > before {
            self.activity.moved(true);
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Noted<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.inner).poll_write(context, bytes);
        self.wrote(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.inner).poll_write_vectored(context, slices);
        self.wrote(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on says why")]

    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// In how many seconds something has to happen.
    fn left(activity: &Activity) -> u64 {
        (activity.deadline(&GatewaySettings::default()) - Instant::now()).as_secs()
    }

    #[tokio::test(start_paused = true)]
    async fn what_has_to_happen_next_depends_on_what_is_under_way() {
        let (mut client, server) = tokio::io::duplex(64);
        let activity = Activity::new();
        let mut server = Noted::new(server, activity.clone());
        assert_eq!(left(&activity), 10);
        tokio::time::advance(4 * SECOND).await;
        assert_eq!(left(&activity), 6);
        // A head has its own time, from its first byte on.
        for _ in 0..2 {
            client.write_all(b"G").await.unwrap();
            server.read_u8().await.unwrap();
            assert_eq!(left(&activity), 10);
        }
        tokio::time::advance(9 * SECOND).await;
        assert_eq!(left(&activity), 1);
        let request = activity.request();
        // Both the app and the client may be silent, from the last byte on.
        assert_eq!(left(&activity), 187 - 9);
        server.write_all(b"answer").await.unwrap();
        assert_eq!(left(&activity), 187);
        drop(request);
        assert_eq!(left(&activity), 75);
        tokio::time::advance(70 * SECOND).await;
        client.write_all(b"G").await.unwrap();
        server.read_u8().await.unwrap();
        assert_eq!(left(&activity), 10);
    }

    #[tokio::test(start_paused = true)]
    async fn what_http2_says_between_requests_is_no_head() {
        let (mut client, server) = tokio::io::duplex(64);
        let activity = Activity::new();
        let mut server = Noted::new(server, activity.clone());
        activity.has_http2();
        drop(activity.request());
        client.write_all(b"ping").await.unwrap();
        server.read_u32().await.unwrap();
        assert_eq!(left(&activity), 75);
    }
}
