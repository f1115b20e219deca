//! The stdio transport as a client of a process sees it, good messages and bad ones.

use std::{
    io::{BufRead, BufReader, Write},
    os::{
        fd::OwnedFd,
        unix::{net::UnixStream, process::ExitStatusExt},
    },
    process::{Command, Stdio},
    thread,
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fs::{OFlags, fcntl_getfl, fcntl_setfl},
    process::{Pid, Signal, kill_process},
};
use serde_json::{Value, json};

use crate::support::process::{PATIENCE, Server, call, example, initialize, peak_memory, request};

fn everything() -> Server {
    Server::start("everything", &["--stdio"])
}

fn text(answer: &Value) -> &str {
    answer["result"]["content"][0]["text"].as_str().unwrap_or_else(|| panic!("{answer}"))
}

#[test]
fn both_eras_are_served_on_one_connection() {
    let mut server = everything();
    server.send(&initialize("2025-11-25"));
    assert_eq!(server.receive()["result"]["protocolVersion"], "2025-11-25");
    server.send(&call(1, "test_simple_text", json!({})));
    server.send(
        &json!({"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {"name": "test_simple_text"}}),
    );
    let (modern, handshake) = (server.receive(), server.receive());
    assert_eq!((&modern["id"], &modern["result"]["resultType"]), (&json!(1), &json!("complete")));
    assert_eq!((&handshake["id"], handshake["result"].get("resultType")), (&json!(2), None));
    assert_eq!(text(&modern), text(&handshake));
}

#[test]
fn calls_run_side_by_side_and_are_answered_as_they_end() {
    let mut server = everything();
    server.send(&call("slow", "test_slow", json!({"ms": 60_000})));
    server.send(&call("quick", "test_simple_text", json!({})));
    assert_eq!(server.receive()["id"], "quick");
    server.send(
        &json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": "slow"}}),
    );
    server.send(&call("after", "test_simple_text", json!({})));
    assert_eq!(server.receive()["id"], "after", "a cancelled request is not answered");
}

#[test]
fn bad_lines_are_answered_and_the_next_is_served() {
    let mut server = everything();
    let deep = format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{}{}}}"#,
        "[".repeat(100_000),
        "]".repeat(100_000)
    );
    let deep_arguments = call(2, "test_simple_text", json!({})).to_string().replace(
        r#""arguments":{}"#,
        &format!(r#""arguments":{{"x":{}{}}}"#, "[".repeat(500), "]".repeat(500)),
    );
    let cases: [(&[u8], Value, i64); 12] = [
        (b"{", Value::Null, -32700),
        (b"\xff\xfe", Value::Null, -32700),
        (b"{\"a\":\"\0\"}", Value::Null, -32700),
        (b"\0", Value::Null, -32700),
        (b"nonsense", Value::Null, -32700),
        (b"7", Value::Null, -32600),
        (b"[]", Value::Null, -32600),
        (br#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#, Value::Null, -32600),
        (br#"{"jsonrpc":"2.0","id":5}"#, json!(5), -32600),
        (br#"{"jsonrpc":"2.0","id":6,"method":"tools/list"}"#, json!(6), -32602),
        (deep.as_bytes(), json!(1), -32602),
        (deep_arguments.as_bytes(), json!(2), -32602),
    ];
    for (line, id, code) in cases {
        server.send_bytes(line);
        server.send_bytes(b"\n");
        let answer = server.receive();
        let shown = String::from_utf8_lossy(&line[..line.len().min(80)]).into_owned();
        assert_eq!(answer["error"]["code"], code, "{shown}: {answer}");
        assert_eq!(answer.get("id").unwrap_or(&Value::Null), &id, "{shown}: {answer}");
    }
    server.send_bytes(b"\n  \r\n");
    server.send(&call("next", "test_simple_text", json!({})));
    assert_eq!(server.receive()["id"], "next");
}

#[test]
fn a_request_outside_any_era_is_told_what_is_missing() {
    let mut server = everything();
    server.send(&json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}));
    let message = server.receive()["error"]["message"].to_string();
    for word in [
        "io.modelcontextprotocol/protocolVersion",
        "io.modelcontextprotocol/clientCapabilities",
        "initialize",
    ] {
        assert!(message.contains(word), "{message}");
    }
}

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "reads /proc")]
fn a_line_that_is_too_long_is_skipped_in_constant_memory() {
    let mut server = everything();
    server.send(&call(0, "test_simple_text", json!({})));
    server.receive();
    let before = peak_memory(server.id().unsigned_abs());
    for chunk in std::iter::repeat_n(vec![b'x'; 1 << 20], 64) {
        server.send_bytes(&chunk);
    }
    server.send_bytes(b"\n");
    let answer = server.receive();
    assert_eq!(
        (&answer["error"]["code"], &answer["error"]["data"]["limitBytes"]),
        (&json!(413), &json!(2 << 20))
    );
    server.send(&call(1, "test_simple_text", json!({})));
    assert_eq!(server.receive()["id"], 1);
    let growth = peak_memory(server.id().unsigned_abs()) - before;
    assert!(growth < 8 << 20, "64 MiB of input took {growth} bytes");
}

