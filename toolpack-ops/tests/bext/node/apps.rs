//! Apps and domains: registered, listed, removed.

use std::sync::Arc;

use toolpack_ops::ErrorKind;
use toolpack_ops::bext::engine::{
    AppRef, AppStatus, Apps, Cell, Cursor, Database, Deploys, DomainName, ListApps, ListDomains, ListSecrets,
    NewApp, PageSize, Removal, Runtime, SecretValue, Secrets, SecretsOf, Statement, Unheard,
};
use toolpack_ops::bext::node::{RunKind, RunState};

use super::deploys::is_alive;
use super::{Bench, app, app_ref, local, newest, refused, until};

fn domain(name: &str) -> DomainName {
    name.parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_is_registered_once_and_from_a_source_that_is_there() {
    let bench = Bench::new().await;
    let source = bench.site("shop", "1.0.0");
    bench.add("shop", source.clone()).await;
    let again = bench.node.add_app(&local(), NewApp::new(app("shop"), source.clone())).await;
    refused(again, ErrorKind::AlreadyExists, "app_exists");
    let nowhere = bench.directory.path().join("nowhere").to_str().unwrap().parse().unwrap();
    let missing = bench.node.add_app(&local(), NewApp::new(app("ghost"), nowhere)).await;
    refused(missing, ErrorKind::InvalidInput, "source_not_found");
    let mismatch = NewApp::new(app("blog"), source).with_runtime(Some(Runtime::Process));
    let error =
        refused(bench.node.add_app(&local(), mismatch).await, ErrorKind::InvalidInput, "runtime_mismatch");
    assert!(error.message().contains("[process]"), "{error}");
    let unknown = bench.node.list_apps(&"nowhere".parse().unwrap(), ListApps::default()).await;
    refused(unknown, ErrorKind::NotFound, "instance_not_found");
    let names: Vec<_> = bench.node.list_apps(&local(), ListApps::default()).await.unwrap().apps;
    assert_eq!(names.len(), 1);
    assert_eq!(names[0].status, AppStatus::Stopped);
}

#[tokio::test(flavor = "multi_thread")]
async fn apps_and_domains_are_listed_in_pages() {
    let bench = Bench::new().await;
    for name in ["c", "a", "b"] {
        let new = NewApp::new(app(name), bench.site(name, "1.0.0")).with_domains(vec![
            domain(&format!("{name}.example.com")),
            domain(&format!("*.{name}.example.com")),
        ]);
        bench.node.add_app(&local(), new).await.unwrap();
    }
    let two = PageSize::try_from(2).unwrap();
    let first = bench.node.list_apps(&local(), ListApps::default().with_limit(two)).await.unwrap();
    let cursor = first.next_cursor.clone().unwrap();
    let rest =
        bench.node.list_apps(&local(), ListApps::default().with_cursor(Some(cursor.clone()))).await.unwrap();
    let names: Vec<_> = first.apps.iter().chain(&rest.apps).map(|app| app.name.as_str()).collect();
    assert_eq!((names.as_slice(), rest.next_cursor), (&["a", "b", "c"][..], None));
    let domains = ListDomains::default().with_cursor(Some(cursor));
    let foreign = bench.node.list_domains(&local(), domains).await;
    refused(foreign, ErrorKind::InvalidInput, "invalid_cursor");
    let none = ListApps::default().with_cursor(Some(Cursor::after("apps", &[0xff])));
    refused(bench.node.list_apps(&local(), none).await, ErrorKind::InvalidInput, "invalid_cursor");

    let all = bench.node.list_domains(&local(), ListDomains::default()).await.unwrap().domains;
    assert_eq!(all.len(), 6);
    assert!(all.is_sorted_by_key(|domain| domain.domain.clone()));
    let of_b = ListDomains::default().with_app(Some(app("b")));
    let of_b = bench.node.list_domains(&local(), of_b).await.unwrap().domains;
    let shown: Vec<_> = of_b.iter().map(|domain| (domain.domain.as_str(), domain.is_wildcard)).collect();
    assert_eq!(shown, [("*.b.example.com", true), ("b.example.com", false)]);
    let of_none = bench.node.list_domains(&local(), ListDomains::default().with_app(Some(app("z")))).await;
    refused(of_none, ErrorKind::NotFound, "app_not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_domain_leads_to_one_app_at_once() {
    let bench = Bench::new().await;
    for name in ["shop", "blog"] {
        bench.add(name, bench.site(name, name)).await;
        bench.deploy(name).await.unwrap();
    }
    let www = domain("www.example.com");
    assert_eq!(bench.get_of(&local(), "www.example.com", "/").await.status, 404);
    bench.node.add_domain(&app_ref("shop"), &www).await.unwrap();
    bench.node.add_domain(&app_ref("shop"), &www).await.unwrap();
    assert_eq!(bench.get_of(&local(), "www.example.com", "/").await.body, "shop");
    let taken = bench.node.add_domain(&app_ref("blog"), &www).await;
    let error = refused(taken, ErrorKind::AlreadyExists, "domain_taken");
    assert!(error.message().contains("\"shop\""), "{error}");
    let new = NewApp::new(app("third"), bench.site("third", "1.0.0")).with_domains(vec![www.clone()]);
    refused(bench.node.add_app(&local(), new).await, ErrorKind::AlreadyExists, "domain_taken");
    let reserved = bench.node.add_domain(&app_ref("blog"), &domain("shop.localhost")).await;
    refused(reserved, ErrorKind::InvalidInput, "domain_reserved");
    refused(bench.node.add_domain(&app_ref("x"), &www).await, ErrorKind::NotFound, "app_not_found");

    let typo = bench.node.remove_domain(&local(), None, &domain("ww.example.com")).await;
    let error = refused(typo, ErrorKind::NotFound, "domain_not_found");
    assert!(error.message().contains("did you mean www.example.com?"), "{error}");
    let other = bench.node.remove_domain(&local(), Some(&app("blog")), &www).await;
    refused(other, ErrorKind::NotFound, "domain_not_found");
    bench.node.remove_domain(&local(), Some(&app("shop")), &www).await.unwrap();
    assert_eq!(bench.get_of(&local(), "www.example.com", "/").await.status, 404);
    bench.node.add_domain(&app_ref("blog"), &www).await.unwrap();
    assert_eq!(bench.get_of(&local(), "www.example.com", "/").await.body, "blog");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_app_is_gone_but_for_its_history_and_its_data() {
    let bench = Bench::new().await;
    let new = NewApp::new(app("shop"), bench.process("shop", "1.0.0", ""))
        .with_domains(vec![domain("www.example.com")]);
    bench.node.add_app(&local(), new).await.unwrap();
    let secrets = SecretsOf { instance: local(), app: Some(app("shop")) };
    let value = SecretValue::try_from("s3cret-value".to_owned()).unwrap();
    bench.node.set_secret(&secrets, &"TOKEN".parse().unwrap(), value).await.unwrap();
    bench.deploy("shop").await.unwrap();
    bench.node.execute(&app_ref("shop"), Statement::new("CREATE TABLE t (x INTEGER)")).await.unwrap();
    let pid: u32 = bench.get("shop", "/pid").await.body.parse().unwrap();

    bench.node.remove_app(&app_ref("shop"), Removal::KeepData).await.unwrap();
    assert!(!is_alive(pid));
    assert_eq!(bench.get("shop", "/").await.status, 404);
    assert_eq!(bench.get_of(&local(), "www.example.com", "/").await.status, 404);
    assert_eq!(bench.artifacts(), 0);
    assert_eq!(bench.history("shop").await.len(), 1);
    let log = bench.data().join("instances/local/logs/shop.log");
    assert!(!log.exists());
    let run = &bench.node.runs(&local(), None, PageSize::default()).await.unwrap()[0];
    assert_eq!((run.kind, run.state, run.subject.as_str()), (RunKind::Removal, RunState::Done, "shop"));
    refused(
        bench.node.remove_app(&app_ref("shop"), Removal::KeepData).await,
        ErrorKind::NotFound,
        "app_not_found",
    );
    refused(bench.node.deploy(newest("shop"), Arc::new(Unheard)).await, ErrorKind::NotFound, "app_not_found");

    bench.add("shop", bench.process("shop", "1.0.0", "")).await;
    let listed = bench.node.list_secrets(&secrets, ListSecrets::default()).await.unwrap();
    assert!(listed.secrets.is_empty());
    let rows = bench.node.query(&app_ref("shop"), Statement::new("SELECT count(*) FROM t")).await.unwrap();
    assert_eq!(rows.rows[0][0], Cell::Integer(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_apps_that_race_for_a_name_or_a_domain_one_gets_it() {
    let bench = Bench::new().await;
    let source = bench.site("shop", "1.0.0");
    let racing = (0..8).map(|_| {
        let (node, source) = (bench.node.clone(), source.clone());
        tokio::spawn(async move { node.add_app(&local(), NewApp::new(app("shop"), source)).await.is_ok() })
    });
    let mut added = 0;
    for task in racing.collect::<Vec<_>>() {
        added += usize::from(task.await.unwrap());
    }
    assert_eq!(added, 1);
    bench.add("blog", bench.site("blog", "1.0.0")).await;
    let racing = ["shop", "blog"].map(|name| {
        let node = bench.node.clone();
        tokio::spawn(async move {
            let app = AppRef::new(local(), app(name));
            node.add_domain(&app, &domain("www.example.com")).await.is_ok()
        })
    });
    let mut won = 0;
    for task in racing {
        won += usize::from(task.await.unwrap());
    }
    assert_eq!(won, 1);
    until("it is listed once", async || {
        bench.node.list_domains(&local(), ListDomains::default()).await.unwrap().domains.len() == 1
    })
    .await;
}
