//! Promises of [`Secrets`].

use std::time::Duration;

use super::expect;
use super::node::{Bench, NodeHarness, Until, app_name};
use crate::bext::engine::{
    AppRef, Cursor, InstanceId, ListSecrets, NewApp, PageSize, Removal, SecretName, SecretPage, SecretValue,
    Secrets, SecretsOf,
};
use crate::error::ErrorKind::{InvalidInput, NotFound};

const VALUE: &str = "correct horse battery staple";

impl Bench<'_> {
    fn secrets(&self) -> &dyn Secrets {
        &**self.engines.secrets().unwrap()
    }

    async fn set_secret(&self, of: &SecretsOf, name: &str, value: &str) {
        self.secrets().set_secret(of, &secret(name), secret_value(value)).await.unwrap();
    }

    async fn secret_page(&self, of: &SecretsOf) -> SecretPage {
        self.secrets().list_secrets(of, ListSecrets::default()).await.unwrap()
    }

    async fn secret_names(&self, of: &SecretsOf) -> Vec<String> {
        self.secret_page(of).await.secrets.into_iter().map(|secret| secret.name.into()).collect()
    }

    /// Registers an app that answers with its variable `TOKEN`.
    async fn teller(&self) -> AppRef {
        let source = self.harness.process("teller", "TOKEN").await;
        self.apps().add_app(&self.instance(), NewApp::new(app_name("teller"), source)).await.unwrap();
        self.named("teller")
    }

    /// What the app answers with, once it does.
    async fn tells(&self, app: &AppRef) -> String {
        let until = Until::new("the app answers");
        loop {
            let answer = self.page(app).await;
            if answer.status == 200 {
                return answer.body.trim().to_owned();
            }
            until.next_after(&answer).await;
        }
    }
}

fn secret(name: &str) -> SecretName {
    name.parse().unwrap()
}

fn secret_value(text: &str) -> SecretValue {
    SecretValue::try_from(text.to_owned()).unwrap()
}

fn of_all(bench: &Bench<'_>) -> SecretsOf {
    SecretsOf { instance: bench.instance(), app: None }
}

fn own_of(app: &AppRef) -> SecretsOf {
    SecretsOf { instance: app.instance.clone(), app: Some(app.app.clone()) }
}

/// Names are listed in order; no answer, error or `Debug` has a value.
pub async fn names_come_out_and_values_never_do(harness: &dyn NodeHarness) {
    let bench = Bench::open(harness).await;
    let all = of_all(&bench);
    assert!(bench.secret_names(&all).await.is_empty());
    for name in ["B", "_C", "A"] {
        bench.set_secret(&all, name, VALUE).await;
    }
    let page = bench.secret_page(&all).await;
    assert_eq!(bench.secret_names(&all).await, ["A", "B", "_C"]);
    let shown = format!("{page:?} {:?} {:?}", secret_value(VALUE), bench.engines);
    let refused = bench.secrets().set_secret(&all, &secret("PORT"), secret_value(VALUE)).await;
    let error = refused.expect_err("PORT is the engine's own");
    for text in [shown, format!("{error} {error:?}")] {
        assert!(!text.contains(VALUE), "a value is shown");
    }
}

/// One name has one value, and the time is that of the last one.
pub async fn a_set_replaces_and_says_when(harness: &dyn NodeHarness) {
    let bench = Bench::open(harness).await;
    let all = of_all(&bench);
    bench.set_secret(&all, "TOKEN", "one").await;
    let before = bench.secret_page(&all).await.secrets;
    harness.advance(Duration::from_secs(60));
    bench.set_secret(&all, "TOKEN", "").await;
    let after = bench.secret_page(&all).await.secrets;
    assert_eq!((before.len(), after.len()), (1, 1));
    assert!(after[0].updated_at >= before[0].updated_at.plus(Duration::from_secs(60)));
}

/// Deleting says whether there was one, and a second time there is none.
pub async fn deleting_says_whether_there_was_one(harness: &dyn NodeHarness) {
    let bench = Bench::open(harness).await;
    let all = of_all(&bench);
    bench.set_secret(&all, "TOKEN", VALUE).await;
    // Names have a case.
    assert!(!bench.secrets().delete_secret(&all, &secret("token")).await.unwrap());
    assert!(bench.secrets().delete_secret(&all, &secret("TOKEN")).await.unwrap());
    assert!(!bench.secrets().delete_secret(&all, &secret("TOKEN")).await.unwrap());
    assert!(bench.secret_names(&all).await.is_empty());
}