#[test]
fn the_end_of_input_lets_calls_finish_and_exits_with_0() {
    let mut server = everything();
    server.send(&call("slow", "test_slow", json!({"ms": 300})));
    // Without an end of line, as a shell's `printf` would send it.
    server.send_bytes(call("last", "test_simple_text", json!({})).to_string().as_bytes());
    server.end_input();
    assert_eq!(server.receive()["id"], "last");
    assert!(!text(&server.answer_to("slow")).is_empty());
    assert_eq!(server.try_receive(), None);
    assert!(server.wait().success());
}

#[test]
fn signals_end_subscriptions_in_good_order_and_exit_with_0() {
    for signal in [Signal::TERM, Signal::INT] {
        let mut server = everything();
        server.send(&request(
            "listen",
            "subscriptions/listen",
            json!({"notifications": {"toolsListChanged": true}}),
        ));
        assert_eq!(server.receive()["method"], "notifications/subscriptions/acknowledged");
        kill_process(Pid::from_raw(server.id()).unwrap(), signal).unwrap();
        let ended = server.receive();
        assert_eq!((&ended["id"], &ended["result"]["resultType"]), (&json!("listen"), &json!("complete")));
        let cancelled = server.receive();
        assert_eq!(cancelled["method"], "notifications/cancelled");
        assert_eq!(cancelled["params"]["requestId"], "listen");
        assert_eq!(server.try_receive(), None);
        let status = server.wait();
        assert!(status.success(), "{status} {:?}", status.signal());
    }
}

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "reads /proc")]
fn a_client_that_does_not_read_is_not_read_from_and_loses_nothing() {
    let mut child = Command::new(example("bench-server"))
        .arg("--stdio")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let flags = fcntl_getfl(&stdin).unwrap();
    fcntl_setfl(&stdin, flags | OFlags::NONBLOCK).unwrap();
    // Written until the server has not taken anything for a while, because its answers are not read.
    let mut sent = 0;
    let mut rest: Vec<u8> = Vec::new();
    loop {
        if rest.is_empty() {
            rest = format!("{}\n", call(sent, "echo", json!({"message": "x".repeat(1000)}))).into_bytes();
            sent += 1;
        }
        let patience = Timespec { tv_sec: 1, tv_nsec: 0 };
        if poll(&mut [PollFd::new(&stdin, PollFlags::OUT)], Some(&patience)).unwrap() == 0 {
            break;
        }
        let written = std::io::Write::write(&mut stdin, &rest).unwrap();
        rest.drain(..written);
        assert!(sent < 100_000, "the server reads on and on");
    }
    let peak = peak_memory(child.id());
    assert!(peak < 48 << 20, "{peak} bytes");
    // From here on answers are read, and each is there.
    fcntl_setfl(&stdin, flags).unwrap();
    let writer = thread::spawn(move || std::io::Write::write_all(&mut stdin, &rest).unwrap());
    let answers = std::io::BufReader::new(child.stdout.take().unwrap());
    let mut ids = 0;
    for line in std::io::BufRead::lines(answers) {
        assert_eq!(serde_json::from_str::<Value>(&line.unwrap()).unwrap()["id"], ids);
        ids += 1;
    }
    writer.join().unwrap();
    assert_eq!(ids, sent);
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_client_that_closes_what_it_reads_from_ends_the_server_in_good_order() {
    let (output, stdout) = std::io::pipe().unwrap();
    let mut server = Server::spawn(
        Command::new(example("everything")).arg("--stdio").stdin(Stdio::piped()).stdout(stdout),
    );
    server.send(&call("slow", "test_slow", json!({"ms": 600_000})));
    drop(output);
    // Its answer is the first that nobody takes. Input goes on, so that nothing else ends the server.
    server.send(&call("quick", "test_simple_text", json!({})));
    let status = server.wait();
    assert!(status.success(), "{status} {:?}", status.signal());
    assert_eq!(server.errors(), [""; 0]);
}

#[test]
fn what_a_tool_prints_does_not_reach_the_client() {
    let mut server = everything();
    server.send(&call(1, "test_print", json!({})));
    assert_eq!(text(&server.receive()), "printed");
    server.end_input();
    assert_eq!(server.try_receive(), None);
    server.wait();
    let said = server.errors();
    assert!(said.iter().any(|line| line.contains("this line goes to standard error")), "{said:?}");
}

#[test]
fn the_flags_of_the_pipes_are_put_back() {
    let (stdin, mut input) = std::io::pipe().unwrap();
    let (_output, stdout) = std::io::pipe().unwrap();
    // The same open files as the child's, so that its flags show here.
    let seen: [OwnedFd; 2] = [stdin.try_clone().unwrap().into(), stdout.try_clone().unwrap().into()];
    let mut server =
        Server::spawn(Command::new(example("everything")).arg("--stdio").stdin(stdin).stdout(stdout));
    std::io::Write::write_all(&mut input, format!("{}\n", call(1, "test_simple_text", json!({}))).as_bytes())
        .unwrap();
    drop(input);
    assert!(server.wait().success());
    for descriptor in &seen {
        assert!(!fcntl_getfl(descriptor).unwrap().contains(OFlags::NONBLOCK));
    }
}

#[test]
fn sockets_serve_as_well_and_the_end_of_one_is_not_taken_for_that_of_both() {
    // As Node makes them for its children.
    let (mut input, stdin) = UnixStream::pair().unwrap();
    let (output, stdout) = UnixStream::pair().unwrap();
    let mut server = Server::spawn(
        Command::new(example("everything"))
            .arg("--stdio")
            .stdin(OwnedFd::from(stdin))
            .stdout(OwnedFd::from(stdout)),
    );
    let requests =
        format!("{}\n{}", call(1, "test_slow", json!({"ms": 50})), call(2, "test_simple_text", json!({})));
    input.write_all(requests.as_bytes()).unwrap();
    drop(input);
    let answers = BufReader::new(output);
    let ids: Vec<Value> = answers
        .lines()
        .map(|line| serde_json::from_str::<Value>(&line.unwrap()).unwrap()["id"].clone())
        .collect();
    assert_eq!(ids, [json!(2), json!(1)]);
    assert!(server.wait().success());
}

#[test]
fn files_and_a_shared_standard_error_serve_as_well() {
    let folder = tempfile::tempdir().unwrap();
    let (input, output) = (folder.path().join("in"), folder.path().join("out"));
    std::fs::write(
        &input,
        format!("{}\n{}\n", call(1, "test_simple_text", json!({})), call(2, "test_slow", json!({"ms": 20}))),
    )
    .unwrap();
    let both = std::fs::File::create(&output).unwrap();
    let status = Command::new(example("everything"))
        .arg("--stdio")
        .stdin(std::fs::File::open(&input).unwrap())
        .stdout(both.try_clone().unwrap())
        .stderr(both)
        .status()
        .unwrap();
    assert!(status.success());
    let lines = std::fs::read_to_string(&output).unwrap();
    let ids: Vec<Value> =
        lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["id"].clone()).collect();
    assert_eq!(ids, [json!(1), json!(2)]);
}

