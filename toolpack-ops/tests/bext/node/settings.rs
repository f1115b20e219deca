//! Secrets and configurations: what an app sees of them, and when.

use toolpack_ops::ErrorKind;
use toolpack_ops::bext::engine::{ConfigChange, Configs, ListSecrets, SecretValue, Secrets, SecretsOf};

use super::{Bench, app, local, refused};

fn of(name: Option<&str>) -> SecretsOf {
    SecretsOf { instance: local(), app: name.map(app) }
}

async fn set(bench: &Bench, of: &SecretsOf, name: &str, value: &str) {
    let value = SecretValue::try_from(value.to_owned()).unwrap();
    bench.node.set_secret(of, &name.parse().unwrap(), value).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_sees_a_secret_when_it_is_started_next() {
    let bench = Bench::new().await;
    bench.add("api", bench.process("api", "1.0.0", "")).await;
    set(&bench, &of(None), "SHARED", "of all").await;
    set(&bench, &of(Some("api")), "OWN", "first").await;
    bench.deploy("api").await.unwrap();
    assert_eq!(bench.get("api", "/environment?SHARED").await.body, "of all");
    assert_eq!(bench.get("api", "/environment?OWN").await.body, "first");
    set(&bench, &of(Some("api")), "OWN", "second").await;
    set(&bench, &of(Some("api")), "SHARED", "of one").await;
    assert_eq!(bench.get("api", "/environment?OWN").await.body, "first");
    bench.deploy("api").await.unwrap();
    assert_eq!(bench.get("api", "/environment?OWN").await.body, "second");
    assert_eq!(bench.get("api", "/environment?SHARED").await.body, "of one");
    assert!(bench.node.delete_secret(&of(Some("api")), &"OWN".parse().unwrap()).await.unwrap());
    bench.deploy("api").await.unwrap();
    assert_eq!(bench.get("api", "/environment?OWN").await.body, "");
    let page = bench.node.list_secrets(&of(Some("api")), ListSecrets::default()).await.unwrap();
    assert_eq!(page.secrets.iter().map(|secret| secret.name.as_str()).collect::<Vec<_>>(), ["SHARED"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_that_is_not_there_has_no_secrets() {
    let bench = Bench::new().await;
    let value = SecretValue::try_from("x".to_owned()).unwrap();
    let name = "TOKEN".parse().unwrap();
    let unknown = of(Some("ghost"));
    refused(bench.node.set_secret(&unknown, &name, value).await, ErrorKind::NotFound, "app_not_found");
    refused(bench.node.delete_secret(&unknown, &name).await, ErrorKind::NotFound, "app_not_found");
    refused(
        bench.node.list_secrets(&unknown, ListSecrets::default()).await,
        ErrorKind::NotFound,
        "app_not_found",
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_takes_effect_without_a_restart_or_not_at_all() {
    let bench = Bench::new().await;
    bench.add("shop", bench.site("shop", "1.0.0")).await;
    bench.deploy("shop").await.unwrap();
    let path = bench.data().join("instances/local/bext.config.toml");
    std::fs::write(&path, "[gateway]\nmax_in_flight = 1\n[deploy]\nkeep_artifacts = 1\n").unwrap();
    let change = bench.node.reload_config(&local()).await.unwrap();
    assert_eq!(change.changed, ["deploy.keep_artifacts", "gateway.max_in_flight"]);
    for round in 1..=4 {
        bench.site("shop", &format!("1.0.{round}"));
        bench.deploy("shop").await.unwrap();
    }
    super::until("as many are kept", async || bench.artifacts() == 3).await;
    std::fs::write(&path, "[gateway]\nmax_in_fligth = 1\n").unwrap();
    let error = refused(bench.node.reload_config(&local()).await, ErrorKind::InvalidInput, "config_invalid");
    assert!(error.message().contains("max_in_flight"), "{error}");
    assert_eq!(bench.get("shop", "/").await.body, "1.0.4");
    let shown = bench.node.read_config(&local()).await;
    assert!(shown.is_err() || !shown.unwrap().path.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_is_to_listen_elsewhere_waits_for_the_next_start() {
    let mut bench = Bench::new().await;
    let (bound, instances) = (bench.gateway().await, bench.data().join("instances.toml"));
    let (wanted, _) = bound.rsplit_once(':').unwrap();
    let free = std::net::TcpListener::bind((wanted, 0)).unwrap();
    let wanted = free.local_addr().unwrap().to_string();
    let write = |listen: &str| {
        std::fs::write(&instances, format!("[[instance]]\nid = \"local\"\nlisten = \"{listen}\"\n")).unwrap();
    };
    // As it was, in other words.
    for same in [bound.as_str(), "127.0.0.1:0"] {
        write(same);
        assert_eq!(bench.node.reload_config(&local()).await.unwrap(), ConfigChange::default(), "{same}");
    }
    write(&wanted);
    for _ in 0..2 {
        let change = bench.node.reload_config(&local()).await.unwrap();
        assert_eq!((change.changed.len(), change.needs_restart), (0, vec!["listen".to_owned()]));
        let [warning] = &change.warnings[..] else { panic!("{:?}", change.warnings) };
        assert!(warning.contains(&wanted) && warning.contains(&bound), "{warning}");
    }
    assert_eq!(bench.gateway().await, bound);
    // What is no list of instances keeps no setting from taking effect.
    std::fs::write(&instances, "[[instance]]\nid = 1\n").unwrap();
    let change = bench.node.reload_config(&local()).await.unwrap();
    assert!(change.needs_restart.is_empty());
    assert!(change.warnings.len() == 1 && change.warnings[0].contains("instances.toml"), "{change:?}");

    write(&wanted);
    drop(free);
    bench.reopen().await;
    assert_eq!(bench.gateway().await, wanted);
    assert_eq!(bench.node.reload_config(&local()).await.unwrap(), ConfigChange::default());
}
