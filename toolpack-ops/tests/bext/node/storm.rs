//! Everything at once: many callers change few apps as they like, and some give up in the middle. What is said, what is
//! served and what is recorded agree when they are done, and after a restart.

use std::sync::Arc;
use std::time::Duration;

use toolpack_ops::bext::engine::{
    AppStatus, Apps, Deploy, Deploys, DomainName, ListApps, ListDomains, NewApp, PageSize, Percent, Removal,
    Rollback, Unheard,
};
use toolpack_ops::bext::node::{Node, RunState};
use toolpack_ops::{Error, ErrorKind};

use super::{Bench, app, app_ref, local, newest, release, until};

const APPS: [&str; 3] = ["a", "b", "c"];
const CALLERS: u64 = 6;
const CALLS: u64 = 40;

/// Numbers that look random and are the same each time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }
}

async fn call(node: &Node, source: &str, name: &str, what: u64) -> Result<(), Error> {
    let domain: DomainName = format!("www{}.example.com", what % 2).parse().unwrap();
    match what {
        0 => node.remove_app(&app_ref(name), Removal::KeepData).await,
        1..=3 => {
            let new = NewApp::new(app(name), format!("{source}/{name}").parse().unwrap());
            node.add_app(&local(), new).await.map(drop)
        }
        4 | 5 => node.add_domain(&app_ref(name), &domain).await,
        6 => node.remove_domain(&local(), None, &domain).await,
        7 | 8 => {
            let rollback = Rollback { release: release(name), version: None };
            node.rollback(rollback, Arc::new(Unheard)).await.map(drop)
        }
        9 => node.promote_canary(release(name), Arc::new(Unheard)).await.map(drop),
        10 | 11 => {
            let canary = Some(Percent::try_from(50).unwrap());
            node.deploy(Deploy { canary, ..newest(name) }, Arc::new(Unheard)).await.map(drop)
        }
        _ => node.deploy(newest(name), Arc::new(Unheard)).await.map(drop),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_many_callers_do_at_once_what_is_said_is_what_is_served() {
    let mut bench = Bench::new().await;
    for name in APPS {
        bench.add(name, bench.site(name, "0.0.0")).await;
    }
    let sources = bench.directory.path().join("sources").to_str().unwrap().to_owned();
    let callers = (0..CALLERS).map(|caller| {
        let (node, sources) = (bench.node.clone(), sources.clone());
        tokio::spawn(async move {
            let mut dice = Dice(caller);
            for round in 0..CALLS {
                let name = APPS[usize::try_from(dice.below(3)).unwrap()];
                // Put there at once: a source that is written while it is read is another matter.
                let version = format!("{caller}.{round}.0");
                let next = format!("{sources}/next-{caller}");
                std::fs::write(&next, &version).unwrap();
                std::fs::rename(&next, format!("{sources}/{name}/public/page-{caller}")).unwrap();
                let called = call(&node, &sources, name, dice.below(20));
                let patience = Duration::from_micros(dice.below(8) * 4_000);
                let outcome = if dice.below(3) == 0 {
                    tokio::time::timeout(patience, called).await.unwrap_or(Ok(()))
                } else {
                    called.await
                };
                if let Err(error) = outcome {
                    let expected = matches!(
                        error.kind(),
                        ErrorKind::NotFound | ErrorKind::Conflict | ErrorKind::AlreadyExists
                    );
                    assert!(expected || error.code() == "app_busy", "{error:?}");
                }
            }
        })
    });
    for caller in callers.collect::<Vec<_>>() {
        caller.await.unwrap();
    }
    let ended = async || {
        let runs = bench.node.runs(&local(), None, PageSize::try_from(200).unwrap()).await.unwrap();
        runs.iter().all(|run| matches!(run.state, RunState::Done | RunState::Undone))
    };
    until("all runs have ended", ended).await;
    bench.agrees().await;
    bench.reopen().await;
    bench.agrees().await;
    for name in APPS {
        // None is busy for ever, whatever was given up.
        let _ = bench.node.remove_app(&app_ref(name), Removal::KeepData).await;
        assert_eq!(bench.get(name, "/").await.status, 404);
    }
    until("no artifact is left", async || bench.artifacts() == 0).await;
}

impl Bench {
    /// Checks that what is said of each app is so.
    async fn agrees(&self) {
        let apps = self.node.list_apps(&local(), ListApps::default()).await.unwrap().apps;
        for shown in &apps {
            let live = shown.current_version.is_some();
            let status = if live { AppStatus::Running } else { AppStatus::Stopped };
            assert_eq!((shown.status, shown.error.as_deref()), (status, None), "{shown:?}");
            let mut hosts = vec![format!("{}.localhost", shown.name)];
            hosts.extend(shown.domains.iter().map(|domain| domain.as_str().to_owned()));
            for host in hosts {
                let answer = self.get_of(&local(), &host, "/").await;
                assert_eq!(answer.status, if live { 200 } else { 404 }, "{host} of {shown:?}");
            }
        }
        let domains = self.node.list_domains(&local(), ListDomains::default()).await.unwrap().domains;
        let of_apps: usize = apps.iter().map(|shown| shown.domains.len()).sum();
        assert_eq!(domains.len(), of_apps);
        for name in APPS.iter().filter(|name| !apps.iter().any(|shown| shown.name.as_str() == **name)) {
            assert_eq!(self.get(name, "/").await.status, 404, "{name} is gone");
        }
    }
}
