//! Accepts connections until it is told to stop, and then lets what is under way end.

use std::convert::Infallible;
use std::io;
use std::net::TcpListener;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::answers::Answers;
use super::stopping::Stopping;
use super::{Ending, SampleApp};

/// How long what is under way may take after it was told to stop.
const DRAIN: Duration = Duration::from_secs(10);

/// How long a connection may be without a request. It is longer than a proxy keeps one that it does not use, so that it
/// is the proxy that closes it, and never in the moment in which it sends another request.
const IDLE: Duration = Duration::from_secs(300);

/// Connections at a time; more wait until they are accepted.
const MOST_CONNECTIONS: usize = 1024;

/// How long it waits before it accepts again, when there are no descriptors left.
const BREATHER: Duration = Duration::from_millis(50);

/// How long an answer may take on its way out before the process crashes nevertheless.
const CRASH_DELAY: Duration = Duration::from_secs(1);

pub(super) async fn serve(
    app: SampleApp,
    listener: TcpListener,
    stop: impl Future<Output = ()>,
) -> io::Result<Ending> {
    listener.set_nonblocking(true)?;
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let (stopping, stopped) = watch::channel(false);
    let (crash, mut crashed) = mpsc::channel(1);
    // Each piece of work holds a sender, and nothing is ever sent: when the last is gone, nothing is under way.
    let (working, mut idle) = mpsc::channel::<Infallible>(1);
    let answers = Arc::new(Answers::new(app, Stopping::of(stopped.clone()), working.clone()));
    let room = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    // When it is dropped, after a crash, its connections are cut.
    let mut connections = JoinSet::new();

    let mut stop = pin!(stop);
    loop {
        let accepted = async {
            let place = room.clone().acquire_owned().await;
            (place, listener.accept().await)
        };
        tokio::select! {
            () = &mut stop => break,
            _ = crashed.recv() => return Ok(Ending::Crashed),
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
            (place, accepted) = accepted => match accepted {
                Ok((stream, _)) => {
                    let connection = Connection {
                        answers: answers.clone(),
                        stopping: Stopping::of(stopped.clone()),
                        crash: crash.clone(),
                    };
                    let working = working.clone();
                    connections.spawn(async move {
                        let _held = (place, working);
                        connection.serve(stream).await;
                    });
                }
                Err(_) => sleep(BREATHER).await,
            },
        }
    }

    // The port is free for the next one from here on.
    drop(listener);
    drop((answers, working));
    let _ = stopping.send(true);
    tokio::select! {
        _ = timeout(DRAIN, idle.recv()) => Ok(Ending::Stopped),
        _ = crashed.recv() => Ok(Ending::Crashed),
    }
}

/// What a connection needs.
#[derive(Debug)]
struct Connection {
    answers: Arc<Answers>,
    stopping: Stopping,
    crash: mpsc::Sender<()>,
}

impl Connection {
    async fn serve(self, stream: TcpStream) {
        // Small answers go out at once.
        let _ = stream.set_nodelay(true);
        let (answers, crash) = (self.answers, self.crash);
        let (asked_to_crash, mut to_crash) = watch::channel(false);
        let service = service_fn(move |request| {
            let (answers, asked_to_crash) = (answers.clone(), asked_to_crash.clone());
            async move {
                let answer = answers.answer(request).await;
                if answer.crash {
                    asked_to_crash.send_replace(true);
                }
                Ok::<_, Infallible>(answer.response)
            }
        });
        let mut connection = pin!(
            http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(IDLE)
                .serve_connection(TokioIo::new(stream), service)
                .with_upgrades()
        );
        let crashing = async {
            if to_crash.wait_for(|asked| *asked).await.is_ok() {
                sleep(CRASH_DELAY).await;
            } else {
                std::future::pending().await
            }
        };
        let mut stopping = self.stopping;
        // A connection that breaks off concerns the client, who knows.
        tokio::select! {
            _ = connection.as_mut() => {}
            () = crashing => {}
            () = stopping.wait() => {
                connection.as_mut().graceful_shutdown();
                let _ = connection.as_mut().await;
            }
        }
        if *to_crash.borrow() {
            let _ = crash.send(()).await;
        }
    }
}
