//! What a node looks after by itself: gateways that could not listen, what was left lying, and how its instances are.

use std::sync::Weak;
use std::time::Duration;

use tokio::time::MissedTickBehavior;

use super::Shared;
use super::probe::probe;
use super::tasks::Tasks;

/// How often it looks whether there is something to do: so often a gateway that cannot listen is tried again.
const TICK: Duration = Duration::from_secs(2);

/// Looks after a node until it is gone.
pub(crate) async fn keep(node: Weak<Shared>, tasks: Tasks) {
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = tasks.closing() => return,
            _ = ticks.tick() => {}
        }
        // Held for one look only, so that a node that nobody has any more ends.
        let (Some(node), Ok(_turn)) = (node.upgrade(), tasks.enter()) else { return };
        let looks = node.instances.values().map(|hosted| async {
            hosted.listen().await;
            if hosted.kept.is_behind() {
                hosted.clear_away().await;
            }
            // A little early rather than a tick late.
            let interval = hosted.config().health_interval.saturating_sub(TICK / 2);
            if hosted.last_probe.within(interval).is_none() {
                probe(hosted, &node.data).await;
            }
        });
        futures_util::future::join_all(looks).await;
    }
}
