//! The instances of the node: how each was when it was last looked at, and what its gateway has counted.

use std::time::Duration;

use async_trait::async_trait;

use super::Node;
use super::probe::probe;
use super::store::AppsTable;
use crate::bext::engine::{
    Cursor, HealthReport, Instance, InstanceId, InstanceMetrics, InstancePage, InstanceStatus, Instances,
    ListInstances,
};
use crate::error::Error;

const LIST: &str = "instances";

/// How much older what a list says of an instance may be than the node's own looks are apart.
const SLACK: Duration = Duration::from_secs(2);

#[async_trait]
impl Instances for Node {
    async fn list(&self, options: ListInstances) -> Result<InstancePage, Error> {
        let after = options.cursor.as_ref().map(|cursor| cursor.place(LIST)).transpose()?;
        let mut page = self.all_hosted()?;
        if let Some(after) = after {
            page.retain(|hosted| hosted.id.as_str().as_bytes() > after.as_slice());
        }
        let more = page.len() > options.limit.get();
        page.truncate(options.limit.get());
        let statuses = page.iter().map(|hosted| async {
            let report = match hosted.last_probe.within(hosted.config().health_interval + SLACK) {
                Some(report) => report,
                None => probe(hosted, &self.shared.data).await,
            };
            InstanceStatus {
                id: hosted.id.clone(),
                name: hosted.name.clone(),
                url: hosted.url().await,
                status: report.status,
                last_checked_at: report.checked_at,
                version: report.version,
            }
        });
        let instances = futures_util::future::join_all(statuses).await;
        let last = page.last().filter(|_| more);
        let next_cursor = last.map(|hosted| Cursor::after(LIST, hosted.id.as_str().as_bytes()));
        Ok(InstancePage { instances, next_cursor })
    }

    async fn resolve(&self, id: &InstanceId) -> Result<Instance, Error> {
        let hosted = self.hosted(id).await?;
        Ok(Instance { id: hosted.id.clone(), name: hosted.name.clone(), url: hosted.url().await })
    }

    async fn health(&self, id: &InstanceId) -> Result<HealthReport, Error> {
        let hosted = self.hosted(id).await?;
        Ok(probe(&hosted, &self.shared.data).await)
    }

    async fn metrics(&self, id: &InstanceId) -> Result<InstanceMetrics, Error> {
        let hosted = self.hosted(id).await?;
        let apps = hosted.store.read(|connection| Ok(AppsTable(connection).names()?.len())).await?;
        let figures = hosted.traffic.figures();
        Ok(InstanceMetrics {
            requests: figures.requests,
            gateway_errors: figures.gateway_errors,
            in_flight: figures.in_flight,
            response_bytes: figures.response_bytes,
            connections: figures.connections,
            apps: apps as u64,
            processes: hosted.traffic.counted().processes,
            restarts: hosted.restarts(),
        })
    }
}
