//! One version to several instances: each by itself, all of them one run.

use std::sync::Arc;

use toolpack_ops::ErrorKind;
use toolpack_ops::bext::engine::{
    AppSource, Apps, Deploys, FleetDeploy, InstanceId, ListDeploys, NewApp, PageSize, Unheard,
};
use toolpack_ops::bext::node::RunState;

use super::{Bench, Heard, app, refused, until};

const ALL: [&str; 3] = ["prod-1", "prod-2", "prod-3"];

fn ids(names: &[&str]) -> Vec<InstanceId> {
    names.iter().map(|name| name.parse().unwrap()).collect()
}

fn to(names: &[&str]) -> FleetDeploy {
    FleetDeploy { instances: ids(names), app: None, version: None, by: "test".to_owned() }
}

async fn add(bench: &Bench, instance: &str, source: AppSource) {
    bench.node.add_app(&instance.parse().unwrap(), NewApp::new(app("shop"), source)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn all_instances_get_it_and_answer_in_order() {
    let bench = Bench::with_instances(&ALL).await;
    let source = bench.process("shop", "1.2.4", "");
    for instance in ALL {
        add(&bench, instance, source.clone()).await;
    }
    let heard = Arc::new(Heard::default());
    let order = ["prod-2", "prod-3", "prod-1"];
    let result = bench.node.fleet_deploy(to(&order), heard.clone()).await.unwrap();
    let instances: Vec<_> = result.results.iter().map(|(instance, _)| instance.clone()).collect();
    assert_eq!(instances, ids(&order));
    for (instance, record) in &result.results {
        assert_eq!(record.as_ref().unwrap().version.as_str(), "1.2.4");
        assert_eq!(bench.get_of(instance, "shop.localhost", "/").await.body, "1.2.4");
        let run = &bench.node.runs(instance, None, PageSize::default()).await.unwrap()[0];
        let fleet = &bench.node.fleet_runs(None, PageSize::default()).await.unwrap()[0];
        assert_eq!((run.parent.as_ref(), fleet.state), (Some(&fleet.id), RunState::Done));
    }
    let stages = heard.all();
    assert!(stages.is_sorted_by_key(|stage| stage.0), "{stages:?}");
    assert_eq!((stages.last().unwrap().0, stages[0].1), (12, 12), "{stages:?}");
    let history = bench.node.history(ListDeploys::default()).await.unwrap().deploys;
    assert_eq!(history.len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn ids_are_checked_before_any_deploy() {
    let bench = Bench::with_instances(&ALL).await;
    add(&bench, "prod-1", bench.site("shop", "1.0.0")).await;
    let unknown = bench.node.fleet_deploy(to(&["prod-1", "prod-9"]), Arc::new(Unheard)).await;
    let error = refused(unknown, ErrorKind::NotFound, "instance_not_found");
    assert!(error.message().contains("prod-9"), "{error}");
    for bad in [&[][..], &["prod-1", "prod-1"]] {
        refused(
            bench.node.fleet_deploy(to(bad), Arc::new(Unheard)).await,
            ErrorKind::InvalidInput,
            "invalid_argument",
        );
    }
    assert_eq!(bench.node.history(ListDeploys::default()).await.unwrap().deploys, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_fails_undoes_no_other() {
    let bench = Bench::with_instances(&ALL).await;
    add(&bench, "prod-1", bench.site("shop", "1.0.0")).await;
    add(&bench, "prod-2", bench.process("sick", "1.0.0", "exits")).await;
    let result = bench.node.fleet_deploy(to(&ALL), Arc::new(Unheard)).await.unwrap();
    let [(_, first), (_, second), (_, third)] = &result.results[..] else { panic!("{result:?}") };
    assert!(first.is_ok());
    assert!(second.as_ref().unwrap_err().contains("no 1.0.0 today"), "{second:?}");
    assert!(third.as_ref().unwrap_err().contains("no app"), "{third:?}");
    assert_eq!(bench.get_of(&"prod-1".parse().unwrap(), "shop.localhost", "/").await.body, "1.0.0");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fleet_that_is_given_up_is_undone_where_it_has_not_switched() {
    let bench = Bench::with_instances(&ALL).await;
    add(&bench, "prod-1", bench.site("shop", "1.0.0")).await;
    add(&bench, "prod-2", bench.process("sick", "1.0.0", "sick")).await;
    let (one, two): (InstanceId, InstanceId) = ("prod-1".parse().unwrap(), "prod-2".parse().unwrap());
    let deploying = {
        let node = bench.node.clone();
        tokio::spawn(async move { node.fleet_deploy(to(&["prod-1", "prod-2"]), Arc::new(Unheard)).await })
    };
    let done = async |instance: &InstanceId| {
        let options = ListDeploys::default().with_instance(Some(instance.clone()));
        bench.node.history(options).await.unwrap().deploys.len() == 1
    };
    until("the first is deployed", async || done(&one).await).await;
    let starting = async || {
        let runs = bench.node.runs(&two, None, PageSize::default()).await.unwrap();
        runs.first().is_some_and(|run| run.state == RunState::Running && run.steps.len() == 3)
    };
    until("the second waits for its health check", starting).await;
    deploying.abort();
    until("the second is undone", async || done(&two).await).await;
    assert_eq!(bench.get_of(&one, "shop.localhost", "/").await.body, "1.0.0");
    assert_eq!(bench.get_of(&two, "shop.localhost", "/").await.status, 404);
}
