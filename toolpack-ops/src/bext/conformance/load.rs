//! Requests that go on while something else happens, and what became of them.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::client::{Ask, Connection, PATIENCE};

/// How many clients ask at the same time.
const CLIENTS: usize = 4;

/// Clients that ask one after the other until they are stopped. Dropping it stops them, too.
#[derive(Debug)]
pub(super) struct Load {
    shared: Arc<Shared>,
    clients: JoinSet<()>,
}

#[derive(Debug, Default)]
struct Shared {
    stop: AtomicBool,
    tally: Mutex<Tally>,
}

/// What became of the requests.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    pub(super) requests: usize,
    /// What went wrong, with how often.
    pub(super) failures: BTreeMap<String, usize>,
    /// Which bodies were seen, how often.
    pub(super) bodies: BTreeMap<String, usize>,
}

impl Tally {
    /// All of them in one sentence.
    pub(super) fn told(&self) -> String {
        let failed: usize = self.failures.values().sum();
        let mut text = format!("{} requests, {failed} failed", self.requests);
        if let Some((why, count)) = self.failures.iter().next() {
            text.push_str(&format!(", such as {count} times: {why}"));
        }
        text
    }

    /// Which bodies were seen.
    pub(super) fn seen(&self) -> String {
        let bodies: Vec<&str> = self.bodies.keys().map(String::as_str).collect();
        bodies.join(" and ")
    }
}

impl Load {
    /// Begins to ask, and waits until something was answered.
    pub(super) async fn start(gateway: SocketAddr, ask: &Ask) -> Self {
        let shared = Arc::new(Shared::default());
        let mut clients = JoinSet::new();
        for _ in 0..CLIENTS {
            clients.spawn(client(gateway, ask.clone(), shared.clone()));
        }
        let load = Self { shared, clients };
        load.goes_on().await;
        load
    }

    /// Asks a little longer, so that there are requests that began after what was done last, and stops when what is under
    /// way is answered.
    pub(super) async fn stop(mut self) -> Tally {
        self.goes_on().await;
        self.shared.stop.store(true, Ordering::Relaxed);
        while self.clients.join_next().await.is_some() {}
        self.shared.tally().clone()
    }

    /// Waits until more requests have ended than can be under way; for so long, at most, as one may take.
    async fn goes_on(&self) {
        let wanted = self.shared.tally().requests + 2 * CLIENTS;
        let deadline = Instant::now() + PATIENCE;
        while self.shared.tally().requests < wanted && Instant::now() < deadline {
            sleep(Duration::from_millis(2)).await;
        }
    }
}

impl Shared {
    fn tally(&self) -> MutexGuard<'_, Tally> {
        // It only counts, so a panic elsewhere leaves it good.
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn client(gateway: SocketAddr, ask: Ask, shared: Arc<Shared>) {
    let mut connection = None;
    while !shared.stop.load(Ordering::Relaxed) {
        let result = once(gateway, &ask, &mut connection).await;
        let failed = result.is_err();
        {
            let mut tally = shared.tally();
            tally.requests += 1;
            match result {
                Ok(body) => *tally.bodies.entry(body).or_default() += 1,
                Err(trouble) => *tally.failures.entry(trouble).or_default() += 1,
            }
        }
        if failed {
            connection = None;
            // A gateway that refuses at once would be asked in a circle.
            sleep(Duration::from_millis(1)).await;
        }
    }
}

async fn once(gateway: SocketAddr, ask: &Ask, connection: &mut Option<Connection>) -> Result<String, String> {
    let mut open = match connection.take() {
        Some(open) => open,
        None => Connection::open(gateway).await.map_err(|error| error.to_string())?,
    };
    let answer = open.ask(ask).await.map_err(|error| error.to_string())?;
    if !answer.header("connection").eq_ignore_ascii_case("close") {
        *connection = Some(open);
    }
    if !answer.status.is_success() {
        return Err(format!("{} {}", answer.status, answer.text().trim()));
    }
    Ok(answer.text().trim().to_owned())
}
