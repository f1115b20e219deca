//! Work of the node that goes on whether or not anybody waits for it, and how it hears that it should not.

use std::sync::Arc;

use tokio::sync::watch;

use crate::error::{Error, ErrorKind};

/// All such work of a node.
#[derive(Clone, Debug)]
pub(crate) struct Tasks {
    state: Arc<watch::Sender<State>>,
}

#[derive(Clone, Copy, Debug, Default)]
struct State {
    running: usize,
    closing: bool,
}

impl Default for Tasks {
    fn default() -> Self {
        Self { state: Arc::new(watch::Sender::new(State::default())) }
    }
}

impl Tasks {
    /// Begins a piece of work; an error once the node is stopping.
    pub(crate) fn enter(&self) -> Result<Turn, Error> {
        let entered = self.state.send_if_modified(|state| {
            state.running += usize::from(!state.closing);
            !state.closing
        });
        if entered { Ok(Turn { tasks: self.clone() }) } else { Err(stopping()) }
    }

    /// Does work to its end in a task of its own. If the future that this returns is dropped, the work goes on and hears of
    /// it: what it does then is its own business.
    pub(crate) async fn carry_out<T, F>(&self, work: impl FnOnce(Wanted, Turn) -> F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, Error>> + Send + 'static,
    {
        let turn = self.enter()?;
        let (caller, caller_seen) = watch::channel(());
        let wanted = Wanted { caller: caller_seen, node: self.state.subscribe() };
        let done = tokio::spawn(work(wanted, turn)).await;
        drop(caller);
        done.unwrap_or_else(|panic| {
            Err(Error::new(ErrorKind::Unexpected, "internal", "the engine failed").with_source(panic))
        })
    }

    /// Begins nothing more, and has what can be given up be given up.
    pub(crate) fn close(&self) {
        self.state.send_modify(|state| state.closing = true);
    }

    /// Waits until nothing is under way.
    pub(crate) async fn ended(&self) {
        // The sender is ours, so the channel stays open.
        let _ = self.state.subscribe().wait_for(|state| state.running == 0).await;
    }

    /// Ends when the node is stopping.
    pub(crate) async fn closing(&self) {
        let _ = self.state.subscribe().wait_for(|state| state.closing).await;
    }

    /// An error if the node is stopping.
    pub(crate) fn open(&self) -> Result<(), Error> {
        if self.state.borrow().closing { Err(stopping()) } else { Ok(()) }
    }
}

/// A piece of work that is under way until this is dropped.
#[derive(Debug)]
pub(crate) struct Turn {
    tasks: Tasks,
}

impl Turn {
    /// One more that follows from this one, also while the node is stopping.
    pub(crate) fn another(&self) -> Self {
        self.tasks.state.send_modify(|state| state.running += 1);
        Self { tasks: self.tasks.clone() }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.tasks.state.send_modify(|state| state.running -= 1);
    }
}

/// Whether work is wanted still: until its caller is gone, or the node stops.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    caller: watch::Receiver<()>,
    node: watch::Receiver<State>,
}

impl Wanted {
    /// An error if the work is not wanted any more.
    pub(crate) fn check(&self) -> Result<(), Error> {
        if self.caller.has_changed().is_err() {
            Err(given_up())
        } else if self.node.borrow().closing {
            Err(stopping())
        } else {
            Ok(())
        }
    }

    /// Waits for something for as long as the work is wanted; dropped is what is waited for.
    pub(crate) async fn until<T>(&self, work: impl Future<Output = T>) -> Result<T, Error> {
        let (mut caller, mut node) = (self.caller.clone(), self.node.clone());
        let unwanted = async {
            // Nothing is ever sent: a change is that the sender is gone.
            let caller = async { while caller.changed().await.is_ok() {} };
            tokio::select! {
                biased;
                () = caller => given_up(),
                _ = node.wait_for(|state| state.closing) => stopping(),
            }
        };
        tokio::select! {
            biased;
            error = unwanted => Err(error),
            done = work => Ok(done),
        }
    }
}

fn given_up() -> Error {
    Error::new(ErrorKind::Cancelled, "cancelled", "it was cancelled")
}

fn stopping() -> Error {
    Error::new(
        ErrorKind::Unavailable,
        "node_stopping",
        "the node is stopping; try again when it is started anew",
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on says why")]

    use std::pin::Pin;
    use std::task::{Context, Waker};

    use super::*;

    fn is_pending<T>(future: Pin<&mut impl Future<Output = T>>) -> bool {
        future.poll(&mut Context::from_waker(Waker::noop())).is_pending()
    }

    #[tokio::test]
    async fn work_goes_on_without_its_caller_and_hears_of_it() {
        let tasks = Tasks::default();
        let (heard, hears) = tokio::sync::oneshot::channel();
        let call = tasks.carry_out(|wanted, turn| async move {
            let _turn = turn;
            let error = wanted.until(std::future::pending::<()>()).await.unwrap_err();
            heard.send((error.code(), wanted.check().is_err())).unwrap();
            Ok(())
        });
        let mut call = Box::pin(call);
        assert!(is_pending(call.as_mut()));
        drop(call);
        assert_eq!(hears.await.unwrap(), ("cancelled", true));
        tasks.ended().await;
    }

    #[tokio::test]
    async fn a_node_that_stops_begins_nothing_and_waits_for_what_follows() {
        let tasks = Tasks::default();
        let turn = tasks.enter().unwrap();
        tasks.close();
        assert_eq!(tasks.enter().unwrap_err().code(), "node_stopping");
        let follows = turn.another();
        drop(turn);
        let mut ended = Box::pin(tasks.ended());
        assert!(is_pending(ended.as_mut()));
        drop(follows);
        ended.await;
        tasks.closing().await;
    }
}
