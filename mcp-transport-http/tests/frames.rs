//! A client of HTTP/2 that sends exactly the frames a test wants sent, and what servers do to bad ones.

use std::time::Duration;

use mcp_transport_http::Http;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::client::{TestServer, call, within};

// The frames there are (RFC 9113, section 6).
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RESET: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GO_AWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;

const ACK: u8 = 1;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

const NO_ERROR: u32 = 0;
const FLOW_CONTROL_ERROR: u32 = 3;
const REFUSED_STREAM: u32 = 7;
const ENHANCE_YOUR_CALM: u32 = 11;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

struct Frame {
    kind: u8,
    flags: u8,
    stream: u32,
    payload: Vec<u8>,
}

impl Frame {
    fn new(kind: u8, flags: u8, stream: u32, payload: impl Into<Vec<u8>>) -> Self {
        Self { kind, flags, stream, payload: payload.into() }
    }

    /// The request for a call, without its body.
    fn call(stream: u32, message: &Value, more: &[(&str, &str)]) -> Self {
        let tool = message["params"]["name"].as_str().unwrap();
        let mut headers = vec![
            (":method", "POST"),
            (":scheme", "http"),
            (":path", "/mcp"),
            (":authority", "localhost"),
            ("content-type", "application/json"),
            ("accept", "application/json, text/event-stream"),
            ("mcp-protocol-version", "2026-07-28"),
            ("mcp-method", "tools/call"),
            ("mcp-name", tool),
        ];
        headers.extend(more);
        Self::new(HEADERS, END_HEADERS, stream, header_block(&headers))
    }

    /// The body of a request, small enough for one frame.
    fn body(stream: u32, message: &Value) -> Self {
        Self::new(DATA, END_STREAM, stream, message.to_string())
    }

    /// A whole request.
    fn post(stream: u32, message: &Value) -> Vec<Self> {
        let body = message.to_string();
        let mut frames = vec![Self::call(stream, message, &[])];
        frames.extend(body.as_bytes().chunks(16 << 10).map(|piece| Self::new(DATA, 0, stream, piece)));
        frames.last_mut().unwrap().flags = END_STREAM;
        frames
    }

    fn reset(stream: u32) -> Self {
        Self::new(RESET, 0, stream, 8_u32.to_be_bytes())
    }

    /// What a server says when it ends a connection.
    fn reason(&self) -> u32 {
        let bytes = if self.kind == GO_AWAY { &self.payload[4..8] } else { &self.payload[..4] };
        u32::from_be_bytes(bytes.try_into().unwrap())
    }

    /// The last stream that the server will still answer.
    fn last_stream(&self) -> u32 {
        u32::from_be_bytes(self.payload[..4].try_into().unwrap())
    }

    fn encode(&self) -> Vec<u8> {
        let length = u32::try_from(self.payload.len()).unwrap().to_be_bytes();
        let mut bytes = length[1..].to_vec();
        bytes.extend([self.kind, self.flags]);
        bytes.extend(self.stream.to_be_bytes());
        bytes.extend(&self.payload);
        bytes
    }
}

/// Headers as literals that no table remembers (RFC 7541, section 6.2.2).
fn header_block(headers: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in headers {
        block.push(0);
        for text in [name, value] {
            push_length(&mut block, text.len());
            block.extend(text.as_bytes());
        }
    }
    block
}

/// A length, seven bits of it in the first byte (RFC 7541, section 5.1).
fn push_length(block: &mut Vec<u8>, length: usize) {
    let Some(mut rest) = length.checked_sub(127) else { return block.push(u8::try_from(length).unwrap()) };
    block.push(127);
    while rest >= 128 {
        block.push(u8::try_from(rest % 128).unwrap() | 128);
        rest /= 128;
    }
    block.push(u8::try_from(rest).unwrap());
}

struct Frames {
    stream: TcpStream,
}

