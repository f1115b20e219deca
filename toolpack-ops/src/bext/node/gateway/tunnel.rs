//! Connections that became something else by an upgrade, such as a WebSocket: bytes, both ways.

use std::sync::Arc;
use std::time::Duration;

use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::copy_bidirectional;
use tokio::time::Instant;

use super::activity::{Activity, Noted};
use super::backend::Passage;
use super::shared::{Phase, Shared};

/// Carries what a client and an app say, from when both have switched, until one of them is done, nothing was
/// said for too long, the release is cut off, or the gateway has stopped.
pub(super) fn between(
    client: OnUpgrade,
    app: OnUpgrade,
    idle_timeout: Duration,
    passage: Passage,
    shared: &Arc<Shared>,
) -> impl Future<Output = ()> + Send + use<> {
    // From now on: before the request that it was counts no more.
    let under_way = (shared.counters.under_way(), shared.tunnel());
    let mut phase = shared.phase();
    async move {
        let _under_way = under_way;
        tokio::select! {
            () = carry(client, app, idle_timeout) => {}
            () = passage.release().cutting() => {}
            // Without the gateway there is no sender, which ends it as well.
            _ = phase.wait_for(|phase| *phase == Phase::Stopped) => {}
        }
    }
}

async fn carry(client: OnUpgrade, app: OnUpgrade, idle_timeout: Duration) {
    let (client, app) = match tokio::try_join!(client, app) {
        Ok(both) => both,
        Err(error) => return tracing::debug!(%error, "an upgrade came to nothing"),
    };
    let activity = Activity::new();
    // What goes to the one comes from the other, so one of them is enough to look at.
    let mut client = Noted::new(TokioIo::new(client), activity.clone());
    let mut app = TokioIo::new(app);
    tokio::select! {
        result = copy_bidirectional(&mut client, &mut app) => {
            if let Err(error) = result {
                tracing::debug!(%error, "an upgraded connection ended");
            }
        }
        () = silent(&activity, idle_timeout) => tracing::debug!("an upgraded connection was silent for too long"),
    }
}

/// Ready when nothing has moved for so long.
async fn silent(activity: &Activity, limit: Duration) {
    loop {
        let deadline = activity.last_moved() + limit;
        if deadline <= Instant::now() {
            return;
        }
        tokio::time::sleep_until(deadline).await;
    }
}
