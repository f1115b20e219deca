//! The database and the keys of an app.

use std::time::{Duration, Instant};

use super::super::bench::Bench;
use super::super::finding::{Finding, Trouble, seen};
use super::super::trial::checks;
use crate::bext::engine::{AppRef, Changes, Key, ListKeys, Rows, SetKey, Statement, Ttl};
use crate::error::Error;

checks! {
    "what is written to a database is read back", "the row" => row;
    "a value is never read as SQL", "the very text" => bound;
    "a query does not write", "not_read_only, and the row still there" => read_only;
    "DROP is blocked", "sql_blocked" => dropped;
    "one statement and nothing after it", "multiple_statements" => one;
    "a database leads to no other file", "refused" => attach;
    "what is written under a key is read back", "the value" => key;
    "a key vanishes when its time has come", "there at first, gone some seconds later" => expiry, Waits;
    "keys are listed by what they begin with", "list:a and list:b, and no other" => prefix;
    "a deleted key is gone", "true, then false" => deleted;
    "an app reads none of another's data", "neither its key nor its table" => apart;
    "data outlives a release", "the value and the row" => outlives;
}

async fn execute(bench: &Bench, sql: &str) -> Result<Changes, Error> {
    bench.engines.database.execute(&bench.site, Statement::new(sql)).await
}

async fn query(bench: &Bench, sql: &str) -> Result<Rows, Error> {
    bench.engines.database.query(&bench.site, Statement::new(sql)).await
}

/// A table with one row.
async fn table(bench: &Bench) -> Result<(), Error> {
    execute(bench, "CREATE TABLE IF NOT EXISTS said (id INTEGER PRIMARY KEY, word TEXT)").await?;
    execute(bench, "INSERT OR REPLACE INTO said VALUES (1, 'hello')").await?;
    Ok(())
}

async fn word(bench: &Bench) -> Result<String, Trouble> {
    let rows = query(bench, "SELECT word FROM said WHERE id = 1").await?;
    Ok(serde_json::to_string(&rows.rows)?)
}

fn refused<T>(result: Result<T, Error>, code: &str) -> Finding {
    match result {
        Ok(_) => seen(false, "no error"),
        Err(error) => seen(error.code() == code, error.code()),
    }
}

async fn row(bench: &Bench) -> Finding {
    table(bench).await?;
    let word = word(bench).await?;
    seen(word == "[[\"hello\"]]", word)
}

async fn bound(bench: &Bench) -> Finding {
    table(bench).await?;
    let text = "x'); DELETE FROM said; --";
    let insert = Statement::new("INSERT OR REPLACE INTO said VALUES (2, ?1)")
        .with_params(vec![crate::bext::engine::Param::Text(text.to_owned())]);
    bench.engines.database.execute(&bench.site, insert).await?;
    let rows = serde_json::to_value(query(bench, "SELECT word FROM said WHERE id = 2").await?.rows)?;
    seen(rows == serde_json::json!([[text]]), rows)
}

async fn read_only(bench: &Bench) -> Finding {
    table(bench).await?;
    let result = query(bench, "DELETE FROM said").await;
    let word = word(bench).await?;
    if word != "[[\"hello\"]]" {
        return seen(false, "the row is gone");
    }
    refused(result, "not_read_only")
}

async fn dropped(bench: &Bench) -> Finding {
    table(bench).await?;
    refused(execute(bench, "DROP TABLE said").await, "sql_blocked")
}

async fn one(bench: &Bench) -> Finding {
    table(bench).await?;
    refused(execute(bench, "DELETE FROM said; DELETE FROM said").await, "multiple_statements")
}

async fn attach(bench: &Bench) -> Finding {
    match execute(bench, "ATTACH DATABASE 'other.sqlite' AS other").await {
        Ok(_) => seen(false, "no error"),
        Err(error) => seen(true, error.code()),
    }
}

fn a_key(name: &str) -> Result<Key, Error> {
    name.parse()
}

async fn set(bench: &Bench, name: &str, ttl: Option<Ttl>) -> Result<(), Trouble> {
    let options = SetKey::new("value".to_owned().try_into()?).with_ttl(ttl);
    bench.engines.key_value.set(&bench.site, &a_key(name)?, options).await?;
    Ok(())
}

async fn get(bench: &Bench, app: &AppRef, name: &str) -> Result<Option<String>, Trouble> {
    Ok(bench.engines.key_value.get(app, &a_key(name)?).await?.map(|entry| entry.value))
}

async fn key(bench: &Bench) -> Finding {
    set(bench, "plain", None).await?;
    let found = get(bench, &bench.site, "plain").await?;
    seen(found.as_deref() == Some("value"), format!("{found:?}"))
}

async fn expiry(bench: &Bench) -> Finding {
    // Long enough that it is looked at in time on a machine that is busy.
    set(bench, "short", Some(Ttl::try_from(3)?)).await?;
    let before = get(bench, &bench.site, "short").await?.is_some();
    let deadline = Instant::now() + Duration::from_secs(8);
    let mut gone = false;
    while !gone && Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(100)).await;
        gone = get(bench, &bench.site, "short").await?.is_none();
    }
    seen(before && gone, format!("there at first: {before}, gone: {gone}"))
}

async fn prefix(bench: &Bench) -> Finding {
    for name in ["list:a", "list:b", "other"] {
        set(bench, name, None).await?;
    }
    let options = ListKeys::default().with_prefix("list:".to_owned().try_into()?);
    let page = bench.engines.key_value.list(&bench.site, options).await?;
    let keys: Vec<&str> = page.keys.iter().map(Key::as_str).collect();
    seen(keys == ["list:a", "list:b"], format!("{} keys: {}", keys.len(), keys.join(", ")))
}

async fn deleted(bench: &Bench) -> Finding {
    set(bench, "gone", None).await?;
    let key = a_key("gone")?;
    let first = bench.engines.key_value.delete(&bench.site, &key).await?.deleted;
    let second = bench.engines.key_value.delete(&bench.site, &key).await?.deleted;
    seen(first && !second, format!("{first}, then {second}"))
}

async fn apart(bench: &Bench) -> Finding {
    set(bench, "mine", None).await?;
    let key = get(bench, &bench.other, "mine").await?;
    table(bench).await?;
    let rows = bench.engines.database.query(&bench.other, Statement::new("SELECT word FROM said")).await;
    seen(key.is_none() && rows.is_err(), format!("its key: {}, its table: {}", key.is_some(), rows.is_ok()))
}

async fn outlives(bench: &Bench) -> Finding {
    table(bench).await?;
    set(bench, "stays", None).await?;
    bench.write_site(&bench.site).await?;
    bench.release(&bench.site, None, None).await?;
    let (word, value) = (word(bench).await?, get(bench, &bench.site, "stays").await?);
    seen(word == "[[\"hello\"]]" && value.is_some(), format!("{word} and {value:?}"))
}
