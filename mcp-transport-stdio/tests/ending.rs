//! The end, from either side: what is answered before it, and what is cancelled.

use std::time::Duration;

use serde_json::json;
use tokio::net::TcpStream;

use crate::client::{Client, TestServer, call, sockets, text, within};

#[tokio::test]
async fn the_end_of_input_lets_calls_finish_and_the_server_hangs_up() {
    for server in TestServer::both(sockets()).await {
        let mut client = server.connect().await;
        client.send(&call("slow", "wait", json!({}))).await;
        // Without an end of line, as a shell's `printf` would send it.
        client.send_bytes(call("last", "echo", json!({"message": "hi"})).to_string().as_bytes()).await;
        client.end_input().await;
        assert_eq!(client.receive().await["id"], "last");
        server.stage.open_the_gate();
        assert_eq!(client.receive().await["id"], "slow");
        assert_eq!(client.try_receive().await, None);
    }
}

#[tokio::test]
async fn half_a_message_at_the_end_of_input_is_told_to_be_that() {
    for server in TestServer::both(sockets()).await {
        let mut client = server.connect().await;
        let line = call(1, "echo", json!({"message": "hi"})).to_string();
        client.send_bytes(&line.as_bytes()[..line.len() / 2]).await;
        client.end_input().await;
        assert_eq!(client.receive().await["error"]["code"], -32700);
        assert_eq!(client.try_receive().await, None);
    }
}

#[tokio::test]
async fn what_runs_longer_than_draining_may_take_is_cancelled_and_told_so() {
    for server in TestServer::both(sockets().drain_time(Duration::from_millis(50))).await {
        let mut client = server.connect().await;
        client.send(&call("slow", "wait", json!({}))).await;
        client.end_input().await;
        let answer = client.receive().await;
        assert_eq!((&answer["id"], &answer["error"]["code"]), (&json!("slow"), &json!(503)));
        assert_eq!(client.try_receive().await, None);
        within(server.stage.dropped.notified()).await;
    }
}

#[tokio::test]
async fn the_servers_end_lets_calls_finish_for_all_clients() {
    for mut server in TestServer::both(sockets()).await {
        let mut idle = server.connect().await;
        idle.call("echo", json!({"message": "hi"})).await;
        let mut busy = server.connect().await;
        busy.send(&call("slow", "wait", json!({}))).await;
        within(server.stage.began.notified()).await;
        server.end();
        assert_eq!(idle.try_receive().await, None);
        server.stage.open_the_gate();
        assert_eq!(text(&busy.receive().await), "waited");
        assert_eq!(busy.try_receive().await, None);
        server.ended().await;
    }
}

#[tokio::test]
async fn the_servers_end_waits_neither_for_idle_clients_nor_for_those_that_do_not_read() {
    let options = sockets().drain_time(Duration::from_millis(50));
    for mut server in TestServer::both(options).await {
        let mut idle = server.connect().await;
        idle.call("echo", json!({"message": "hi"})).await;
        let mut unread = server.connect().await;
        unread.send(&call("wait", "wait", json!({}))).await;
        within(server.stage.began.notified()).await;
        // As much as the server takes, until it has to wait for us to read.
        let line = format!("{}\n", call(1, "echo", json!({"message": "x".repeat(100_000)})));
        let filling = async {
            loop {
                unread.send_bytes(line.as_bytes()).await;
            }
        };
        let _ = tokio::time::timeout(Duration::from_millis(300), filling).await;
        server.end();
        server.ended().await;
    }
}

#[tokio::test]
async fn a_client_that_goes_away_harms_no_other() {
    for server in TestServer::both(sockets()).await {
        let mut other = server.connect().await;
        for _ in 0..20 {
            let mut client = server.connect().await;
            // Answers that nobody reads, into a connection that is closed.
            for id in 0..10 {
                client.send(&call(id, "echo", json!({"message": "x".repeat(5000)}))).await;
            }
            drop(client);
            assert_eq!(text(&other.call("echo", json!({"message": "hi"})).await), "hi");
        }
    }
}

#[tokio::test]
async fn the_calls_of_a_client_that_is_gone_are_cancelled() {
    let long = sockets().drain_time(Duration::from_secs(3600));
    let [tcp, unix] = TestServer::both(long).await;

    let mut client = unix.connect().await;
    client.send(&call(1, "wait", json!({}))).await;
    within(unix.stage.began.notified()).await;
    drop(client);
    within(unix.stage.dropped.notified()).await;

    // Over TCP a connection that is closed looks like one whose client has said all; one that is reset does not.
    let stream = TcpStream::connect(tcp.port()).await.unwrap();
    stream.set_zero_linger().unwrap();
    let mut client = Client::new(stream);
    client.send(&call(1, "wait", json!({}))).await;
    within(tcp.stage.began.notified()).await;
    drop(client);
    within(tcp.stage.dropped.notified()).await;
}