impl Frames {
    /// A connection whose client grants each stream so much window; it acknowledges the server's settings.
    async fn connect(server: &TestServer, window: u32) -> Self {
        let mut frames = Self { stream: TcpStream::connect(server.address).await.unwrap() };
        frames.stream.set_nodelay(true).unwrap();
        frames.stream.write_all(PREFACE).await.unwrap();
        let settings = [&4_u16.to_be_bytes()[..], &window.to_be_bytes()].concat();
        frames.send(&[Frame::new(SETTINGS, 0, 0, settings), Frame::new(SETTINGS, ACK, 0, [])]).await;
        frames
    }

    async fn send(&mut self, frames: &[Frame]) {
        let bytes: Vec<u8> = frames.iter().flat_map(Frame::encode).collect();
        self.stream.write_all(&bytes).await.unwrap();
    }

    /// The next frame; none at the end, in whatever way the server ended it.
    async fn next(&mut self) -> Option<Frame> {
        let mut head = [0; 9];
        within(self.stream.read_exact(&mut head)).await.ok()?;
        let [a, b, c, kind, flags, stream @ ..] = head;
        let mut payload = vec![0; u32::from_be_bytes([0, a, b, c]) as usize];
        within(self.stream.read_exact(&mut payload)).await.ok()?;
        Some(Frame { kind, flags, stream: u32::from_be_bytes(stream), payload })
    }

    /// The next frame of this kind, whatever comes before it.
    async fn next_of(&mut self, kind: u8) -> Option<Frame> {
        loop {
            let frame = self.next().await?;
            let is_acknowledgement = kind == SETTINGS && frame.flags & ACK != 0;
            if frame.kind == kind && !is_acknowledgement {
                return Some(frame);
            }
        }
    }

    /// The next frame of one of these kinds.
    async fn next_of_any(&mut self, kinds: &[u8]) -> Frame {
        loop {
            let frame = self.next().await.unwrap();
            if kinds.contains(&frame.kind) {
                return frame;
            }
        }
    }

    /// The reason for which the server ends the connection, which it then does.
    async fn is_sent_away(&mut self) -> u32 {
        let reason = self.next_of(GO_AWAY).await.unwrap().reason();
        while self.next().await.is_some() {}
        reason
    }

    /// All of the answer on a stream.
    async fn answer(&mut self, stream: u32) -> Value {
        let mut body = Vec::new();
        loop {
            let frame = self.next().await.unwrap();
            assert_ne!((frame.kind, frame.stream), (RESET, stream), "{}", frame.reason());
            if (frame.kind, frame.stream) == (DATA, stream) {
                body.extend(&frame.payload);
                if frame.flags & END_STREAM != 0 {
                    return serde_json::from_slice(&body).unwrap();
                }
            }
        }
    }
}

/// A call of the tool that never ends of itself.
fn hang() -> Value {
    call("hang", json!({}))
}

fn echo(message: &str) -> Value {
    call("echo", json!({"message": message}))
}

/// Streams of a client have odd numbers.
fn numbers(count: u32) -> impl Iterator<Item = u32> {
    (0..count).map(|number| 2 * number + 1)
}

async fn serves_others(server: &TestServer) {
    assert_eq!(server.post(&echo("hi")).await.status, 200);
}

#[tokio::test]
async fn the_preface_may_come_byte_by_byte() {
    let server = TestServer::start().await;
    let mut frames = Frames { stream: TcpStream::connect(server.address).await.unwrap() };
    frames.stream.set_nodelay(true).unwrap();
    for byte in PREFACE {
        frames.stream.write_all(&[*byte]).await.unwrap();
        tokio::task::yield_now().await;
    }
    frames.send(&[Frame::new(SETTINGS, 0, 0, [])]).await;
    frames.send(&Frame::post(1, &echo("hi"))).await;
    assert_eq!(frames.answer(1).await["result"]["content"][0]["text"], "hi");
}

#[tokio::test]
async fn a_preface_that_does_not_arrive_in_time_costs_the_connection() {
    let server = TestServer::with(Http::new().header_time(Duration::from_millis(50))).await;
    for sent in [0, 1, 23] {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(&PREFACE[..sent]).await.unwrap();
        assert_eq!(within(stream.read(&mut [0; 1])).await.unwrap(), 0, "{sent}");
    }
}

