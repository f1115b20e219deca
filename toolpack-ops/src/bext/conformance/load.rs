//! Requests that go on while something else happens, and what became of them.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::task::JoinSet;

use super::client::{Ask, Connection};

/// How many clients ask at the same time.
const CLIENTS: usize = 4;

/// Clients that ask one after the other until they are stopped. Dropping it stops them, too.
#[derive(Debug)]
pub(super) struct Load {
    stop: Arc<AtomicBool>,
    clients: JoinSet<Tally>,
}

/// What became of the requests.
#[derive(Debug, Default)]
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
}

impl Load {
    /// Begins to ask.
    pub(super) fn start(gateway: SocketAddr, ask: &Ask) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let mut clients = JoinSet::new();
        for _ in 0..CLIENTS {
            clients.spawn(client(gateway, ask.clone(), stop.clone()));
        }
        Self { stop, clients }
    }

    /// Stops when what is under way is answered.
    pub(super) async fn stop(mut self) -> Tally {
        self.stop.store(true, Ordering::Relaxed);
        let mut all = Tally::default();
        while let Some(done) = self.clients.join_next().await {
            let Ok(tally) = done else { continue };
            all.requests += tally.requests;
            for (why, count) in tally.failures {
                *all.failures.entry(why).or_default() += count;
            }
            for (body, count) in tally.bodies {
                *all.bodies.entry(body).or_default() += count;
            }
        }
        all
    }
}

async fn client(gateway: SocketAddr, ask: Ask, stop: Arc<AtomicBool>) -> Tally {
    let mut tally = Tally::default();
    let mut connection = None;
    while !stop.load(Ordering::Relaxed) {
        tally.requests += 1;
        if let Err(trouble) = once(gateway, &ask, &mut connection, &mut tally).await {
            *tally.failures.entry(trouble).or_default() += 1;
            connection = None;
            // A gateway that refuses at once would be asked in a circle.
            tokio::task::yield_now().await;
        }
    }
    tally
}

async fn once(
    gateway: SocketAddr,
    ask: &Ask,
    connection: &mut Option<Connection>,
    tally: &mut Tally,
) -> Result<(), String> {
    if connection.is_none() {
        *connection = Some(Connection::open(gateway).await.map_err(|error| error.to_string())?);
    }
    let Some(open) = connection else { return Err("there is no connection".to_owned()) };
    let answer = open.ask(ask).await.map_err(|error| error.to_string())?;
    if answer.header("connection").eq_ignore_ascii_case("close") {
        *connection = None;
    }
    if !answer.status.is_success() {
        return Err(format!("{} {}", answer.status, answer.text().trim()));
    }
    *tally.bodies.entry(answer.text().trim().to_owned()).or_default() += 1;
    Ok(())
}
