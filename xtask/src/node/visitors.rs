//! Clients of a gateway that keep their connections.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::Problem;

/// What is asked, and where.
#[derive(Clone, Debug)]
pub(super) struct Target {
    pub(super) address: String,
    pub(super) host: String,
    pub(super) path: &'static str,
}

/// Has so many clients ask so often each.
pub(super) fn ask_all(target: &Target, clients: usize, requests: usize) -> Result<(), Problem> {
    thread::scope(|scope| {
        let clients: Vec<_> = (0..clients)
            .map(|_| {
                scope.spawn(|| {
                    let mut client = Client::connect(target)?;
                    (0..requests).try_for_each(|_| client.ask())
                })
            })
            .collect();
        clients.into_iter().try_for_each(|client| client.join().map_err(|_| "a client fell over")?)
    })
}

/// The longest that one client waited while something was done.
pub(super) fn longest_while(
    target: &Target,
    work: impl FnOnce() -> Result<(), Problem>,
) -> Result<Duration, Problem> {
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let asking = scope.spawn(|| {
            let mut client = Client::connect(target)?;
            let mut longest = Duration::ZERO;
            while !stop.load(Ordering::Relaxed) {
                let began = Instant::now();
                client.ask()?;
                longest = longest.max(began.elapsed());
                thread::sleep(Duration::from_micros(200));
            }
            Ok::<_, Problem>(longest)
        });
        let done = work();
        stop.store(true, Ordering::Relaxed);
        let longest = asking.join().map_err(|_| "a client fell over")??;
        done.map(|()| longest)
    })
}

/// Waits until it answers.
pub(super) fn wait_for(target: &Target, limit: Duration) -> Result<(), Problem> {
    let began = Instant::now();
    loop {
        match Client::connect(target).and_then(|mut client| client.ask()) {
            Ok(()) => return Ok(()),
            Err(problem) if began.elapsed() > limit => return Err(format!("{}: {problem}", target.address)),
            Err(_) => thread::sleep(Duration::from_millis(20)),
        }
    }
}

struct Client {
    stream: BufReader<TcpStream>,
    request: String,
}

impl Client {
    fn connect(target: &Target) -> Result<Self, Problem> {
        let stream = TcpStream::connect(&target.address).map_err(|error| error.to_string())?;
        stream.set_nodelay(true).map_err(|error| error.to_string())?;
        let request = format!("GET {} HTTP/1.1\r\nHost: {}\r\n\r\n", target.path, target.host);
        Ok(Self { stream: BufReader::new(stream), request })
    }

    /// One request, which has to be answered with 200.
    fn ask(&mut self) -> Result<(), Problem> {
        let io = |error: std::io::Error| error.to_string();
        self.stream.get_mut().write_all(self.request.as_bytes()).map_err(io)?;
        let (mut line, mut length, mut is_good) = (String::new(), None, false);
        loop {
            line.clear();
            if self.stream.read_line(&mut line).map_err(io)? == 0 {
                return Err("the connection ended".into());
            }
            if let Some(status) = line.strip_prefix("HTTP/1.1 ") {
                is_good = status.starts_with("200");
            }
            let (name, value) = line.split_once(':').unwrap_or_default();
            if name.eq_ignore_ascii_case("content-length") {
                length = value.trim().parse().ok();
            }
            if line == "\r\n" {
                break;
            }
        }
        let mut body = vec![0; length.ok_or("an answer without a length")?];
        self.stream.read_exact(&mut body).map_err(io)?;
        if is_good { Ok(()) } else { Err(format!("not 200: {}", String::from_utf8_lossy(&body))) }
    }
}