#[tokio::test]
async fn a_connection_without_an_open_request_is_ended_in_good_order() {
    let server = TestServer::with(Http::new().header_time(Duration::from_millis(50))).await;
    // One that never asks, one that was answered, and one whose headers do not come to an end.
    for case in 0..3 {
        let mut frames = Frames::connect(&server, 65_535).await;
        if case == 1 {
            frames.send(&Frame::post(1, &echo("hi"))).await;
            frames.answer(1).await;
        }
        if case == 2 {
            frames.send(&[Frame::new(HEADERS, 0, 1, header_block(&[(":method", "POST")]))]).await;
        }
        let warning = frames.next_of(GO_AWAY).await.unwrap();
        assert_eq!((warning.reason(), warning.last_stream()), (NO_ERROR, u32::MAX >> 1), "{case}");
        if case != 2 {
            // Nothing of what was on its way is lost: only when this has come back is it over.
            let ping = frames.next_of(PING).await.unwrap();
            frames.send(&[Frame::new(PING, ACK, 0, ping.payload)]).await;
            assert_eq!(frames.is_sent_away().await, NO_ERROR);
        }
    }
}

#[tokio::test]
async fn a_connection_that_does_not_end_is_cut_off() {
    let options = Http::new().header_time(Duration::from_millis(50)).write_time(Duration::from_millis(50));
    let server = TestServer::with(options).await;
    let mut frames = Frames::connect(&server, 65_535).await;
    // The ping that comes with the farewell is not answered.
    assert_eq!(frames.is_sent_away().await, NO_ERROR);
}

#[tokio::test]
async fn a_connection_with_an_open_request_stays() {
    let options = Http::new().header_time(Duration::from_millis(50)).keep_alive(Duration::from_millis(20));
    let server = TestServer::with(options).await;
    let mut frames = Frames::connect(&server, 65_535).await;
    frames.send(&Frame::post(1, &hang())).await;
    // Ten pings take four times as long as an idle connection has.
    for _ in 0..10 {
        let ping = frames.next_of(PING).await.unwrap();
        frames.send(&[Frame::new(PING, ACK, 0, ping.payload)]).await;
    }
    frames.send(&Frame::post(3, &echo("hi"))).await;
    frames.answer(3).await;
    frames.send(&[Frame::reset(1)]).await;
    within(server.dropped.notified()).await;
    assert_eq!(frames.next_of(GO_AWAY).await.unwrap().reason(), NO_ERROR);
}

#[tokio::test]
async fn a_client_that_answers_no_ping_is_taken_for_dead() {
    let options = Http::new().keep_alive(Duration::from_millis(20)).write_time(Duration::from_millis(50));
    let server = TestServer::with(options).await;
    let mut frames = Frames::connect(&server, 65_535).await;
    frames.send(&Frame::post(1, &hang())).await;
    while frames.next().await.is_some() {}
    within(server.dropped.notified()).await;
}

#[tokio::test]
async fn a_request_that_is_taken_back_is_cancelled() {
    let server = TestServer::start().await;
    let mut frames = Frames::connect(&server, 65_535).await;
    let mut request = hang();
    request["params"]["_meta"]["progressToken"] = json!(1);
    frames.send(&Frame::post(1, &request)).await;
    frames.next_of(DATA).await.unwrap();
    frames.send(&[Frame::reset(1)]).await;
    within(server.dropped.notified()).await;
    frames.send(&Frame::post(3, &echo("hi"))).await;
    frames.answer(3).await;
}

#[tokio::test]
async fn a_client_that_goes_away_cancels_its_request() {
    let server = TestServer::start().await;
    // Before any answer has begun, and in the middle of a stream.
    for token in [None, Some(json!(1))] {
        let mut frames = Frames::connect(&server, 65_535).await;
        let mut request = hang();
        if let Some(token) = &token {
            request["params"]["_meta"]["progressToken"] = token.clone();
        }
        frames.send(&Frame::post(1, &request)).await;
        if token.is_some() {
            frames.next_of(DATA).await.unwrap();
        } else {
            // The answer to a later one shows that the request has begun.
            frames.send(&Frame::post(3, &echo("hi"))).await;
            frames.answer(3).await;
        }
        drop(frames);
        within(server.dropped.notified()).await;
    }
}

