//! What a node looks after by itself: gateways that could not listen, and how its instances are.

use std::sync::Weak;
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior};

use super::Shared;
use super::instances::FRESH;
use super::probe::probe;
use super::tasks::Tasks;

/// How often a gateway that cannot listen is tried again.
const RETRY: Duration = Duration::from_secs(2);

/// Looks after a node until it is gone.
pub(crate) async fn keep(node: Weak<Shared>, tasks: Tasks) {
    let mut ticks = tokio::time::interval(RETRY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut probed: Option<Instant> = None;
    loop {
        tokio::select! {
            () = tasks.closing() => return,
            _ = ticks.tick() => {}
        }
        // Held for one look only, so that a node that nobody has any more ends.
        let (Some(node), Ok(_turn)) = (node.upgrade(), tasks.enter()) else { return };
        let all = node.instances.values();
        futures_util::future::join_all(all.map(|hosted| hosted.listen())).await;
        // A little early, so that what a list finds is never just too old.
        if probed.is_none_or(|probed| probed.elapsed() + RETRY >= FRESH) {
            probed = Some(Instant::now());
            let all = node.instances.values();
            futures_util::future::join_all(all.map(|hosted| probe(hosted, &node.data))).await;
        }
    }
}
