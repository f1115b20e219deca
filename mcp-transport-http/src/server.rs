//! A server of its own: accepts connections, keeps each within its limits, and shuts down in good order.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    pin::pin,
    sync::Arc,
    time::Duration,
};

use mcp_core::{Endpoint, Signal};
use tokio::{
    net::{TcpListener, TcpStream},
    signal::unix::{SignalKind, signal},
    sync::{Semaphore, oneshot},
    task::JoinSet,
};

use crate::{Http, HttpService, ServeError, connection, descriptors, routes::Door};

/// A server that is listening, made by [`Http::bind`]; nothing is answered until it [runs](Self::run).
#[derive(Debug)]
pub struct HttpServer {
    listener: TcpListener,
    address: SocketAddr,
    /// Where figures are served by themselves.
    metrics: Option<TcpListener>,
    service: HttpService,
    /// How many there are descriptors for.
    max_connections: usize,
}

impl HttpServer {
    pub(crate) async fn with_options(
        endpoint: Endpoint,
        address: &str,
        options: Http,
    ) -> Result<Self, ServeError> {
        // Here no layer can stand in front.
        if !options.is_open_to_somebody() {
            return Err(ServeError::NoAuthentication);
        }
        let (listener, address) = listen(address, &options).await?;
        let metrics = match &options.metrics_address {
            Some(address) => Some(listen(address, &options).await?.0),
            None => None,
        };
        let max_connections = descriptors::room_for(options.max_connections);
        let service = HttpService::with_options(endpoint, options);
        Ok(Self { listener, address, metrics, service, max_connections })
    }

    /// Where figures are read that have an address of their own, such as `http://127.0.0.1:9464/metrics`.
    pub fn metrics_url(&self) -> Option<String> {
        let address = self.metrics.as_ref()?.local_addr().ok()?;
        Some(format!("http://{address}/metrics"))
    }

    /// The next connection, whichever way it comes in.
    async fn accept(&self) -> io::Result<(TcpStream, IpAddr, Door)> {
        let figures = async {
            match &self.metrics {
                Some(listener) => listener.accept().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            accepted = self.listener.accept() => accepted.map(|(stream, peer)| (stream, peer.ip(), Door::Endpoint)),
            accepted = figures => accepted.map(|(stream, peer)| (stream, peer.ip(), Door::Metrics)),
        }
    }

    /// Where it listens.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Where clients find it, such as `http://127.0.0.1:8080/mcp`.
    pub fn url(&self) -> String {
        format!("http://{}{}", self.address, self.service.options().path)
    }

    /// Serves until SIGTERM or SIGINT, then ends subscriptions and lets requests finish for
    /// [`drain_time`](Http::drain_time). A second signal cuts the waiting short.
    ///
    /// # Errors
    ///
    /// Signals that cannot be listened for.
    pub async fn run(self) -> Result<(), ServeError> {
        let mut terminate = signal(SignalKind::terminate()).map_err(ServeError::Signal)?;
        let mut interrupt = signal(SignalKind::interrupt()).map_err(ServeError::Signal)?;
        let (first, end) = oneshot::channel::<()>();
        let signals = async {
            let mut next = async || {
                tokio::select! {
                    _ = terminate.recv() => {}
                    _ = interrupt.recv() => {}
                }
            };
            next().await;
            _ = first.send(());
            next().await;
        };
        tokio::select! {
            () = self.run_until(async { _ = end.await }) => {}
            () = signals => tracing::debug!("cut short by a second signal"),
        }
        Ok(())
    }

    /// Serves until `end` is ready, then shuts down as [`run`](Self::run) does.
    pub async fn run_until(self, end: impl Future<Output = ()>) {
        let options = self.service.options().clone();
        let places = Arc::new(Semaphore::new(self.max_connections.min(Semaphore::MAX_PERMITS)));
        let closing = Signal::new();
        let mut connections = JoinSet::new();
        let mut end = pin!(end);
        loop {
            let accepting = async {
                // A connection beyond the limit waits in the kernel's queue.
                let place = Arc::clone(&places).acquire_owned().await;
                (self.accept().await, place)
            };
            tokio::select! {
                () = &mut end => break,
                (accepted, place) = accepting => match accepted {
                    Ok((stream, peer, door)) => {
                        let service = self.service.clone();
                        let open = service.figures().connection();
                        let serving = connection::serve(stream, (peer, door), service, closing.clone());
                        connections.spawn(async move {
                            serving.await;
                            drop((open, place));
                        });
                    }
                    Err(error) => rest_after(&error).await,
                },
                Some(_) = connections.join_next() => {}
            }
            // All that have ended, and not one for each that comes: what has ended must not pile up.
            while connections.try_join_next().is_some() {}
        }
        drop((self.listener, self.metrics));
        self.service.close();
        closing.raise();
        let drained = async {
            while connections.join_next().await.is_some() {}
            self.service.settled().await;
        };
        if tokio::time::timeout(options.drain_time, drained).await.is_err() {
            tracing::warn!(connections = connections.len(), "requests were still running at the end");
        }
    }
}

/// Listens on an address of the form `HOST:PORT`, if it is one that may be listened on.
async fn listen(address: &str, options: &Http) -> Result<(TcpListener, SocketAddr), ServeError> {
    let wrong = |source| ServeError::Address { address: address.to_owned(), source };
    let mut found = tokio::net::lookup_host(address).await.map_err(wrong)?;
    let address = found.next().ok_or_else(|| wrong(io::Error::other("the host has no address")))?;
    if !address.ip().to_canonical().is_loopback() && !options.beyond_loopback {
        return Err(ServeError::BeyondLoopback(address));
    }
    let failed = |source| ServeError::Bind { address, source };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    Ok((listener, address))
}

/// Waits before the next connection where this one failed for want of descriptors or memory.
async fn rest_after(error: &io::Error) {
    let is_clients_own = matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionRefused
    );
    if !is_clients_own {
        tracing::error!(%error, "a connection could not be accepted");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