/// Those of an app, of another one, and of the whole instance are apart; they go with the app.
pub async fn an_app_has_its_own(harness: &dyn NodeHarness) {
    let bench = Bench::open(harness).await;
    let (shop, blog) = (bench.add("shop").await, bench.add("blog").await);
    bench.set_secret(&own_of(&shop), "OF_SHOP", VALUE).await;
    bench.set_secret(&of_all(&bench), "OF_ALL", VALUE).await;
    assert_eq!(bench.secret_names(&own_of(&shop)).await, ["OF_SHOP"]);
    assert_eq!(bench.secret_names(&of_all(&bench)).await, ["OF_ALL"]);
    assert!(bench.secret_names(&own_of(&blog)).await.is_empty());
    assert!(!bench.secrets().delete_secret(&own_of(&blog), &secret("OF_SHOP")).await.unwrap());
    bench.apps().remove_app(&shop, Removal::KeepData).await.unwrap();
    bench.add("shop").await;
    assert!(bench.secret_names(&own_of(&shop)).await.is_empty());
    assert_eq!(bench.secret_names(&of_all(&bench)).await, ["OF_ALL"]);
}

/// Pages hold every name once and in order; a cursor of another list is refused.
pub async fn names_come_in_pages(harness: &dyn NodeHarness) {
    let bench = Bench::open(harness).await;
    let all = of_all(&bench);
    for name in ["E", "B", "D", "A", "C"] {
        bench.set_secret(&all, name, VALUE).await;
    }
    let (mut names, mut cursor) = (Vec::new(), None);
    loop {
        let options = ListSecrets::default().with_limit(PageSize::of::<2>()).with_cursor(cursor);
        let page = bench.secrets().list_secrets(&all, options).await.unwrap();
        assert!((1..=2).contains(&page.secrets.len()));
        names.extend(page.secrets.into_iter().map(|secret| String::from(secret.name)));
        cursor = page.next_cursor;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(names, ["A", "B", "C", "D", "E"]);
    let foreign = ListSecrets::default().with_cursor(Some(Cursor::after("another list", b"a")));
    let listed = bench.secrets().list_secrets(&all, foreign).await;
    expect(listed, InvalidInput, "invalid_cursor", "a foreign cursor");
}

/// What the engine itself puts into the environment cannot be set.
pub async fn what_the_engine_sets_is_reserved(harness: &dyn NodeHarness) {
    let bench = Bench::open(harness).await;
    let set = bench.secrets().set_secret(&of_all(&bench), &secret("PORT"), secret_value("1")).await;
    expect(set, InvalidInput, "secret_reserved", "PORT");
    assert!(bench.secret_names(&of_all(&bench)).await.is_empty());
}

/// Secrets of an app or instance that there is not are refused.
pub async fn an_unknown_app_has_none(harness: &dyn NodeHarness) {
    let bench = Bench::open(harness).await;
    let nobody = own_of(&bench.named("nobody"));
    let id: InstanceId = "no-such-instance".parse().unwrap();
    let nowhere = SecretsOf { instance: id, app: Some(app_name("nobody")) };
    for (of, code) in [(nobody, "app_not_found"), (nowhere, "instance_not_found")] {
        let secrets = bench.secrets();
        let listed = secrets.list_secrets(&of, ListSecrets::default()).await;
        expect(listed, NotFound, code, "list_secrets");
        let set = secrets.set_secret(&of, &secret("TOKEN"), secret_value(VALUE)).await;
        expect(set, NotFound, code, "set_secret");
        expect(secrets.delete_secret(&of, &secret("TOKEN")).await, NotFound, code, "delete_secret");
    }
}

/// What runs keeps what it was started with; the next deploy has what is set by then, the app's own before that of all.
pub async fn an_app_sees_a_secret_at_its_next_deploy(harness: &dyn NodeHarness) {
    let bench = Bench::open(harness).await;
    let app = bench.teller().await;
    bench.set_secret(&of_all(&bench), "TOKEN", "of all").await;
    bench.deploy(&app).await;
    assert_eq!(bench.tells(&app).await, "of all");
    bench.set_secret(&own_of(&app), "TOKEN", "its own").await;
    assert_eq!(bench.tells(&app).await, "of all");
    bench.deploy(&app).await;
    assert_eq!(bench.tells(&app).await, "its own");
    assert!(bench.secrets().delete_secret(&own_of(&app), &secret("TOKEN")).await.unwrap());
    assert!(bench.secrets().delete_secret(&of_all(&bench), &secret("TOKEN")).await.unwrap());
    bench.deploy(&app).await;
    assert_eq!(bench.tells(&app).await, "");
}

/// After a restart the names are there, and an app that is started again sees the values.
pub async fn secrets_survive_a_restart(harness: &dyn NodeHarness) {
    let bench = Bench::open(harness).await;
    let app = bench.teller().await;
    bench.set_secret(&own_of(&app), "TOKEN", VALUE).await;
    bench.deploy(&app).await;
    let before = bench.secret_page(&own_of(&app)).await.secrets;
    let bench = bench.restart().await;
    assert_eq!(bench.secret_page(&own_of(&app)).await.secrets, before);
    assert_eq!(bench.tells(&app).await, VALUE);
}