#[tokio::test]
async fn rapid_resets_end_the_connection_and_no_other() {
    let server = TestServer::start().await;
    // At the limit nobody minds.
    for (count, is_over) in [(20, false), (21, true), (10_000, true)] {
        let mut frames = Frames::connect(&server, 65_535).await;
        let message = echo("hi");
        let attack: Vec<u8> = numbers(count)
            .flat_map(|stream| [Frame::call(stream, &message, &[]), Frame::reset(stream)])
            .flat_map(|frame| frame.encode())
            .collect();
        // The server may have gone before the end.
        _ = frames.stream.write_all(&attack).await;
        if is_over {
            // Ten thousand are more than the server reads, so that its last words may be lost with the connection.
            match frames.next_of(GO_AWAY).await {
                Some(farewell) => assert_eq!(farewell.reason(), ENHANCE_YOUR_CALM, "{count}"),
                None => assert_eq!(count, 10_000),
            }
        } else {
            let stream = 2 * count + 1;
            frames.send(&Frame::post(stream, &message)).await;
            frames.answer(stream).await;
        }
        serves_others(&server).await;
    }
}

#[tokio::test]
async fn patient_resets_cost_no_more_than_requests() {
    let server = TestServer::start().await;
    let mut frames = Frames::connect(&server, 65_535).await;
    for stream in numbers(1000) {
        frames
            .send(&[Frame::call(stream, &hang(), &[]), Frame::body(stream, &hang()), Frame::reset(stream)])
            .await;
        // Pings are answered in order: the server has seen the reset.
        frames.send(&[Frame::new(PING, 0, 0, [7; 8])]).await;
        frames.next_of(PING).await.unwrap();
    }
    // All are cancelled: none of them holds a place.
    let mut frames = Frames::connect(&server, 65_535).await;
    frames.send(&Frame::post(1, &echo("hi"))).await;
    frames.answer(1).await;
}

#[tokio::test]
async fn errors_that_make_the_server_reset_end_the_connection() {
    let server = TestServer::start().await;
    for (count, is_over) in [(127, false), (128, false), (129, true)] {
        let mut frames = Frames::connect(&server, 65_535).await;
        for stream in numbers(count) {
            // A window beyond all numbers is an error of its stream (MadeYouReset, CVE-2025-8671).
            let more = (u32::MAX >> 1).to_be_bytes();
            frames
                .send(&[Frame::call(stream, &hang(), &[]), Frame::new(WINDOW_UPDATE, 0, stream, more)])
                .await;
            // One after the other, so that none is refused for being one too many at once.
            match frames.next_of_any(&[RESET, GO_AWAY]).await {
                end if end.kind == RESET => assert_eq!(end.reason(), FLOW_CONTROL_ERROR, "{stream}"),
                end => {
                    assert!(is_over && stream == 2 * count - 1, "{stream}");
                    assert_eq!(end.reason(), ENHANCE_YOUR_CALM);
                }
            }
        }
        if !is_over {
            let stream = 2 * count + 1;
            frames.send(&Frame::post(stream, &echo("hi"))).await;
            frames.answer(stream).await;
        }
        serves_others(&server).await;
    }
}

#[tokio::test]
async fn a_client_that_grants_all_and_reads_nothing_is_let_go() {
    let server = TestServer::with(Http::new().write_time(Duration::from_millis(100))).await;
    let mut frames = Frames::connect(&server, u32::MAX >> 1).await;
    let more = (u32::MAX >> 1) - 65_535;
    let mut flood = call("flood", json!({}));
    flood["params"]["_meta"]["progressToken"] = json!(1);
    frames.send(&[Frame::new(WINDOW_UPDATE, 0, 0, more.to_be_bytes())]).await;
    frames.send(&Frame::post(1, &flood)).await;
    within(server.dropped.notified()).await;
}

