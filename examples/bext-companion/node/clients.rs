//! Those who connect to the node: what each wants, and what it gets.

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
    runtime::Handle,
    sync::OnceCell,
    task::{spawn_blocking, yield_now},
    time::timeout,
};
use toolpack::{
    Endpoint, Principal, Signal, TransportKind,
    bext::engine::{Engines, InstanceHealth, InstanceId, InstanceStatus, ListApps, ListInstances},
    stdio::Sockets,
};

use super::{
    About,
    opening::{Answer, InstanceLine, Opening, Status, Want},
    socket::is_trusted,
};
use crate::{
    Failure,
    args::{Flags, HttpArgs},
    causes::with_causes,
    listening::{self, Listening},
    serving::{self, Callers},
};

/// How long somebody who has connected may take to say what it wants, and to take the answer.
const OPENING_TIME: Duration = Duration::from_secs(5);

/// How long requests may go on once their client has ended its input, as with standard input and output.
const DRAIN_TIME: Duration = Duration::from_secs(5);

/// How long is waited for somebody to hang up.
const PARTING_TIME: Duration = Duration::from_millis(500);

/// A server, made when the first asks for it.
type Lazy = Arc<OnceCell<Endpoint>>;

/// What every connection has at hand.
#[derive(Debug)]
pub(super) struct Clients {
    about: About,
    data: PathBuf,
    engines: Engines,
    /// Where HTTP is served.
    many: Handle,
    endpoints: Mutex<HashMap<(Flags, Callers), Lazy>>,
    /// Raised by whoever wants the node to end.
    ending: Signal,
    /// Raised when nobody finds the node any more, and those who are connected are to come to an end.
    closing: Signal,
    connected: AtomicUsize,
}

impl Clients {
    pub(super) fn new(
        about: About,
        data: PathBuf,
        (engines, many): (Engines, Handle),
        ending: Signal,
    ) -> Self {
        let (endpoints, closing) = (Mutex::default(), Signal::new());
        Self { about, data, engines, many, endpoints, ending, closing, connected: AtomicUsize::new(0) }
    }

    /// Has all come to an end, each in its time.
    pub(super) fn close(&self) {
        self.closing.raise();
    }

    /// Serves one until it is gone, or the node ends.
    pub(super) async fn serve(&self, mut stream: UnixStream) {
        match stream.peer_cred().map(|peer| peer.uid()) {
            Ok(uid) if is_trusted(uid) => {}
            Ok(uid) => return tracing::warn!(uid, "a connection of another user was refused"),
            Err(error) => {
                return tracing::warn!(%error, "a connection was refused: whose it is cannot be told");
            }
        }
        let read = tokio::select! {
            read = timeout(OPENING_TIME, Opening::read(&mut stream)) => read,
            // Without an answer, so that it asks the node after this one.
            () = self.closing.raised() => return,
        };
        let opening = match read {
            Ok(Ok(opening)) => opening,
            Ok(Err(why)) => return self.refuse(stream, why).await,
            Err(_) => {
                return self.refuse(stream, format!("no first line came in {OPENING_TIME:?}")).await;
            }
        };
        tracing::debug!(want = ?opening.want, "somebody has connected");
        let flags = opening.flags();
        match opening.want {
            Want::Mcp => self.serve_mcp(stream, flags).await,
            Want::Http => match opening.http {
                Some(http) => self.serve_http(stream, http, flags).await,
                None => self.refuse(stream, "http has to say where to listen".to_owned()).await,
            },
            Want::Status => {
                let status = Some(self.status().await);
                self.answer(&mut stream, &Answer { status, ..Answer::yes(&self.about) }).await;
            }
            Want::Stop => {
                self.answer(&mut stream, &Answer::yes(&self.about)).await;
                self.ending.raise();
            }
        }
    }

    async fn serve_mcp(&self, mut stream: UnixStream, flags: Flags) {
        let endpoint = match self.endpoint(flags, Callers::OneUser).await {
            Ok(endpoint) => endpoint,
            Err(error) => return self.refuse(stream, with_causes(error.as_ref())).await,
        };
        let _connected = Connected::new(&self.connected);
        if !self.answer(&mut stream, &Answer::yes(&self.about)).await {
            return;
        }
        // A client may leave its answers unread for as long as it likes, as it may those of a process of its own.
        let sockets = Sockets::new().drain_time(DRAIN_TIME).write_time(Duration::MAX);
        let (local, end) = (Principal::local(), self.closing.raised());
        let served = sockets.serve_stream_until(endpoint, stream, local, TransportKind::Unix, end).await;
        if let Err(error) = served {
            tracing::debug!(error = with_causes(&error), "a connection ended");
        }
    }

