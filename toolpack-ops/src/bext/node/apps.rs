//! The apps of the node's instances, and their domains.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;

use super::Node;
use super::claims::Doing;
use super::hosted::{Hosted, app_not_found, near};
use super::release::runtime_mismatch;
use super::removal;
use super::running::Condition;
use super::store::{AppRow, AppsTable, DomainsTable, Fault, RouteRow, RoutesTable};
use super::tasks::Wanted;
use crate::bext::engine::{
    App, AppName, AppPage, AppRef, AppStatus, Apps, Canary, Cursor, Domain, DomainName, DomainPage,
    InstanceId, ListApps, ListDomains, NewApp, Removal,
};
use crate::error::{Error, ErrorKind};

const APPS: &str = "apps";
const DOMAINS: &str = "domains";

#[async_trait]
impl Apps for Node {
    async fn list_apps(&self, instance: &InstanceId, options: ListApps) -> Result<AppPage, Error> {
        let hosted = self.hosted(instance).await?;
        let after = place(options.cursor.as_ref(), APPS)?;
        let limit = options.limit.get();
        let mut rows = hosted
            .store
            .read(move |connection| {
                let with_rest = |app| registered(connection, app);
                AppsTable(connection)
                    .page(&after, limit + 1)?
                    .into_iter()
                    .map(with_rest)
                    .collect::<Result<Vec<_>, Fault>>()
            })
            .await?;
        let more = rows.len() > limit;
        rows.truncate(limit);
        let last = rows.last().filter(|_| more);
        let next_cursor = last.map(|last| Cursor::after(APPS, last.app.name.as_str().as_bytes()));
        Ok(AppPage { apps: rows.into_iter().map(|row| hosted.shown(row)).collect(), next_cursor })
    }

    async fn add_app(&self, instance: &InstanceId, new: NewApp) -> Result<App, Error> {
        let hosted = self.hosted(instance).await?;
        let subject = AppRef::new(instance.clone(), new.name.clone());
        let tasks = hosted.tasks.clone();
        let added = tasks.carry_out(|wanted, turn| async move {
            let _turn = turn;
            let added = add(&hosted, new, &wanted).await;
            if added.is_err() {
                // What its source was copied into is nobody's.
                hosted.clear_away().await;
            }
            added
        });
        added.await.map_err(|error| error.at("add_app", subject))
    }

    async fn remove_app(&self, app: &AppRef, what: Removal) -> Result<(), Error> {
        let hosted = self.hosted(&app.instance).await?;
        let (name, tasks) = (app.app.clone(), hosted.tasks.clone());
        let removed = tasks.carry_out(|_, turn| removal::remove(hosted, name, what, turn));
        removed.await.map_err(|error| error.at("remove_app", app))
    }

    async fn list_domains(&self, instance: &InstanceId, options: ListDomains) -> Result<DomainPage, Error> {
        let hosted = self.hosted(instance).await?;
        if let Some(app) = &options.app {
            hosted.app(Some(app)).await?;
        }
        let after = place(options.cursor.as_ref(), DOMAINS)?;
        let limit = options.limit.get();
        let mut rows = hosted
            .store
            .read(move |connection| DomainsTable(connection).page(options.app.as_ref(), &after, limit + 1))
            .await?;
        let more = rows.len() > limit;
        rows.truncate(limit);
        let last = rows.last().filter(|_| more);
        let next_cursor = last.map(|(domain, _)| Cursor::after(DOMAINS, domain.as_str().as_bytes()));
        let shown = |(domain, app): (DomainName, AppName)| Domain {
            is_wildcard: domain.wildcard_of().is_some(),
            domain,
            app,
        };
        Ok(DomainPage { domains: rows.into_iter().map(shown).collect(), next_cursor })
    }

