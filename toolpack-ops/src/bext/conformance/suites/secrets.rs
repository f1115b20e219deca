//! Secrets go in and do not come out.

use std::sync::Arc;

use super::super::bench::Bench;
use super::super::finding::{Finding, Trouble, partial, seen};
use super::super::trial::checks;
use crate::bext::engine::{ListDeploys, ListSecrets, SecretName, SecretValue, Secrets, SecretsOf};

checks! {
    "an app sees a secret at its next release", "set, with the value that was given" => reaches;
    "an app does not see a secret before that", "not set" => not_before;
    "names of secrets are listed", "the name" => listed;
    "values of secrets are in nothing that can be read", "in no list, no record, no configuration" => not_shown;
    "a secret that is deleted is gone at the next release", "not set" => deleted;
    "deleting what is not there says so", "there was none" => deleted_twice;
}

const NAME: &str = "CONFORMANCE_SECRET";

/// The engine of secrets, and whose they are.
fn secrets(bench: &Bench) -> Option<(Arc<dyn Secrets>, SecretsOf)> {
    let of = SecretsOf { instance: bench.instance.clone(), app: Some(bench.process.app.clone()) };
    bench.engines.secrets.clone().map(|engine| (engine, of))
}

const NO_ENGINE: &str = "there is no engine for secrets";

fn value(bench: &Bench) -> String {
    format!("value-of-{}", bench.process.app.as_str())
}

async fn set(bench: &Bench, engine: &dyn Secrets, of: &SecretsOf) -> Result<SecretName, Trouble> {
    let name: SecretName = NAME.parse()?;
    engine.set_secret(of, &name, SecretValue::try_from(value(bench))?).await?;
    Ok(name)
}

/// What the app says of its variable.
async fn seen_by_app(bench: &Bench) -> Result<serde_json::Value, Trouble> {
    let answer = bench.ask(&bench.to_process(&format!("/env?name={NAME}"))).await?;
    Ok(serde_json::from_slice(&answer.body)?)
}

async fn reaches(bench: &Bench) -> Finding {
    let Some((engine, of)) = secrets(bench) else { return partial(NO_ENGINE) };
    set(bench, &*engine, &of).await?;
    bench.release_next(None).await?;
    let told = seen_by_app(bench).await?;
    let hash = blake3::hash(format!("{NAME}={}", value(bench)).as_bytes()).to_hex();
    let same = told["blake3"].as_str() == Some(hash.as_str());
    seen(
        told["set"] == true && same,
        format!("the app has it: {}, with the value that was given: {same}", told["set"]),
    )
}

async fn not_before(bench: &Bench) -> Finding {
    let Some((engine, of)) = secrets(bench) else { return partial(NO_ENGINE) };
    engine.delete_secret(&of, &NAME.parse()?).await?;
    bench.release_next(None).await?;
    set(bench, &*engine, &of).await?;
    let told = seen_by_app(bench).await?;
    seen(told["set"] == false, format!("the app has it: {}", told["set"]))
}

async fn listed(bench: &Bench) -> Finding {
    let Some((engine, of)) = secrets(bench) else { return partial(NO_ENGINE) };
    let name = set(bench, &*engine, &of).await?;
    let page = engine.list_secrets(&of, ListSecrets::default()).await?;
    let found = page.secrets.iter().any(|secret| secret.name == name);
    seen(found, format!("{} names, it among them: {found}", page.secrets.len()))
}

async fn not_shown(bench: &Bench) -> Finding {
    let Some((engine, of)) = secrets(bench) else { return partial(NO_ENGINE) };
    set(bench, &*engine, &of).await?;
    bench.release_next(None).await?;
    let of_app = ListDeploys::default()
        .with_instance(Some(bench.instance.clone()))
        .with_app(Some(bench.process.app.clone()));
    let mut readable = vec![
        ("the list of secrets", format!("{:?}", engine.list_secrets(&of, ListSecrets::default()).await?)),
        ("the list of apps", format!("{:?}", bench.listed(&bench.process).await?)),
        ("the history", format!("{:?}", bench.deploys.history(of_app).await?)),
    ];
    if let Some(configs) = &bench.engines.configs {
        readable.push(("the configuration", configs.read_config(&bench.instance).await?.toml));
    }
    let value = value(bench);
    let shown: Vec<&str> =
        readable.iter().filter(|(_, text)| text.contains(&value)).map(|(name, _)| *name).collect();
    seen(shown.is_empty(), if shown.is_empty() { "in none of them".to_owned() } else { shown.join(", ") })
}

async fn deleted(bench: &Bench) -> Finding {
    let Some((engine, of)) = secrets(bench) else { return partial(NO_ENGINE) };
    set(bench, &*engine, &of).await?;
    bench.release_next(None).await?;
    let was = engine.delete_secret(&of, &NAME.parse()?).await?;
    bench.release_next(None).await?;
    let told = seen_by_app(bench).await?;
    seen(was && told["set"] == false, format!("there was one: {was}; the app has it: {}", told["set"]))
}

async fn deleted_twice(bench: &Bench) -> Finding {
    let Some((engine, of)) = secrets(bench) else { return partial(NO_ENGINE) };
    engine.delete_secret(&of, &NAME.parse()?).await?;
    let again = engine.delete_secret(&of, &NAME.parse()?).await?;
    seen(!again, format!("there was one: {again}"))
}
