//! Visitors of an application on several instances, who ask at a constant rate and are counted.

use std::{
    collections::BTreeMap,
    io::{Read, Write},
    net::TcpStream,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

/// Time between two requests to one instance.
const EVERY: Duration = Duration::from_millis(5);
/// How long a visitor waits.
const PATIENCE: Duration = Duration::from_secs(10);

/// Visitors who ask until they are stopped.
pub(super) struct Visitors {
    began: Instant,
    stop: Arc<AtomicBool>,
    threads: Vec<(String, JoinHandle<Vec<Visit>>)>,
    marks: Mutex<Vec<(Duration, &'static str)>>,
}

/// One request.
pub(super) struct Visit {
    /// When it began, since the first visitor came.
    pub(super) at: Duration,
    pub(super) took: Duration,
    /// The version that answered, or what went wrong.
    pub(super) saw: Result<String, String>,
}

/// All that was asked, instance by instance.
pub(super) struct Counted {
    pub(super) instances: Vec<(String, Vec<Visit>)>,
    /// What was done meanwhile, and when.
    pub(super) marks: Vec<(Duration, &'static str)>,
}

impl Visitors {
    /// Has a visitor for each gateway.
    pub(super) fn start(app: &str, gateways: &[(String, String)]) -> Self {
        let (began, stop) = (Instant::now(), Arc::new(AtomicBool::new(false)));
        let threads = gateways.iter().map(|(instance, address)| {
            let (host, address, stop) = (format!("{app}.localhost"), address.clone(), stop.clone());
            (instance.clone(), thread::spawn(move || visit(&host, &address, began, &stop)))
        });
        Self { began, threads: threads.collect(), stop, marks: Mutex::default() }
    }

    /// Notes that something is done now.
    pub(super) fn mark(&self, what: &'static str) {
        self.marks.lock().unwrap_or_else(PoisonError::into_inner).push((self.began.elapsed(), what));
    }

    /// Lets them look around for a while.
    pub(super) fn watch(&self, time: Duration) {
        thread::sleep(time);
    }

    /// Sends them home.
    pub(super) fn stop(self) -> Counted {
        self.stop.store(true, Ordering::Relaxed);
        let instances = self.threads.into_iter().map(|(instance, thread)| {
            let visits = thread.join().unwrap_or_else(|_| {
                let saw = Err("the visitor fell over".to_owned());
                vec![Visit { at: Duration::ZERO, took: Duration::ZERO, saw }]
            });
            (instance, visits)
        });
        Counted {
            instances: instances.collect(),
            marks: self.marks.into_inner().unwrap_or_else(PoisonError::into_inner),
        }
    }
}

impl Counted {
    /// How many requests failed.
    pub(super) fn failures(&self) -> usize {
        self.instances.iter().flat_map(|(_, visits)| visits).filter(|visit| visit.saw.is_err()).count()
    }

    /// Requests, failures and versions of each instance, in lines.
    pub(super) fn table(&self) -> String {
        let mut table = format!(
            "  {:<12}{:>9}{:>9}{:>12}   versions seen\n",
            "instance", "requests", "failed", "99 % within"
        );
        for (instance, visits) in &self.instances {
            let mut versions = BTreeMap::<&str, usize>::new();
            let mut failures = BTreeMap::<&str, usize>::new();
            for visit in visits {
                match &visit.saw {
                    Ok(version) => *versions.entry(version).or_default() += 1,
                    Err(why) => *failures.entry(why).or_default() += 1,
                }
            }
            let mut times: Vec<Duration> = visits.iter().map(|visit| visit.took).collect();
            times.sort_unstable();
            let slow = times.get(times.len() * 99 / 100).copied().unwrap_or_default();
            let told: Vec<String> =
                versions.iter().map(|(version, count)| format!("{version} x {count}")).collect();
            let failed: usize = failures.values().sum();
            table.push_str(&format!(
                "  {instance:<12}{:>9}{failed:>9}{:>9} ms   {}\n",
                visits.len(),
                slow.as_millis(),
                told.join(", ")
            ));
            for (why, count) in failures {
                table.push_str(&format!("      failed {count} times: {why}\n"));
            }
        }
        table
    }
}

fn visit(host: &str, address: &str, began: Instant, stop: &AtomicBool) -> Vec<Visit> {
    let mut visits = Vec::new();
    let mut due = Instant::now();
    while !stop.load(Ordering::Relaxed) {
        let at = began.elapsed();
        let started = Instant::now();
        let saw = ask(host, address);
        visits.push(Visit { at, took: started.elapsed(), saw });
        due = (due + EVERY).max(Instant::now());
        thread::sleep(due.saturating_duration_since(Instant::now()));
    }
    visits
}

/// One request, over a connection of its own; gives the version that answers.
fn ask(host: &str, address: &str) -> Result<String, String> {
    let io = |error: std::io::Error| error.to_string();
    let mut stream = TcpStream::connect(address).map_err(io)?;
    stream.set_read_timeout(Some(PATIENCE)).map_err(io)?;
    let request = format!("GET /version HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).map_err(io)?;
    let mut answer = String::new();
    stream.take(1 << 20).read_to_string(&mut answer).map_err(io)?;
    let (head, body) = answer.split_once("\r\n\r\n").ok_or("no whole answer")?;
    if head.split(' ').nth(1) != Some("200") {
        return Err(format!("{}: {}", head.lines().next().unwrap_or_default(), body.trim()));
    }
    Ok(body.trim().to_owned())
}
