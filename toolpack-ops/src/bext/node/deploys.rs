//! The releases of the node's apps, each carried out to its end or undone, and the record of them.

use std::sync::Arc;

use async_trait::async_trait;

use super::Node;
use super::fleet;
use super::hosted::{Hosted, app_not_found};
use super::release::{self, Order};
use super::store::{AppsTable, RecordsTable};
use crate::bext::engine::{
    AppName, Cursor, Deploy, DeployPage, DeployRecord, Deploys, FleetDeploy, FleetResult, ListDeploys,
    Release, Rollback, Stages,
};
use crate::error::Error;

const LIST: &str = "deploys";
/// How long an id of a record is.
const ID_CHARS: usize = 36;

#[async_trait]
impl Deploys for Node {
    async fn deploy(&self, deploy: Deploy, stages: Arc<dyn Stages>) -> Result<DeployRecord, Error> {
        let instance = deploy.release.instance.clone();
        let order = self.order(deploy.release, stages).await?;
        let what = (deploy.version, deploy.canary);
        let tasks = order.hosted.tasks.clone();
        let deployed = tasks.carry_out(|wanted, turn| release::deploy(order, what, (wanted, turn)));
        deployed.await.map_err(|error| error.at("deploy", instance))
    }

    async fn promote_canary(&self, release: Release, stages: Arc<dyn Stages>) -> Result<DeployRecord, Error> {
        let instance = release.instance.clone();
        let order = self.order(release, stages).await?;
        let tasks = order.hosted.tasks.clone();
        let promoted = tasks.carry_out(|wanted, turn| release::promote(order, (wanted, turn)));
        promoted.await.map_err(|error| error.at("promote_canary", instance))
    }

    async fn rollback(&self, rollback: Rollback, stages: Arc<dyn Stages>) -> Result<DeployRecord, Error> {
        let instance = rollback.release.instance.clone();
        let order = self.order(rollback.release, stages).await?;
        let version = rollback.version;
        let tasks = order.hosted.tasks.clone();
        let rolled_back = tasks.carry_out(|wanted, turn| release::rollback(order, version, (wanted, turn)));
        rolled_back.await.map_err(|error| error.at("rollback", instance))
    }

    async fn fleet_deploy(&self, fleet: FleetDeploy, stages: Arc<dyn Stages>) -> Result<FleetResult, Error> {
        fleet::check(&fleet.instances)?;
        let mut hosted = Vec::with_capacity(fleet.instances.len());
        for instance in &fleet.instances {
            hosted.push(self.hosted(instance).await?);
        }
        let fleet = fleet::Fleet::new(self.shared.fleet.clone(), hosted, fleet, stages);
        let deployed = self.shared.tasks.carry_out(|wanted, turn| fleet.deploy(wanted, turn));
        deployed.await.map_err(|error| error.at("fleet_deploy", ""))
    }

    async fn history(&self, options: ListDeploys) -> Result<DeployPage, Error> {
        let of: Vec<Arc<Hosted>> = match &options.instance {
            Some(instance) => vec![self.hosted(instance).await?],
            None => self.all_hosted()?,
        };
        let before = options.cursor.as_ref().map(record_id).transpose()?;
        let limit = options.limit.get();
        let mut known = options.app.is_none();
        let mut names = Vec::new();
        let mut records = Vec::new();
        for hosted in of {
            let (app, before, id) = (options.app.clone(), before.clone(), hosted.id.clone());
            let (page, registered, is_known) = hosted
                .store
                .read(move |connection| {
                    let (records, names) = (RecordsTable(connection), AppsTable(connection).names()?);
                    let is_known = match &app {
                        Some(app) => names.contains(app) || records.has(app)?,
                        None => true,
                    };
                    Ok((records.page(&id, app.as_ref(), before.as_deref(), limit + 1)?, names, is_known))
                })
                .await?;
            known |= is_known;
            names.extend(registered);
            records.extend(page);
        }
        if let Some(app) = options.app.filter(|_| !known) {
            names.sort();
            names.dedup();
            return Err(app_not_found(&app, &names).at("deploy_history", ""));
        }
        // No instance has more than one page, so sorting them is cheap.
        records.sort_by(|a, b| b.id.cmp(&a.id));
        let more = records.len() > limit;
        records.truncate(limit);
        let last = records.last().filter(|_| more);
        let next_cursor = last.map(|last| Cursor::after(LIST, last.id.as_bytes()));
        Ok(DeployPage { deploys: records, next_cursor })
    }
}

impl Node {
    async fn order(&self, release: Release, stages: Arc<dyn Stages>) -> Result<Order, Error> {
        let hosted = self.hosted(&release.instance).await?;
        let app: Option<AppName> = release.app;
        Ok(Order { hosted, app, by: release.by, parent: None, stages })
    }
}

fn record_id(cursor: &Cursor) -> Result<String, Error> {
    let id = String::from_utf8(cursor.place(LIST)?).map_err(|_| Cursor::invalid())?;
    let is_id = id.len() == ID_CHARS && id.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
    if is_id { Ok(id) } else { Err(Cursor::invalid()) }
}
