//! The HTTP server as a process: how it ends.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    time::Instant,
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::support::process::{PATIENCE, Server, call, request};

fn everything() -> (Server, String) {
    let server = Server::start("everything", &["--http", "127.0.0.1:0"]);
    let url = server.url();
    let address = url.strip_prefix("http://").unwrap().strip_suffix("/mcp").unwrap().to_owned();
    (server, address)
}

/// Posts a message, and returns once its stream has begun.
fn stream(address: &str, message: &Value) -> BufReader<TcpStream> {
    let mut client = TcpStream::connect(address).unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    let name =
        message["params"]["name"].as_str().map(|name| format!("Mcp-Name: {name}\r\n")).unwrap_or_default();
    let (method, body) = (message["method"].as_str().unwrap(), message.to_string());
    write!(
        client,
        "POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
         MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: {method}\r\n{name}\r\n{body}",
        body.len()
    )
    .unwrap();
    let mut client = BufReader::new(client);
    let mut line = String::new();
    while !line.starts_with("data: ") {
        line.clear();
        assert!(client.read_line(&mut line).unwrap() > 0, "it has ended");
    }
    client
}

#[test]
fn a_signal_ends_every_subscription_with_its_result_and_exits_with_0() {
    let (mut server, address) = everything();
    let listen =
        |id| request(id, "subscriptions/listen", json!({"notifications": {"toolsListChanged": true}}));
    let streams: Vec<_> = (0..100).map(|id| stream(&address, &listen(id))).collect();
    kill_process(Pid::from_raw(server.id()).unwrap(), Signal::TERM).unwrap();
    for (id, mut client) in streams.into_iter().enumerate() {
        let mut rest = String::new();
        client.read_to_string(&mut rest).unwrap();
        let result = rest.lines().find_map(|line| line.strip_prefix("data: ")).unwrap();
        let result: Value = serde_json::from_str(result).unwrap();
        assert_eq!((&result["id"], &result["result"]["resultType"]), (&json!(id), &json!("complete")));
        assert!(rest.ends_with("0\r\n\r\n"), "{rest}");
    }
    assert!(server.wait().success());
}

#[test]
fn a_second_signal_cuts_the_waiting_short() {
    let (mut server, address) = everything();
    let mut slow = call(1, "test_slow", json!({"ms": 600_000}));
    slow["params"]["_meta"]["progressToken"] = json!(1);
    let _client = stream(&address, &slow);
    let process = Pid::from_raw(server.id()).unwrap();
    let began = Instant::now();
    kill_process(process, Signal::TERM).unwrap();
    kill_process(process, Signal::INT).unwrap();
    assert!(server.wait().success());
    assert!(began.elapsed().as_secs() < 9, "it waited as long as it may");
}
