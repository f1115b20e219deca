//! Clients that do not go on: how long each is waited for, to the second.
//!
//! The clock of these tests goes on by itself whenever nothing else does, so that hours pass at once.

use tokio::time::Instant;

use super::*;

/// Says this over a connection of its own, with the defaults, and gives what is answered and after how many
/// seconds the connection ends.
async fn ends_after(gateway: &Gateway, begun: &[u8]) -> (String, u64) {
    let mut stream = connect(gateway).await;
    let began = Instant::now();
    stream.write_all(begun).await.unwrap();
    let mut said = Vec::new();
    let end = tokio::time::timeout(Duration::from_secs(3600), stream.read_to_end(&mut said));
    end.await.expect("the connection ends").unwrap();
    (String::from_utf8_lossy(&said).into_owned(), began.elapsed().as_secs())
}

#[tokio::test(start_paused = true)]
async fn who_does_not_finish_a_head_has_the_time_for_it_and_no_more() {
    let gateway = gateway(GatewaySettings::default()).await;
    for begun in [
        "",
        "G",
        "GET /version HTTP/1.1\r\nHost: x\r\nX-Half",
        "GET /version HTTP/1.1\r\nHost: x\r\nX-Half: 1\r\n",
        // What may still become the preface of HTTP/2.
        "P",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r",
    ] {
        assert_eq!(ends_after(&gateway, begun.as_bytes()).await, (String::new(), 10), "{begun:?}");
    }
    until(|| gateway.figures().connections == 0).await;
    assert_eq!(gateway.figures().requests, 0);
}

#[tokio::test(start_paused = true)]
async fn a_head_that_goes_on_by_drops_has_the_same_time() {
    let gateway = gateway(GatewaySettings::default()).await;
    let mut stream = connect(&gateway).await;
    let began = Instant::now();
    let head = b"GET / HTTP/1.1\r\nHost: shop.localhost\r\n\r\n";
    let mut sent = 0;
    // A byte each second: it never is silent for long.
    for byte in head {
        if stream.write_all(&[*byte]).await.is_err() {
            break;
        }
        sent += 1;
        let mut said = [0];
        match tokio::time::timeout(Duration::from_secs(1), stream.read(&mut said)).await {
            Err(_) => {}
            Ok(end) => {
                assert!(!matches!(end, Ok(1..)), "it was answered");
                break;
            }
        }
    }
    assert!(sent < head.len(), "the whole head was taken");
    assert!((10..=11).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_connection_of_http2_that_asks_for_nothing_ends() {
    let gateway = gateway(GatewaySettings::default()).await;
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    let settings = [0, 0, 0, 4, 0, 0, 0, 0, 0];
    // Headers of a stream that the next frame would have to go on with.
    let half = [&[0, 0, 1, 1, 0, 0, 0, 0, 1][..], &[0x82]].concat();
    for begun in
        [preface.to_vec(), [&preface[..], &settings].concat(), [&preface[..], &settings, &half].concat()]
    {
        let (_, seconds) = ends_after(&gateway, &begun).await;
        // It is told to end first, and has a little time to do so.
        assert!((10..=15).contains(&seconds), "{seconds} s: {begun:?}");
    }
    until(|| gateway.figures().connections == 0).await;
}

#[tokio::test(start_paused = true)]
async fn who_has_been_answered_may_stay_longer() {
    let gateway = gateway(GatewaySettings::default()).await;
    let whole = "GET /__bext/health HTTP/1.1\r\nHost: x\r\n\r\n";
    let (answer, seconds) = ends_after(&gateway, whole.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert_eq!(seconds, 75);

    // But not with half a head.
    let mut stream = connect(&gateway).await;
    stream.write_all(whole.as_bytes()).await.unwrap();
    read_head(&mut stream).await;
    let mut text = [0; 16];
    stream.read_exact(&mut text).await.unwrap();
    tokio::time::advance(Duration::from_secs(60)).await;
    let began = Instant::now();
    stream.write_all(b"GET / HTTP/1.1\r\nX-Half").await.unwrap();
    assert_eq!(read_all_of(&mut stream).await, "");
    assert_eq!(began.elapsed().as_secs(), 10);
}

/// As [`read_all`], with the patience of hours.
async fn read_all_of(stream: &mut TcpStream) -> String {
    let mut said = Vec::new();
    let _ = stream.read_to_end(&mut said).await;
    String::from_utf8_lossy(&said).into_owned()
}
