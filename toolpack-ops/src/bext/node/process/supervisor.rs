//! The supervisor of an app: a task that owns its process, starts it again when it ends, and ends it when asked to.

use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep};

use super::backoff::Backoff;
use super::group::Exit;
use super::health::Seconds;
use super::running::Running;
use super::{HealthCheck, Launch, ProcessStatus, StartError};

/// How long a process that did not become well may take to end by itself.
const GIVE_UP_TIME: Duration = Duration::from_secs(1);
/// How often one that is well is asked whether it still is; and after how many times that it is not, this is said.
const PROBE_EVERY: Duration = Duration::from_secs(10);
const FAILURES_TO_SAY: u32 = 3;

/// What others see of a process.
#[derive(Debug)]
pub(super) struct View {
    address: watch::Sender<Option<SocketAddr>>,
    status: Mutex<ProcessStatus>,
}

impl View {
    pub(super) fn new() -> Self {
        let status = ProcessStatus { pid: None, restarts: 0, trouble: None };
        Self { address: watch::Sender::new(None), status: Mutex::new(status) }
    }

    pub(super) fn address(&self) -> watch::Receiver<Option<SocketAddr>> {
        self.address.subscribe()
    }

    // What the lock protects is whole between any two statements.
    pub(super) fn status(&self) -> MutexGuard<'_, ProcessStatus> {
        self.status.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn is_up(&self, running: &Running) {
        {
            let mut status = self.status();
            status.pid = Some(running.pid());
            status.trouble = None;
        }
        self.address.send_replace(Some(running.address()));
    }

    pub(super) fn is_down(&self, trouble: Option<String>) {
        self.address.send_replace(None);
        let mut status = self.status();
        status.pid = None;
        status.trouble = trouble;
    }
}

/// Told how long an app may take to end, once it is to end.
pub(super) type Stop = watch::Receiver<Option<Duration>>;

/// How an attempt to start ended.
enum Attempt {
    Up(Box<Running>),
    Failed(StartError),
    /// It was to end meanwhile, and has.
    Stopped,
}

/// Starts a process and waits until it is well.
pub(super) async fn start(launch: &Launch) -> Result<Running, StartError> {
    let (_keep, mut stop) = watch::channel(None);
    match attempt(launch, &mut stop).await {
        Attempt::Up(running) => Ok(*running),
        Attempt::Failed(error) => Err(error),
        Attempt::Stopped => Err(StartError::new("it was stopped before it was healthy".to_owned())),
    }
}

async fn attempt(launch: &Launch, stop: &mut Stop) -> Attempt {
    // Short, and not interrupted, so that whatever was started is ended here.
    let mut running = match Running::start(launch).await {
        Ok(running) => running,
        Err(error) => return Attempt::Failed(error),
    };
    let ready = tokio::select! {
        ready = running.ready() => ready,
        grace = asked_to(stop) => {
            running.end(grace).await;
            return Attempt::Stopped;
        }
    };
    match ready {
        Ok(()) => Attempt::Up(Box::new(running)),
        Err(why) => {
            let output = running.end(GIVE_UP_TIME).await;
            Attempt::Failed(StartError::new(with_output(&why, &output)))
        }
    }
}

/// What happens to a process that runs.
enum Event {
    Stop(Duration),
    Ended(Exit),
}

/// A process that is looked after.
#[derive(Debug)]
pub(super) struct Supervisor<'a> {
    pub(super) launch: Launch,
    pub(super) view: &'a View,
    pub(super) stop: Stop,
}