#[test]
fn a_pipe_that_nobody_reads_does_not_hold_up_the_end_where_it_is_standard_error_too() {
    let (_unread, output) = std::io::pipe().unwrap();
    let mut child = Command::new(example("bench-server"))
        .arg("--stdio")
        .stdin(Stdio::piped())
        .stdout(output.try_clone().unwrap())
        .stderr(output)
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // More than a pipe holds, so that writing the answer has to wait.
    let request = format!("{}\n", call(1, "echo", json!({"message": "x".repeat(1 << 20)})));
    std::io::Write::write_all(&mut stdin, request.as_bytes()).unwrap();
    let process = Pid::from_child(&child);
    // One to end it, the other to cut its waiting short.
    kill_process(process, Signal::TERM).unwrap();
    kill_process(process, Signal::INT).unwrap();
    let began = std::time::Instant::now();
    while child.try_wait().unwrap().is_none() {
        if began.elapsed() > PATIENCE {
            child.kill().unwrap();
            panic!("it does not end");
        }
        thread::yield_now();
    }
    assert!(child.wait().unwrap().success());
}

#[test]
fn descriptors_that_somebody_made_non_blocking_serve_as_well() {
    let (input, mut stdin) = std::io::pipe().unwrap();
    let (output, stdout) = std::io::pipe().unwrap();
    fcntl_setfl(&stdout, fcntl_getfl(&stdout).unwrap() | OFlags::NONBLOCK).unwrap();
    // Standard output is standard error too, so that a thread writes.
    let mut child = Command::new(example("bench-server"))
        .arg("--stdio")
        .stdin(input)
        .stdout(stdout.try_clone().unwrap())
        .stderr(stdout)
        .spawn()
        .unwrap();
    let message = "x".repeat(1 << 20);
    let requests = format!(
        "{}\n{}\n",
        call(1, "echo", json!({"message": message})),
        call(2, "echo", json!({"message": message}))
    );
    let writer = thread::spawn(move || std::io::Write::write_all(&mut stdin, requests.as_bytes()).unwrap());
    let answers = std::io::BufReader::new(output);
    let ids: Vec<Value> = std::io::BufRead::lines(answers)
        .map(|line| serde_json::from_str::<Value>(&line.unwrap()).unwrap()["id"].clone())
        .collect();
    writer.join().unwrap();
    assert_eq!(ids, [json!(1), json!(2)]);
    assert!(child.wait().unwrap().success());
}

#[test]
fn calls_that_are_cancelled_at_once_give_their_places_back() {
    let mut server = everything();
    for id in 0..3000 {
        server.send(&call(id, "test_slow", json!({"ms": 600_000})));
        server.send(
            &json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": id}}),
        );
    }
    server.send(&call("last", "test_simple_text", json!({})));
    let answer = server.receive();
    assert_eq!((&answer["id"], answer.get("error")), (&json!("last"), None));
}
