//! Promises of [`Apps`](crate::bext::engine::Apps).

use super::expect;
use super::node::{Bench, NodeHarness, Until, app_name, own_host};
use crate::bext::engine::{
    AppRef, AppStatus, Cursor, DomainName, InstanceId, InstanceMetrics, Key, ListApps, ListDeploys,
    ListDomains, NewApp, PageSize, Removal, SetKey, Statement,
};
use crate::error::ErrorKind::{AlreadyExists, InvalidInput, NotFound};

fn domain(name: &str) -> DomainName {
    name.parse().unwrap()
}

impl Bench<'_> {
    /// The domains of the harness's instance, each with its app, as `domain app`.
    async fn domains(&self) -> Vec<String> {
        let page = self.apps().list_domains(&self.instance(), ListDomains::default()).await.unwrap();
        page.domains.iter().map(|domain| format!("{} {}", domain.domain, domain.app)).collect()
    }

    async fn names(&self) -> Vec<String> {
        let page = self.apps().list_apps(&self.instance(), ListApps::default()).await.unwrap();
        page.apps.into_iter().map(|app| app.name.into()).collect()
    }

    async fn counted(&self) -> InstanceMetrics {
        self.engines.instances.metrics(&self.instance()).await.unwrap()
    }

    async fn history_of(&self, app: &AppRef) -> usize {
        let options = ListDeploys::default().with_app(Some(app.app.clone()));
        self.deploys().history(options).await.unwrap().deploys.len()
    }
}

/// An app that was added is stopped, answers nothing, and has no record.
pub async fn registering_does_not_deploy(harness: &dyn NodeHarness) {
    let bench = Bench::open(harness).await;
    let app = bench.add("shop").await;
    let found = bench.app(&app).await;
    assert_eq!((found.status, found.current_version), (AppStatus::Stopped, None));
    assert_eq!((found.previous_version, found.canary, found.error), (None, None, None));
    assert!(bench.page(&app).await.status >= 400);
    assert_eq!(bench.history_of(&app).await, 0);
}

/// A second app of a name is refused, and the first stays as it was.
pub async fn a_name_is_registered_once(harness: &dyn NodeHarness) {
    let bench = Bench::open(harness).await;
    let app = bench.live("shop").await;
    let before = bench.app(&app).await;
    let source = harness.site("other", "2.0.0").await;
    let again = NewApp::new(app.app.clone(), source).with_domains(vec![domain("new.example.com")]);
    expect(bench.apps().add_app(&app.instance, again).await, AlreadyExists, "app_exists", "again");
    assert_eq!(bench.app(&app).await, before);
    assert!(bench.domains().await.is_empty());
    assert_eq!(bench.served(&app).await, "1.0.0");
    // On another instance it is another app.
    bench.add_on(&harness.other_instance(), "shop", "shop").await;
}

/// A source that is not there is refused, and registers nothing.
pub async fn a_source_is_looked_at(harness: &dyn NodeHarness) {
    let bench = Bench::open(harness).await;
    let new = NewApp::new(app_name("shop"), "/no/such/source/of/an/app".parse().unwrap());
    let added = bench.apps().add_app(&bench.instance(), new).await;
    expect(added, InvalidInput, "source_not_found", "a source that is not there");
    assert!(bench.names().await.is_empty());
}