#[tokio::test]
async fn continuations_without_end_end_the_connection() {
    let server = TestServer::start().await;
    let mut frames = Frames::connect(&server, 65_535).await;
    let mut attack = Frame::new(HEADERS, END_STREAM, 1, header_block(&[(":method", "GET")])).encode();
    for _ in 0..10_000 {
        attack.extend(Frame::new(CONTINUATION, 0, 1, header_block(&[("x", "y")])).encode());
    }
    _ = frames.stream.write_all(&attack).await;
    if let Some(farewell) = frames.next_of(GO_AWAY).await {
        assert_eq!(farewell.reason(), ENHANCE_YOUR_CALM);
    }
    serves_others(&server).await;
}

#[tokio::test]
async fn one_stream_too_many_is_refused_and_may_come_again() {
    let server = TestServer::with(Http::new().max_concurrent_streams(2)).await;
    let mut frames = Frames::connect(&server, 65_535).await;
    let settings = frames.next_of(SETTINGS).await.unwrap().payload;
    assert!(settings.chunks(6).any(|setting| setting == [0, 3, 0, 0, 0, 2]), "{settings:?}");
    for stream in [1, 3, 5] {
        frames.send(&Frame::post(stream, &hang())).await;
    }
    let refused = frames.next_of(RESET).await.unwrap();
    assert_eq!((refused.stream, refused.reason()), (5, REFUSED_STREAM));
    frames.send(&[Frame::reset(1)]).await;
    within(server.dropped.notified()).await;
    frames.send(&Frame::post(7, &echo("hi"))).await;
    frames.answer(7).await;
}

#[tokio::test]
async fn a_stream_whose_client_grants_no_window_is_reset() {
    let server = TestServer::with(Http::new().write_time(Duration::from_millis(50))).await;
    // Neither at the beginning nor in the middle of an answer; others on the connection live on.
    for window in [0, 20_000] {
        let mut frames = Frames::connect(&server, window).await;
        let message = echo(&"x".repeat(50_000));
        frames.send(&Frame::post(1, &message)).await;
        let mut received = 0;
        loop {
            let frame = frames.next().await.unwrap();
            match frame.kind {
                DATA => received += frame.payload.len(),
                RESET => break,
                _ => {}
            }
        }
        assert_eq!(received, window as usize);
        frames.send(&Frame::post(3, &echo("hi"))).await;
        frames.send(&[Frame::new(WINDOW_UPDATE, 0, 3, 65_535_u32.to_be_bytes())]).await;
        frames.answer(3).await;
    }
}

#[tokio::test]
async fn a_stream_that_is_taken_slowly_is_not_reset() {
    let server = TestServer::with(Http::new().write_time(Duration::from_millis(200))).await;
    let mut frames = Frames::connect(&server, 0).await;
    frames.send(&Frame::post(1, &echo(&"x".repeat(12_000)))).await;
    frames.next_of(HEADERS).await.unwrap();
    // In all three times as long as a piece may wait.
    let mut received = 0;
    let mut times = tokio::time::interval(Duration::from_millis(100));
    let mut is_over = false;
    while !is_over {
        times.tick().await;
        frames.send(&[Frame::new(WINDOW_UPDATE, 0, 1, 2_000_u32.to_be_bytes())]).await;
        let mut granted = 2_000;
        while granted > 0 {
            let frame = frames.next().await.unwrap();
            assert_ne!(frame.kind, RESET);
            if frame.kind == DATA {
                received += frame.payload.len();
                granted -= frame.payload.len();
                is_over = frame.flags & END_STREAM != 0;
                if is_over {
                    break;
                }
            }
        }
    }
    assert!(received > 12_000, "{received}");
}

#[tokio::test]
async fn a_header_list_at_the_limit_is_read_and_one_byte_more_is_refused() {
    let message = echo("hi");
    let size_without = {
        // As section 6.5.2 of RFC 9113 counts.
        let frame = Frame::call(1, &message, &[("x", "")]);
        let mut size = 0;
        let mut block = &frame.payload[..];
        while let [0, name, rest @ ..] = block {
            let rest = &rest[usize::from(*name)..];
            let value = usize::from(rest[0]);
            size += usize::from(*name) + value + 32;
            block = &rest[1 + value..];
        }
        size
    };
    let limit = 2000;
    let server = TestServer::with(Http::new().max_header_bytes(limit)).await;
    for (size, status) in [(limit - 1, "200"), (limit, "200"), (limit + 1, "431")] {
        let mut frames = Frames::connect(&server, 65_535).await;
        let value = "y".repeat(size - size_without);
        frames.send(&[Frame::call(1, &message, &[("x", &value)]), Frame::body(1, &message)]).await;
        let head = frames.next_of(HEADERS).await.unwrap();
        // 200 has a number of its own in the table of headers, 431 is written out.
        let is_served = head.payload[0] == 0x88;
        assert_eq!(if is_served { "200" } else { "431" }, status, "{size}");
    }
}

