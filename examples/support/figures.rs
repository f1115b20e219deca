//! What is alive in this process, for whoever watches it from outside.

use std::{convert::Infallible, io};

use tokio::{
    runtime::Handle,
    signal::unix::{SignalKind, signal},
};

/// Writes a line to standard error at every SIGUSR1: how many tasks there are.
///
/// It is to be awaited beside what is served, and not to be spawned: it would count itself.
pub(crate) async fn tell() -> io::Result<Infallible> {
    let mut asked = signal(SignalKind::user_defined1())?;
    loop {
        asked.recv().await;
        eprintln!("figures: {} tasks", Handle::current().metrics().num_alive_tasks());
    }
}