/// A domain of one app is refused to others until it is removed; to its own app it may be given again.
pub async fn a_domain_leads_to_one_app(harness: &dyn NodeHarness) {
    let bench = Bench::open(harness).await;
    let (shop, blog) = (bench.add("shop").await, bench.add("blog").await);
    let name = domain("www.example.com");
    bench.apps().add_domain(&shop, &name).await.unwrap();
    bench.apps().add_domain(&shop, &name).await.unwrap();
    expect(bench.apps().add_domain(&blog, &name).await, AlreadyExists, "domain_taken", "to another");
    let source = harness.site("third", "1.0.0").await;
    let third =
        NewApp::new(app_name("third"), source).with_domains(vec![domain("third.example.com"), name.clone()]);
    expect(bench.apps().add_app(&shop.instance, third).await, AlreadyExists, "domain_taken", "with an app");
    assert_eq!(bench.names().await, ["blog", "shop"]);
    assert_eq!(bench.domains().await, ["www.example.com shop"]);

    let taken = bench.apps().remove_domain(&shop.instance, Some(&blog.app), &name).await;
    expect(taken, NotFound, "domain_not_found", "from an app that has it not");
    bench.apps().remove_domain(&shop.instance, Some(&shop.app), &name).await.unwrap();
    let again = bench.apps().remove_domain(&shop.instance, None, &name).await;
    expect(again, NotFound, "domain_not_found", "a second time");
    bench.apps().add_domain(&blog, &name).await.unwrap();
    assert_eq!(bench.app(&blog).await.domains, [name]);
    assert!(bench.app(&shop).await.domains.is_empty());
}

/// Of a live app, a domain that was added is answered when that returns, and one that was removed no more.
pub async fn a_domain_leads_to_its_app_at_once(harness: &dyn NodeHarness) {
    let bench = Bench::open(harness).await;
    let shop = bench.live("shop").await;
    let name = domain("www.example.com");
    assert!(bench.get("www.example.com").await.status >= 400);
    bench.apps().add_domain(&shop, &name).await.unwrap();
    let answer = bench.get("www.example.com").await;
    assert_eq!((answer.status, answer.body.trim()), (200, "shop 1.0.0"));
    // Hosts have no case.
    assert_eq!(bench.get("WWW.Example.COM").await.status, 200);
    bench.apps().remove_domain(&shop.instance, None, &name).await.unwrap();
    assert!(bench.get("www.example.com").await.status >= 400);
    assert_eq!(bench.served(&shop).await, "1.0.0");
}

/// A wildcard stands for one label, and a domain by its whole name goes before.
pub async fn an_exact_domain_goes_before_a_wildcard(harness: &dyn NodeHarness) {
    let bench = Bench::open(harness).await;
    let (shop, blog) = (bench.live("shop").await, bench.live("blog").await);
    bench.apps().add_domain(&shop, &domain("*.example.com")).await.unwrap();
    bench.apps().add_domain(&blog, &domain("blog.example.com")).await.unwrap();
    assert_eq!(bench.get("any.example.com").await.body.trim(), "shop 1.0.0");
    assert_eq!(bench.get("blog.example.com").await.body.trim(), "blog 1.0.0");
    for host in ["example.com", "a.b.example.com"] {
        assert!(bench.get(host).await.status >= 400, "{host}");
    }
    let page = bench.apps().list_domains(&shop.instance, ListDomains::default()).await.unwrap();
    let wild: Vec<bool> = page.domains.iter().map(|domain| domain.is_wildcard).collect();
    assert_eq!(wild, [true, false]);
}