    async fn serve_http(&self, mut stream: UnixStream, http: HttpArgs, flags: Flags) {
        let has_keys = !http.no_auth;
        let listening = async {
            let endpoint = self.endpoint(flags, Callers::Told).await?;
            let data = self.data.clone();
            self.many.spawn(async move { listening::listen(&http, endpoint, &data).await }).await?
        };
        let Listening { server, said } = match listening.await {
            Ok(listening) => listening,
            Err(error) => return self.refuse(stream, with_causes(error.as_ref())).await,
        };
        let _connected = Connected::new(&self.connected);
        let keys_for = has_keys.then(|| server.url());
        if !self.answer(&mut stream, &Answer { said: Some(said), keys_for, ..Answer::yes(&self.about) }).await
        {
            return;
        }
        let address = server.local_addr();
        tracing::info!(%address, "listening");
        let end = Signal::new();
        let ended = end.clone();
        let serving = self.many.spawn(server.run_until(async move { ended.raised().await }));
        tokio::select! {
            // It has nothing more to say, so whatever comes is its end.
            _ = stream.read_u8() => {}
            () = self.closing.raised() => {}
        }
        end.raise();
        match serving.await {
            Ok(()) => tracing::info!(%address, "no longer listening"),
            Err(error) => tracing::error!(%error, %address, "serving failed"),
        }
        part_from(stream).await;
    }

    /// The server for these flags. Those of equal flags share one.
    async fn endpoint(&self, flags: Flags, callers: Callers) -> Result<Endpoint, Failure> {
        let cell = {
            // What is in there is complete at any moment, so a panic elsewhere leaves it good.
            let mut endpoints = self.endpoints.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(endpoints.entry((flags, callers)).or_default())
        };
        let make = async || {
            let (engines, data) = (self.engines.clone(), self.data.clone());
            spawn_blocking(move || serving::endpoint(engines, &data, flags, callers)).await?
        };
        cell.get_or_try_init(make).await.cloned()
    }

    async fn status(&self) -> Status {
        let clients = self.connected.load(Ordering::Relaxed);
        match self.instances().await {
            Ok(instances) => Status { instances, trouble: None, clients },
            Err(error) => Status { instances: Vec::new(), trouble: Some(with_causes(&error)), clients },
        }
    }

    async fn instances(&self) -> Result<Vec<InstanceLine>, toolpack::bext::engine::Error> {
        let mut lines = Vec::new();
        let mut options = ListInstances::default();
        loop {
            let page = self.engines.instances.list(options).await?;
            for InstanceStatus { id, url, status, .. } in page.instances {
                let status = match status {
                    InstanceHealth::Healthy => "healthy",
                    InstanceHealth::Degraded => "degraded",
                    InstanceHealth::Unreachable => "unreachable",
                };
                let apps = self.apps(&id).await?;
                let url = url.map(|url| url.as_str().to_owned());
                lines.push(InstanceLine { id: id.to_string(), url, status: status.to_owned(), apps });
            }
            match page.next_cursor {
                Some(cursor) => options = ListInstances::default().with_cursor(Some(cursor)),
                None => return Ok(lines),
            }
        }
    }

    /// How many apps an instance has.
    async fn apps(&self, instance: &InstanceId) -> Result<Option<usize>, toolpack::bext::engine::Error> {
        let Some(apps) = &self.engines.apps else { return Ok(None) };
        let mut count = 0;
        let mut cursor = None;
        loop {
            let page = apps.list_apps(instance, ListApps::default().with_cursor(cursor)).await?;
            count += page.apps.len();
            cursor = page.next_cursor;
            if cursor.is_none() {
                return Ok(Some(count));
            }
        }
    }

    async fn refuse(&self, mut stream: UnixStream, why: String) {
        tracing::warn!(why, "a connection was refused");
        // What still comes is not read: it may have no end.
        self.answer(&mut stream, &Answer::no(&self.about, why)).await;
    }

    /// Whether it was taken.
    async fn answer(&self, stream: &mut UnixStream, answer: &Answer) -> bool {
        match timeout(OPENING_TIME, answer.send(stream)).await {
            Ok(Ok(())) => true,
            Ok(Err(error)) => {
                tracing::debug!(%error, "an answer could not be sent");
                false
            }
            Err(_) => false,
        }
    }
}

/// Says that nothing more comes, and leaves it to the other end to hang up: by that it sees that this is no accident.
async fn part_from(mut stream: UnixStream) {
    let parting = async {
        stream.shutdown().await?;
        while stream.read(&mut [0; 4096]).await? > 0 {
            // One that sends without end must not keep the time from running out.
            yield_now().await;
        }
        std::io::Result::Ok(())
    };
    if !matches!(timeout(PARTING_TIME, parting).await, Ok(Ok(()))) {
        tracing::trace!("a connection was cut");
    }
}

/// One more who is connected, as long as it lives.
struct Connected<'a>(&'a AtomicUsize);

impl<'a> Connected<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Connected<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
