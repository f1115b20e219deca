//! Whether an app answers: one request at a time, over a connection of its own.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::HealthCheck;

/// How often it is asked at first, so that a fast app is ready at once; and later, so that a slow one is left alone.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_millis(250);
/// How much of an answer is read, so that an app does not see its client leave in the middle.
const MAX_ANSWER_BYTES: usize = 64 << 10;
const MAX_ANSWER_TIME: Duration = Duration::from_millis(200);
/// A longer time to become well is this time: the clock does not reach everywhere.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// Why an app does not count as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unwell {
    /// Nothing accepts connections.
    NotListening,
    /// It accepts, and says nothing.
    Silent,
    /// It says something that is no answer.
    NoAnswer,
    /// It answers with something else than 2xx and 3xx.
    Answered(StatusCode),
    /// The path to ask for is none.
    BadPath,
}

impl Unwell {
    /// As a sentence.
    pub(super) fn describe(self, path: &str, port: u16) -> String {
        match self {
            Self::NotListening => format!("nothing listened at HOST and PORT (127.0.0.1:{port})"),
            Self::Silent => format!("GET {path} was not answered"),
            Self::NoAnswer => format!("GET {path} was not answered in HTTP/1.1"),
            Self::Answered(status) => format!("GET {path} was answered with {}", status.as_u16()),
            Self::BadPath => {
                format!("the path of the health check, {path:?}, is none: it begins with / and has no blanks")
            }
        }
    }

    /// As a sentence about the time that was waited.
    pub(super) fn describe_over(self, path: &str, port: u16, time: Duration) -> String {
        let what = self.describe(path, port);
        match self {
            Self::NotListening | Self::Silent | Self::NoAnswer => format!("{what} within {}", Seconds(time)),
            Self::Answered(_) => format!("{what} for {}", Seconds(time)),
            Self::BadPath => what,
        }
    }
}

/// A duration as people read it: `10 s`, `2.5 s`, `100 ms`.
pub(super) struct Seconds(pub(super) Duration);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 < Duration::from_secs(1) {
            write!(f, "{} ms", self.0.as_millis())
        } else {
            write!(f, "{} s", (self.0.as_secs_f64() * 10.0).round() / 10.0)
        }
    }
}

/// Waits until an app that was started then is well; or says what it did last, when its time is over.
pub(super) async fn ready(check: &HealthCheck, port: u16, started: Instant) -> Result<(), Unwell> {
    let deadline = started + check.timeout.min(LONGEST);
    let mut last = Unwell::NotListening;
    let mut pause = FIRST_PAUSE;
    loop {
        last = match timeout_at(deadline, ask(&check.path, port)).await {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(Unwell::BadPath)) => return Err(Unwell::BadPath),
            Ok(Err(unwell)) => unwell,
            // What it answered before says more than that it was asked once more just now.
            Err(_) if matches!(last, Unwell::Answered(_)) => return Err(last),
            Err(_) => return Err(Unwell::Silent),
        };
        if Instant::now() + pause >= deadline {
            return Err(last);
        }
        sleep(pause).await;
        pause = (pause * 3 / 2).min(LONGEST_PAUSE);
    }
}

/// Asks once, for so long.
pub(super) async fn probe(check: &HealthCheck, port: u16, limit: Duration) -> Result<(), Unwell> {
    timeout_at(Instant::now() + limit, ask(&check.path, port)).await.unwrap_or(Err(Unwell::Silent))
}

