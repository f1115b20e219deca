//! A release at work: what answers its requests, and what has to be stopped when it is done.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::watch;

use super::gateway::{Backend, Target};
use super::process::{Process, ProcessStatus};
use super::site::Site;
use super::source::Artifact;
use crate::bext::engine::Version;

/// A release at work. Dropping it ends it at once; [`retire`](Self::retire) in good order.
#[derive(Debug)]
pub(crate) struct Running {
    place: Place,
    version: Version,
    backend: Arc<Backend>,
    work: Work,
}

/// Which of all releases at work, past ones too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place(u64);

#[derive(Debug)]
enum Work {
    Site {
        site: Arc<Site>,
        artifact: Artifact,
        /// Whether its files were not there when they were last looked at.
        is_lost: bool,
    },
    Process {
        process: Process,
        /// Held so that its files stay.
        _artifact: Artifact,
    },
    /// It should run and does not: the node was started, and it was not yet or does not.
    Down {
        /// Why; none while it is being started for the first time.
        reason: Option<String>,
        /// What requests wait for.
        address: watch::Sender<Option<SocketAddr>>,
    },
}

impl Running {
    pub(crate) fn of_site(version: Version, site: Site, artifact: Artifact) -> Self {
        let site = Arc::new(site);
        Self::new(version, Target::Site(site.clone()), Work::Site { site, artifact, is_lost: false })
    }

    pub(crate) fn of_process(version: Version, process: Process, artifact: Artifact) -> Self {
        let target = Target::Process(process.address());
        Self::new(version, target, Work::Process { process, _artifact: artifact })
    }

    /// One that is on its way, whose requests wait for it.
    pub(crate) fn down(version: Version) -> Self {
        let (address, waiting) = watch::channel(None);
        Self::new(version, Target::Process(waiting), Work::Down { reason: None, address })
    }

    fn new(version: Version, target: Target, work: Work) -> Self {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let place = Place(COUNT.fetch_add(1, Ordering::Relaxed));
        let backend = Arc::new(Backend::new(&version, target));
        Self { place, version, backend, work }
    }

    pub(crate) fn place(&self) -> Place {
        self.place
    }

    pub(crate) fn backend(&self) -> &Arc<Backend> {
        &self.backend
    }

    /// The site whose files answer, if it is one.
    pub(crate) fn site(&self) -> Option<&Site> {
        match &self.work {
            Work::Site { site, .. } => Some(site),
            Work::Process { .. } | Work::Down { .. } => None,
        }
    }

    /// How its process is, if it has one.
    pub(crate) fn process(&self) -> Option<ProcessStatus> {
        match &self.work {
            Work::Process { process, .. } => Some(process.status()),
            Work::Site { .. } | Work::Down { .. } => None,
        }
    }

    /// How it is.
    pub(crate) fn condition(&self) -> Condition {
        match &self.work {
            Work::Site { is_lost: false, .. } => Condition::Well,
            Work::Site { is_lost: true, .. } => {
                Condition::Troubled("its files are gone; deploy it again".to_owned())
            }
            Work::Process { process, .. } => {
                process.status().trouble.map_or(Condition::Well, Condition::Troubled)
            }
            Work::Down { reason: None, .. } => Condition::Starting,
            Work::Down { reason: Some(reason), .. } => Condition::Troubled(reason.clone()),
        }
    }

    /// Whether it should run and does not.
    pub(crate) fn is_down(&self) -> bool {
        matches!(self.work, Work::Down { .. })
    }

    /// Says why it does not run, of one that should.
    pub(crate) fn set_reason(&mut self, why: String) {
        if let Work::Down { reason, .. } = &mut self.work {
            *reason = Some(why);
        }
    }

    /// Becomes ready when one that should run has no place any more.
    pub(crate) fn given_up(&self) -> impl Future<Output = ()> + Send + use<> {
        let waiting = match &self.work {
            Work::Down { address, .. } => Some(address.subscribe()),
            Work::Site { .. } | Work::Process { .. } => None,
        };
        async move {
            match waiting {
                Some(mut waiting) => while waiting.changed().await.is_ok() {},
                None => std::future::pending().await,
            }
        }
    }

    /// Where its files lie, if that is all that there is of it.
    pub(crate) fn files(&self) -> Option<&Path> {
        match &self.work {
            Work::Site { artifact, .. } => Some(&artifact.directory),
            Work::Process { .. } | Work::Down { .. } => None,
        }
    }

    /// Notes whether its files are gone.
    pub(crate) fn set_lost(&mut self, lost: bool) {
        if let Work::Site { is_lost, .. } = &mut self.work {
            *is_lost = lost;
        }
    }

    /// Hands the requests that wait for this one to the one that takes its place.
    pub(crate) fn hand_over(&self, to: &Self) {
        if let (Work::Down { address, .. }, Work::Process { process, .. }) = (&self.work, &to.work) {
            address.send_replace(*process.address().borrow());
        }
    }

    /// Lets what is under way be answered, for `drain` at most, and ends it.
    pub(crate) async fn retire(self, drain: Duration, grace: Duration) {
        let cut = self.backend.drain(drain).await;
        if cut > 0 {
            tracing::warn!(version = %self.version, cut, "requests were cut off: they took longer than the time to drain");
        }
        self.stop(grace).await;
    }

    /// Ends it, whatever is under way.
    pub(crate) async fn stop(self, grace: Duration) {
        if let Work::Process { process, _artifact } = self.work {
            process.stop(grace).await;
        }
    }
}

/// How a release at work is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Condition {
    /// It answers.
    Well,
    /// It is being started, as the node was.
    Starting,
    /// It does not run, or not well; and why.
    Troubled(String),
}