/// Pages hold every app once and in order; a cursor of another list is refused.
pub async fn apps_come_in_pages(harness: &dyn NodeHarness) {
    let bench = Bench::open(harness).await;
    for name in ["d", "a", "e", "c", "b"] {
        bench.add(name).await;
    }
    let (mut names, mut cursor) = (Vec::new(), None);
    loop {
        let options = ListApps::default().with_limit(PageSize::of::<2>()).with_cursor(cursor);
        let page = bench.apps().list_apps(&bench.instance(), options).await.unwrap();
        assert!((1..=2).contains(&page.apps.len()));
        names.extend(page.apps.into_iter().map(|app| String::from(app.name)));
        cursor = page.next_cursor;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(names, ["a", "b", "c", "d", "e"]);
    let foreign = ListApps::default().with_cursor(Some(foreign()));
    let listed = bench.apps().list_apps(&bench.instance(), foreign).await;
    expect(listed, InvalidInput, "invalid_cursor", "a foreign cursor");
}

/// Pages hold every domain once and in order, also those of one app; a cursor of another list is refused.
pub async fn domains_come_in_pages(harness: &dyn NodeHarness) {
    let bench = Bench::open(harness).await;
    let (shop, blog) = (bench.add("shop").await, bench.add("blog").await);
    for (app, name) in
        [(&shop, "c.example"), (&blog, "b.example"), (&shop, "a.example"), (&shop, "d.example")]
    {
        bench.apps().add_domain(app, &domain(name)).await.unwrap();
    }
    for (app, want) in [
        (None, &["a.example", "b.example", "c.example", "d.example"][..]),
        (Some(&shop), &["a.example", "c.example", "d.example"][..]),
    ] {
        let (mut names, mut cursor) = (Vec::new(), None);
        loop {
            let options = ListDomains::default()
                .with_app(app.map(|app| app.app.clone()))
                .with_limit(PageSize::of::<2>())
                .with_cursor(cursor);
            let page = bench.apps().list_domains(&bench.instance(), options).await.unwrap();
            assert!((1..=2).contains(&page.domains.len()));
            names.extend(page.domains.into_iter().map(|domain| String::from(domain.domain)));
            cursor = page.next_cursor;
            if cursor.is_none() {
                break;
            }
        }
        assert_eq!(names, want);
    }
    let foreign = ListDomains::default().with_cursor(Some(foreign()));
    let listed = bench.apps().list_domains(&bench.instance(), foreign).await;
    expect(listed, InvalidInput, "invalid_cursor", "a foreign cursor");
}

fn foreign() -> Cursor {
    Cursor::after("another list", b"a")
}

/// What was removed answers no more and leaves only its history; its name may be used again.
pub async fn a_removed_app_is_gone(harness: &dyn NodeHarness) {
    let bench = Bench::open(harness).await;
    let (shop, blog) = (bench.live("shop").await, bench.live("blog").await);
    bench.apps().add_domain(&shop, &domain("www.example.com")).await.unwrap();
    bench.apps().remove_app(&shop, Removal::KeepData).await.unwrap();
    assert_eq!(bench.names().await, ["blog"]);
    assert!(bench.domains().await.is_empty());
    for host in [own_host(&shop), "www.example.com".to_owned()] {
        assert!(bench.get(&host).await.status >= 400, "{host}");
    }
    assert_eq!(bench.served(&blog).await, "1.0.0");
    expect(
        bench.apps().remove_app(&shop, Removal::KeepData).await,
        NotFound,
        "app_not_found",
        "a second time",
    );
    assert_eq!(bench.history_of(&shop).await, 1);

    let again = bench.add("shop").await;
    let found = bench.app(&again).await;
    assert_eq!((found.status, found.current_version), (AppStatus::Stopped, None));
    assert!(found.domains.is_empty() && bench.page(&again).await.status >= 400);
}

/// What is removed with everything leaves no history, no database and no keys, and of what others have it takes nothing.
pub async fn a_removal_of_everything_leaves_nothing(harness: &dyn NodeHarness) {
    let bench = Bench::open(harness).await;
    let (shop, blog) = (bench.live("shop").await, bench.live("blog").await);
    let key: Key = "greeting".parse().unwrap();
    for app in [&shop, &blog] {
        let table = Statement::new("CREATE TABLE said (word TEXT)");
        bench.engines.database.execute(app, table).await.unwrap();
        let value = SetKey::new("hello".to_owned().try_into().unwrap());
        bench.engines.key_value.set(app, &key, value).await.unwrap();
    }
    let deploys = bench.engines.deploys().unwrap();
    let of_shop =
        ListDeploys::default().with_instance(Some(bench.instance())).with_app(Some(shop.app.clone()));
    bench.apps().remove_app(&shop, Removal::Everything).await.unwrap();
    expect(deploys.history(of_shop.clone()).await, NotFound, "app_not_found", "its history");
    bench.add("shop").await;
    assert!(deploys.history(of_shop).await.unwrap().deploys.is_empty());
    let tables = || Statement::new("SELECT name FROM sqlite_schema WHERE name = 'said'");
    assert!(bench.engines.database.query(&shop, tables()).await.unwrap().rows.is_empty());
    assert!(bench.engines.key_value.get(&shop, &key).await.unwrap().is_none());
    // Its name can be used again, as can what the name stands for.
    bench.engines.database.execute(&shop, Statement::new("CREATE TABLE said (word TEXT)")).await.unwrap();

    assert_eq!(bench.engines.database.query(&blog, tables()).await.unwrap().rows.len(), 1);
    assert!(bench.engines.key_value.get(&blog, &key).await.unwrap().is_some());
    assert_eq!(bench.history_of(&blog).await, 1);
}

/// An instance that is not known is refused, whatever else is wrong.
pub async fn an_unknown_instance_is_refused(harness: &dyn NodeHarness) {
    let bench = Bench::open(harness).await;
    let id: InstanceId = "no-such-instance".parse().unwrap();
    let app = AppRef::new(id.clone(), app_name("shop"));
    let name = domain("www.example.com");
    let apps = bench.apps();
    let code = "instance_not_found";
    let list = ListApps::default().with_cursor(Some(foreign()));
    expect(apps.list_apps(&id, list).await, NotFound, code, "list_apps");
    let new = NewApp::new(app_name("shop"), "/no/such/source/of/an/app".parse().unwrap());
    expect(apps.add_app(&id, new).await, NotFound, code, "add_app");
    expect(apps.remove_app(&app, Removal::KeepData).await, NotFound, code, "remove_app");
    let list = ListDomains::default().with_cursor(Some(foreign()));
    expect(apps.list_domains(&id, list).await, NotFound, code, "list_domains");
    expect(apps.add_domain(&app, &name).await, NotFound, code, "add_domain");
    expect(apps.remove_domain(&id, None, &name).await, NotFound, code, "remove_domain");
}

/// An app that is not known is refused, and near ones are named.
pub async fn an_unknown_app_is_refused(harness: &dyn NodeHarness) {
    let bench = Bench::open(harness).await;
    bench.add("shop").await;
    let near = bench.named("shpo");
    let (apps, name) = (bench.apps(), domain("www.example.com"));
    let error =
        expect(apps.remove_app(&near, Removal::KeepData).await, NotFound, "app_not_found", "remove_app");
    assert!(error.message().contains("shop"), "{error}");
    expect(apps.add_domain(&near, &name).await, NotFound, "app_not_found", "add_domain");
    let of_near = ListDomains::default().with_app(Some(near.app.clone()));
    expect(apps.list_domains(&near.instance, of_near).await, NotFound, "app_not_found", "list_domains");
}

/// Apps and domains are as they were after a restart.
pub async fn apps_survive_a_restart(harness: &dyn NodeHarness) {
    let bench = Bench::open(harness).await;
    let app = bench.add("shop").await;
    bench.apps().add_domain(&app, &domain("www.example.com")).await.unwrap();
    let before = bench.app(&app).await;
    let bench = bench.restart().await;
    assert_eq!(bench.app(&app).await, before);
    assert_eq!(bench.domains().await, ["www.example.com shop"]);
}

/// Apps and the requests that the gateway answers are counted.
pub async fn what_is_served_is_counted(harness: &dyn NodeHarness) {
    let bench = Bench::open(harness).await;
    let app = bench.live("shop").await;
    let before = bench.counted().await;
    assert_eq!(before.apps, 1);
    for _ in 0..3 {
        bench.served(&app).await;
    }
    let until = Until::new("three requests are counted");
    loop {
        let now = bench.counted().await;
        if now.requests >= before.requests + 3 && now.response_bytes > before.response_bytes {
            break;
        }
        until.next().await;
    }
    let health = bench.engines.instances.health(&bench.instance()).await.unwrap();
    assert_eq!(health.instance_id, bench.instance());
    assert_eq!((health.status, health.error), (crate::bext::engine::InstanceHealth::Healthy, None));
}
