//! Lines over TCP and Unix sockets as clients of a process see them.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{Shutdown, TcpStream},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::support::process::{PATIENCE, Server, call, example, initialize, peak_memory, request};

/// An example that listens, with the directory of its socket if it has one.
struct Listening {
    server: Server,
    address: String,
    _directory: Option<tempfile::TempDir>,
}

impl Listening {
    fn tcp(example: &str) -> Self {
        let server = Server::start(example, &["--tcp", "127.0.0.1:0"]);
        Self { address: server.url(), server, _directory: None }
    }

    fn unix(example: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let server = start_at(example, &directory.path().join("socket"));
        Self { address: server.url(), server, _directory: Some(directory) }
    }

    fn both(example: &str) -> [Self; 2] {
        [Self::tcp(example), Self::unix(example)]
    }

    fn connect(&self) -> Client {
        Client::to(&self.address)
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_raw(self.server.id()).unwrap(), signal).unwrap();
    }
}

fn start_at(name: &str, path: &Path) -> Server {
    Server::spawn(Command::new(example(name)).arg("--unix").arg(path).stdin(Stdio::null()))
}

/// A connection, spoken to in lines.
struct Client {
    input: Box<dyn Write + Send>,
    output: BufReader<Box<dyn Read + Send>>,
    end: Box<dyn Fn(Shutdown)>,
}

impl Client {
    /// Connects to where a server says it listens.
    fn to(address: &str) -> Self {
        if let Some(path) = address.strip_prefix("unix:") {
            let stream = UnixStream::connect(path).unwrap();
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            let (input, output) = (stream.try_clone().unwrap(), stream.try_clone().unwrap());
            Self::over(input, output, move |how| stream.shutdown(how).unwrap())
        } else {
            let address = address.strip_prefix("tcp://").unwrap_or_else(|| panic!("{address}?"));
            let stream = TcpStream::connect(address).unwrap();
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            let (input, output) = (stream.try_clone().unwrap(), stream.try_clone().unwrap());
            Self::over(input, output, move |how| stream.shutdown(how).unwrap())
        }
    }

    fn over(
        input: impl Write + Send + 'static,
        output: impl Read + Send + 'static,
        end: impl Fn(Shutdown) + 'static,
    ) -> Self {
        Self { input: Box::new(input), output: BufReader::new(Box::new(output)), end: Box::new(end) }
    }

    fn send(&mut self, message: &Value) {
        self.input.write_all(format!("{message}\n").as_bytes()).unwrap();
    }

    /// The next message; none once the server has hung up.
    fn try_receive(&mut self) -> Option<Value> {
        let mut line = String::new();
        (self.output.read_line(&mut line).unwrap() > 0).then(|| serde_json::from_str(&line).unwrap())
    }

    fn receive(&mut self) -> Value {
        self.try_receive().expect("the server has hung up")
    }
}

#[test]
fn both_eras_are_served_to_several_clients_at_once() {
    for listening in Listening::both("everything") {
        let (mut session, mut modern) = (listening.connect(), listening.connect());
        session.send(&initialize("2025-11-25"));
        assert_eq!(session.receive()["result"]["protocolVersion"], "2025-11-25");
        session.send(&json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "test_simple_text"}}));
        // Ids are each client's own.
        modern.send(&call(1, "test_slow", json!({"ms": 600_000})));
        modern.send(&call(2, "test_simple_text", json!({})));
        let (old, new) = (session.receive(), modern.receive());
        assert_eq!((&old["id"], &new["id"]), (&json!(1), &json!(2)));
        assert_eq!(old["result"]["content"], new["result"]["content"]);
    }
}

#[test]
fn the_end_of_input_ends_one_connection_in_good_order_and_no_other() {
    for listening in Listening::both("everything") {
        let (mut other, mut client) = (listening.connect(), listening.connect());
        client.send(&call("slow", "test_slow", json!({"ms": 50})));
        // Without an end of line, as a shell's `printf` would send it.
        client.input.write_all(call("last", "test_simple_text", json!({})).to_string().as_bytes()).unwrap();
        (client.end)(Shutdown::Write);
        assert_eq!(client.receive()["id"], "last");
        assert_eq!(client.receive()["id"], "slow");
        assert_eq!(client.try_receive(), None);
        other.send(&call(1, "test_simple_text", json!({})));
        assert_eq!(other.receive()["id"], 1);
    }
}