impl Supervisor<'_> {
    /// Keeps it running until it is to end.
    pub(super) async fn run(mut self, mut running: Running) {
        let mut backoff = Backoff::new();
        self.view.is_up(&running);
        let mut well_since = Instant::now();
        loop {
            let port = running.address().port();
            let event = tokio::select! {
                grace = asked_to(&mut self.stop) => Event::Stop(grace),
                exit = running.ended() => Event::Ended(exit),
                never = watch_health(&self.launch.health, port, PROBE_EVERY, self.view) => match never {},
            };
            match event {
                Event::Stop(grace) => {
                    self.view.is_down(None);
                    running.end(grace).await;
                    return;
                }
                Event::Ended(exit) => {
                    self.view.is_down(Some(exit.to_string()));
                    backoff.was_well_for(well_since.elapsed());
                    let output = running.end(Duration::ZERO).await;
                    match self.start_again(exit, &output, &mut backoff).await {
                        Some(new) => running = new,
                        None => return self.view.is_down(None),
                    }
                    self.view.is_up(&running);
                    well_since = Instant::now();
                }
            }
        }
    }

    /// Tries until one is well; none if it is to end.
    async fn start_again(&mut self, exit: Exit, output: &str, backoff: &mut Backoff) -> Option<Running> {
        let mut why = with_output(&exit.to_string(), output);
        loop {
            let pause = backoff.pause();
            tracing::warn!(app = %self.launch.app, pause = %Seconds(pause), "an app ended and is started again: {exit}");
            self.view.is_down(Some(format!("it is started again in {}: {why}", Seconds(pause))));
            tokio::select! {
                _ = asked_to(&mut self.stop) => return None,
                () = sleep(pause) => {}
            }
            self.view.is_down(Some(format!("it is being started again: {why}")));
            self.view.status().restarts += 1;
            match attempt(&self.launch, &mut self.stop).await {
                Attempt::Up(running) => return Some(*running),
                Attempt::Failed(error) => why = error.message,
                Attempt::Stopped => return None,
            }
        }
    }
}

/// Waits until it is to end. If nobody is there any more who could say so, that is now.
async fn asked_to(stop: &mut Stop) -> Duration {
    stop.wait_for(Option::is_some).await.map_or(Duration::ZERO, |grace| grace.unwrap_or_default())
}

/// Asks a process every now and then whether it is well, and says so if it is not. It is not ended for that: a process
/// that is slow under load would be ended when it is needed most.
async fn watch_health(
    health: &HealthCheck,
    port: u16,
    every: Duration,
    view: &View,
) -> std::convert::Infallible {
    let mut ticks = interval_at(Instant::now() + every, every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut failures = 0_u32;
    loop {
        ticks.tick().await;
        let outcome = Running::probe(health, port).await;
        failures = if outcome.is_ok() { 0 } else { failures.saturating_add(1) };
        let trouble = match outcome {
            Err(why) if failures >= FAILURES_TO_SAY => {
                Some(format!("it runs, but was not healthy {failures} times in a row: {why}"))
            }
            // Not yet; what was said before is no longer so, or was never.
            _ => None,
        };
        view.status().trouble = trouble;
    }
}

/// A sentence with the last that was printed.
fn with_output(why: &str, output: &str) -> String {
    if output.is_empty() {
        format!("{why}; it printed nothing")
    } else {
        format!("{why}; its last output:\n{output}")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on says why")]

    use super::super::fixture::{Fixture, secret, until};
    use super::*;

    #[tokio::test]
    async fn one_that_is_not_healthy_for_long_is_said_to_be_and_lives_on() {
        let fixture = Fixture::new();
        // It answers as a file says, which is 200 at first.
        let mut launch = fixture.app();
        launch.secrets = vec![secret("TEST_SERVES", "file")];
        std::fs::write(fixture.path("status"), "200").unwrap();
        let running = start(&launch).await.unwrap();
        let view = View::new();
        view.is_up(&running);
        let port = running.address().port();
        let every = Duration::from_millis(1);
        let watching = watch_health(&launch.health, port, every, &view);
        let look = async {
            std::fs::write(fixture.path("status"), "500").unwrap();
            let trouble = || view.status().trouble.clone();
            until("it is said", || trouble().is_some()).await;
            let said = trouble().unwrap();
            assert!(said.starts_with("it runs, but was not healthy "), "{said}");
            assert!(said.contains(" times in a row: GET / was answered with 500"), "{said}");
            assert_eq!(view.status().pid, Some(running.pid()));
            std::fs::write(fixture.path("status"), "200").unwrap();
            until("all is well again", || trouble().is_none()).await;
        };
        tokio::select! {
            never = watching => match never {},
            () = look => {}
        }
        running.end(Duration::ZERO).await;
    }
}
