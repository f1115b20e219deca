//! What a key, the limits of each caller and rules add to the CPU of a small call over a real socket.
//!
//! Two servers on one thread are called in turns, each by some clients at once: what else runs on the machine meets both. The
//! kernel says how long the thread ran, so neither the clients nor waiting is in it.
//!
//! ```sh
//! cargo bench --bench guards
//! ```
#![allow(clippy::print_stdout, reason = "measurements are for reading")]
#![allow(missing_docs, clippy::expect_used, reason = "a bench has no users, and fails loudly")]

mod support;

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    sync::mpsc,
    thread,
};

use http::HeaderValue;
use toolpack::{Endpoint, Revision, http::Http};

/// How often the servers take turns.
const ROUNDS: usize = 200;
/// So many clients has each server, with one call at a time.
const CLIENTS: usize = 16;
/// Calls of each client in a turn.
const CALLS: usize = 50;

fn main() {
    if !cfg!(target_os = "linux") {
        println!("how long a thread ran is read from /proc, which Linux has");
        return;
    }
    let runtime = support::runtime();
    let _entered = runtime.enter();
    let (guarded, keys, key) = support::http::guarded_parts();
    let parts = [(support::open(), Http::new().without_auth()), (guarded, keys)];
    let (thread, [open, guarded]) = serve(parts);
    let mut servers = [Clients::new(open, None), Clients::new(guarded, Some(&key))];
    let mut micros = [const { Vec::new() }; 2];
    let mut ratios = Vec::new();
    for _ in 0..ROUNDS {
        let [open, guarded] = servers.each_mut().map(|clients| {
            let before = ran(&thread);
            clients.call();
            (ran(&thread) - before) as f64 / (CLIENTS * CALLS) as f64 / 1000.0
        });
        micros[0].push(open);
        micros[1].push(guarded);
        ratios.push(guarded / open);
    }
    let [open, guarded] = micros.map(median);
    let more = (median(ratios) - 1.0) * 100.0;
    println!("open {open:.2} µs, guarded {guarded:.2} µs of CPU a call: {more:+.1} %");
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Serves both on one thread: where to ask how long it ran, and where they listen.
fn serve(parts: [(Endpoint, Http); 2]) -> (String, [SocketAddr; 2]) {
    let (ready, is_ready) = mpsc::channel();
    thread::spawn(move || {
        let id = std::fs::read_link("/proc/thread-self").expect("Linux says which thread it is");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime needs nothing that could be missing").block_on(async {
            let [open, guarded] = parts.map(|(endpoint, options)| async move {
                options.bind(&endpoint, "127.0.0.1:0").await.expect("some port is free")
            });
            let (open, guarded) = tokio::join!(open, guarded);
            let addresses = [open.local_addr(), guarded.local_addr()];
            ready.send((format!("/proc/{}/schedstat", id.display()), addresses)).expect("the bench waits");
            let never = std::future::pending::<()>;
            tokio::join!(open.run_until(never()), guarded.run_until(never()));
        });
    });
    is_ready.recv().expect("both servers start")
}

/// Nanoseconds that a thread ran.
fn ran(thread: &str) -> u64 {
    let text = std::fs::read_to_string(thread).expect("the kernel counts");
    text.split(' ').next().and_then(|nanos| nanos.parse().ok()).expect("a number comes first")
}

/// The clients of one server.
struct Clients {
    connections: Vec<TcpStream>,
    request: Vec<u8>,
    /// As every answer is, since every request is the same.
    answer: Vec<u8>,
}

impl Clients {
    fn new(address: SocketAddr, key: Option<&HeaderValue>) -> Self {
        let connect = || {
            let connection = TcpStream::connect(address).expect("the server listens");
            connection.set_nodelay(true).expect("it is a socket");
            connection
        };
        let mut connections: Vec<_> = std::iter::repeat_with(connect).take(CLIENTS).collect();
        let request = request(address, key);
        let answer = first_answer(&mut connections[0], &request);
        Self { connections, request, answer }
    }

    /// All of them call at once, some times.
    fn call(&mut self) {
        for _ in 0..CALLS {
            for connection in &mut self.connections {
                connection.write_all(&self.request).expect("the server takes a request");
            }
            for connection in &mut self.connections {
                connection.read_exact(&mut self.answer).expect("the server answers");
            }
        }
    }
}

/// An answer, which has to be right.
fn first_answer(connection: &mut TcpStream, request: &[u8]) -> Vec<u8> {
    connection.write_all(request).expect("the server takes a request");
    let mut answer = Vec::new();
    loop {
        let mut some = [0; 4096];
        let read = connection.read(&mut some).expect("the server answers");
        assert!(read > 0, "the server closed the connection");
        answer.extend_from_slice(&some[..read]);
        let body = answer.windows(4).position(|end| end == b"\r\n\r\n").map(|end| &answer[end + 4..]);
        if let Some(body) = body.filter(|body| body.ends_with(b"}")) {
            support::assert_result(body);
            return answer;
        }
    }
}

/// A small call as clients send it.
fn request(address: SocketAddr, key: Option<&HeaderValue>) -> Vec<u8> {
    let revision = Revision::V2026_07_28;
    let body = support::request(revision, 1, "tools/call", support::echo());
    let key = key.map_or_else(String::new, |key| {
        format!("Authorization: {}\r\n", key.to_str().expect("a key is of visible characters"))
    });
    let head = format!(
        "POST /mcp HTTP/1.1\r\nHost: {address}\r\nUser-Agent: bench/1.0.0\r\nContent-Type: application/json\r\n\
         Accept: application/json, text/event-stream\r\nMCP-Protocol-Version: {}\r\nMcp-Method: tools/call\r\n\
         Mcp-Name: echo\r\n{key}Content-Length: {}\r\n\r\n",
        revision.as_str(),
        body.len()
    );
    [head.into_bytes(), body].concat()
}
