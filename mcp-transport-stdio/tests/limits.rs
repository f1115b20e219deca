//! Limits: at them, and past them.

use std::{collections::BTreeSet, time::Duration};

use mcp_core::{Limits, Principal, TransportKind};
use mcp_transport_stdio::Sockets;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, split},
    time::{Instant, sleep},
};

use crate::{
    client::{Client, TestServer, call, sockets, text, within},
    tools,
};

#[tokio::test]
async fn a_line_at_the_limit_is_read_and_one_byte_more_is_refused() {
    let line = call(1, "echo", json!({"message": "x".repeat(1000)})).to_string();
    for server in TestServer::both(sockets().max_message_bytes(line.len())).await {
        let mut client = server.connect().await;
        client.send_bytes(format!("{line}\n {line}\n{line}\n").as_bytes()).await;
        assert_eq!(client.receive().await["id"], 1);
        let refused = client.receive().await;
        assert_eq!(
            (&refused["error"]["code"], &refused["error"]["data"]["limitBytes"]),
            (&json!(413), &json!(line.len()))
        );
        assert_eq!(client.receive().await["id"], 1);
    }
}

#[tokio::test]
async fn one_connection_too_many_waits_for_a_place() {
    for server in TestServer::both(sockets().max_connections(1)).await {
        let mut first = server.connect().await;
        first.call("echo", json!({"message": "hi"})).await;
        let mut second = server.connect().await;
        second.send(&call(2, "echo", json!({"message": "hi"}))).await;
        // Only the end of the first lets the second in.
        drop(first);
        assert_eq!(second.receive().await["id"], 2);
    }
}

#[tokio::test]
async fn a_client_that_reads_nothing_is_not_read_from_and_then_let_go() {
    let options = sockets().write_time(Duration::from_millis(200)).max_connections(2);
    for server in TestServer::both(options).await {
        let mut bystander = server.connect().await;
        bystander.call("echo", json!({"message": "hi"})).await;
        let mut client = server.connect().await;
        client.send(&call("wait", "wait", json!({}))).await;
        within(server.stage.began.notified()).await;
        let line = format!("{}\n", call(1, "echo", json!({"message": "x".repeat(10_000)})));
        let mut sent = 0;
        let sending = async {
            while client.input.write_all(line.as_bytes()).await.is_ok() {
                sent += line.len();
            }
        };
        within(sending).await;
        // What the buffers of both ends hold, and nothing like what a server without back-pressure would take.
        assert!(sent < 64 << 20, "{sent} bytes were taken");
        within(server.stage.dropped.notified()).await;
        // Others were and are served, and the place is free again.
        bystander.call("echo", json!({"message": "hi"})).await;
        server.connect().await.call("echo", json!({"message": "hi"})).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_reads_slowly_is_served_and_one_that_stops_is_let_go() {
    let (server, stage) = tools::server();
    let (ours, mut theirs) = tokio::io::duplex(1000);
    let options = Sockets::new();
    let serving = options.serve_stream(server, ours, Principal::local(), TransportKind::InMemory);
    let reading = async {
        let lines = format!(
            "{}\n{}\n",
            call(1, "wait", json!({})),
            call(2, "echo", json!({"message": "x".repeat(200)}))
        );
        theirs.write_all(lines.as_bytes()).await.unwrap();
        let long = call(3, "echo", json!({"message": "x".repeat(20_000)}));
        let began = Instant::now();
        let (mut output, mut input) = split(&mut theirs);
        let line = format!("{long}\n");
        let sending = input.write_all(line.as_bytes());
        let reading = async {
            let mut read = 0;
            while read < 8_000 {
                sleep(Duration::from_secs(29)).await;
                read += output.read(&mut [0; 1000]).await.unwrap();
            }
            Instant::now()
        };
        let (sent, last_read) = tokio::join!(sending, reading);
        sent.unwrap();
        assert!(last_read - began > Duration::from_secs(200));
        stage.dropped.notified().await;
        let waited = last_read.elapsed();
        assert!((Duration::from_secs(30)..Duration::from_secs(31)).contains(&waited), "{waited:?}");
    };
    let (served, ()) = tokio::join!(serving, reading);
    served.unwrap();
}

/// Sends so many calls that wait, spread over so many connections, and looks at what becomes of them.
async fn calls_in_flight(connections: usize, calls: usize) {
    let limit = Limits::default().concurrent_calls;
    for server in TestServer::both(Sockets::new().without_auth()).await {
        let mut clients = Vec::new();
        let mut refused = 0;
        for number in 0..connections {
            let mut client = server.connect().await;
            let mine = (number..calls).step_by(connections);
            let lines: String = mine.map(|id| format!("{}\n", call(id, "wait", json!({})))).collect();
            // Nothing of it is answered but what is too much. The last cannot be run, and so needs no place.
            let lines = format!("{lines}{}\n", json!({"jsonrpc": "2.0", "id": "last", "method": "none"}));
            let mut answered = BTreeSet::new();
            let Client { input, answers } = &mut client;
            let reading = async {
                loop {
                    let answer = answers.next().await;
                    if answer["id"] == "last" {
                        return;
                    }
                    assert_eq!(answer["error"]["code"], 503, "{answer}");
                    let message = answer["error"]["message"].as_str().unwrap();
                    assert!(message.contains(&format!("{limit} requests are running already")), "{message}");
                    assert!(answered.insert(answer["id"].as_u64().unwrap()), "{answer} came twice");
                }
            };
            let (sent, ()) = tokio::join!(input.write_all(lines.as_bytes()), reading);
            sent.unwrap();
            refused += answered.len();
            clients.push((client, answered));
        }
        assert_eq!(refused, calls.saturating_sub(limit));
        server.stage.open_the_gate();
        for (number, (mut client, mut answered)) in clients.into_iter().enumerate() {
            let mine: BTreeSet<u64> = (number..calls).step_by(connections).map(|id| id as u64).collect();
            while answered.len() < mine.len() {
                let answer = client.receive().await;
                assert_eq!(text(&answer), "waited");
                assert!(answered.insert(answer["id"].as_u64().unwrap()), "{answer} came twice");
            }
            assert_eq!(answered, mine);
            // There is room again, and nothing more is said.
            client.call("echo", json!({"message": "hi"})).await;
            client.end_input().await;
            assert_eq!(client.try_receive().await, None::<Value>);
        }
    }
}

#[tokio::test]
async fn as_many_calls_as_the_limit_says_run_at_once_and_more_are_told_so() {
    let limit = Limits::default().concurrent_calls;
    for calls in [limit - 1, limit, limit + 1, 4 * limit] {
        calls_in_flight(1, calls).await;
        calls_in_flight(3, calls).await;
    }
}
