//! The open requests of one HTTP/2 connection, each a task of its own: they end with the connection, and it is known
//! when there are none.

use std::{
    future::Future,
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    task::Poll,
    time::Duration,
};

use tokio::{task::JoinSet, time::Instant};

use crate::pacing;

/// The open requests of a connection; dropping them cancels them.
#[derive(Debug)]
pub(crate) struct Streams {
    tasks: Arc<Mutex<JoinSet<()>>>,
    write_time: Duration,
}

impl Streams {
    pub(crate) fn new(write_time: Duration) -> Self {
        Self { tasks: Arc::default(), write_time }
    }

    /// What hyper hands the requests to.
    pub(crate) fn executor(&self) -> Executor {
        Executor { tasks: Arc::downgrade(&self.tasks), write_time: self.write_time }
    }

    /// Waits until no request has been open for so long.
    pub(crate) async fn idle_for(&self, time: Duration) {
        let mut waiting = pin!(tokio::time::sleep(time));
        let mut is_waiting = true;
        std::future::poll_fn(|cx| {
            let mut tasks = lock(&self.tasks);
            loop {
                match tasks.poll_join_next(cx) {
                    Poll::Ready(Some(_)) => is_waiting = false,
                    Poll::Ready(None) => break,
                    Poll::Pending => {
                        is_waiting = false;
                        return Poll::Pending;
                    }
                }
            }
            if !is_waiting {
                waiting.as_mut().reset(Instant::now() + time);
                is_waiting = true;
            }
            waiting.as_mut().poll(cx)
        })
        .await;
    }
}

/// Spawns the requests of a connection as long as there is one.
///
/// Hyper keeps a copy in every request, so that this must not be what keeps them.
#[derive(Clone, Debug)]
pub(crate) struct Executor {
    tasks: Weak<Mutex<JoinSet<()>>>,
    write_time: Duration,
}

impl<F> hyper::rt::Executor<F> for Executor
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, stream: F) {
        if let Some(tasks) = self.tasks.upgrade() {
            lock(&tasks).spawn(pacing::watch(stream, self.write_time));
        }
    }
}

/// The set is used by the connection's own task alone; a panic cannot leave it half changed.
fn lock(tasks: &Mutex<JoinSet<()>>) -> MutexGuard<'_, JoinSet<()>> {
    tasks.lock().unwrap_or_else(PoisonError::into_inner)
}