    async fn add_domain(&self, app: &AppRef, domain: &DomainName) -> Result<(), Error> {
        let hosted = self.hosted(&app.instance).await?;
        let turn = hosted.tasks.enter()?;
        let (name, wanted, now) = (app.app.clone(), domain.clone(), hosted.now());
        let (traffic_of, in_traffic) = (hosted.clone(), app.app.clone());
        let added = hosted.store.write_then(
            move |transaction| {
                let domains = DomainsTable(transaction);
                if AppsTable(transaction).get(&name)?.is_none() {
                    return Err(app_not_found(&name, &AppsTable(transaction).names()?).into());
                }
                if is_free(&domains, &wanted, &name)? {
                    domains.insert(&wanted, &name)?;
                    AppsTable(transaction).touch(&name, None, now)?;
                }
                domains.of(&name)
            },
            move |domains| {
                let _turn = turn;
                traffic_of.traffic.set_domains(&in_traffic, domains);
            },
        );
        added.await.map_err(|error| error.at("add_domain", app))
    }

    async fn remove_domain(
        &self,
        instance: &InstanceId,
        app: Option<&AppName>,
        domain: &DomainName,
    ) -> Result<(), Error> {
        let hosted = self.hosted(instance).await?;
        let turn = hosted.tasks.enter()?;
        let (only_of, unwanted, now, traffic_of) =
            (app.cloned(), domain.clone(), hosted.now(), hosted.clone());
        let removed = hosted.store.write_then(
            move |transaction| {
                let domains = DomainsTable(transaction);
                let led_to = domains.app_of(&unwanted)?;
                let Some(app) = led_to.filter(|app| only_of.as_ref().is_none_or(|only| only == app)) else {
                    return Err(domain_not_found(&domains, &unwanted, only_of.as_ref())?.into());
                };
                domains.remove(&unwanted)?;
                AppsTable(transaction).touch(&app, None, now)?;
                Ok((domains.of(&app)?, app))
            },
            move |(domains, app)| {
                let _turn = turn;
                traffic_of.traffic.set_domains(&app, domains);
            },
        );
        removed.await.map_err(|error| error.at("remove_domain", instance))
    }
}

/// An app with what is registered of it.
#[derive(Debug)]
struct Registered {
    app: AppRow,
    domains: Vec<DomainName>,
    route: Option<RouteRow>,
}

fn registered(connection: &rusqlite::Connection, app: AppRow) -> Result<Registered, Fault> {
    let domains = DomainsTable(connection).of(&app.name)?;
    let route = RoutesTable(connection).get(&app.name)?;
    Ok(Registered { app, domains, route })
}

impl Hosted {
    /// An app as it is now.
    fn shown(&self, Registered { app, domains, route }: Registered) -> App {
        let condition = self.traffic.condition(&app.name);
        let (status, error) = match (self.claims.doing(&app.name), &route, condition) {
            (Some(Doing::Releasing), ..) => (AppStatus::Deploying, None),
            (_, None, _) => (AppStatus::Stopped, None),
            (Some(Doing::Removing), ..) => (AppStatus::Failed, Some("it is being removed".to_owned())),
            (_, Some(_), None) => (AppStatus::Failed, Some("it is not at work".to_owned())),
            (_, Some(route), Some(condition)) => match (condition.stable, condition.canary) {
                (Condition::Troubled(why), _) => (AppStatus::Failed, Some(why)),
                (Condition::Starting, _) => (AppStatus::Deploying, None),
                (Condition::Well, canary) => {
                    let version = route.canary.as_ref().map_or("", |(_, canary)| canary.version.as_str());
                    let error = match canary {
                        Some(Condition::Troubled(why)) => {
                            Some(format!("the canary {version} does not run: {why}"))
                        }
                        Some(Condition::Starting) => Some(format!("the canary {version} is being started")),
                        Some(Condition::Well) | None => None,
                    };
                    (AppStatus::Running, error)
                }
            },
        };
        let (live, previous, canary) = match route {
            Some(route) => (Some(route.live.version), route.previous, route.canary),
            None => (None, None, None),
        };
        App {
            name: app.name,
            domains,
            source: app.source.into(),
            runtime: app.runtime,
            current_version: live,
            previous_version: previous.map(|previous| previous.version),
            canary: canary.map(|(percent, canary)| Canary { version: canary.version, percent }),
            status,
            error,
            created_at: app.created_at,
            updated_at: app.updated_at,
        }
    }
}

