//! The instances of a data directory, and whether their stores open and answer.

use std::time::{Duration, Instant};

use async_trait::async_trait;
use tokio::task::JoinSet;

use super::place::{Access, StoreFile};
use super::{Embedded, Shared};
use crate::bext::engine::{
    AppName, AppRef, Cursor, HealthReport, Instance, InstanceHealth, InstanceId, InstanceMetrics,
    InstancePage, InstanceStatus, Instances, ListInstances,
};
use crate::error::{Error, ErrorKind};

const LIST_NAME: &str = "instances";

#[async_trait]
impl Instances for Embedded {
    async fn list(&self, options: ListInstances) -> Result<InstancePage, Error> {
        let limit = self.config().statement_timeout();
        let page = self.blocking(limit, None, move |shared, _| page(shared, &options)).await;
        let (instances, next_cursor) = page.map_err(|error| error.at("list_instances", ""))?;
        let mut checks = JoinSet::new();
        for (position, instance) in instances.into_iter().enumerate() {
            let engine = self.clone();
            checks.spawn(async move { (position, engine.check(instance).await) });
        }
        let mut checked = Vec::with_capacity(checks.len());
        while let Some(check) = checks.join_next().await {
            checked.push(check.map_err(|panic| super::panicked(panic).at("list_instances", ""))?);
        }
        checked.sort_by_key(|(position, _)| *position);
        Ok(InstancePage { instances: checked.into_iter().map(|(_, status)| status).collect(), next_cursor })
    }

    async fn resolve(&self, id: &InstanceId) -> Result<Instance, Error> {
        let wanted = id.clone();
        let limit = self.config().statement_timeout();
        let found = self.blocking(limit, None, move |shared, _| shared.registry.resolve(&wanted)).await;
        found.map_err(|error| error.at("resolve", id))
    }

    async fn health(&self, id: &InstanceId) -> Result<HealthReport, Error> {
        let instance = self.resolve(id).await?;
        let started = Instant::now();
        let found = self.check(instance).await;
        Ok(HealthReport {
            instance_id: found.id,
            status: found.status,
            latency_ms: u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
            checked_at: found.last_checked_at,
            uptime_s: None,
            version: found.version,
            details: Vec::new(),
            error: (found.status != InstanceHealth::Healthy).then(|| {
                "its stores answer slowly, in part, or not at all; the log of the server says why".to_owned()
            }),
        })
    }

    async fn metrics(&self, id: &InstanceId) -> Result<InstanceMetrics, Error> {
        // It has stores and nothing that runs: there is nothing to count.
        self.resolve(id).await.map(|_| InstanceMetrics::default())
    }
}

/// One page of the registry, ordered by id.
fn page(shared: &Shared, options: &ListInstances) -> Result<(Vec<Instance>, Option<Cursor>), Error> {
    let all = shared.registry.all()?;
    let start = match &options.cursor {
        None => 0,
        Some(cursor) => {
            let after = cursor.place(LIST_NAME)?;
            all.partition_point(|instance| instance.id.as_str().as_bytes() <= after.as_slice())
        }
    };
    let end = all.len().min(start + options.limit.get());
    let page = all[start..end].to_vec();
    let last = page.last().filter(|_| end < all.len());
    let next_cursor = last.map(|instance| Cursor::after(LIST_NAME, instance.id.as_str().as_bytes()));
    Ok((page, next_cursor))
}

impl Embedded {
    /// Opens the instance's own store, that of the app `default`, and asks it something.
    async fn check(&self, instance: Instance) -> InstanceStatus {
        let started = Instant::now();
        let app = AppRef::new(instance.id.clone(), AppName::default());
        let data = self.answers(&app, StoreFile::Data).await;
        let keys = self.answers(&app, StoreFile::Keys).await;
        let slow = started.elapsed() > Duration::from_millis(self.config().probe_timeout_ms / 2);
        let status = match (data, keys) {
            (Ok(()), Ok(())) if !slow => InstanceHealth::Healthy,
            (Err(_), _) => InstanceHealth::Unreachable,
            _ => InstanceHealth::Degraded,
        };
        InstanceStatus {
            id: instance.id,
            name: instance.name,
            url: instance.url,
            status,
            last_checked_at: self.shared.clock.now(),
            version: Some(env!("CARGO_PKG_VERSION").to_owned()),
        }
    }

    async fn answers(&self, app: &AppRef, file: StoreFile) -> Result<(), Error> {
        let limit = Duration::from_millis(self.config().probe_timeout_ms);
        let place = app.clone();
        let probe = async {
            let turn = self.gates.enter(app, file, Access::Read).await?;
            let probe = move |shared: &Shared, job: &_| {
                // An app that has stored nothing is as good as one that has.
                let Some(mut lease) = shared.stores.lease(&place, file, Access::Read)? else { return Ok(()) };
                let answer = lease.store.read(job, |connection, _| {
                    Ok(connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?)
                });
                shared.stores.give_back(lease);
                answer
            };
            self.blocking(limit, Some(turn), probe).await
        };
        let answer = tokio::time::timeout(limit, probe).await.unwrap_or_else(|_| {
            Err(Error::new(ErrorKind::TimedOut, "probe_timeout", "the store does not answer in time"))
        });
        // It ends here: the caller sees a status. Hence the log.
        answer.map_err(|error| {
            let error = error.at("check", app);
            let cause = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
            tracing::warn!(code = error.code(), cause, "{error}");
            error
        })
    }
}
