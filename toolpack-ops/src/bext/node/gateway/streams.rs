//! Streams of HTTP/2: each is let go that does not move, whatever else moves on its connection.

use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use hyper::rt::Executor;
use tokio::time::Instant;

/// Runs streams. One that nothing has happened to for so long is reset: its client does not take what waits
/// for it, and that cannot be seen from its body, which nobody asks for more until there is room.
#[derive(Clone, Copy, Debug)]
pub(super) struct Streams {
    limit: Duration,
}

impl Streams {
    pub(super) fn new(limit: Duration) -> Self {
        Self { limit }
    }
}

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for Streams {
    fn execute(&self, stream: F) {
        tokio::spawn(while_it_moves(stream, self.limit));
    }
}

async fn while_it_moves(stream: impl Future<Output = ()>, limit: Duration) {
    let mut stream = pin!(stream);
    let mut timer = pin!(tokio::time::sleep(limit));
    std::future::poll_fn(|context| {
        if timer.as_mut().poll(context).is_ready() {
            tracing::debug!("a client took nothing of a response for too long");
            return Poll::Ready(());
        }
        if stream.as_mut().poll(context).is_ready() {
            return Poll::Ready(());
        }
        // Whatever it was woken for, something has moved.
        timer.as_mut().reset(Instant::now() + limit);
        timer.as_mut().poll(context)
    })
    .await;
}