async fn ask(path: &str, port: u16) -> Result<(), Unwell> {
    if !path.starts_with('/') {
        return Err(Unwell::BadPath);
    }
    let request = Request::get(path)
        .header(header::HOST, format!("localhost:{port}"))
        .header(header::USER_AGENT, "bext-health")
        .header(header::ACCEPT, "*/*")
        .header(header::CONNECTION, "close")
        .body(Empty::<Bytes>::new())
        .map_err(|_| Unwell::BadPath)?;
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let stream = TcpStream::connect(address).await.map_err(|_| Unwell::NotListening)?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|_| Unwell::NoAnswer)?;
    let exchange = async {
        let response = sender.send_request(request).await.map_err(|_| Unwell::NoAnswer)?;
        let status = response.status();
        // What is answered is known; an answer without an end, as of a stream of events, is not waited for.
        let _ = timeout(MAX_ANSWER_TIME, read_some(response.into_body())).await;
        if status.is_success() || status.is_redirection() { Ok(()) } else { Err(Unwell::Answered(status)) }
    };
    tokio::pin!(connection, exchange);
    let mut is_open = true;
    loop {
        tokio::select! {
            outcome = &mut exchange => return outcome,
            // When the connection ends, what it brought is still read.
            _ = &mut connection, if is_open => is_open = false,
        }
    }
}

async fn read_some(mut body: Incoming) {
    let mut read = 0;
    while read < MAX_ANSWER_BYTES
        && let Some(Ok(frame)) = body.frame().await
    {
        read += frame.data_ref().map_or(0, Bytes::len);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on says why")]

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    #[test]
    fn what_is_wrong_is_a_sentence() {
        let said = |unwell: Unwell| unwell.describe_over("/up", 20_000, Duration::from_millis(2500));
        assert_eq!(
            said(Unwell::NotListening),
            "nothing listened at HOST and PORT (127.0.0.1:20000) within 2.5 s"
        );
        assert_eq!(said(Unwell::Answered(StatusCode::NOT_FOUND)), "GET /up was answered with 404 for 2.5 s");
        assert_eq!(said(Unwell::Silent), "GET /up was not answered within 2.5 s");
        assert_eq!(Seconds(Duration::from_secs(10)).to_string(), "10 s");
        assert_eq!(Seconds(Duration::from_millis(100)).to_string(), "100 ms");
    }

    #[tokio::test]
    async fn a_path_that_is_none_is_said_at_once() {
        for path in ["", "up", "/a b", "http://elsewhere/"] {
            let check = HealthCheck { path: path.to_owned(), timeout: Duration::from_secs(60) };
            assert_eq!(ready(&check, 1, Instant::now()).await, Err(Unwell::BadPath), "{path}");
        }
    }

    /// Answers each connection with these bytes, and then holds it open.
    async fn served(answer: &'static [u8]) -> (u16, tokio::task::JoinHandle<()>) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let task = tokio::spawn(async move {
            let mut held = Vec::new();
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut request = [0; 1024];
                assert!(stream.read(&mut request).await.unwrap() > 0);
                stream.write_all(answer).await.unwrap();
                held.push(stream);
            }
        });
        (port, task)
    }

    #[tokio::test]
    async fn an_answer_counts_before_its_end() {
        let check = HealthCheck { path: "/".to_owned(), timeout: Duration::from_secs(60) };
        for (answer, expected) in [
            (&b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n"[..], Ok(())),
            (b"HTTP/1.0 204 No Content\r\n\r\n", Ok(())),
            (b"HTTP/1.1 308 Elsewhere\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n", Ok(())),
            (
                b"HTTP/1.1 404 Not Found\r\nContent-Length: 100\r\n\r\n",
                Err(Unwell::Answered(StatusCode::NOT_FOUND)),
            ),
            (b"\x15\x03\x01\x00\x02\x02\x46 no HTTP at all\r\n\r\n", Err(Unwell::NoAnswer)),
        ] {
            let (port, task) = served(answer).await;
            assert_eq!(probe(&check, port, Duration::from_secs(60)).await, expected);
            task.abort();
        }
    }

    #[tokio::test]
    async fn a_time_without_end_is_no_trap() {
        let (port, task) = served(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
        let check = HealthCheck { path: "/".to_owned(), timeout: Duration::MAX };
        assert_eq!(ready(&check, port, Instant::now()).await, Ok(()));
        task.abort();
    }
}