#[tokio::test]
async fn a_shutdown_answers_what_was_accepted_and_takes_no_more() {
    let server = TestServer::start().await;
    let mut frames = Frames::connect(&server, 65_535).await;
    let listen =
        crate::client::message("subscriptions/listen", json!({"notifications": {"toolsListChanged": true}}));
    let headers = header_block(&[
        (":method", "POST"),
        (":scheme", "http"),
        (":path", "/mcp"),
        (":authority", "localhost"),
        ("content-type", "application/json"),
        ("mcp-protocol-version", "2026-07-28"),
        ("mcp-method", "subscriptions/listen"),
    ]);
    frames.send(&[Frame::new(HEADERS, END_HEADERS, 1, headers), Frame::body(1, &listen)]).await;
    frames.next_of(DATA).await.unwrap();
    // A request that has begun, and is at its end only when the server shuts down.
    frames.send(&[Frame::call(3, &echo("hi"), &[])]).await;
    frames.send(&[Frame::new(PING, 0, 0, [7; 8])]).await;
    frames.next_of(PING).await.unwrap();
    let (address, shutting_down) = (server.address, tokio::spawn(server.shut_down()));
    assert_eq!(frames.next_of(GO_AWAY).await.unwrap().last_stream(), u32::MAX >> 1);
    let ping = frames.next_of(PING).await.unwrap();
    frames.send(&[Frame::new(PING, ACK, 0, ping.payload)]).await;
    assert_eq!(frames.next_of(GO_AWAY).await.unwrap().last_stream(), 3);
    // This one is too late, and its client was told so.
    frames.send(&[Frame::call(5, &hang(), &[]), Frame::body(5, &hang()), Frame::body(3, &echo("hi"))]).await;
    assert_eq!(frames.answer(3).await["result"]["content"][0]["text"], "hi");
    while frames.next().await.is_some() {}
    within(shutting_down).await.unwrap();
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn a_server_that_shuts_down_lives_but_is_not_ready() {
    let server = TestServer::start().await;
    let mut frames = Frames::connect(&server, 65_535).await;
    frames.send(&Frame::post(1, &hang())).await;
    frames.send(&[Frame::new(PING, 0, 0, [7; 8])]).await;
    frames.next_of(PING).await.unwrap();
    let shutting_down = tokio::spawn(server.shut_down());
    // A client that has not acknowledged this yet may still ask.
    frames.next_of(GO_AWAY).await.unwrap();
    for (stream, path, status) in [(3, "/health/ready", "unavailable"), (5, "/health/live", "ok")] {
        let headers = [(":method", "GET"), (":scheme", "http"), (":path", path), (":authority", "localhost")];
        let headers = header_block(&headers);
        frames.send(&[Frame::new(HEADERS, END_HEADERS | END_STREAM, stream, headers)]).await;
        assert_eq!(frames.answer(stream).await, json!({"status": status}), "{path}");
    }
    frames.send(&[Frame::reset(1)]).await;
    drop(frames);
    within(shutting_down).await.unwrap();
}

#[tokio::test]
async fn a_stream_that_outlives_the_drain_does_not_hold_up_the_end() {
    let server = TestServer::with(Http::new().drain_time(Duration::from_millis(50))).await;
    let mut frames = Frames::connect(&server, 65_535).await;
    let mut request = hang();
    request["params"]["_meta"]["progressToken"] = json!(1);
    frames.send(&Frame::post(1, &request)).await;
    frames.next_of(DATA).await.unwrap();
    let dropped = std::sync::Arc::clone(&server.dropped);
    server.shut_down().await;
    within(dropped.notified()).await;
}
