//! One connection of a client: HTTP/1.1 or HTTP/2, whichever its first bytes ask for, for as long as
//! something happens.

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use http::{Request, Version};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::activity::{Activity, Noted};
use super::settings::GatewaySettings;
use super::shared::{Phase, Shared};
use super::stack::Stack;
use super::streams::Streams;
use super::visit::Visit;

/// How long a connection that was told to end may take to do so.
const ENDING_TIME: Duration = Duration::from_secs(5);
/// What one client may have under way over one connection of HTTP/2.
const MAX_STREAMS: u32 = 256;

/// Serves a connection until its client is done with it, nothing happens on it for too long, or the gateway
/// closes.
pub(super) async fn serve(stream: TcpStream, from: SocketAddr, stack: Stack, shared: Arc<Shared>) {
    let _open = shared.counters.connection();
    // Small responses must not wait for the acknowledgement of the one before.
    if let Err(error) = stream.set_nodelay(true) {
        return tracing::debug!(%error, "a connection was gone at once");
    }
    let activity = Activity::new();
    let builder = builder(&shared.settings());
    let service = service_fn(|mut request: Request<Incoming>| {
        if request.version() == Version::HTTP_2 {
            activity.has_http2();
        }
        let (from, settings, activity) = (from.ip(), shared.settings(), activity.clone());
        request.extensions_mut().insert(Visit { from, settings, activity });
        stack.answer(request)
    });
    let stream = TokioIo::new(Noted::new(stream, activity.clone()));
    let mut connection = pin!(builder.serve_connection_with_upgrades(stream, service));
    let mut phase = shared.phase();
    let mut closing = pin!(async move { phase.wait_for(|phase| *phase != Phase::Serving).await.is_ok() });
    // By what is set now: a request may have begun under other settings than its connection.
    let deadline = || activity.deadline(&shared.settings.borrow());
    let mut timer = pin!(tokio::time::sleep_until(deadline()));

    let ending = std::future::poll_fn(|context| {
        // First the connection, so that a request which has just come counts.
        if let Poll::Ready(result) = connection.as_mut().poll(context) {
            return Poll::Ready(Ending::Done(result));
        }
        if closing.as_mut().poll(context).is_ready() {
            return Poll::Ready(Ending::Closing);
        }
        loop {
            let deadline = deadline();
            // A timer that is too early costs less than one that is set anew for each request.
            if deadline < timer.deadline() {
                timer.as_mut().reset(deadline);
            }
            if timer.as_mut().poll(context).is_pending() {
                return Poll::Pending;
            }
            if deadline <= Instant::now() {
                return Poll::Ready(if activity.is_idle() { Ending::Idle } else { Ending::Stalled });
            }
            timer.as_mut().reset(deadline);
        }
    })
    .await;

    let result = match ending {
        Ending::Done(result) => result,
        Ending::Stalled => return tracing::debug!("a client took nothing of a response for too long"),
        // Over HTTP/1.1 there is nothing to be said.
        Ending::Idle if !activity.speaks_http2() => {
            return tracing::debug!("a connection was idle for too long");
        }
        Ending::Idle | Ending::Closing => {
            connection.as_mut().graceful_shutdown();
            loop {
                // With nothing under way there is little time for it: the client may have half a request
                // written, and never write the other half.
                let wake = match activity.is_idle() {
                    true => Instant::now() + ENDING_TIME,
                    false => deadline(),
                };
                tokio::select! {
                    result = connection.as_mut() => break result,
                    () = tokio::time::sleep_until(wake) => {
                        if activity.is_idle() || deadline() <= Instant::now() {
                            return tracing::debug!("a connection did not end in time");
                        }
                    }
                }
            }
        }
    };
    if let Err(error) = result {
        tracing::debug!(%error, "a connection ended");
    }
}

enum Ending<R> {
    /// By itself.
    Done(R),
    /// The gateway closes: what is under way is the last.
    Closing,
    /// Nothing is under way, and nothing came.
    Idle,
    /// A request is under way, and nothing moves.
    Stalled,
}

fn builder(settings: &GatewaySettings) -> auto::Builder<Streams> {
    let mut builder = auto::Builder::new(Streams::new(settings.patience()));
    builder
        .http1()
        .timer(TokioTimer::new())
        // The deadlines of a connection are its activity's: hyper's own would make a timer for each request,
        // and would hold a connection between two requests to the same time as one within a head.
        .header_read_timeout(None)
        .max_buf_size(settings.max_header_bytes);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(MAX_STREAMS)
        .max_header_list_size(u32::try_from(settings.max_header_bytes).unwrap_or(u32::MAX))
        // Tells a client that has nothing to say from one that is not there any more.
        .keep_alive_interval(settings.keep_alive)
        .keep_alive_timeout(ENDING_TIME);
    builder
}