#[test]
fn signals_end_subscriptions_in_good_order_and_exit_with_0() {
    for signal in [Signal::TERM, Signal::INT] {
        for mut listening in Listening::both("everything") {
            let (mut client, mut idle) = (listening.connect(), listening.connect());
            client.send(&request(
                "listen",
                "subscriptions/listen",
                json!({"notifications": {"toolsListChanged": true}}),
            ));
            assert_eq!(client.receive()["method"], "notifications/subscriptions/acknowledged");
            idle.send(&call(1, "test_simple_text", json!({})));
            idle.receive();
            listening.signal(signal);
            assert_eq!(client.receive()["id"], "listen");
            assert_eq!(client.receive()["method"], "notifications/cancelled");
            assert_eq!((client.try_receive(), idle.try_receive()), (None, None));
            assert!(listening.server.wait().success());
            if let Some(path) = listening.address.strip_prefix("unix:") {
                assert!(!Path::new(path).exists());
            }
        }
    }
}

#[test]
fn a_second_signal_cuts_the_waiting_short() {
    for mut listening in Listening::both("everything") {
        let mut client = listening.connect();
        client.send(&call("slow", "test_slow", json!({"ms": 600_000})));
        client.send(&call("quick", "test_simple_text", json!({})));
        assert_eq!(client.receive()["id"], "quick");
        listening.signal(Signal::TERM);
        listening.signal(Signal::INT);
        assert!(listening.server.wait().success());
        if let Some(path) = listening.address.strip_prefix("unix:") {
            assert!(!Path::new(path).exists());
        }
    }
}

#[test]
fn a_socket_left_by_a_killed_server_is_replaced_and_one_of_a_live_server_is_not() {
    let directory = tempfile::tempdir().unwrap();
    let path: PathBuf = directory.path().join("socket");
    let mut killed = start_at("everything", &path);
    killed.url();
    kill_process(Pid::from_raw(killed.id()).unwrap(), Signal::KILL).unwrap();
    assert!(!killed.wait().success());
    assert!(path.exists());

    let live = start_at("everything", &path);
    let mut client = Client::to(&live.url());
    let mut second = start_at("everything", &path);
    assert_eq!(second.wait().code(), Some(1));
    let expected = format!("another server is listening at {}", path.display());
    assert_eq!(second.errors(), [expected]);
    client.send(&call(1, "test_simple_text", json!({})));
    assert_eq!(client.receive()["id"], 1);

    let file = directory.path().join("file");
    fs::write(&file, "precious").unwrap();
    let mut refused = start_at("everything", &file);
    assert_eq!(refused.wait().code(), Some(1));
    assert_eq!(refused.errors(), [format!("{} is there already and is no socket", file.display())]);
    assert_eq!(fs::read_to_string(&file).unwrap(), "precious");
}

#[test]
fn an_address_that_other_machines_can_reach_is_refused() {
    let mut server = Server::start("everything", &["--tcp", "0.0.0.0:0"]);
    assert_eq!(server.wait().code(), Some(1));
    let said = server.errors();
    assert!(said[0].contains("can be reached from other machines"), "{said:?}");
}

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "reads /proc")]
fn a_client_that_asks_without_end_and_never_reads_costs_little_and_holds_up_nobody() {
    for listening in Listening::both("bench-server") {
        let mut bystander = listening.connect();
        bystander.send(&call(0, "list_rows", json!({"count": 1000})));
        bystander.receive();
        let before = peak_memory(listening.server.id().unsigned_abs());
        let mut greedy = listening.connect();
        // Many more than are taken, so that this stands still until the connection is ended from here.
        let asking = thread::spawn(move || {
            let line = format!("{}\n", call(1, "list_rows", json!({"count": 1000})));
            let mut asked = 0;
            while asked < 1_000_000 && greedy.input.write_all(line.as_bytes()).is_ok() {
                asked += 1;
            }
            asked
        });
        for id in 1..=50 {
            bystander.send(&call(id, "list_rows", json!({"count": 1000})));
            assert_eq!(bystander.receive()["id"], id);
        }
        let growth = peak_memory(listening.server.id().unsigned_abs()) - before;
        assert!(growth < 8 << 20, "{growth} bytes more");
        drop(listening);
        let asked = asking.join().unwrap();
        // What the buffers of both ends hold.
        assert!(asked < 100_000, "{asked} requests were taken");
    }
}

#[test]
fn clients_that_break_off_in_the_middle_harm_no_other() {
    for mut listening in Listening::both("everything") {
        let mut other = listening.connect();
        for _ in 0..50 {
            let mut client = listening.connect();
            for id in 0..20 {
                client.send(&call(id, "test_simple_text", json!({})));
            }
            client.send(&call("slow", "test_slow", json!({"ms": 1})));
            // Of which nothing is read, so that the answers go nowhere.
            drop(client);
        }
        other.send(&call("alive", "test_simple_text", json!({})));
        assert_eq!(other.receive()["id"], "alive");
        drop(other);
        listening.signal(Signal::TERM);
        assert!(listening.server.wait().success());
    }
}
