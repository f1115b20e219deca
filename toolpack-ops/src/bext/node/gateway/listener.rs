//! The socket that clients connect to.

use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::connection;
use super::shared::{Phase, Shared};
use super::stack::Stack;

/// How long nothing is accepted after the system refused to: mostly it has no more descriptors, until some
/// are closed.
const PAUSE: Duration = Duration::from_millis(50);

/// Accepts connections while the gateway serves, as many as there may be, and is done once the last has
/// ended. Dropping it ends them all.
pub(super) async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let stack = Stack::new(&shared);
    let mut connections = JoinSet::new();
    let mut settings = shared.settings.subscribe();
    let mut phase = shared.phase();
    loop {
        let max_connections = settings.borrow_and_update().max_connections;
        tokio::select! {
            accepted = listener.accept(), if connections.len() < max_connections => match accepted {
                Ok((stream, from)) => {
                    connections.spawn(connection::serve(stream, from, stack.clone(), shared.clone()));
                }
                Err(error) => {
                    tracing::warn!(%error, "the gateway cannot accept a connection");
                    tokio::time::sleep(PAUSE).await;
                }
            },
            Some(ended) = connections.join_next() => {
                if let Err(error) = ended {
                    tracing::error!(%error, "a connection of the gateway has failed");
                }
            }
            _ = settings.changed() => {}
            _ = phase.changed() => if *phase.borrow() != Phase::Serving { break },
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
    // Without the gateway itself there is nobody to wait for the rest.
    let mut tunnels = shared.tunnels.subscribe();
    let _ = tunnels.wait_for(|tunnels| *tunnels == 0).await;
}