async fn add(hosted: &Arc<Hosted>, new: NewApp, wanted: &Wanted) -> Result<App, Error> {
    let _claim = hosted.claims.take(&new.name, Doing::Adding)?;
    let domains: BTreeSet<DomainName> = new.domains.iter().cloned().collect();
    // Looked at before the source, which may take long, and once more when it is written.
    let (name, free) = (new.name.clone(), domains.clone());
    hosted.store.read(move |connection| check_new(connection, &name, &free)).await?;
    let looked = async { hosted.source(&new.source).await?.runtime().await };
    let _maker = hosted.kept.maker().await?;
    let found = wanted.until(looked).await??;
    if let Some(chosen) = new.runtime.filter(|chosen| *chosen != found) {
        return Err(runtime_mismatch(chosen));
    }
    let now = hosted.now();
    let row = AppRow {
        name: new.name,
        source: new.source,
        runtime: found,
        runtime_chosen: new.runtime.is_some(),
        created_at: now,
        updated_at: now,
    };
    wanted.check()?;
    let added = hosted
        .store
        .write(move |transaction| {
            check_new(transaction, &row.name, &domains)?;
            AppsTable(transaction).insert(&row)?;
            for domain in &domains {
                DomainsTable(transaction).insert(domain, &row.name)?;
            }
            registered(transaction, row)
        })
        .await?;
    Ok(hosted.shown(added))
}

fn check_new(
    connection: &rusqlite::Connection,
    name: &AppName,
    domains: &BTreeSet<DomainName>,
) -> Result<(), Fault> {
    if AppsTable(connection).get(name)?.is_some() {
        let message = format!("there is an app \"{name}\" already; deploy brings a new version of it");
        return Err(Error::new(ErrorKind::AlreadyExists, "app_exists", message).into());
    }
    for domain in domains {
        is_free(&DomainsTable(connection), domain, name)?;
    }
    Ok(())
}

/// Whether a domain leads nowhere yet; an error if it leads to another app.
fn is_free(domains: &DomainsTable<'_>, domain: &DomainName, app: &AppName) -> Result<bool, Fault> {
    if domain.as_str().ends_with(".localhost") {
        let message = format!(
            "{domain} cannot be added: NAME.localhost leads to the app of that name always, and to no other"
        );
        return Err(Error::new(ErrorKind::InvalidInput, "domain_reserved", message).into());
    }
    match domains.app_of(domain)? {
        None => Ok(true),
        Some(other) if other == *app => Ok(false),
        Some(other) => {
            let message = format!("{domain} leads to the app \"{other}\" already; remove_domain frees it");
            Err(Error::new(ErrorKind::AlreadyExists, "domain_taken", message).into())
        }
    }
}

fn domain_not_found(
    domains: &DomainsTable<'_>,
    domain: &DomainName,
    app: Option<&AppName>,
) -> Result<Error, Fault> {
    // Enough to find a slip of the pen among; an instance has few more.
    const LOOKED_AT: usize = 1_000;
    let known = domains.page(app, "", LOOKED_AT)?;
    let names: Vec<&str> = known.iter().map(|(domain, _)| domain.as_str()).collect();
    let whom =
        app.map_or_else(|| "no app of the instance".to_owned(), |app| format!("not to the app \"{app}\""));
    let near = near(domain.as_str(), &names);
    let hint = if near.is_empty() {
        "list_domains shows those that there are".to_owned()
    } else {
        format!("did you mean {}?", near.join(" or "))
    };
    let message = match app {
        Some(_) => format!("{domain} leads {whom}; {hint}"),
        None => format!("{domain} leads to {whom}; {hint}"),
    };
    Ok(Error::new(ErrorKind::NotFound, "domain_not_found", message))
}

/// The name after which a list goes on; no name is empty, so that is before all of them.
fn place(cursor: Option<&Cursor>, list: &str) -> Result<String, Error> {
    let Some(cursor) = cursor else { return Ok(String::new()) };
    String::from_utf8(cursor.place(list)?).map_err(|_| Cursor::invalid())
}
